"""Every job with a model whose stems are parts of parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.errors import OptionError, PresetError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.songs import find_songs
from daw_bridge.jobs.cache import StemCache
from daw_bridge.jobs.evaluate import EvaluateJob, run_evaluate
from daw_bridge.jobs.remix import RemixJob, run_remix
from daw_bridge.jobs.render import StemMaker
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.jobs.upmix import UpmixJob, run_upmix
from daw_bridge.rendering.preset import Preset, load_preset, say
from tests.conftest import level_db, make_noise
from tests.server import Server, Udp
from tests.smoothing_models import STEMS_OF_CHAIN, install_small_chain
from tests.songs import write_song, write_songs
from tests.stemtool import stemtool

FLOAT = OutputFormat("wav", "32f")
FRAMES = 60_000


@pytest.fixture
def chain(home: Path) -> str:
    return install_small_chain(home)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, make_noise(FRAMES).samples.T, 44_100, "FLOAT")
    return path


def separate(
    chain: str, song: Path, *stems: str, residual: bool = False, complement: bool = False
) -> tuple[float | None, dict[str, np.ndarray]]:
    """Return the null of a separation, and its files' samples."""
    job = SeparateJob(
        song,
        song.parent / "stems",
        options=SeparationOptions(stems=stems),
        output_format=FLOAT,
        residual=residual,
        complement=complement,
        overwrite=True,
    )
    with Separator(chain, provider="cpu") as separator:
        result = run_separate(job, separator)
    return result.null_db, {name: Audio.read(path).samples for name, path in result.outputs.items()}


@pytest.mark.parametrize(
    ("asked", "is_whole"),
    [
        ("", True),
        ("vocals rest", True),
        ("vocals.lead vocals.backing drums other", True),
        ("vocals.lead drums.kick other", False),
        ("vocals vocals.lead rest", False),
    ],
)
def test_a_null_is_told_of_what_is_the_mixture_once(
    chain: str, song: Path, asked: str, *, is_whole: bool
) -> None:
    null_db, stems = separate(chain, song, *asked.split())
    assert tuple(stems) == (tuple(asked.split()) or STEMS_OF_CHAIN)
    assert (null_db is not None) is is_whole
    assert null_db is None or null_db < -130
    assert (song.parent / "stems" / "song" / f"{next(iter(stems))}.wav").exists()


def test_stems_that_do_not_sum_say_by_how_much(chain: str, song: Path, home: Path) -> None:
    path = home / "models" / chain / "manifest.toml"
    text = path.read_text("utf-8").replace("takes = ['drums']", "takes = ['drums', 'other']")
    path.write_text(text.replace("'other']", "'other']\nlast_is_rest = false"), "utf-8")
    null_db, stems = separate(chain, song)
    assert null_db is not None
    assert -20 < null_db < -1
    missing = Audio.read(song).samples - sum(stems.values())
    assert null_db == pytest.approx(level_db(missing, Audio.read(song).samples), abs=0.1)


def test_what_stems_leave_of_the_mixture(chain: str, song: Path) -> None:
    null_db, stems = separate(chain, song, "vocals.lead", "drums", residual=True)
    assert null_db is not None
    assert null_db < -130
    assert list(stems) == ["vocals.lead", "drums", "residual"]
    with pytest.raises(OptionError, match="some are parts of others; leave these out"):
        separate(chain, song, "vocals.lead", "vocals", residual=True)


def test_all_but_some_parts(chain: str, song: Path) -> None:
    _, stems = separate(chain, song)
    null_db, taken = separate(chain, song, "drums", "vocals.lead", complement=True)
    ((left, made),) = taken.items()
    assert left == "no vocals.lead+drums"
    assert null_db is not None
    assert null_db < -130
    assert (song.parent / "stems" / "song" / f"{left}.wav").exists()
    parts = [each for name, each in stems.items() if not name.startswith(("drums", "vocals.lead"))]
    assert level_db(made - sum(parts), made) < -120
    with pytest.raises(OptionError, match="some are parts of others; leave these out"):
        separate(chain, song, "vocals.lead", "vocals", complement=True)
    with pytest.raises(OptionError, match="Without vocals, rest nothing is left"):
        separate(chain, song, "vocals", "rest", complement=True)


def remix(chain: str, song: Path, preset: Preset, cache: StemCache | None = None) -> Remixed:
    """Return what came of a remix, its samples, and the stems that it was made of."""
    job = RemixJob(
        song,
        song.parent / "remix.wav",
        preset,
        output_format=FLOAT,
        kept_folder=song.parent / "kept",
        overwrite=True,
    )
    with Separator(chain, provider="cpu") as separator:
        result = run_remix(job, StemMaker(separator.manifest, lambda: separator, cache))
    return result.provider, Audio.read(job.output).samples, list(result.outputs)[1:]


Remixed = tuple[str, np.ndarray, list[str]]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"vocals.lead": 6}, ["vocals.lead", "vocals.backing", "rest"]),
        ({"vocals": 6}, ["vocals", "rest"]),
        ({"drums": 6}, ["vocals", "drums", "other"]),
        ({"vocals": -6, "vocals.lead": 6}, ["vocals.lead", "vocals.backing", "rest"]),
    ],
)
def test_a_remix_splits_what_it_names(
    chain: str, song: Path, settings: dict[str, float], kept: list[str]
) -> None:
    _, mix, stems = remix(chain, song, say({k: {"gain_db": v} for k, v in settings.items()}))
    assert stems == kept
    _, parts = separate(chain, song, *kept)
    said = {"vocals.backing": settings.get("vocals", 0), **settings}
    expected = sum(10 ** (said.get(name, 0) / 20) * part for name, part in parts.items())
    assert level_db(mix - expected, mix) < -120


def test_presets_find_what_is_split_further(chain: str, song: Path) -> None:
    _, mix, stems = remix(chain, song, load_preset("acapella"))
    assert stems == ["vocals", "rest"]
    _, parts = separate(chain, song, "vocals")
    assert level_db(mix, parts["vocals"]) > -3
    with pytest.raises(PresetError, match=r"a stem 'vocals.leed' \(did you mean 'vocals.lead"):
        remix(chain, song, say({"vocals.leed": {"gain_db": 1}}))


def test_the_cache_knows_parts_apart(chain: str, song: Path, tmp_path: Path) -> None:
    cache = StemCache(tmp_path / "cache")
    coarse, fine = (say({name: {"gain_db": 3}}) for name in ("vocals", "vocals.lead"))
    found = [remix(chain, song, preset, cache) for preset in (coarse, fine, coarse, fine)]
    assert [provider for provider, _, _ in found] == ["cpu", "cpu", "cache", "cache"]
    for first, again in zip(found[:2], found[2:], strict=True):
        assert np.array_equal(first[1], again[1])
        assert first[2] == again[2]


def test_stems_in_a_folder_are_found_by_what_they_are_parts_of(chain: str, song: Path) -> None:
    separate(chain, song)
    folder = song.parent / "stems" / "song"
    preset = say({"vocals": {"gain_db": 6}, "drums.kick": {"mute": True}})
    job = RemixJob(song, song.parent / "x.wav", preset, stems_folder=folder, output_format=FLOAT)
    with Separator(chain, provider="cpu") as separator:
        run_remix(job, StemMaker(separator.manifest, lambda: separator))
    _, parts = separate(chain, song)
    voices = parts["vocals.lead"] + parts["vocals.backing"]
    expected = 10 ** (6 / 20) * voices + parts["drums.snare"] + parts["other"]
    assert level_db(Audio.read(job.output).samples - expected, expected) < -110


def test_an_upmix_places_what_its_layout_names(chain: str, song: Path) -> None:
    job = UpmixJob(song, song.parent / "up", parts="stems", output_format=FLOAT)
    with Separator(chain, provider="cpu") as separator:
        result = run_upmix(job, StemMaker(separator.manifest, lambda: separator))
    assert list(result.outputs) == ["vocals", "drums", "other"]
    assert result.null_db is not None
    assert result.null_db < -120


def test_songs_are_compared_on_the_level_of_their_stems(chain: str, tmp_path: Path) -> None:
    songs = find_songs(write_songs(tmp_path / "songs"))
    with Separator(chain, provider="cpu") as separator:
        found = run_evaluate(EvaluateJob(tuple(songs[:1])), separator)
        assert [target.name for target in found.targets] == ["vocals", "drums", "other"]
        assert np.isfinite(found.figures["vocals"][chain].sdr_db)
        kick = {"drums.kick": make_noise(20_000).samples, "bass": make_noise(20_000).samples}
        write_song(tmp_path / "kit" / "song", kick)
        job = EvaluateJob(tuple(find_songs(tmp_path / "kit")))
        names = [target.model_stems for target in job.targets(separator.manifest)]
    assert names == [("drums.kick",), ("vocals", "drums.snare", "other")]


@pytest.mark.usefixtures("home")
def test_stemtool_and_a_server_give_parts_of_any_level(chain: str, song: Path) -> None:
    asked = "vocals.lead,vocals.backing,drums.kick,drums.snare,other"
    run = stemtool("separate", song, "-o", song.parent / "a", "-m", chain, "--stems", asked)
    assert run.returncode == 0, run.stderr
    assert "stems sum to the mixture" in run.stdout
    with Server(song.parent, song.parent / "state") as server, Udp(server.port) as peer:
        said = ("job", chain, str(song.parent / "b"), 0.0, -1.0, f"stems={asked}", str(song))
        peer.send("/stems/separate", "sssddss", *said)
        messages = peer.receive_until("/stems/done", "/stems/error")
    stems = [each.arguments[3] for each in messages if each.address == "/stems/stem"]
    assert ",".join(map(str, stems)) == asked
    for name in asked.split(","):
        served, written = song.parent / "b" / f"{name}.wav", song.parent / "a/song" / f"{name}.wav"
        assert np.array_equal(Audio.read(served).samples, Audio.read(written).samples)
