"""``stemtool train``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daw_bridge.errors import OptionError
from stemtool_cli.streams import show

if TYPE_CHECKING:
    from daw_bridge.training.loop import Device

_FOLDERS = click.Path(path_type=Path)


@click.command()
@click.argument("config", type=_FOLDERS)
@click.option("--data", multiple=True, type=_FOLDERS, help="Train on these songs. Repeatable.")
@click.option(
    "--validation", multiple=True, type=_FOLDERS, help="Validate on these songs. Repeatable."
)
@click.option("--output", type=_FOLDERS, help="Where checkpoints and logs go.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--steps", type=click.IntRange(1), help="How many steps in all.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where."
)
def train(
    config: Path,
    *,
    data: tuple[Path, ...],
    validation: tuple[Path, ...],
    output: Path | None,
    resume: bool,
    steps: int | None,
    device: Device,
) -> None:
    """Train a network as CONFIG, a TOML file, says; what is given here comes before it.

    Songs are folders with a file a stem, as MUSDB18-HQ has them; stem files (*.stem.mp4), as
    MUSDB18; or a table such as Spleeter trains by (.csv). Prints the path of the checkpoint: the
    best by validation where there are songs to validate on, else the last. Checkpoints are written
    at every validation; after a crash, --resume goes on as if nothing had happened.

    \b
    Examples:
      stemtool train drums.toml --data musdb18hq/train --validation musdb18hq/test
      stemtool train drums.toml --resume --steps 40000
      stemtool models export run/best.ckpt           makes a model of it that -m takes

    models/bridge-4stems/recipe/band.toml in the source code is a configuration to start from;
    training needs pip install 'daw-bridge[train]'.
    """
    from daw_bridge.training.config import read_config

    given = {
        "data.train": [str(path.absolute()) for path in data],
        "data.validation": [str(path.absolute()) for path in validation],
        "output": str(output.absolute()) if output else None,
        "optimiser.steps": steps,
    }
    overrides = {name: value for name, value in given.items() if value}
    options = read_config(config, overrides=overrides)
    try:
        from daw_bridge.training import loop
    except ImportError as error:
        raise OptionError(missing_extra(error)) from error
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    shows_bar = sys.stderr.isatty()
    show(loop.train(options, device=device, resume=resume, show_bar=shows_bar))


def missing_extra(error: ImportError) -> str:
    """Return the sentence that says how to get what training needs."""
    return f"Training needs {error.name}: pip install 'daw-bridge[train]' brings it."
