"""Options of commands, held against the objects that they fill."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest
from click.testing import CliRunner

from daw_bridge.bounds import MAX_OVERLAP, MAX_SHIFTS, MAX_TRACK, MAX_WIENER_ITERATIONS
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.requests import Choices, RemixChoices, SeparateChoices, UpmixChoices
from stemtool_cli.options import Span, container_of, gathered, read_names
from stemtool_cli.remix import remix
from stemtool_cli.separate import separate
from stemtool_cli.upmix import upmix

COMMANDS = [(separate, SeparateChoices), (remix, RemixChoices), (upmix, UpmixChoices)]
SAID_OTHERWISE = {
    "separate": {"label"},  # --name says more
    "remix": {"label", "format", "preset"},  # -o OUT; files of presets
    "upmix": {"label", "format"},
}


@pytest.mark.parametrize(("command", "kind"), COMMANDS)
def test_what_can_be_said_in_words_can_be_said_on_the_command_line(
    command: click.Command, kind: type[Choices]
) -> None:
    options = {parameter.name for parameter in command.params}
    assert set(kind.__struct_fields__) - options == SAID_OTHERWISE[str(command.name)]


@pytest.mark.parametrize(("command", "kind"), COMMANDS)
def test_what_can_be_chosen_is_what_the_words_allow(
    command: click.Command, kind: type[Choices]
) -> None:
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice) and parameter.name in types.keys() - {"compat"}:
            allowed = types[parameter.name]
            optional = [each for each in get_args(allowed) if get_args(each)]
            assert tuple(parameter.type.choices) == get_args(optional[0] if optional else allowed)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("overlap", 0, MAX_OVERLAP),
        ("wiener_iterations", 0, MAX_WIENER_ITERATIONS),
        ("shifts", 1, MAX_SHIFTS),
        ("track", 1, MAX_TRACK),
    ],
)
def test_numbers_have_the_bounds_of_requests(name: str, lowest: float, highest: float) -> None:
    (kind,) = (each.type for each in separate.params if each.name == name)
    assert isinstance(kind, (click.IntRange, click.FloatRange))
    assert (kind.min, kind.max) == (lowest, highest)


def test_options_are_gathered_by_name() -> None:
    gatherings: list[tuple[Span, OutputFormat, bool]] = []

    @click.command()
    @click.option("--start", type=float)
    @click.option("--bits")
    @click.option("--loud", is_flag=True)
    @gathered(span=Span, written="daw_bridge.files.containers:OutputFormat")
    def play(*, span: Span, written: OutputFormat, loud: bool) -> None:
        gatherings.append((span, written, loud))

    for arguments in ([], ["--start", "2", "--bits", "16", "--loud"]):
        assert CliRunner().invoke(play, arguments).exit_code == 0
    assert gatherings == [
        (Span(), OutputFormat(), False),
        (Span(2), OutputFormat("wav", "16"), True),
    ]


def test_names_and_endings() -> None:
    assert read_names(" a, ,b") == ("a", "b")
    assert container_of(Path("x/OUT.Flac")) == "flac"
    assert container_of(Path("x.flac/out")) is None
