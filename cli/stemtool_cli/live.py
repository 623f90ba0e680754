"""``stemtool daw separate live``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daw_bridge.errors import DawError
from stemtool_cli.streams import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.daw.ardour.session import Choice


def separate_in_live(words: Sequence[str], choice: Choice) -> None:
    """Have Live separate the clip that it shows, and print what came of it.

    Args:
        words: ``tracks`` for all clips of the selected tracks, ``stop``, or what else can be typed
            into a clip's name.
        choice: is said in the same words; what it leaves open is as last time.

    Raises:
        DawError: Live does not answer, or could not.
    """
    from daw_bridge.daw.remote import ask_live

    verb = "stop" if "stop" in words else "stems"
    try:
        *_, last = ask_live(verb, " ".join([*words, *_words(choice)]))
    except KeyboardInterrupt:
        list(ask_live("stop", ""))
        raise
    if last.state == "failed":
        raise DawError(last.message)
    show(last.message)


def _words(choice: Choice) -> list[str]:
    model = choice.model
    said = [model.removeprefix("quality:") if model[:8] == "quality:" else f"model={model}"]
    return [
        *(said if model else []),
        *choice.stems.split(","),
        *(f"-{stem}" for stem in choice.minus.split(",") if stem),
        *(["on"] if choice.keep_source else []),
    ]
