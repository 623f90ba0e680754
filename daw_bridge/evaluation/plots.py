"""Pictures of what was measured; they need matplotlib, which comes with the extra ``eval``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.evaluation.surround import LFE_LIMIT_HZ
from daw_bridge.files.atomic import part_of

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from daw_bridge.evaluation.surround import ChannelMeter

_FLOOR_DB = -80
_TICKS_HZ = (20, 50, 100, 200, 500, 1000)


def plot_surround(meter: ChannelMeter, path: Path, *, title: str) -> None:
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


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError(
            "Drawing needs matplotlib: pip install 'daw-bridge[eval]' brings it."
        ) from error
    return Figure


def _draw_levels(axes: Axes, meter: ChannelMeter) -> None:
    steps = meter.level_steps_db
    seconds = np.arange(steps.shape[1]) * meter.step_s
    for name, levels in zip(meter.names, steps, strict=True):
        axes.plot(seconds, np.maximum(levels, _FLOOR_DB), label=name, linewidth=1)
    axes.set(xlabel="seconds", ylabel="level, dB", ylim=(_FLOOR_DB, 0), title="Channels")
    axes.margins(x=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _draw_goniometer(axes: Axes, pair: str, cloud: np.ndarray, correlation: float) -> None:
    # Only as far as samples reach: surrounds are quieter than fronts.
    half = len(cloud) // 2
    reach = np.abs(np.argwhere(cloud) - half).max(initial=0) + 1
    shown = cloud[half - reach : half + reach + 1, half - reach : half + reach + 1]
    edge = reach / half
    axes.imshow(np.log1p(shown), origin="lower", cmap="magma", extent=(-edge, edge, -edge, edge))
    axes.set(title=f"{pair}: correlation {correlation:.2f}", xlabel="side", ylabel="middle")


def _draw_lfe(axes: Axes, meter: ChannelMeter) -> None:
    axes.semilogx(meter.spectrum_hz[1:], meter.lfe_spectrum_db[1:], linewidth=1)
    axes.axvline(LFE_LIMIT_HZ, linestyle=":", color="grey")
    axes.set(title="LFE", xlabel="Hz", ylabel="dB", xlim=(20, 1000), ylim=(_FLOOR_DB, 3))
    axes.set_xticks(_TICKS_HZ, map(str, _TICKS_HZ))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
