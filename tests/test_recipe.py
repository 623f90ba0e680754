"""The training data of our own model: songs as folders of stems, made of MIDI and soundfonts."""

import importlib
import io
import random
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.programs import lack, require_library

mido = pytest.importorskip("mido", reason="the recipe reads MIDI with mido")

RECIPE = Path(__file__).parents[1] / "models" / "bridge-4stems" / "recipe"
FONTS = sorted(Path("/usr/share/sounds/sf2").glob("*GM*.sf2"), key=lambda font: font.stat().st_size)
BASS, LEAD, PIANO = 33, 80, 0
Load = Callable[[str], Any]


@pytest.fixture(scope="module")
def recipe() -> Iterator[Load]:
    """The recipe's modules by name, for these tests alone; skips where nothing can be rendered."""
    require_library("libfluidsynth.so.3")
    if not FONTS:
        lack("A General MIDI soundfont", "timgm6mb-soundfont")
    with pytest.MonkeyPatch.context() as patch:
        for path in RECIPE.glob("*.py"):
            patch.delitem(sys.modules, path.stem, raising=False)
        patch.syspath_prepend(str(RECIPE))
        yield importlib.import_module
        for path in RECIPE.glob("*.py"):
            sys.modules.pop(path.stem, None)


def tune(seconds: float = 14.0) -> bytes:
    """A MIDI file: each instrument repeats a note twice a second."""
    file = mido.MidiFile()
    for channel, (program, key) in enumerate(((BASS, 36), (LEAD, 76), (PIANO, 60))):
        file.tracks.append(_track(channel, program, key, int(seconds * 2)))
    file.tracks.append(_track(9, 0, 38, int(seconds * 2)))
    written = io.BytesIO()
    file.save(file=written)
    return written.getvalue()


def _track(channel: int, program: int, key: int, count: int) -> Any:
    track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=program)])
    for _ in range(count):
        track.append(mido.Message("note_on", channel=channel, note=key, velocity=90))
        track.append(mido.Message("note_off", channel=channel, note=key, time=480))
    return track


def make(recipe: Load, name: str, folder: Path) -> dict[str, np.ndarray]:
    """A song's stems, float (frames, channels), as they are read back from its folder."""
    studio = recipe("studio").Studio(fonts=(recipe("soundfonts").SoundFont(FONTS[0], "any"),))
    song = recipe("sources").MidiSong(name, "test", "CC0-1.0", tune)
    take = song.play(studio, random.Random(f"0/{name}"))
    recipe("mastering").write(recipe("mastering").mastered(take.stems), folder / name, "wav")
    return {path.stem: soundfile.read(path)[0] for path in (folder / name).iterdir()}


def low_share(stem: np.ndarray) -> float:
    """How much of a stem's energy is below 250 Hz."""
    power = np.abs(np.fft.rfft(stem.mean(axis=1))) ** 2
    return float(power[np.fft.rfftfreq(len(stem), 1 / 44100) < 250].sum() / power.sum())


def test_a_song_is_whole_stems_of_one_length_that_fill_the_scale(
    recipe: Load, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        stems = make(recipe, name, tmp_path)
        assert set(stems) == {"drums", "bass", "other", "piano"}
        assert len({stem.shape for stem in stems.values()}) == 1
        peak = np.abs(np.sum(list(stems.values()), axis=0)).max()
        assert 0.5 < peak < 0.91
        assert low_share(stems["bass"]) > 0.5 > low_share(stems["other"])


def test_a_song_depends_on_its_name_alone(recipe: Load, tmp_path: Path) -> None:
    """But for the end of a few notes, below -50 dB: see the soundfonts' docstring."""
    make(recipe, "one", tmp_path / "unheard")  # the first that a process plays ends otherwise
    first = make(recipe, "one", tmp_path / "first")
    other = make(recipe, "two", tmp_path)
    again = make(recipe, "one", tmp_path / "again")
    for stem, audio in first.items():
        assert np.sum((audio - again[stem]) ** 2) < 1e-5 * np.sum(audio**2)
    assert first["bass"].shape != other["bass"].shape or np.any(first["bass"] != other["bass"])


def test_drum_kits_say_what_their_pieces_are(recipe: Load) -> None:
    piece_of_name = recipe("drumkits").piece_of_name
    assert piece_of_name('Hi-Hat Semiopen (Paiste Alpha Metal edge 14")') == "open hat"
    assert piece_of_name("f3 - bass drum 2") == "kick"
    assert piece_of_name('Tom Low (Tama Superstar 16")') == "low tom"
    assert piece_of_name("Ride Bell") == "bell"
    assert piece_of_name("Snare Roll") is None


def test_soundtracks_lie_in_folders_and_in_archives(
    recipe: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recipe("real")
    monkeypatch.setattr(real, "GAMES", tmp_path)
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (44100, 2))
    folder = tmp_path / "wesnoth" / "1.16" / "music"
    folder.mkdir(parents=True)
    soundfile.write(folder / "Battle (epic).ogg", sound, 44100)
    (tmp_path / "nexuiz").mkdir()
    with zipfile.ZipFile(tmp_path / "nexuiz" / "music.pk3", "w") as archive:
        archive.write(folder / "Battle (epic).ogg", "sound/cdtracks/chaos-fog.ogg")
    songs = {song.name: song for song in real.soundtracks()}
    assert set(songs) == {"music-nexuiz-chaos-fog", "music-wesnoth-battle-epic-"}
    for song in songs.values():
        take = song.play(None, random.Random(0))
        assert take.stems["music"].shape == (2, 44100)
        assert np.ptp(take.stems["music"]) > 0.5
