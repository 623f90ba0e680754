"""Songs whose stems are known tell how good a model is."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.audio import Audio
from daw_bridge.errors import Cancelled
from daw_bridge.evaluation.bss_eval import score
from daw_bridge.evaluation.oracle import separate_ideally
from daw_bridge.evaluation.results import MIXTURE, ORACLE, Evaluation, SongScores
from daw_bridge.evaluation.targets import Target, match_stems
from daw_bridge.separation.options import SeparationOptions
from daw_bridge.stft import Stft

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daw_bridge.audio import Stems
    from daw_bridge.evaluation.bss_eval import Sources
    from daw_bridge.files.songs import Song
    from daw_bridge.jobs.job import IsCancelled, Progress
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.separator import Separator


@dataclass(frozen=True)
class EvaluateJob:
    """Score a model on songs.

    Attributes:
        songs: at least one.
        options: how to separate; stems are those that songs have.
    """

    songs: tuple[Song, ...]
    options: SeparationOptions = field(default_factory=SeparationOptions)

    def targets(self, manifest: ModelManifest) -> tuple[Target, ...]:
        """Return what can be compared.

        Raises:
            AudioError: model and songs have no stem in common.
        """
        known = {stem for song in self.songs for stem in song.stems}
        return match_stems(manifest.cut(known), known)


def run_evaluate(
    job: EvaluateJob,
    separator: Separator,
    *,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Evaluation:
    """Score one song after the other; one at a time is in memory.

    Raises:
        DawBridgeError: a song cannot be read, or has nothing in common with the model.
        Cancelled: ``is_cancelled`` said so.
    """
    began = time.perf_counter()
    targets = job.targets(separator.manifest)
    total = sum(song.frames for song in job.songs)
    scored, done = [], 0
    for song in job.songs:
        if is_cancelled and is_cancelled():
            raise Cancelled("The evaluation was cancelled.")
        scored.append(_score_song(song, targets, separator, job.options))
        done += song.frames
        if progress:
            progress(done, total)
    return Evaluation(
        model=separator.manifest.name,
        options=_said(job.options),
        targets=targets,
        songs=tuple(scored),
        elapsed_s=time.perf_counter() - began,
    )


def _score_song(
    song: Song, targets: Sequence[Target], separator: Separator, options: SeparationOptions
) -> SongScores:
    """Score the model, the mixture and ideal masks on the stems that a song has."""
    heard, references = _read_references(song, targets)
    scores = {}
    if heard:
        methods = _separate(song, heard, references, separator, options)
        found = score(references, list(methods.values()), song.sample_rate_hz)
        scores = {
            target.name: dict(zip(methods, of_target, strict=True))
            for target, of_target in zip(heard, zip(*found, strict=True), strict=True)
        }
    return SongScores(song.name, song.exact_frames / song.sample_rate_hz, scores)


def _read_references(song: Song, targets: Sequence[Target]) -> tuple[list[Target], Sources]:
    """Return the targets that are not silent in a song, and what they should sound like."""
    heard, references = [], [np.empty((0, 2, song.exact_frames), np.float32)]
    for target in targets:
        reference = sum(_read(song, target), np.zeros((2, song.exact_frames), np.float32))
        if reference.any():
            heard.append(target)
            references.append(reference[np.newaxis])
    return heard, np.concatenate(references)


def _read(song: Song, target: Target) -> Iterator[np.ndarray]:
    """Yield what a song has of the stems of a target: float32 (channels, frames)."""
    return (song.read(stem) for stem in target.song_stems if stem in song.stems)


def _separate(
    song: Song,
    targets: Sequence[Target],
    references: Sources,
    separator: Separator,
    options: SeparationOptions,
) -> dict[str, Sources]:
    """Return each method's estimates of the references."""
    mixture = song.read_mixture()
    manifest = separator.manifest
    stft = Stft(manifest.transform.window_samples, manifest.transform.hop_samples)
    wanted = tuple(stem for target in targets for stem in target.model_stems)
    stems = separator.separate(Audio(mixture, song.sample_rate_hz), replace(options, stems=wanted))
    return {
        MIXTURE: np.broadcast_to(mixture, references.shape),
        manifest.name: np.stack([_sum(stems, target) for target in targets]),
        ORACLE: separate_ideally(references, mixture, stft),
    }


def _sum(stems: Stems, target: Target) -> np.ndarray:
    """Return the sum of the stems that a target consists of: float32 (channels, frames)."""
    indices = [stems.names.index(stem) for stem in target.model_stems]
    return stems.samples[indices].sum(axis=0)


def _said(options: SeparationOptions) -> dict[str, object]:
    """Return the options that are not the default's."""
    usual = asdict(SeparationOptions())
    return {name: value for name, value in asdict(options).items() if value != usual[name]}
