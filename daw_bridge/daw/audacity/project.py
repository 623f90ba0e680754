"""The project that Audacity shows: its tracks, what is selected, audio out of it and into it."""

from __future__ import annotations

import math
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from daw_bridge.errors import DawError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daw_bridge.daw.audacity.pipe import ScriptPipe
    from daw_bridge.library.colours import Colour

_WAV_ENCODING = "/FileFormats/ExportFormat_SF1_Type/WAV_10000"
_PCM_16, _FLOAT_32 = 0x10002, 0x10006  # libsndfile's numbers; the first is Audacity's own choice
_SECONDS_TO_MOVE_AUDIO = 60.0  # for any length, beside what the length takes
_SLOWEST_BYTES_PER_S = 1e6
_HEADER_BYTES = 128  # more than that of a WAV file of floats without audio
_PALETTE = ((0x64, 0x64, 0xDC), (0xA0, 0x0A, 0x0A), (0x23, 0x6E, 0x23), (0x00, 0x00, 0x00))
"""Blue, red, green and black: what a track can be drawn in, Color0 to Color3."""

_TELL_SELECTION = (
    '(let ((file (open "{path}" :direction :output)))'
    ' (setf *float-format* "%.9f")'
    ' (format file "~a ~a ~a"'
    " (get '*selection* 'start) (get '*selection* 'end) (get '*project* 'rate))"
    ' (close file) "")'
)
"""Nyquist: write down what is selected in time, and the project's sample rate."""


class Track(NamedTuple):
    """A track.

    Attributes:
        place: its number among all tracks, from the top down.
        name: as it is shown.
        start_s: where its audio starts.
        end_s: where it ends.
        channels: 1 or 2; 0 where it is none of audio, such as one of labels.
        pan: -1 (left) to 1.
        is_selected: with others or alone.
        is_focused: whether the keyboard is at it.
        is_muted: by its button.
        is_soloed: by its button.
    """

    place: int
    name: str
    start_s: float
    end_s: float
    channels: int
    pan: float
    is_selected: bool
    is_focused: bool
    is_muted: bool
    is_soloed: bool


class Selection(NamedTuple):
    """What is selected in time, in seconds to six digits, and the project's sample rate."""

    start_s: float
    end_s: float
    rate_hz: float

    @property
    def frames(self) -> tuple[int, int]:
        """The first frame, and the one behind the last, as Audacity rounds."""
        first, end = (math.floor(each * self.rate_hz + 0.5) for each in (self.start_s, self.end_s))
        return max(0, first), end


class Project:
    """The project in front.

    Args:
        pipe: to its Audacity.
        scratch: a folder for small files; its name has ASCII characters only.
    """

    def __init__(self, pipe: ScriptPipe, scratch: Path) -> None:
        self._pipe = pipe
        self._scratch = scratch

    def tracks(self) -> list[Track]:
        """Return its tracks, from the top down."""
        return [
            Track(
                place,
                str(row["name"]),
                float(row.get("start", 0)),
                float(row.get("end", 0)),
                int(row["channels"]) if row["kind"] == "wave" else 0,
                float(row.get("pan", 0)),
                bool(row["selected"]),
                bool(row["focused"]),
                bool(row.get("mute")),
                bool(row.get("solo")),
            )
            for place, row in enumerate(self._pipe.read("Tracks"))
        ]

    def selection(self) -> Selection:
        """Return what is selected in time; a track must be selected.

        Only Nyquist tells it, and shows a box where the selection has no length: so it is a
        second longer meanwhile.
        """
        self._select_time(0, 1, "Selection")
        try:
            start_s, end_s, rate_hz = self._ask_nyquist()
        finally:
            self._select_time(0, -1, "Selection")
        return Selection(start_s, max(start_s, end_s - 1), rate_hz)

    def extent(self, track: Track) -> Selection:
        """Select all of a track in time, and return it: ``tracks`` has too few digits for it."""
        self._select_tracks(track.place)
        self._pipe.do("SelTrackStartToEnd")
        return self.selection()

    @contextmanager
    def kept_selected(self, tracks: Sequence[Track], selection: Selection) -> Iterator[None]:
        """Select in the end what is selected now."""
        try:
            yield
        finally:
            with suppress(DawError):
                self.select(tracks)
                self._select_time(selection.start_s, selection.end_s)

    def select(self, tracks: Sequence[Track]) -> None:
        """Select those tracks that say they are selected, and no others."""
        self._pipe.do("SelectTracks", Track=0, TrackCount=0, Mode="Set")
        for track in tracks:
            if track.is_selected:
                self._select_tracks(track.place, "Add")

    def focus(self, place: int) -> None:
        """Have keys work on a track, which is selected for it."""
        self._select_tracks(place)
        self._pipe.do("SetTrackStatus", Focused=1)

    @contextmanager
    def exporting_floats(self) -> Iterator[None]:
        """Have WAV files written as floats, which are exact, whatever the user prefers."""
        answer = self._pipe.ask("GetPreference", Name=_WAV_ENCODING)
        before = answer.text if answer.is_done and answer.text else str(_PCM_16)
        try:
            self._pipe.do("SetPreference", Name=_WAV_ENCODING, Value=_FLOAT_32)
            yield
        finally:
            with suppress(DawError):
                self._pipe.do("SetPreference", Name=_WAV_ENCODING, Value=before)

    def export(self, track: Track, selection: Selection, path: Path) -> bool:
        """Write a part of a track, as it sounds alone, into a WAV file; tell if it has audio."""
        first, end = selection.frames
        if end <= first:
            return False
        self._select_tracks(track.place)
        self._select_time(first / selection.rate_hz, end / selection.rate_hz)
        with self._sounding(track):
            self._pipe.do(
                "Export2",
                patience_s=_SECONDS_TO_MOVE_AUDIO + selection.end_s - selection.start_s,
                Filename=path.as_posix(),
                NumChannels=2 if track.pan else track.channels,
            )
        if not path.is_file():
            raise DawError(f"Audacity exported nothing of '{track.name}'.")
        return path.stat().st_size > _HEADER_BYTES

    @contextmanager
    def _sounding(self, track: Track) -> Iterator[None]:
        """Have the selected track sound alone, as Audacity exports nothing of what is silent."""
        self._pipe.do("SetTrackAudio", Mute=0, Solo=1)
        try:
            yield
        finally:
            before = {"Mute": int(track.is_muted), "Solo": int(track.is_soloed)}
            with suppress(DawError):
                self._pipe.do("SetTrackAudio", **before)

    def bring_in(self, files: Sequence[tuple[Path, float]], before: int) -> list[Track]:
        """Add a track for each file, from a time in seconds on, below all that there were before.

        Returns:
            the new tracks.

        Raises:
            DawError: Audacity does not take them all.
        """
        listing = self._scratch / "stems.lof"
        lines = [f'file "{path.as_posix()}" offset {start_s:.9f}\n' for path, start_s in files]
        listing.write_text("".join(lines), "utf-8")
        size = sum(path.stat().st_size for path, _ in files)
        patience_s = _SECONDS_TO_MOVE_AUDIO + size / _SLOWEST_BYTES_PER_S
        # Of a list, Audacity says that it failed, though it did not.
        self._pipe.ask("Import2", patience_s=patience_s, Filename=listing.as_posix())
        new = self.tracks()[before:]
        if len(new) != len(files):
            raise DawError(f"Audacity took in only {len(new)} of {len(files)} stems.")
        return new

    def remove(self, index: int) -> None:
        """Take away all tracks from an index on, if there are any."""
        if (more := len(self.tracks()) - index) > 0:
            self._pipe.do("SelectTracks", Track=index, TrackCount=more, Mode="Set")
            self._pipe.do("RemoveTracks")

    def name(self, track: Track, name: str, colour: Colour) -> None:
        """Give a track its name, and of Audacity's four colours the nearest."""
        nearest = min(range(len(_PALETTE)), key=lambda each: math.dist(_PALETTE[each], colour))
        self._select_tracks(track.place)
        if track.name != name:
            self._pipe.do("SetTrackStatus", Name=" ".join(name.split()))
        self._pipe.do("SetTrackVisuals", Color=f"Color{nearest}")

    def mute(self, place: int) -> None:
        """Silence a track."""
        self._select_tracks(place)
        self._pipe.do("SetTrackAudio", Mute=1)

    def reorder(self, order: Sequence[int]) -> None:
        """Put tracks into an order, given by the places that they have."""
        places = list(range(len(order)))
        settled = next((at for at in places if order[at] != at), len(order))
        for track in order[settled:]:
            self.focus(places.index(track))
            self._pipe.do("TrackMoveBottom")
            places.append(places.pop(places.index(track)))

    def _ask_nyquist(self) -> tuple[float, float, float]:
        path = self._scratch / "selection"
        path.unlink(missing_ok=True)
        command = _TELL_SELECTION.format(path=path.as_posix())
        self._pipe.do("NyquistPrompt", Command=command, Version=4)
        try:
            start_s, end_s, rate_hz = map(float, path.read_text("utf-8").split())
        except (OSError, ValueError):
            raise DawError("Audacity does not tell what is selected.") from None
        return start_s, end_s, rate_hz

    def _select_tracks(self, index: int, mode: str = "Set") -> None:
        self._pipe.do("SelectTracks", Track=index, TrackCount=1, Mode=mode)

    def _select_time(self, start_s: float, end_s: float, relative_to: str = "ProjectStart") -> None:
        times = {"Start": f"{start_s:.9f}", "End": f"{end_s:.9f}"}
        self._pipe.do("SelectTime", **times, RelativeTo=relative_to)  # type: ignore[arg-type]
