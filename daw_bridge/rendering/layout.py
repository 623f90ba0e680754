"""``presets/layouts/<name>.toml`` → a frozen, validated :class:`Layout`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from daw_bridge.errors import OptionError, PresetError
from daw_bridge.files.flaws import FlawError, to_struct
from daw_bridge.files.speakers import BACKS, FRONTS, SIDES, Speaker, Speakers
from daw_bridge.files.tables import Share, Table, open_toml
from daw_bridge.library.limits import MAX_STEMS
from daw_bridge.library.names import Line
from daw_bridge.library.places import find_layout, find_layouts, load_all, warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEFAULT_LAYOUT = "5.1"
_DEFAULT_STEM = "default"
_MIN_DB = -60.0
_MAX_SURROUND_DB = 20.0
_MAX_LIKENESSES = 8


class Placement(Table, frozen=True):
    """Where a stem goes; what is not placed stays in L and R.

    Attributes:
        center: how much of what both channels share goes to C.
        surround_db: how loud its ambience is in the surrounds, at most as loud as in the fronts;
            None: it is not there.
        back: how much of that is for the backs, where there are sides and backs.
        lfe: whether its bass also feeds the LFE.
    """

    center: Share = 0.0
    surround_db: Annotated[float, msgspec.Meta(ge=_MIN_DB, le=_MAX_SURROUND_DB)] | None = None
    back: Share = 0.5
    lfe: bool = False


class Lfe(Table, frozen=True):
    """What the LFE is made of: bass below a crossover, at a gain."""

    crossover_hz: Annotated[float, msgspec.Meta(ge=40, le=200)]
    gain_db: Annotated[float, msgspec.Meta(ge=_MIN_DB, le=0)]

    @classmethod
    def parse(cls, text: str) -> Lfe | None:
        """Read ``none`` or ``HZ@dB``, such as ``100@-12`` or ``100Hz@-12dB``.

        Raises:
            OptionError: it is neither, or out of range.
        """
        if text == "none":
            return None
        match = re.fullmatch(r"([\d.]+)(?:Hz)?@([-+]?[\d.]+)(?:dB)?", text, re.IGNORECASE)
        if not match:
            raise OptionError(f"The LFE is none or HZ@dB, such as 100@-12, not '{text}'.")
        said = {"crossover_hz": match[1], "gain_db": match[2]}
        try:
            return msgspec.convert(said, cls, strict=False)
        except msgspec.ValidationError as error:
            raise OptionError(f"The LFE cannot be '{text}': {error}.") from error


class Layout(Table, frozen=True):
    """Loudspeakers, and where stems go.

    Attributes:
        name: also its file's.
        summary: what it is for.
        like: the layout that says all that this one does not.
        channels: the loudspeakers' names, in the order of their bits in a channel mask.
        stems: by a stem's name; ``default`` is for those that are not named.
        lfe: None: the LFE is silent.
    """

    name: str
    summary: Line
    channels: Annotated[
        tuple[Literal["L", "R", "C", "LFE", "Lb", "Rb", "Ls", "Rs"], ...],
        msgspec.Meta(max_length=len(Speaker)),
    ]
    stems: Annotated[dict[str, Placement], msgspec.Meta(max_length=MAX_STEMS)]
    lfe: Lfe | None = None
    like: str | None = None

    @property
    def speakers(self) -> Speakers:
        """The loudspeakers."""
        return tuple(Speaker[name] for name in self.channels)

    @property
    def placed_stems(self) -> tuple[str, ...]:
        """The stems that it names."""
        return tuple(stem for stem in self.stems if stem != _DEFAULT_STEM)

    def placement(self, stem: str) -> Placement:
        """Return where a stem goes."""
        return self.stems.get(stem, self.stems[_DEFAULT_STEM])


def load_layout(name: str) -> Layout:
    """Return a layout of the library.

    Raises:
        PresetError: there is none of this name, or its file breaks its rules.
    """
    return read_layout(find_layout(name))


def load_layouts(tell: Callable[[PresetError], None] = warn) -> list[Layout]:
    """Return the layouts of the library, sorted by name.

    Args:
        tell: is told why a layout is left out; by default the log is.
    """
    return list(load_all(find_layouts(), read_layout, PresetError, tell))


def read_layout(path: Path, *, followed: tuple[Path, ...] = ()) -> Layout:
    """Parse and validate one layout, and the one that it is like.

    Args:
        path: the layout.
        followed: the layouts that are like this one, which it cannot be like in turn.

    Raises:
        PresetError: it cannot be read, or a key or the order of channels breaks the rules.
    """
    with open_toml(path, PresetError) as tables:
        if path in followed:
            raise FlawError("a layout is not like itself; let it be like another", "like")
        if len(followed) > _MAX_LIKENESSES:
            raise FlawError(
                f"layouts are like others over {_MAX_LIKENESSES} files, no more", "like"
            )
        known = {}
        if like := tables.get("like"):
            known = msgspec.to_builtins(
                read_layout(find_layout(str(like)), followed=(*followed, path))
            )
        layout = to_struct(known | tables, Layout)
        _check(layout, path)
    return layout


def change_layout(
    layout: Layout,
    *,
    center_width: float | None = None,
    surround_change_db: float = 0.0,
    lfe: str | None = None,
) -> Layout:
    """Return a layout with a user's wishes.

    Args:
        layout: the layout.
        center_width: the share of stems that go to the centre at all; None: as it is.
        surround_change_db: how much louder the surrounds are.
        lfe: as :meth:`Lfe.parse` reads it; None: as it is.

    Raises:
        OptionError: a wish is out of range.
    """
    if center_width is not None and not 0 <= center_width <= 1:
        raise OptionError(f"The centre's width is from 0 to 1, not {center_width:g}.")
    if not _MIN_DB <= surround_change_db <= _MAX_SURROUND_DB:
        raise OptionError(
            f"The surrounds' level changes by {_MIN_DB:g} to {_MAX_SURROUND_DB:g} dB, not"
            f" {surround_change_db:g}."
        )
    stems = {}
    for stem, placement in layout.stems.items():
        center, level_db = placement.center, placement.surround_db
        if center and center_width is not None:
            center = center_width
        if level_db is not None:
            level_db += surround_change_db
        stems[stem] = msgspec.structs.replace(placement, center=center, surround_db=level_db)
    return msgspec.structs.replace(
        layout, stems=stems, lfe=layout.lfe if lfe is None else Lfe.parse(lfe)
    )


def _check(layout: Layout, path: Path) -> None:
    """Raise :class:`FlawError` for what the types of its fields do not say."""
    speakers = layout.speakers
    if layout.name != path.stem:
        raise FlawError(f"'{layout.name}' is not the name of its file", "name")
    if list(speakers) != sorted(set(speakers)):
        order = ", ".join(each.name or "" for each in Speaker)
        raise FlawError(f"they come once each, in the order {order}", "channels")
    for pair in (FRONTS, BACKS, SIDES):
        present = sum(bool(each & pair) for each in speakers)
        if present == 1 or (pair is FRONTS and not present):
            raise FlawError("left and right come in pairs, L and R among them", "channels")
    if len(speakers) < 3:
        raise FlawError("L and R are stereo; add the channels to mix up to", "channels")
    if _DEFAULT_STEM not in layout.stems:
        raise FlawError("is missing", "stems", _DEFAULT_STEM)
