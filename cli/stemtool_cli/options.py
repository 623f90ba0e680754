"""What several commands say and show alike."""

from __future__ import annotations

import json
import math
import re
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daw_bridge.jobs.job import Progress, Result
    from daw_bridge.jobs.render import StemMaker
    from daw_bridge.separation.options import SeparationOptions


cache_limit_option = click.option(
    "--cache-limit", type=click.FloatRange(0), default=4.0, show_default=True, metavar="GB",
    help="How much the stems may take that are kept for the next time; 0: none are.",
)  # fmt: skip

_METHOD_OPTIONS = (
    click.option(
        "--extension", type=click.Choice(["ratio", "zeros"]),
        help="Above the network's band: share it, so that stems sum to the mixture, or drop it."
        " Default: ratio.",
    ),
    click.option(
        "--bandwidth", metavar="NAME", help="The network's band, 11k or 16k. Default: 11k."
    ),
    click.option(
        "--overlap", type=click.FloatRange(0, 0.5),
        help="Share of a segment that is cross-faded with the next. Default: as the model has it.",
    ),
    click.option(
        "--wiener", type=click.IntRange(0), default=0, metavar="N",
        help="Rounds of multichannel Wiener refinement. Default: 0.",
    ),
    click.option(
        "--shifts", type=click.IntRange(1), default=1, metavar="N",
        help="Average N separations, each with segments cut elsewhere; takes N times as long."
        " Default: 1.",
    ),
    click.option(
        "--compat", type=click.Choice(["spleeter"]),
        help="Take Spleeter's choices for all that is not said: zeros above 11 kHz, no overlap.",
    ),
)  # fmt: skip


def method_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how to separate; :func:`separation_options` reads them."""
    for option in reversed(_METHOD_OPTIONS):
        command = option(command)
    return command


def separation_options(choices: dict[str, Any]) -> SeparationOptions:
    """Return how to separate as a command's options say."""
    from daw_bridge.separation.options import SeparationOptions

    options = SeparationOptions.spleeter() if choices["compat"] else SeparationOptions()
    said = {
        name: choices[name]
        for name in ("stems", "extension", "bandwidth", "overlap", "downmix")
        if choices.get(name) is not None
    }
    counts = {"wiener_iterations": choices["wiener"], "shifts": choices["shifts"]}
    return replace(options, **counts, **said)


def make_maker(choices: dict[str, Any]) -> StemMaker:
    """Return what makes stems as a command's options say, or finds them in the cache."""
    from daw_bridge.jobs.cache import StemCache
    from daw_bridge.jobs.render import StemMaker
    from daw_bridge.library.manifest import load_manifest
    from daw_bridge.separation.separator import Separator

    model, provider, threads = (choices[name] for name in ("model", "provider", "threads"))
    limit_bytes = round(choices["cache_limit"] * 1e9)
    return StemMaker(
        load_manifest(model),
        lambda: Separator(model, provider=provider, threads=threads),
        StemCache(limit_bytes=limit_bytes) if limit_bytes else None,
    )


def read_seconds(text: str) -> float:
    """Read a time: seconds, or [hours:]minutes:seconds."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise click.BadParameter(f"'{text}' is no time; write seconds or 1:23.5.")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


@contextmanager
def show_progress(label: str, *, quiet: bool) -> Iterator[Progress | None]:
    """Show a bar with the time left on a terminal, and nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def describe_result(result: Result) -> dict[str, Any]:
    """Return what a job came to, for JSON."""
    return asdict(result) | {"times_real_time": result.times_real_time}


def to_json(report: Any) -> str:
    """Return a report as JSON: paths as text, and nothing for what is infinite or no number."""
    return json.dumps(_plain(report), indent=2)


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
