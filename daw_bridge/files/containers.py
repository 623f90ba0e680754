"""What each kind of audio file can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from daw_bridge.errors import OptionError

Container: TypeAlias = Literal["wav", "flac", "ogg", "mp3", "m4a"]
Bits: TypeAlias = Literal["16", "24", "32f"]

CONTAINERS: tuple[Container, ...] = get_args(Container)
BITS: tuple[Bits, ...] = get_args(Bits)

_LOSSLESS_BITS: dict[Container, tuple[Bits, ...]] = {
    "wav": ("24", "16", "32f"),
    "flac": ("24", "16"),
}
_MAX_SAMPLE_RATE_HZ: dict[Container, int] = {
    "flac": 655_350,
    "ogg": 200_000,  # beyond, libvorbis crashes
    "mp3": 48_000,
    "m4a": 96_000,
}
_MP3_RATES_HZ = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
# ISO/IEC 11172-3 and 13818-3, with halves for MPEG 2.5; 14496-3, table 1.18
_SAMPLE_RATES_HZ: dict[Container, tuple[int, ...]] = {
    "mp3": _MP3_RATES_HZ,
    "m4a": (96_000, 88_200, 64_000, *_MP3_RATES_HZ, 7_350),
}


@dataclass(frozen=True)
class OutputFormat:
    """A container and, where it is lossless, the width of a sample.

    Attributes:
        container: also the file name's extension.
        bits: ``16``, ``24`` or ``32f`` (float); None: 24 where the container is lossless.

    Raises:
        OptionError: the container cannot hold such samples.
    """

    container: Container = "wav"
    bits: Bits | None = None

    def __post_init__(self) -> None:
        possible = _LOSSLESS_BITS.get(self.container, ())
        if self.bits is not None and self.bits not in possible:
            raise OptionError(
                f"{self.container} has no {self.bits}-bit samples; "
                + (f"it has {' or '.join(sorted(possible))}." if possible else "leave --bits out.")
            )

    @property
    def integer_bits(self) -> int | None:
        """The width of an integer sample; None where samples are floats or coded lossily."""
        possible = _LOSSLESS_BITS.get(self.container)
        if not possible:
            return None
        bits = self.bits or possible[0]
        return None if bits == "32f" else int(bits)

    @property
    def is_float(self) -> bool:
        """Whether samples beyond full scale survive."""
        return self.bits == "32f"

    def check_sample_rate(self, sample_rate_hz: int) -> None:
        """Raise :class:`OptionError` if the container cannot hold this sample rate."""
        highest = _MAX_SAMPLE_RATE_HZ.get(self.container)
        if highest and sample_rate_hz > highest:
            raise OptionError(
                f"{self.container} holds at most {highest} Hz and the input has {sample_rate_hz}"
                " Hz; choose wav or flac."
            )
        possible = _SAMPLE_RATES_HZ.get(self.container)
        if possible and sample_rate_hz not in possible:
            raise OptionError(
                f"{self.container} has no {sample_rate_hz} Hz, only"
                f" {', '.join(map(str, possible))}; choose wav or flac."
            )
