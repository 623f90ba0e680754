"""Sound in every container and codec that tests read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

RATE_HZ = 44_100
SECONDS = 6
KINDS = {
    "wav": "pcm_s16le",
    "aiff": "pcm_s16be",
    "flac": "flac",
    "mp3": "libmp3lame",
    "mp3 without write_xing": "libmp3lame",
    "mp2": "mp2",
    "adts": "aac",
    "ac3": "ac3",
    "mp4": "aac",
    "mov": "alac",
    "ogg": "vorbis",
    "opus": "libopus",
    "matroska": "aac",
    "webm": "libopus",
    "mpegts": "aac",
    "asf": "wmav2",
    "wv": "wavpack",
    "tta": "tta",
}


def encode(kind: str, path: Path) -> None:
    """Write two tones and some noise, softly and then loud.

    A kind of :data:`KINDS` is a format; one that lacks its header has a varying bit rate.
    """
    rate = 48_000 if KINDS[kind] == "libopus" else RATE_HZ
    time_s = np.arange(SECONDS * rate + 137) / rate
    noise = np.random.default_rng(1).standard_normal((2, len(time_s)))
    tones = np.sin(2 * np.pi * np.array([[220], [331]]) * time_s)
    samples = (0.02 * noise + 0.4 * tones) * np.where(time_s < SECONDS / 2, 0.1, 1)
    if kind == "ogg":
        soundfile.write(path, samples.T, rate, "VORBIS", format="OGG")
        return
    container_format, _, without = kind.partition(" without ")
    omitted = {without: "0"} if without else {}
    varying = {"flags": "+qscale", "global_quality": "236"} if without else {"b": "192000"}
    with av.open(str(path), "w", format=container_format, options=omitted) as container:
        stream: Any = container.add_stream(KINDS[kind], rate=rate, layout="stereo", options=varying)
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def damaged(content: bytes) -> bytes:
    """Return a file with 600 bytes of noise in its middle."""
    spot = len(content) // 2
    return content[:spot] + np.random.default_rng(0).bytes(600) + content[spot + 600 :]
