"""What Live calls: its timer, MIDI, and the end.

Live asks a control surface for more than is written anywhere; the methods here are those that the
simplest scripts which come with Live have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import Live

from .desk import Desk
from .errors import WishError
from .places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Live.MidiMap import MapMode

    from .desk import Instance

EVERY_MS = 100
KINDS = {"note": 0x90, "cc": 0xB0}
"""What a MIDI message begins with, without its channel."""


class Surface:
    """The script, from when it is chosen in Live's settings until the Live Set is closed."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._desk = Desk(instance, Places.read())
        self._is_busy = False
        self._last_error = ""
        self._timer = Live.Base.Timer(self._look, EVERY_MS, True, True)

    def disconnect(self) -> None:
        """Leave; what is under way is finished by the server, and its stems stay on the disk."""
        self._timer.stop()

    def build_midi_map(self, midi_map: int) -> None:
        """Ask for the key or controller that the settings name, such as ``note 60``."""
        kind, number = self._button
        forward = {"note": Live.MidiMap.forward_midi_note, "cc": Live.MidiMap.forward_midi_cc}
        if kind in forward:
            for channel in range(16):
                forward[kind](self._instance.handle(), midi_map, channel, number)

    def receive_midi(self, message: Sequence[int]) -> None:
        """Begin, or call off, where the button is pressed."""
        kind, number = self._button
        is_pressed = len(message) == 3 and message[2] > 0
        if is_pressed and message[0] & 0xF0 == KINDS.get(kind) and message[1] == number:
            self._guarded(self._desk.press)

    @property
    def _button(self) -> tuple[str, int]:
        kind, _, number = self._desk.settings.get("button", "").partition(" ")
        return (kind, int(number)) if number.isdecimal() else ("", 0)

    def _look(self) -> None:
        self._guarded(self._desk.look)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do something that may fail: an error that gets out would stop the timer for good.

        Live goes on while a box is shown, and so calls this again meanwhile.
        """
        if self._is_busy:
            return
        self._is_busy = True
        try:
            try:
                work()
            except WishError as problem:
                self._desk.refuse(str(problem))
        except Exception as error:  # noqa: BLE001
            self._log(f"{type(error).__name__}: {error}")
        finally:
            self._is_busy = False

    def _log(self, text: str) -> None:
        if text != self._last_error:
            self._instance.log_message(f"Stemtool: {text}")
            self._instance.show_message("Stemtool: an error; Live's Log.txt says more.")
        self._last_error = text

    def update_display(self) -> None:
        """Take no part in the display's own rhythm: the timer does."""

    def refresh_state(self) -> None:
        """Send nothing back to a controller."""

    def connect_script_instances(self, _scripts: Sequence[object], /) -> None:
        """Know of no other scripts."""

    def port_settings_changed(self) -> None:
        """Keep to the button of the settings, whichever port it is on."""

    def can_lock_to_devices(self) -> bool:
        """Return that no device is of interest."""
        return False

    def is_extension(self) -> bool:
        """Return that no other script is added to."""
        return False

    def suggest_input_port(self) -> str:
        """Return that no port is better than another."""
        return ""

    def suggest_output_port(self) -> str:
        """Return that no port is better than another."""
        return ""

    def suggest_map_mode(self, _controller: int, _channel: int, /) -> MapMode | int:
        """Return that controllers send positions."""
        return Live.MidiMap.MapMode.absolute
