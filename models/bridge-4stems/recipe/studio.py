"""The instruments at hand: soundfonts, sampled kits and multisampled instruments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sampled
from drumkits import Kit, kit_of_hits, mixed_kit, read_kit
from sampled import Instrument
from soundfonts import SoundFont

if TYPE_CHECKING:
    import random

FONTS = Path("/usr/share/sounds/sf2")
KITS = Path("/usr/share/hydrogen/data/drumkits")
HITS = Path("/usr/share/sonic-pi/samples")
HIT_PREFIXES = ("bd", "sn", "drum", "elec")

# Standard, room, power, electronic, TR-808, jazz, brush: the kits of General MIDI Level 2.
GM_KITS = (0, 8, 16, 24, 25, 32, 40)
KIT_LICENCES = {
    "Audiophob": "CC0-1.0",
    "BJA_Pacific": "CC-BY-SA-3.0-US",
    "circAfrique v4": "CC-BY-SA-3.0",
    "ForzeeStereo": "GPL-2.0-only",
    "Gimme A Hand 1.0": "GPL-2.0-only",
    "Millo-Drums_v.1": "GPL-2.0-only",
    "Millo_MultiLayered2": "GPL-2.0-only",
    "Millo_MultiLayered3": "GPL-2.0-only",
    "rumpf_kit_z01_h2": "CC-BY-3.0",
    "The Black Pearl 1.0": "GPL-2.0-only",
}
OTHER_KITS_LICENCE = "GPL-2.0-or-later"


@dataclass(frozen=True)
class Studio:
    """The instruments at hand.

    Attributes:
        fonts: General MIDI soundfonts.
        drum_fonts: soundfonts of drums alone.
        kits: sampled drum kits.
        basses, guitars: multisampled instruments.
    """

    fonts: tuple[SoundFont, ...]
    drum_fonts: tuple[SoundFont, ...] = ()
    kits: tuple[Kit, ...] = ()
    basses: tuple[Instrument, ...] = ()
    guitars: tuple[Instrument, ...] = ()

    def draw_drums(self, rng: random.Random) -> Kit | SoundFont:
        """Return a drum kit: every sampled kit, mixed kit and soundfont's kit is as likely."""
        mixed = [mixed_kit(self.kits, rng) for _ in range(len(self.kits) // 3)]
        in_fonts = [font.with_kit(kit) for font in self.fonts for kit in font.kits]
        kits: list[Kit | SoundFont] = [*self.kits, *mixed, *self.drum_fonts, *in_fonts]
        return rng.choice(kits)


def open_studio(samples: Path) -> Studio:
    """Return the instruments of Debian's packages and of a folder of samples.

    Raises:
        OSError: a package is missing.
    """
    hits = [path for prefix in HIT_PREFIXES for path in HITS.glob(f"{prefix}_*.flac")]
    kits = [
        read_kit(folder, KIT_LICENCES.get(folder.name, OTHER_KITS_LICENCE))
        for folder in sorted(KITS.iterdir())
    ]
    return Studio(
        fonts=(
            SoundFont(FONTS / "MuseScore_General_Full.sf2", "MIT", GM_KITS),
            SoundFont(FONTS / "FluidR3_GM.sf2", "MIT", GM_KITS),
            SoundFont(FONTS / "TimGM6mb.sf2", "GPL-2.0-only", GM_KITS),
        ),
        drum_fonts=(
            SoundFont(FONTS / "Black_Pearl_4_LV2.sf2", "CC-BY-SA-3.0", kits=()),
            SoundFont(FONTS / "Red_Zeppelin_4_LV2.sf2", "CC-BY-SA-3.0", kits=()),
        ),
        kits=(*kits, kit_of_hits("sonic-pi", "CC0-1.0", hits)),
        basses=tuple(sampled.basses(samples)),
        guitars=tuple(sampled.guitars(samples)),
    )
