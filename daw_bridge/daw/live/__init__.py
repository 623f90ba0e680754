"""A remote script for Ableton Live; all of this folder is copied into Live's, and runs there.

surface    what Live calls: its timer, MIDI, and the end
desk       where wishes come in, and where it is said what becomes of them
wishes     what somebody wants: typed, by MIDI, or from a shell
selection  the clips that are meant
playing    how a clip plays its file; a stem's clip is made to play the same way
warping    warp markers, read and set
tracks     the tracks of stems
run        clips → jobs → stems on tracks
jobs       one file each: asked for, watched, called off
server     where stemtool's server takes requests, and how to start it
places     where things are on this machine
pairs      files of key=value lines
errors     what is wrong, in a sentence for a person

Python 3.11 as Live 12 has it, its standard library and the module ``Live`` are all that is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .desk import Instance
    from .surface import Surface


def create_instance(instance: Instance) -> Surface:
    """Return the control surface, as Live asks for it once it is chosen in the settings."""
    from .surface import Surface

    return Surface(instance)
