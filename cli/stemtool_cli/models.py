"""``stemtool models``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from daw_bridge.errors import DawBridgeError, OptionError
from daw_bridge.library.places import DEFAULT_MODEL
from stemtool_cli.options import (
    Engine,
    gathered,
    json_option,
    provider_options,
    show_progress,
    to_json,
)
from stemtool_cli.streams import complain, show
from stemtool_cli.train import missing_extra

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daw_bridge.library.costs import Cost
    from daw_bridge.library.manifest import ModelManifest


@click.group()
def models() -> None:
    """Show, fetch and verify models.

    \b
    Examples:
      stemtool models list --available
      stemtool models pull spleeter-2stems
      stemtool models time                      how fast those that are here are on this machine
      stemtool models quantise htdemucs song.flac  for --precision int8
      stemtool models import 4stems.tar.gz      a checkpoint that you have, for -m
      stemtool models export run/best.ckpt      what you trained yourself, likewise
    """


@models.command("list")
@click.option("--available", is_flag=True, help="Those whose weights can be fetched as well.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_models(*, available: bool, as_json: bool) -> None:
    """List the models that are on this machine.

    The rest is fetched when it is used first, or by `stemtool models pull`. Figures of stems are
    published ones; on which data, and by whom, is in --json. How fast a model is here is known once
    it was used, or by `stemtool models time`.
    """
    from daw_bridge.library.catalogue import load_published
    from daw_bridge.library.costs import read_costs
    from daw_bridge.library.models import load_manifests

    costs = read_costs()
    manifests = (*load_manifests(), *load_published())
    every = [_describe(manifest, costs) for manifest in manifests]
    rows = [row for row in every if available or row["weights"] != "not fetched yet"]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for line in _align([_HEADINGS, *map(_cells, rows)]):
        show(line)
    if len(rows) < len(every):
        hidden = len(every) - len(rows)
        click.echo(f"{hidden} more can be fetched: stemtool models list --available", err=True)


@models.command("show")
@click.argument("name")
def show_model(name: str) -> None:
    """Show all that is known about the model NAME, its sources and hashes included.

    What `stemtool models quantise` measured of its networks stands below int8.
    """
    import msgspec

    from daw_bridge.weights.quantised import measured_of

    manifest = _manifest(name)
    known = msgspec.to_builtins(manifest)
    if any(measured := list(measured_of(manifest))):
        known["int8"] = msgspec.to_builtins(measured)
    click.echo(json.dumps(known, indent=2))


@models.command("pull")
@click.argument("name")
def pull_model(name: str) -> None:
    """Fetch and convert the model NAME, or its weights, unless they are here and intact.

    What a cut connection leaves is continued by the next pull. Prints the path of each network
    that the model is made of.
    """
    from daw_bridge.weights.installing import ensure_networks
    from daw_bridge.weights.obtaining import mend_model

    with show_progress(f"Fetching {name}", quiet=False) as progress:
        paths = ensure_networks(mend_model(name, progress), progress)
    _tell_clients()
    for path in paths:
        show(path)


@models.command("quantise")
@click.argument("name")
@click.argument("song", required=False, type=click.Path(path_type=Path))
@click.option(
    "--at-most", "at_most_db", type=float, metavar="DB",
    help="How far below the stems may lie what changes of them. Default: -35.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads. Default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def quantise_model(
    name: str,
    song: Path | None,
    *,
    at_most_db: float | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Bring the model NAME to int8, for --precision int8, which is faster on CPUs.

    Some excerpts of SONG are separated in float and in int8; matrix products that lose too much
    stay in float. Without SONG, that is the example that came with the weights, if there is one.
    The model stays as it is: its int8 networks lie in the cache.
    """
    from daw_bridge.separation.quantising import WANTED_DB
    from daw_bridge.separation.quantising import quantise_model as quantise

    wanted_db = WANTED_DB if at_most_db is None else at_most_db
    made = quantise(name, song, at_most_db=wanted_db, threads=threads)
    if as_json:
        click.echo(to_json(made._asdict()))
        return
    show(
        f"{name}: {made.products - made.left} of {made.products} products in int8,"
        f" {made.share:.0%} of what they multiply; on {made.song.name}, what changes of the stems"
        f" is at {made.residual_db:.1f} dB."
    )
    show(f"stemtool separate -m {name} --precision int8 SONG takes them.")


@models.command("verify")
@click.option("--urls", is_flag=True, help="Ask the addresses of models instead.")
def verify_models(*, urls: bool) -> None:
    """Verify the weights on this machine; exit with an error if any are corrupt.

    With --urls, ask each address of the catalogue and of the manifests whether its file is there,
    and fetch nothing; exit with an error if any is not.
    """
    is_sound = _verify_addresses() if urls else _verify_weights()
    if not is_sound:
        raise click.exceptions.Exit(1)


@models.command("time")
@click.argument("names", nargs=-1, metavar="[NAMES...]")
@provider_options
@json_option
@gathered(engine=Engine)
def time_models(names: tuple[str, ...], *, engine: Engine, as_json: bool) -> None:
    """Measure how long models take on this machine: those called NAMES, or all that are here.

    Each separates noise for some seconds or, if it is slow, for minutes. What was measured is kept
    for `stemtool models list`, for --quality, and to say how long a song will take; songs that are
    separated update it.
    """
    from daw_bridge.jobs.choosing import find_here
    from daw_bridge.library.ladder import describe_cost

    costs, failures = [], 0
    for name in find_here(names):
        try:
            cost = _time(replace(engine, model=name))
        except DawBridgeError as error:
            complain(error)
            failures += 1
            continue
        costs.append(cost)
        if not as_json:
            place = f"on {cost.provider} in {cost.precision}, {cost.threads} threads"
            show(f"{name}: {describe_cost(cost.seconds)} {place}")
    if as_json:
        click.echo(json.dumps([_describe_cost(cost) for cost in costs], indent=2))
    if failures:
        raise click.exceptions.Exit(1)


def _describe_cost(cost: Cost) -> dict[str, Any]:
    """Return what was measured, for JSON."""
    import msgspec

    return {**msgspec.to_builtins(cost), "times_real_time": 1 / cost.seconds}


def _time(engine: Engine) -> Cost:
    """Load a model and measure what it costs."""
    from daw_bridge.jobs.timing import time_model

    with engine.open() as separator:
        return time_model(separator)


@models.command("import")
@click.argument("place", metavar="PATH|URL")
@click.option("--family", help="What wrote the checkpoint; by default its content tells.")
@click.option("--name", help="What -m will take; by default the name of the file.")
@click.option("--stems", metavar="A,B,...", help="Names of the stems, in the checkpoint's order.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The configuration that the checkpoint was trained by.",
)
@click.option("--sha256", metavar="HASH", help="What the file must hash to.")
@click.option("--trust", is_flag=True, help="Run code in the checkpoint, where it needs that.")
@click.option("--overwrite", is_flag=True, help="Take the place of a model of the same name.")
def import_model(
    place: str,
    *,
    family: str | None,
    name: str | None,
    stems: str | None,
    config: Path | None,
    sha256: str | None,
    trust: bool,
    overwrite: bool,
) -> None:
    """Make a model of a checkpoint: a file, a folder, or one that a URL gives.

    A file that `stemtool models show NAME` names becomes the weights of that model, and so does a
    folder of the files that it names together.
    """
    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.weights.importing import ImportOptions, import_checkpoint
    from daw_bridge.weights.installing import weights_folder

    wishes = ImportWishes(
        stems=tuple(stems.split(",")) if stems else (), configuration=config, trust=trust
    )
    options = ImportOptions(family, name, sha256, overwrite, wishes)
    with show_progress("Fetching", quiet=False) as progress:
        manifest = import_checkpoint(place, options, progress)
    _tell_clients()
    show(f"{manifest.name}: {weights_folder(manifest)}")
    if manifest.stages:
        for source in manifest.sources:
            show(f"sha256 of {source.file}: {source.sha256}")
    show(f"stemtool separate -m {manifest.name} SONG makes {', '.join(manifest.stems)}.")


@models.command("export")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The folder that gets a folder of the model's name; by default your models' own.",
)
@click.option("--single", is_flag=True, help="Keep single precision: twice the size.")
def export_model(checkpoint: Path, *, output: Path | None, single: bool) -> None:
    """Make a model of CHECKPOINT, which `stemtool train` wrote; -m then takes its name.

    The graph is held against the network that was trained. Half precision, which makes files half
    as large, is used where stems do not suffer. Licence and attribution in the manifest are for
    you to fill in.
    """
    from daw_bridge.library.places import data_folder

    try:
        from daw_bridge.training.export import export
    except ImportError as error:
        raise OptionError(missing_extra(error)) from error
    done = export(checkpoint, output or data_folder() / "models", half=not single)
    _tell_clients()
    precision = "single" if done.half_db is None else f"half ({done.half_db:.0f} dB)"
    show(f"{done.manifest}: {done.parity_db:.0f} dB from torch, {precision} precision")


@models.command("path")
@click.argument("name", default=DEFAULT_MODEL)
def model_path(name: str) -> None:
    """Print the folder of the networks of the model NAME, spleeter-2stems by default.

    For a model that is made of others that is its own folder, not theirs.
    """
    from daw_bridge.weights.installing import weights_folder

    show(weights_folder(_manifest(name)))


_SOUND = ("intact", "not fetched yet")
_HEADINGS = (
    "model", "family", "stems, SDR in dB", "speed here", "licence", "commercial use", "weights",
    "download",
)  # fmt: skip


def _describe(manifest: ModelManifest, costs: Sequence[Cost]) -> dict[str, Any]:
    """Return a model's row of the list, for JSON."""
    import msgspec

    from daw_bridge.library.licences import is_free_for_commercial_use
    from daw_bridge.library.manifest import PublishedModel
    from daw_bridge.weights.obtaining import locate_model

    origin = manifest if isinstance(manifest, PublishedModel) else manifest.network
    source = manifest.sources[0] if origin else None
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "family": origin.family if origin else None,
        "stems": list(manifest.stems),
        "licence": manifest.licence,
        "commercial_use": is_free_for_commercial_use(manifest.licence),
        "size_bytes": source.size_bytes if source else None,
        "origin": source.origin if source else None,
        "weights": locate_model(manifest),
        "quality": msgspec.to_builtins(manifest.quality),
        "times_real_time": _speed(manifest, costs),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return a row as people read it."""
    from daw_bridge.library.ladder import describe_cost

    return (
        row["name"],
        row["family"] or row["kind"],
        ", ".join(_scored(row)),
        describe_cost(1 / row["times_real_time"]) if row["times_real_time"] else "?",
        row["licence"],
        "yes" if row["commercial_use"] else "no",
        row["weights"],
        _download(row),
    )


def _scored(row: dict[str, Any]) -> Iterator[str]:
    """Yield each stem with its figure on the data that most of them have figures of."""
    data = [figure["data"] for figure in row["quality"]]
    most = max(data, key=data.count, default="")
    scores = {each["stem"]: each["sdr_db"] for each in row["quality"] if each["data"] == most}
    for stem in row["stems"]:
        yield f"{stem} {scores[stem]:.1f}" if stem in scores else stem


def _speed(manifest: ModelManifest, costs: Sequence[Cost]) -> float | None:
    """Return how many seconds of audio a second makes here; None where that was not measured."""
    from daw_bridge.library.costs import Conditions, find_cost

    cost = find_cost(costs, manifest, Conditions())
    return 1 / cost if cost else None


def _download(row: dict[str, Any]) -> str:
    """Return how much is fetched, if that is known, and from where."""
    if not row["origin"]:
        return ""
    size = f"{row['size_bytes'] / 1e6:.0f} MB " if row["size_bytes"] else ""
    host = urlsplit(row["origin"]).hostname
    return size + (f"from {host}" if host else "by pip")


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _verify_weights() -> bool:
    """Say of each model's weights what state they are in; return whether that is sound."""
    from daw_bridge.library.models import load_manifests

    states = [(manifest.name, _verify(manifest)) for manifest in load_manifests()]
    for name, state in states:
        show(f"{name}: {state}")
    return all(state in _SOUND for _, state in states)


def _verify_addresses() -> bool:
    """Say which addresses do not answer with their files; return whether all do."""
    from daw_bridge.weights.addresses import find_dead, known_addresses

    addresses = known_addresses()
    with show_progress("Asking", quiet=False) as progress:
        dead = find_dead(addresses, progress)
    for url, reason in dead.items():
        show(f"{url}: {reason} ({', '.join(addresses[url])})")
    show(f"{len(addresses) - len(dead)} of {len(addresses)} addresses answer.")
    return not dead


def _verify(manifest: ModelManifest) -> str:
    """Return the state of a model's weights: one of the sound ones, or what is wrong."""
    from daw_bridge.errors import ModelError
    from daw_bridge.weights.installing import are_fetched, are_intact

    try:
        if not are_fetched(manifest):
            return "not fetched yet"
        is_intact = are_intact(manifest)
    except ModelError as error:
        return str(error)
    return "intact" if is_intact else f"corrupt; run stemtool models pull {manifest.name}"


def _tell_clients() -> None:
    """Bring the lists of models in the files of DAWs up to date; say what keeps one from it."""
    from daw_bridge.daw.installers import renew_lists

    try:
        renew_lists()
    except DawBridgeError as error:
        complain(error)


def _manifest(name: str) -> ModelManifest:
    from daw_bridge.library.models import load_manifest

    return load_manifest(name)
