"""Pictures of what was measured; they need matplotlib, which comes with the extra ``eval``."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.evaluation.results import ORACLE
from daw_bridge.evaluation.surround import LFE_LIMIT_HZ
from daw_bridge.files.atomic import part_of
from daw_bridge.library.colours import colour_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from daw_bridge.evaluation.results import Evaluation, SongScores
    from daw_bridge.evaluation.surround import ChannelPicture

_FLOOR_DB = -80
_TICKS_HZ = (20, 50, 100, 200, 500, 1000)
_INK = "#808080"  # is legible on white and on black
_INK_STYLE: dict[Any, str] = {
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
    ),
    "svg.hashsalt": "daw-bridge",  # the same picture is the same bytes
}
_BOXES = {part: {"color": _INK} for part in ("boxprops", "whiskerprops", "capprops")}
_BOXES["flierprops"] = {"markeredgecolor": _INK}


def plot_surround(meter: ChannelPicture, path: Path, *, title: str) -> None:
    """Draw channels over time, a goniometer a pair, and the LFE's spectrum, as a PNG.

    Raises:
        OptionError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    figure_class = _figure_class()
    figure = figure_class(figsize=(10, 6.4), dpi=90, layout="constrained")
    figure.suptitle(title)
    above, below = figure.subfigures(2, 1)
    _draw_levels(above.subplots(), meter)
    panels = below.subplots(1, len(meter.goniometers) + 1)
    for panel, (pair, cloud) in zip(panels, meter.goniometers.items(), strict=False):
        _draw_goniometer(panel, pair, cloud, meter.correlations[pair])
    _draw_lfe(panels[-1], meter)
    part = part_of(path)
    try:
        figure.savefig(part, format="png")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


def plot_songs(evaluation: Evaluation) -> bytes:
    """Draw how each method's SDR is spread over songs, a panel a stem, as an SVG.

    Raises:
        OptionError: matplotlib is not installed.
    """
    stems = [target.name for target in evaluation.targets]
    with _drawn_in_ink(height=2.8) as (figure, picture):
        panels = figure.subplots(1, len(stems), squeeze=False)[0]
        for axes, stem in zip(panels, stems, strict=True):
            sdrs = [
                [each.sdr_db for each in evaluation.of_songs(stem, method)]
                for method in evaluation.methods
            ]
            finite = [np.array(each)[np.isfinite(each)] for each in sdrs]
            axes.boxplot(
                finite,
                tick_labels=evaluation.methods,
                orientation="horizontal",
                medianprops={"color": str(colour_of(stem)), "linewidth": 2},
                **_BOXES,
            )
            axes.set(title=stem, xlabel="SDR, dB")
            axes.invert_yaxis()
            axes.grid(axis="x", alpha=0.3)
        for axes in panels[1:]:
            axes.set_yticklabels([])
    return picture.getvalue()


def plot_song(evaluation: Evaluation, song: SongScores) -> bytes:
    """Draw a model's SDR over the seconds of a song, and that of ideal masks dotted, as an SVG.

    Raises:
        OptionError: matplotlib is not installed.
    """
    with _drawn_in_ink(height=2.4) as (figure, picture):
        axes = figure.subplots()
        for stem, methods in song.scores.items():
            for method, line in ((evaluation.model, "-"), (ORACLE, ":")):
                sdr_db = np.array(methods[method].sdr_windows_db)
                sdr_db[~np.isfinite(sdr_db)] = np.nan
                label = stem if method == evaluation.model else None
                axes.plot(sdr_db, line, color=str(colour_of(stem)), label=label, linewidth=1.2)
        axes.set(xlabel="seconds", ylabel="SDR, dB")
        axes.margins(x=0)
        axes.grid(alpha=0.3)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return picture.getvalue()


def check_drawable() -> None:
    """Raise :class:`OptionError` if there is no matplotlib."""
    _figure_class()


@contextmanager
def _drawn_in_ink(*, height: float) -> Iterator[tuple[Figure, io.BytesIO]]:
    """Give a figure without a background, and the buffer that its SVG is in afterwards."""
    figure_class = _figure_class()
    from matplotlib import rc_context

    picture = io.BytesIO()
    with rc_context(_INK_STYLE):
        figure = figure_class(figsize=(9, height), layout="constrained")
        yield figure, picture
        figure.savefig(picture, format="svg", transparent=True, metadata={"Date": None})


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError(
            "Drawing needs matplotlib: pip install 'daw-bridge[eval]' brings it."
        ) from error
    return Figure


def _draw_levels(axes: Axes, meter: ChannelPicture) -> None:
    steps = meter.level_steps_db
    seconds = np.arange(steps.shape[1]) * meter.step_s
    for name, levels in zip(meter.names, steps, strict=True):
        axes.plot(seconds, np.maximum(levels, _FLOOR_DB), label=name, linewidth=1)
    axes.set(xlabel="seconds", ylabel="level, dB", ylim=(_FLOOR_DB, 0), title="Channels")
    axes.margins(x=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _draw_goniometer(axes: Axes, pair: str, cloud: NDArray[np.intp], correlation: float) -> None:
    """Draw how often a sample lies where: (middle bins, side bins)."""
    # Only as far as samples reach: surrounds are quieter than fronts.
    half = len(cloud) // 2
    reach = np.abs(np.argwhere(cloud) - half).max(initial=0) + 1
    shown = cloud[half - reach : half + reach + 1, half - reach : half + reach + 1]
    edge = reach / half
    axes.imshow(np.log1p(shown), origin="lower", cmap="magma", extent=(-edge, edge, -edge, edge))
    axes.set(title=f"{pair}: correlation {correlation:.2f}", xlabel="side", ylabel="middle")


def _draw_lfe(axes: Axes, meter: ChannelPicture) -> None:
    axes.semilogx(meter.spectrum_hz[1:], meter.lfe_spectrum_db[1:], linewidth=1)
    axes.axvline(LFE_LIMIT_HZ, linestyle=":", color="grey")
    axes.set(title="LFE", xlabel="Hz", ylabel="dB", xlim=(20, 1000), ylim=(_FLOOR_DB, 3))
    axes.set_xticks(_TICKS_HZ, map(str, _TICKS_HZ))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
