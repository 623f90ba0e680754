"""Stems → a remix, block by block.

    stems ─→ chain → width, pan, gain ─→ Σ ─→ bus ─→ pitch, tempo ─→ (loudness, true peaks)
             of each stem

The effects' delay is made up for, what rings on after the end is kept, and memory does not grow
with the length of the song.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.errors import PresetError
from daw_bridge.files.atomic import create_unnamed
from daw_bridge.files.blocks import BLOCK_FRAMES, Fifo, check_samples
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.writing import output_errors
from daw_bridge.loudness import LoudnessMeter, TruePeakMeter
from daw_bridge.rendering.effects import EffectChain
from daw_bridge.rendering.limiter import TruePeakLimiter
from daw_bridge.rendering.stretching import PitchTempo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from numpy.typing import NDArray

    from daw_bridge.audio import StemBlock, Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reach import Reach
    from daw_bridge.files.room import Room
    from daw_bridge.rendering.preset import Preset, StemSettings

_TAIL_S = 30.0
_TAIL_FADE_S = 1.0
_INAUDIBLE = 10 ** (-90 / 20)
_LOUDNESS_TOLERANCE_LU = 0.03
_LOUDNESS_ROUNDS = 10
_MIN_SLOPE = 0.2
_METERS = 2


def mix(blocks: Iterable[Stems], preset: Preset) -> Iterator[Block]:
    """Yield the remix of stems: blocks of float32 (channels, frames) of any length.

    Raises:
        PresetError: the preset does not fit the stems.
        AudioError: effects made something infinite of them.
    """
    desk: Desk | None = None
    for stems in blocks:
        desk = desk or Desk(preset, stems)
        yield desk.push(stems.samples)
    if desk:
        yield from desk.finish()


class Desk:
    """Mixes stems as a preset says.

    Args:
        preset: what becomes of them.
        stems: the first block of them, which tells what they are.
    """

    def __init__(self, preset: Preset, stems: Stems) -> None:
        self._stems, self._channels, _ = stems.samples.shape
        self._rate = rate = stems.sample_rate_hz
        preset.check(stems.names, self._channels)
        self._strips = {
            number: _Strip(settings, self._channels, rate)
            for number, settings in enumerate(map(preset.settings, stems.names))
            if not settings.mute
        }
        self._bus = EffectChain(preset.bus, channels=self._channels, sample_rate_hz=rate)
        self._speed = PitchTempo(
            self._channels, rate, semitones=preset.pitch_semitones, tempo=preset.tempo
        )
        has_effects = preset.bus or any(strip.has_effects for strip in self._strips.values())
        self._tail_frames = round(_TAIL_S * rate) if has_effects else 0
        self._frames_in = self._frames_out = 0

    def push(self, samples: StemBlock) -> Block:
        """Return what a block of stems completes: float32 (channels, frames)."""
        self._frames_in += samples.shape[-1]
        return self._speed.push(self._mix(samples))

    def finish(self) -> Iterator[Block]:
        """Yield what is left when the stems have ended."""
        tail = np.concatenate(list(self._ring_out()), axis=1)
        yield self._speed.push(tail[:, : self._audible_frames(tail)])
        yield self._speed.flush()

    def _mix(self, samples: StemBlock) -> Block:
        ready = math.inf
        for number, strip in self._strips.items():
            ready = min(ready, strip.push(samples[number]))
        mixed = sum(strip.take(int(ready)) for strip in self._strips.values())
        bus = self._bus.push(np.asarray(mixed, np.float32))
        check_samples(bus, "The remix", start=self._frames_out)
        self._frames_out += bus.shape[1]
        return bus

    def _ring_out(self) -> Iterator[Block]:
        """Push silence until all that went in, and all that rings on, has come out."""
        silence = np.zeros((self._stems, self._channels, BLOCK_FRAMES), np.float32)
        end = self._frames_in + self._tail_frames
        yield silence[0, :, :0]
        while (first := self._frames_out) < end:
            yield self._mix(silence)[:, : end - first]

    def _audible_frames(self, tail: Block) -> int:
        """Return how many frames of a tail to keep; one that would never end is faded out."""
        due = tail.shape[1] - self._tail_frames
        audible = np.flatnonzero(np.abs(tail).max(axis=0) > _INAUDIBLE)
        kept = max(due, int(audible[-1]) + 1) if len(audible) else due
        fade = min(round(_TAIL_FADE_S * self._rate), self._tail_frames)
        if fade and kept > tail.shape[1] - fade:
            tail[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        return kept


class _Strip:
    """One stem's way to the sum."""

    def __init__(self, settings: StemSettings, channels: int, sample_rate_hz: int) -> None:
        self.has_effects = bool(settings.chain)
        self._chain = EffectChain(settings.chain, channels=channels, sample_rate_hz=sample_rate_hz)
        self._matrix = _matrix(settings, channels)
        self._ready = Fifo(np.empty((channels, 0), np.float32))

    def push(self, block: Block) -> int:
        """Take a block; return how many frames are ready."""
        self._ready.push(_apply(self._matrix, self._chain.push(block)))
        return self._ready.frames

    def take(self, frames: int) -> Block:
        """Return the first frames that are ready."""
        return self._ready.take(frames)


def _matrix(settings: StemSettings, channels: int) -> NDArray[np.float32]:
    """Return the matrix of width, pan and gain: (channels out, channels in)."""
    gain = 10 ** (settings.gain_db / 20)
    if channels == 1:
        return np.array([[gain]], np.float32)
    side = settings.width / 100
    width = np.array([[1 + side, 1 - side], [1 - side, 1 + side]]) / 2
    return (gain * _pan(settings.pan / 100) @ width).astype(np.float32)


def _pan(position: float) -> NDArray[np.float64]:
    """Return the matrix (2, channels) of the Web Audio API's StereoPannerNode; -1 is left."""
    angle = (1 - abs(position)) * math.pi / 2
    away, stays = math.cos(angle), math.sin(angle)
    if position <= 0:
        return np.array([[1, away], [0, stays]])
    return np.array([[stays, 0], [away, 1]])


def _apply(matrix: NDArray[np.float32], block: Block) -> Block:
    """Multiply by a matrix (channels, channels)."""
    if np.array_equal(matrix, np.eye(len(matrix))):
        return block
    applied: Block = np.einsum("ij,jk->ik", matrix, block)
    return applied


class Levels(NamedTuple):
    """The integrated loudness of audio, and its highest true peak in dB of full scale."""

    lufs: float
    true_peak_db: float


class Master:
    """Brings a remix to a loudness, and keeps its true peaks below a ceiling.

    Both are known only when all of it has come, so until then it waits in a file without a name. A
    preset without loudness and ceiling lets it pass at once. Use it in a ``with`` block.

    Args:
        preset: the loudness to reach, and the ceiling.
        heartbeat: is called now and then; an exception that it raises ends the work.
        channels: number of channels.
        sample_rate_hz: frames a second.
        output: the file that the remix becomes; the file in which it waits lies beside it.
        reach: where that may be.
        room: how much may be written; None: as much as there is room for.
    """

    def __init__(
        self,
        preset: Preset,
        heartbeat: Callable[[], None],
        *,
        channels: int,
        sample_rate_hz: int,
        output: Path,
        reach: Reach = ANYWHERE,
        room: Room | None = None,
    ) -> None:
        self._room = room
        self._heartbeat = heartbeat
        self._lufs = preset.lufs
        self._ceiling_db = preset.ceiling_db
        self._channels = channels
        self._rate = sample_rate_hz
        self._pool = ThreadPoolExecutor(_METERS)
        self._meter = _Meter(self._pool, channels, sample_rate_hz)
        self._came = Levels(-math.inf, -math.inf)
        self._passes = self._lufs is None and self._ceiling_db is None
        self._output = output
        with output_errors(output), reach.folder(output.parent) as folder:
            self._spool = create_unnamed(folder, output.name)

    def __enter__(self) -> Master:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        self._spool.close()

    @property
    def levels(self) -> Levels:
        """The levels of the remix so far."""
        return self._meter.levels

    def push(self, block: Block) -> Block:
        """Return a block (channels, frames) if it may pass; else it waits."""
        self._meter.add(block)
        if self._passes:
            return block
        with output_errors(self._output):
            if self._room:
                self._room.claim(block.nbytes, self._output.parent)
            self._spool.write(np.ascontiguousarray(block.T).data)
        return block[:, :0]

    def finish(self) -> Iterator[Block]:
        """Yield what waits.

        Raises:
            PresetError: there is a loudness to reach, and the remix is silent or too short.
        """
        if self._passes:
            return
        self._came = self.levels
        gain_db = self._find_gain_db()
        self._meter = _Meter(self._pool, self._channels, self._rate)
        for block in self._levelled(gain_db):
            self._meter.add(block)
            yield block

    def _find_gain_db(self) -> float:
        """Return the gain that reaches the loudness after the limiter has taken its part away."""
        if self._lufs is None:
            return 0.0
        if math.isinf(self._came.lufs):
            raise PresetError("The remix is silent or too short, so no loudness can be reached.")
        gain_db, loudness = 0.0, self._came.lufs
        slope = 1.0  # LU for each dB; less, the more the limiter works
        for _ in range(_LOUDNESS_ROUNDS):
            step_db = (self._lufs - loudness) / slope
            gain_db += step_db
            if not self._must_limit(gain_db):
                break
            reached = self._measure_lufs(gain_db)
            if abs(self._lufs - reached) < _LOUDNESS_TOLERANCE_LU:
                break
            slope = min(max((reached - loudness) / step_db, _MIN_SLOPE), 1.0)
            loudness = reached
        return gain_db

    def _measure_lufs(self, gain_db: float) -> float:
        meter = LoudnessMeter(self._rate, [1.0] * self._channels)
        beside = _Beside(self._pool, meter)
        for block in self._levelled(gain_db):
            beside.add(block)
        beside.wait()
        return meter.integrated_lufs

    def _must_limit(self, gain_db: float) -> bool:
        return self._ceiling_db is not None and self._came.true_peak_db + gain_db > self._ceiling_db

    def _levelled(self, gain_db: float) -> Iterator[Block]:
        """Yield what waits, with a gain, and limited if need be."""
        gain = np.float32(10 ** (gain_db / 20))
        blocks = (block * gain for block in self._waiting())
        if self._ceiling_db is None or not self._must_limit(gain_db):
            yield from blocks
            return
        limiter = TruePeakLimiter(self._channels, self._rate, self._ceiling_db)
        yield from map(limiter.push, blocks)
        yield limiter.flush()

    def _waiting(self) -> Iterator[Block]:
        self._spool.seek(0)
        while data := self._spool.read(BLOCK_FRAMES * self._channels * 4):
            self._heartbeat()
            yield np.frombuffer(data, np.float32).reshape(-1, self._channels).T


class _Beside:
    """Meters that measure a block in threads of a pool, while the next one is made."""

    def __init__(self, pool: Executor, *meters: LoudnessMeter | TruePeakMeter) -> None:
        self._pool = pool
        self._meters = meters
        self._busy: list[Future[None]] = []

    def add(self, block: Block) -> None:
        """Take a block (channels, frames), which stays as it is."""
        self.wait()
        self._busy = [self._pool.submit(meter.add, block) for meter in self._meters]

    def wait(self) -> None:
        """Return when all that came is measured."""
        for each in self._busy:
            each.result()


class _Meter:
    """Measures loudness and true peak."""

    def __init__(self, pool: Executor, channels: int, sample_rate_hz: int) -> None:
        self._loudness = LoudnessMeter(sample_rate_hz, [1.0] * channels)
        self._peak = TruePeakMeter(channels)
        self._beside = _Beside(pool, self._loudness, self._peak)

    def add(self, block: Block) -> None:
        """Take a block (channels, frames), which stays as it is."""
        self._beside.add(block)

    @property
    def levels(self) -> Levels:
        """The levels of all that came."""
        self._beside.wait()
        return Levels(self._loudness.integrated_lufs, self._peak.peak_db)
