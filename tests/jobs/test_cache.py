from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from daw_bridge import Stems
from daw_bridge.audio import join_stems
from daw_bridge.errors import AudioError, OutputError
from daw_bridge.jobs.cache import StemCache, cache_key
from daw_bridge.jobs.sources import Selection
from tests.stems import FRAMES, make_stems, passage_of

if TYPE_CHECKING:
    from daw_bridge.files.reading import Reader


def in_blocks(stems: Stems, frames: int = 7777) -> Generator[Stems, None, None]:
    for start in range(0, stems.mixture.shape[1], frames):
        part = slice(start, start + frames)
        yield Stems(stems.names, stems.samples[..., part], stems.mixture[:, part], 44_100)


def keep(cache: StemCache, key: str, stems: Stems) -> Stems:
    return join_stems(cache.keep(key, in_blocks(stems), passage_of(stems)))


def test_what_is_kept_comes_back_to_the_bit(tmp_path: Path) -> None:
    cache, stems = StemCache(tmp_path / "cache"), make_stems()
    assert cache.read("a", stems.names, passage_of(stems)) is None
    passed = keep(cache, "a", stems)
    found = cache.read("a", stems.names, passage_of(stems))
    assert found
    read = join_stems(found)
    for each in (passed, read):
        np.testing.assert_array_equal(each.samples, stems.samples)
        np.testing.assert_array_equal(each.mixture, stems.mixture)


def test_an_entry_that_is_cut_off_is_damaged(tmp_path: Path) -> None:
    cache, stems = StemCache(tmp_path), make_stems()
    keep(cache, "a", stems)
    with (tmp_path / "a.wav").open("r+b") as file:
        file.truncate(stems.samples.nbytes // 2)
    found = cache.read("a", stems.names, passage_of(stems))
    assert found
    with pytest.raises(AudioError, match="stemtool cache clear"):
        list(found)


def test_stems_that_did_not_all_come_are_not_kept(tmp_path: Path) -> None:
    cache, stems = StemCache(tmp_path), make_stems()
    passing = cache.keep("a", in_blocks(stems), passage_of(stems))
    next(passing)
    passing.close()
    assert not list(tmp_path.iterdir())


def test_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    stems = make_stems()
    entry_bytes = stems.samples.nbytes + 1000
    cache = StemCache(tmp_path, limit_bytes=2 * entry_bytes)
    first, second, third = (digit * 64 for digit in "abc")
    for age, key in enumerate((first, second)):
        keep(cache, key, stems)
        os.utime(tmp_path / f"{key}.wav", (age, age))
    assert cache.read(first, stems.names, passage_of(stems))
    keep(cache, third, stems)
    assert [path.stem for path in cache.entries()] == [third, first]
    (tmp_path / f".0123abcd-{second}.wav").write_bytes(b"half written")
    cache.clear()
    assert not list(tmp_path.iterdir())


def test_what_is_not_the_caches_own_is_left_alone(home: Path) -> None:
    """The user's folder may have stems of another kind: those that somebody made."""
    cache, stems = StemCache(limit_bytes=make_stems().samples.nbytes + 1000), make_stems()
    song = home / "stems" / "vocals.wav"
    song.parent.mkdir()
    song.write_bytes(b"a year of work")
    for digit in "ab":
        keep(cache, digit * 64, stems)
    cache.clear()
    assert list(song.parent.iterdir()) == [song]
    song.parent.rename(home / "elsewhere")
    song.parent.symlink_to(home.parent)
    with pytest.raises(OutputError, match=r"stems leads out of .*remove the link"):
        StemCache()


def test_what_is_too_large_passes_by(tmp_path: Path) -> None:
    cache = StemCache(tmp_path, limit_bytes=1000)
    assert keep(cache, "a", make_stems()).mixture.shape[1] == FRAMES
    assert not list(tmp_path.iterdir())


def test_what_turns_out_to_be_too_large_passes_by(tmp_path: Path) -> None:
    stems = make_stems()
    cache = StemCache(tmp_path, limit_bytes=stems.samples.nbytes - 1)
    mixture = SimpleNamespace(frames=1, channels=2, sample_rate_hz=44_100)
    claimed = Selection(cast("Reader", mixture))
    sizes = [
        sum(path.stat().st_size for path in tmp_path.iterdir())
        for _ in cache.keep("a", in_blocks(stems), claimed)
    ]
    assert 0 < max(sizes) < stems.samples.nbytes
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = StemCache(tmp_path / "file" / "cache")
    assert keep(cache, "a", make_stems()).mixture.shape[1] == FRAMES
    assert "not kept" in caplog.text


def test_keys_tell_content_and_choices_apart(tmp_path: Path) -> None:
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).write_bytes(content)

    def key(name: str, **choices: object) -> str:
        return cache_key([tmp_path / name], **choices)

    assert key("a") == key("b") != key("c")
    assert key("a", model="m", start=0) == key("a", start=0, model="m") != key("a", model="m")
