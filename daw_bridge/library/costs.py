"""What models cost on this machine: how many seconds a second of audio takes, in a small file.

    <cache>/costs.json    what was measured last, the newest at the end

A model has a cost for each machine, provider, number of threads and precision, and another one when
its version or that of a model that it is made of changes.
"""

from __future__ import annotations

import logging
import platform
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from daw_bridge.errors import OutputError
from daw_bridge.files.atomic import write_whole
from daw_bridge.files.folders import locked
from daw_bridge.files.reach import read_small
from daw_bridge.library.manifest import MagnitudeModel, PublishedModel
from daw_bridge.library.models import load_components
from daw_bridge.library.names import Line, ModelName
from daw_bridge.library.places import cache_folder
from daw_bridge.system import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from daw_bridge.library.manifest import ModelManifest

MAX_COSTS = 500
_MAX_BYTES = 1 << 20
_MAX_VERSIONS = 8192
_MAX_MACHINE = 100
_CPU = "cpu"

_TYPICAL = {
    "spleeter": 0.02,
    "openunmix": 0.06,
    "xumx": 0.07,
    "d3net": 6.0,
    "demucs": 0.5,
    "hdemucs": 0.4,
    "mdx": 0.3,
    "roformer": 6.7,
}
"""By family, for networks of the published sizes on two cores (docs/models.md, What they cost)."""
_TYPICAL_NETWORK = 0.02
"""Of masks, which lies beside a manifest: models/bridge-4stems has two."""
_TYPICAL_FILTER = 0.012
"""models/classic-4stems has two."""

_log = logging.getLogger(__name__)


class Conditions(NamedTuple):
    """What a cost depends on beside the model.

    Attributes:
        provider: as ``--provider`` takes it.
        threads: CPU threads; None: as many as this process may use.
        precision: what the network computes in.
    """

    provider: str = "auto"
    threads: int | None = None
    precision: str = "float"


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model was measured to cost.

    Attributes:
        model: its name.
        versions: its own, and those of the models that it is made of.
        machine: where.
        provider: what it really ran on.
        threads: CPU threads.
        precision: what it computed in.
        seconds: that a second of audio took.
    """

    model: ModelName
    versions: Annotated[str, msgspec.Meta(max_length=_MAX_VERSIONS)]
    machine: Line
    provider: Line
    threads: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)]
    precision: Line
    seconds: Annotated[float, msgspec.Meta(gt=0, le=1e6)]

    @classmethod
    def of(cls, manifest: ModelManifest, conditions: Conditions, seconds: float) -> Cost:
        """Return what a model costs on this machine, which ran on the provider that is named."""
        return cls(
            model=manifest.name,
            versions=_versions(manifest),
            machine=_machine(),
            provider=conditions.provider,
            threads=conditions.threads or usable_cpus(),
            precision=conditions.precision,
            seconds=seconds,
        )

    def replaces(self, other: Cost) -> bool:
        """Return whether it is of the same model under the same conditions as an older one."""
        names = ("model", "machine", "provider", "threads", "precision")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def read_costs() -> list[Cost]:
    """Return what was measured; a file that is damaged holds nothing, and says so in the log."""
    path = _file()
    try:
        costs = msgspec.json.decode(read_small(path, at_most=_MAX_BYTES), type=list[Cost])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        _log.warning(
            "What models cost was measured, but %s cannot be read (%s); it is measured anew.",
            path,
            error,
        )
        return []
    return costs[-MAX_COSTS:]


def find_cost(
    costs: Iterable[Cost], manifest: ModelManifest, conditions: Conditions
) -> float | None:
    """Return how many seconds a second of audio takes; None where that was not measured.

    ``auto`` stands for another provider than the CPU, where one was measured.
    """
    wanted = Cost.of(manifest, conditions, 1.0)
    found = {
        cost.provider: cost.seconds
        for cost in costs
        if cost.versions == wanted.versions
        and wanted.replaces(msgspec.structs.replace(cost, provider=wanted.provider))
    }
    if conditions.provider not in ("auto", "gpu"):
        return found.get(conditions.provider)
    others = [seconds for provider, seconds in found.items() if provider != _CPU]
    if others or conditions.provider == "gpu":
        return others[-1] if others else None
    return found.get(_CPU)


def typical_cost(manifest: ModelManifest) -> float | None:
    """Return what a model of its kind costs on two cores; None where nobody measured that.

    A bag of Demucs's networks costs as much as all of them.
    """
    costs = [_own_typical_cost(each) for each in load_components(manifest)]
    known = [cost for cost in costs if cost is not None]
    return sum(known) or None if len(known) == len(costs) else None


def _own_typical_cost(manifest: ModelManifest) -> float | None:
    """Return what the networks of a model itself cost, not of those that it is made of."""
    committed = len(tuple(manifest.committed))
    origin = manifest if isinstance(manifest, PublishedModel) else manifest.network
    if origin:
        cost = _TYPICAL.get(origin.family)
        is_bag = origin.family == "hdemucs" and manifest.sources[0].files
        return cost and cost * (len(manifest.sources[0].files) if is_bag else 1)
    if not isinstance(manifest, MagnitudeModel):
        return None if committed else 0.0
    filters = sum(splitter.filter is not None for splitter in manifest.splitters)
    return _TYPICAL_NETWORK * committed + _TYPICAL_FILTER * filters


def keep_cost(cost: Cost, *, is_average: bool = False) -> None:
    """Keep what was measured, in the place of what was measured before.

    What cannot be written is not kept, and does no harm.

    Args:
        cost: what was measured.
        is_average: keep the mean with what was measured before, as one song says less.
    """
    path = _file()
    try:
        with locked(path, cache_folder()):
            content = msgspec.json.encode(_with(read_costs(), cost, is_average=is_average))
            write_whole(path, msgspec.json.format(content))
    except (OSError, OutputError) as error:
        _log.warning("What %s costs is not kept in %s: %s", cost.model, path, error)


def _with(costs: Sequence[Cost], cost: Cost, *, is_average: bool) -> list[Cost]:
    """Return costs with another one, which is the newest."""
    kept = [each for each in costs if not cost.replaces(each)]
    if is_average:
        for old in costs:
            if cost.replaces(old) and cost.versions == old.versions:
                cost = msgspec.structs.replace(cost, seconds=(cost.seconds + old.seconds) / 2)
    return [*kept, cost][-MAX_COSTS:]


def _file() -> Path:
    return cache_folder() / "costs.json"


def _versions(manifest: ModelManifest) -> str:
    return " ".join(each.version for each in load_components(manifest))


def _machine() -> str:
    """Return what tells this machine from others that share the user's folders."""
    known = f"{platform.node()} {platform.machine()} {usable_cpus()}"
    return "".join(filter(str.isprintable, known))[:_MAX_MACHINE]
