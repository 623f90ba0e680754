"""``stemtool presets``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daw_bridge.errors import OutputError, PresetError
from stemtool_cli.options import json_option
from stemtool_cli.streams import complain, show

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEMPLATE = """\
summary = "What it is for, in a sentence."

# pitch_semitones = 0
# tempo = 1.0
# lufs = -14
# true_peak_db = -1
# solo = ["vocals"]
# bus = [{ effect = "Compressor", threshold_db = -18, ratio = 2 }]

[stems.vocals]                # a stem that must be there
gain_db = 0
# mute = true
# pan = 0                     # -100 … 100
# width = 100                 # 0 … 200 %
chain = [
    { effect = "Reverb", room_size = 0.3, wet_level = 0.1, dry_level = 0.9 },
]

# [rest]                      # the stems that are not named
# gain_db = 0
"""


@click.group()
def presets() -> None:
    """Show, check and make presets of remixes; show layouts for upmixes.

    \b
    Examples:
      stemtool presets list
      stemtool presets show karaoke
      stemtool presets new mine
      stemtool presets check mine.toml
      stemtool presets effects Reverb
      stemtool presets layouts
    """


@presets.command("list")
@json_option
def list_presets(*, as_json: bool) -> None:
    """List the presets, with what each is for."""
    from daw_bridge.rendering.preset import load_presets

    rows = [{"name": preset.name, "summary": preset.summary} for preset in load_presets()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        show(f"{row['name']:<16} {row['summary']}")


@presets.command("layouts")
def list_layouts() -> None:
    """List the loudspeaker layouts of upmixes, with what each is for."""
    from daw_bridge.rendering.layout import load_layouts

    for layout in load_layouts():
        show(f"{layout.name:<10} {layout.summary}: {' '.join(layout.channels)}")


@presets.command("show")
@click.argument("name")
def show_preset(name: str) -> None:
    """Show the preset NAME as it is written."""
    from daw_bridge.rendering.preset import preset_text

    show(*preset_text(name).rstrip().expandtabs(4).split("\n"))


@presets.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check_presets(files: tuple[Path, ...]) -> None:
    """Check FILES; say line and key of what is wrong, and exit with an error if anything is."""
    from daw_bridge.rendering.preset import read_preset

    is_wrong = False
    for file in files:
        try:
            read_preset(file)
            show(f"{file}: in order")
        except PresetError as error:
            is_wrong = True
            complain(error)
    if is_wrong:
        raise click.exceptions.Exit(1)


@presets.command("new")
@click.argument("name")
@click.option("--from", "source", metavar="PRESET", help="Begin with a copy of this one.")
def new_preset(name: str, source: str | None) -> None:
    """Make the preset NAME in your own folder, and print where it is."""
    from daw_bridge.library.places import data_folder
    from daw_bridge.rendering.preset import preset_text

    if not re.fullmatch(r"[\w-]+", name):
        raise PresetError(f"A preset's name has letters, digits, - and _, not '{name}'.")
    text = preset_text(source) if source else _TEMPLATE
    path = data_folder() / "presets" / "effects" / f"{name}.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise OutputError(f"{path} exists; choose another name.") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    show(path)


@presets.command("effects")
@click.argument("name", required=False)
def list_effects(name: str | None) -> None:
    """List the effects that presets can use, or the parameters of the effect NAME."""
    for line in _describe_effects(name):
        show(line)


def _describe_effects(name: str | None) -> Iterator[str]:
    from daw_bridge.errors import suggestion
    from daw_bridge.rendering.effects import effect_types

    types = effect_types()
    if name is None:
        yield from (f"{kind.name:<22} {kind.summary}" for kind in types.values())
        return
    if name not in types:
        raise PresetError(f"There is no effect '{name}'{suggestion(name, types)}.")
    yield f"{name}: {types[name].summary}."
    for parameter in types[name].parameters.values():
        yield f"  {parameter.name:<26} {parameter.default}"
