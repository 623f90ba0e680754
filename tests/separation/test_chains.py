"""Chains: stages of any kinds are what they would be by hand, and stems sum to the mixture."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.audio import Stems, join_stems
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import ManifestError, OptionError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.library.manifest import ChainModel
from daw_bridge.library.models import load_manifest
from daw_bridge.separation.chains import Chain
from daw_bridge.separation.options import Plan, make_plan
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db, make_noise
from tests.mini_mdx import SHAPE, WINDOW, write_net
from tests.published import FAMILIES
from tests.smoothing_models import STEMS_OF_CHAIN as STEMS
from tests.smoothing_models import (
    install,
    install_chain,
    install_ensemble,
    install_small_chain,
    install_waveform,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from daw_bridge.files.blocks import Block
    from daw_bridge.separation.models import Reread

CUTS = [
    (),
    ("vocals", "rest"),
    ("vocals.lead", "vocals.backing", "rest"),
    ("vocals", "drums", "other"),
    ("vocals", "drums.kick", "drums.snare", "other"),
]


@pytest.fixture
def chain(home: Path) -> str:
    return install_small_chain(home)


def separate(model: str, mixture: Audio, options: SeparationOptions | None = None) -> Stems:
    with Separator(model, provider="cpu") as separator:
        return separator.separate(mixture, options)


@pytest.mark.parametrize("asked", CUTS, ids=",".join)
@pytest.mark.parametrize(("channels", "sample_rate_hz"), [(2, 44_100), (1, 48_000)])
def test_stems_of_any_level_sum_to_the_mixture(
    chain: str, asked: tuple[str, ...], channels: int, sample_rate_hz: int
) -> None:
    mixture = make_noise(70_001, channels=channels, sample_rate_hz=sample_rate_hz)
    stems = separate(chain, mixture, SeparationOptions(stems=asked))
    assert stems.names == (asked or STEMS)
    assert stems.samples.shape[1:] == mixture.samples.shape
    assert np.array_equal(stems.mixture, mixture.samples)
    assert level_db(stems.residual(), mixture.samples) < -130
    assert all(level_db(stem, mixture.samples) > -60 for stem in stems.samples)


def test_a_part_is_the_sum_of_its_parts(chain: str) -> None:
    mixture = make_noise(70_001)
    asked = ("vocals", "vocals.lead", "vocals.backing", "drums", "drums.kick", "drums.snare")
    stems = separate(chain, mixture, SeparationOptions(stems=asked))
    for whole, *parts in (asked[:3], asked[3:]):
        total = np.sum([stems[part].samples for part in parts], axis=0)
        assert level_db(stems[whole].samples - total, total) < -130


def test_a_chain_is_its_stages_by_hand(chain: str, tmp_path: Path) -> None:
    mixture = make_noise(100_001, sample_rate_hz=48_000)
    stems = separate(chain, mixture, SeparationOptions(stems=("rest", "drums", "other")))
    path = tmp_path / "song.wav"
    write_float(path, mixture)
    by_hand("voice", path, tmp_path)
    by_hand("band", tmp_path / "rest.wav", tmp_path, stems=("drums",))
    rest, drums = (Audio.read(tmp_path / f"{name}.wav").samples for name in ("rest", "drums"))
    assert np.array_equal(stems["rest"].samples, rest)
    assert np.array_equal(stems["drums"].samples, drums)
    assert np.array_equal(stems["other"].samples, rest - drums)


def by_hand(model: str, source: Path, folder: Path, stems: tuple[str, ...] = ()) -> None:
    job = SeparateJob(
        source,
        folder,
        name="{stem}.{ext}",
        options=SeparationOptions(stems=stems),
        output_format=OutputFormat("wav", "32f"),
    )
    with Separator(model, provider="cpu") as separator:
        run_separate(job, separator)


def write_float(path: Path, audio: Audio) -> None:
    import soundfile

    soundfile.write(path, audio.samples.T, audio.sample_rate_hz, "FLOAT")


def test_shifts_shift_each_stage(chain: str) -> None:
    mixture = make_noise(60_000)
    shifted = SeparationOptions(shifts=3)
    stems = separate(chain, mixture, SeparationOptions(stems=("drums",), shifts=3))
    rest = separate("voice", mixture, shifted)["rest"]
    drums = separate("band", rest, shifted)["drums"].samples
    assert level_db(stems["drums"].samples - drums, drums) < -130


class Blocks(Audio):
    """Gives short blocks, and notes how far it was read."""

    read_frames = 0

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[Block]:
        for first in range(0, self.frames, 777):
            object.__setattr__(self, "read_frames", first)
            yield self.samples[:, first : first + 777]


def test_blocks_do_not_matter(chain: str) -> None:
    mixture = make_noise(70_001, sample_rate_hz=48_000)
    with Separator(chain, provider="cpu") as separator:
        whole = separator.separate(mixture)
        streamed = join_stems(separator.stream(Blocks(mixture.samples, 48_000)))
    assert np.array_equal(streamed.samples, whole.samples)


def test_no_stage_runs_far_ahead(chain: str) -> None:
    """What has been read and not been given is as much at the end of a song as at its beginning."""
    source, given, ahead = Blocks(make_noise(1_500_000).samples, 44_100), 0, []
    options = SeparationOptions(stems=("vocals.lead", "drums.kick", "other"))
    with Separator(chain, provider="cpu") as separator:
        for stems in separator.stream(source, options):
            ahead.append(source.read_frames - given)
            given += stems.mixture.shape[1]
    assert given == source.frames
    assert max(ahead) < 300_000


@pytest.mark.parametrize(
    ("asked", "broken"),
    [
        (("vocals", "rest"), "band kit choir"),
        (("drums", "other"), "kit choir"),
        (("drums.kick",), "choir"),
    ],
)
def test_stages_that_nothing_needs_are_not_run(
    chain: str, home: Path, asked: tuple[str, ...], broken: str
) -> None:
    """A network that fails whenever it runs does no harm there."""
    for name in broken.split():
        manifest = home / "models" / name / "manifest.toml"
        text = re.sub(r"\nsamples = .*", "\nsamples = 5005", manifest.read_text("utf-8"))
        manifest.write_text(text, "utf-8")
    mixture = make_noise(50_000)
    with Separator(chain, provider="cpu") as separator:
        assert separator.separate(mixture, SeparationOptions(stems=asked)).names == asked
        with pytest.raises(Exception, match="5005"):
            separator.separate(mixture)
        assert separator.separate(mixture, SeparationOptions(stems=asked)).names == asked


def test_a_model_may_give_the_last_part_itself(home: Path) -> None:
    """Then stems sum to what the model's sum to: here to half of the mixture."""
    install_waveform(home, "halves", {"noise": 0.2, "dry": 0.3, "wet": 0.1})
    stages = "[[stages]]\nparts = ['dry', 'wet']\nmodel = 'halves'\ntakes = ['dry', 'wet']\n"
    mixture = make_noise(50_000)
    own = separate("halves", mixture, SeparationOptions(extension="zeros"))
    exact = separate(install_chain(home, ("dry", "wet"), stages), mixture)
    stages += "last_is_rest = false\n"
    loose = separate(install_chain(home, ("dry", "wet"), stages), mixture)
    assert np.array_equal(exact["wet"].samples, mixture.samples - own["dry"].samples)
    for name in ("dry", "wet"):
        assert np.array_equal(loose[name].samples, own[name].samples)


def test_a_stage_takes_stems_in_its_own_order(home: Path) -> None:
    install_waveform(home, "four", {"drums": 0.1, "bass": 0.2, "other": 0.3, "vocals": 0.4})
    stages = "[[stages]]\nparts = ['low', 'beat', 'more']\nmodel = 'four'\n"
    stages += "takes = ['bass', 'drums']\n"
    mixture = make_noise(50_000)
    stems = separate(install_chain(home, ("beat", "low", "more"), stages), mixture)
    four = separate("four", mixture)
    assert stems.names == ("low", "beat", "more")
    assert np.array_equal(stems["low"].samples, four["bass"].samples)
    assert np.array_equal(stems["beat"].samples, four["drums"].samples)
    assert level_db(stems.residual(), mixture.samples) < -130


def test_chains_and_ensembles_are_made_of_each_other(chain: str, home: Path) -> None:
    """An ensemble of a chain and a model, whose vocals another chain splits once more."""
    install_waveform(home, "plain", {"vocals": 0.8, "other": 0.1})
    install_ensemble(
        home, f"model = '{chain}'", "model = 'plain'\nweight = { vocals = 3 }",
        stems=("vocals", "rest"),
    )  # fmt: skip
    stages = "[[stages]]\nparts = ['vocals', 'rest']\nmodel = 'together'\n"
    stages += "[[stages]]\nof = 'vocals'\nparts = ['vocals.dry', 'vocals.wet']\nmodel = 'choir'\n"
    outer = install_chain(home, ("vocals.dry", "vocals.wet", "rest"), stages, name="outer")
    mixture = make_noise(50_000)
    stems = separate(outer, mixture, SeparationOptions(stems=("vocals", "vocals.dry")))
    inner = separate(chain, mixture, SeparationOptions(stems=("vocals",)))
    plain = separate("plain", mixture)
    expected = (inner["vocals"].samples + 3 * plain["vocals"].samples) / 4
    assert level_db(stems["vocals"].samples - expected, expected) < -120
    assert level_db(separate(outer, mixture).residual(), mixture.samples) < -130


def test_networks_of_masks_and_of_signals_split_each_others_parts(
    home: Path, network_path: Path, song: Audio
) -> None:
    weights = home / "weights" / network_path.parent.name
    weights.parent.mkdir()
    weights.symlink_to(network_path.parent)
    install_waveform(home, "band", {"drums": 0.5, "other": 0.4})
    stages = "[[stages]]\nparts = ['vocals', 'rest']\nmodel = 'spleeter-2stems'\n"
    stages += "[[stages]]\nof = 'rest'\nparts = ['drums', 'other']\nmodel = 'band'\n"
    stages += "[[stages]]\nof = 'vocals'\nparts = ['vocals.lead', 'vocals.more']\n"
    stages += "model = 'spleeter-2stems'\n"
    stages += "[[stages]]\nof = 'drums'\nparts = ['drums.left', 'drums.right']\nmodel = 'net'\n"
    import_net(home)
    stems = ("vocals.lead", "vocals.more", "drums.left", "drums.right", "other")
    name = install_chain(home, stems, stages)
    made = separate(name, song)
    first = separate("spleeter-2stems", song)
    again = separate("spleeter-2stems", first["vocals"])
    drums = separate("band", first["accompaniment"])["drums"]
    assert np.array_equal(made["vocals.lead"].samples, again["vocals"].samples)
    left = separate("net", drums).samples[0]
    assert np.array_equal(made["drums.left"].samples, left)
    assert level_db(made.residual(), song.samples) < -130


def import_net(home: Path) -> None:
    """Import MDX-Net's graph of one node."""
    told = {"mdx_n_fft_scale_set": WINDOW, "primary_stem": "Vocals"}
    (home / "net.json").write_text(json.dumps(told), "utf-8")
    wishes = ImportWishes(configuration=home / "net.json")
    import_checkpoint(str(write_net(home / "net.onnx", SHAPE)), ImportOptions(wishes=wishes))


def test_wiener_refinement_is_for_chains_of_masks(chain: str) -> None:
    with pytest.raises(OptionError, match=r"Wiener refinement is for .*; voice has none"):
        separate(chain, make_noise(50_000), SeparationOptions(wiener_iterations=1))


def test_an_unknown_part_gets_a_suggestion(chain: str) -> None:
    with pytest.raises(OptionError, match=r"'vocals.leed' \(did you mean 'vocals.lead'\?\)"):
        separate(chain, make_noise(1000), SeparationOptions(stems=("vocals.leed",)))


class Echo:
    """A model that gives each stem what it hears, and notes when it is closed."""

    provider = "cpu"

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.manifest = load_manifest(name)
        self.fails = fails
        self.is_open = False

    def run(self, plan: Plan, blocks: Iterable[Block], _: Reread) -> Generator[Stems, None, None]:
        self.is_open = True
        try:
            for number, block in enumerate(blocks):
                if self.fails and number == 2:
                    raise ValueError("It breaks.")
                samples = np.stack([block] * len(plan.names))
                yield Stems(plan.names, samples, block, plan.source_hz)
        finally:
            self.is_open = False


@pytest.mark.parametrize("fails", [False, True])
def test_whatever_ends_a_chain_ends_its_stages(chain: str, *, fails: bool) -> None:
    manifest = load_manifest(chain)
    assert isinstance(manifest, ChainModel)
    models = [Echo(stage.model) for stage in manifest.stages]
    models[-1].fails = fails
    mixture = make_noise(500_000)
    run = Chain(manifest, models).run(
        make_plan(manifest, SeparationOptions(), mixture), mixture.blocks(), mixture.blocks
    )
    next(run)
    assert all(model.is_open for model in models)
    if fails:
        with pytest.raises(ValueError, match="It breaks"):
            list(run)
    else:
        run.close()
    assert not any(model.is_open for model in models)


VOICE = "[[stages]]\nparts = ['vocals', 'rest']\nmodel = 'voice'\n"
BAND = "[[stages]]\nof = 'rest'\nparts = ['drums', 'other']\nmodel = 'band'\n"
TAKES = "takes = ['drums']\n"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("of = 'rest'", "of = 'rst'", r"splits 'rst', which .* \(did you mean 'rest'\?\)"),
        ("of = 'rest'\n", "", "splits 'mixture', which no earlier stage leaves whole"),
        ("'drums', 'other'", "'drums', 'piano'", "end in vocals, drums, piano, but the stems are"),
        ("'drums', 'other'", "'drums', 'rest'", "two parts are called 'rest'"),
        ("'vocals', 'rest'", "'mixture', 'rest'", "two parts are called 'mixture'"),
        ("'drums', 'other'", "'Vocals', 'other'", "but the stems are"),
        ("'drums', 'other'", "'vocals.drums', 'other'", "of 'vocals', but the stage splits 'rest'"),
        ("'drums', 'other'", "'rest..drums', 'other'", r"parts\[1\]: is the name of a stem"),
        ("'drums', 'other'", "'rest.con', 'other'", r"parts\[1\]: is the name of a stem"),
        ("'drums', 'other'", "'rest/drums', 'other'", r"parts\[1\]: is the name of a stem"),
        ("'drums', 'other'", "'drums'", "parts: has at least 2 entries|parts"),
        ("takes = ['drums']", "takes = ['drum']", "takes 'drum' of band, which makes drums, noise"),
        ("takes = ['drums']", "takes = ['drums', 'noise', 'noise']", "for each but the last"),
        ("takes = ['drums']", "takes = ['drums', 'drums']", "takes a stem of its model for each"),
        (TAKES, "takes = ['drums']\nlast_is_rest = false\n", "a stem of its model for each part"),
        (TAKES, "", "band makes drums, noise, other, which the stage names drums, other"),
        (TAKES, "filter = { kind = 'low-pass', cutoff_hz = 200 }\n", "filter: is no key"),
        ("model = 'voice'", "model = 'vioce'", "did you mean 'voice'"),
        ("model = 'voice'", "model = 'chained'", "made of itself: chained → chained"),
        ("'vocals', 'rest'", "'rest', 'vocals'", "voice makes vocals, rest, which the stage names"),
        (VOICE + BAND + TAKES, "stages = []\n", "stages: "),
        (VOICE + BAND + TAKES, "", "stages: is missing"),
    ],
)  # fmt: skip
def test_a_broken_chain_is_refused(before: str, after: str, sentence: str, home: Path) -> None:
    install_waveform(home, "voice", {"vocals": 0.5, "rest": 0.4})
    install_waveform(home, "band", {"drums": 0.3, "noise": 0.1, "other": 0.4})
    whole = VOICE + BAND + TAKES
    assert load_manifest(install_chain(home, ("vocals", "drums", "other"), whole))
    assert before in whole
    broken = install_chain(home, ("vocals", "drums", "other"), whole.replace(before, after, 1))
    with pytest.raises(ManifestError, match=sentence) as caught:
        load_manifest(broken)
    assert "\n" not in str(caught.value)


def test_no_two_parts_share_a_file(home: Path) -> None:
    install_waveform(home, "voice", {"a": 0.5, "b": 0.4})
    stages = "[[stages]]\nparts = ['vocals', 'rest']\nmodel = 'voice'\n"
    stages += "[[stages]]\nof = 'rest'\nparts = ['Vocals', 'other']\nmodel = 'voice'\n"
    with pytest.raises(ManifestError, match="would where upper case is lower case"):
        load_manifest(install_chain(home, ("vocals", "Vocals", "other"), stages))


def test_a_tree_has_not_many_levels(home: Path) -> None:
    install_waveform(home, "voice", {"a": 0.5, "b": 0.4})
    names = ["mixture", *(f"p{level}" for level in range(17))]
    stages = "".join(
        f"[[stages]]\nof = '{whole}'\nparts = ['{part}', 'r{part}']\nmodel = 'voice'\n"
        for whole, part in pairwise(names)
    )
    stems = (names[-1], *(f"r{name}" for name in names[1:]))
    with pytest.raises(ManifestError, match="split over more than 16 levels"):
        load_manifest(install_chain(home, stems, stages))


def test_a_chain_has_the_channels_of_its_models(home: Path) -> None:
    install(home, "mono", "chain", ("vocals", "rest"), VOICE)
    install_waveform(home, "voice", {"vocals": 0.5, "rest": 0.4})
    path = home / "models" / "mono" / "manifest.toml"
    path.write_text(path.read_text("utf-8").replace("channels = 2", "channels = 1"), "utf-8")
    with pytest.raises(ManifestError, match="voice is for 2 channels, and mono for 1"):
        load_manifest("mono")


@pytest.fixture
def two_passes(home: Path) -> str:
    """A chain whose second stage hears its part twice, with the models of an ensemble."""
    checkpoint, configuration = FAMILIES["vr"]().write(home)
    wishes = ImportWishes(configuration=configuration)
    import_checkpoint(str(checkpoint), ImportOptions(name="vr", wishes=wishes))
    install_waveform(home, "voice", {"vocals": 0.5, "rest": 0.4})
    stems = ("vocals.dry", "vocals.wet", "rest")
    below = "[[stages]]\nof = 'vocals'\nparts = ['vocals.dry', 'vocals.wet']\nmodel = 'vr'\n"
    return install_chain(home, stems, VOICE + below)


def test_a_file_is_read_twice_where_a_stage_must_know_all_of_its_part(
    two_passes: str, song: Audio, tmp_path: Path
) -> None:
    stems = separate_file(two_passes, write(song, tmp_path))
    whole = separate("voice", song)["vocals"]
    dry = separate("vr", whole).samples[0]
    assert np.array_equal(stems["vocals.dry"].samples, dry)
    assert np.array_equal(stems.mixture, song.samples)


def test_members_of_an_ensemble_may_read_a_file_twice(
    two_passes: str, home: Path, song: Audio, tmp_path: Path
) -> None:
    members = (f'model = "{two_passes}"', 'model = "voice"\nweight = { rest = 1 }')
    stems = ("vocals.dry", "vocals.wet", "rest")
    together = install_ensemble(home, *members, stems=stems)
    assert np.array_equal(separate_file(together, write(song, tmp_path)).mixture, song.samples)


def separate_file(model: str, path: Path) -> Stems:
    with Separator(model, provider="cpu") as separator:
        return join_stems(separator.stream(path))


def write(audio: Audio, folder: Path) -> Path:
    soundfile.write(folder / "song.wav", audio.samples.T, audio.sample_rate_hz, "FLOAT")
    return folder / "song.wav"
