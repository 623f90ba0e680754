"""Make the golden files of Wave-U-Net: checkpoints that TensorFlow wrote, and what it gives.

python tests/golden/generate_waveunet.py [--workspace FOLDER]

Its layers are put together here, as in Stoller, Ewert and Dixon, ISMIR 2018, and with the names
that its authors' Models/UnetAudioSeparator.py gives them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import venv
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.waveunet_case import (
    CLIPPED,
    DEPTH,
    DIRECT,
    FILTERS,
    FLAVOURS,
    FOLDER,
    LOWEST_FRAMES,
    MERGE_WIDTH,
    WIDTH,
    make_mixture,
)

TENSORFLOW = "tensorflow==2.12.1"  # of Python 3.11
TRAINED = "full"


def count_context(name: str) -> int:
    """Return how many samples a flavour's network sees before and after those that it gives."""
    if not FLAVOURS[name]["context"]:
        return 0
    seen = LOWEST_FRAMES + WIDTH - 1
    for _ in range(DEPTH):
        seen = 2 * seen - 2 + WIDTH
    return (seen - make_mixture(name).shape[1]) // 2


def write_flavour(name: str) -> np.ndarray:
    """Save a network with random weights; return its stems (stems, channels, samples)."""
    tf = import_module("tensorflow")
    v1 = tf.compat.v1
    context = count_context(name)
    mixture = np.pad(make_mixture(name), ((0, 0), (context, context)))
    rng = np.random.default_rng(list(FLAVOURS).index(name))
    target = FOLDER / name
    target.mkdir(parents=True)
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("separator"):
            seen = tf.constant(mixture.T[np.newaxis])
            stems = _separate(v1, tf, name, seen)
        variables = v1.trainable_variables()
        if name == TRAINED:
            v1.train.get_or_create_global_step()
            with v1.variable_scope("separator_solver"):
                v1.train.AdamOptimizer(1e-4).minimize(tf.reduce_mean(stems[0] ** 2))
        session.run(v1.global_variables_initializer())
        for variable in variables:
            session.run(variable.assign(_random(rng, variable.shape)))
        path = str(target / f"{name}-7")
        v1.train.Saver().save(session, path, latest_filename="unused", write_meta_graph=False)
        (target / "unused").unlink()
        given: np.ndarray = np.stack(session.run(stems))[:, 0].transpose(0, 2, 1)
        return given


def _random(rng: np.random.Generator, shape: Any) -> np.ndarray:
    """Return a kernel that gives what is about as loud as what it takes, or some vector."""
    numbers: np.ndarray = rng.standard_normal(shape)
    if len(shape) == 1:
        return numbers * 0.3
    return numbers * np.sqrt(1.6 / (shape[0] * shape[1]))


def _separate(v1: Any, tf: Any, name: str, mixture: Any) -> list[Any]:
    flavour = FLAVOURS[name]
    padding = "valid" if flavour["context"] else "same"

    def convolve(signal: Any, filters: int, width: int, activation: Any) -> Any:
        return v1.layers.conv1d(signal, filters, width, activation=activation, padding=padding)

    def activate(signal: Any) -> Any:
        return tf.maximum(0.2 * signal, signal)

    def crop(signal: Any, like: Any) -> Any:
        spare = signal.shape[1] - like.shape[1]
        return signal[:, spare // 2 : signal.shape[1] - (spare - spare // 2)]

    signal, skips = mixture, []
    for level in range(DEPTH):
        skips.append(convolve(signal, FILTERS * (level + 1), WIDTH, activate))
        signal = skips[-1][:, ::2]
    signal = convolve(signal, FILTERS * (DEPTH + 1), WIDTH, activate)
    for level in range(DEPTH):
        signal = _double(v1, tf, flavour, signal, level)
        skip = skips.pop()
        signal = tf.concat([crop(skip, signal), signal], 2)
        signal = convolve(signal, FILTERS * (DEPTH - level), MERGE_WIDTH, activate)
    signal = tf.concat([crop(mixture, signal), signal], 2)
    ending = (lambda stem: tf.clip_by_value(stem, -1, 1)) if name in CLIPPED else tf.tanh
    is_difference = name not in DIRECT
    stems = [
        convolve(signal, flavour["channels"], 1, ending)
        for _ in range(flavour["sources"] - is_difference)
    ]
    if is_difference:
        rest = crop(mixture, stems[0]) - sum(stems)
        stems.append(tf.clip_by_value(rest, -1, 1))
    return stems


def _double(v1: Any, tf: Any, flavour: dict[str, Any], signal: Any, level: int) -> Any:
    frames = signal.shape[1]
    if flavour["upsampling"] == "linear":
        size = [1, 2 * frames - 1 if flavour["context"] else 2 * frames]
        image = signal[:, np.newaxis]
        return v1.image.resize_bilinear(image, size, align_corners=flavour["context"])[:, 0]
    weight = tf.sigmoid(v1.get_variable(f"interp_{level}", [signal.shape[2]]))
    following = tf.concat([signal[:, 1:], tf.zeros_like(signal[:, :1])], 1)
    between = weight * signal + (1 - weight) * following
    doubled = tf.reshape(tf.stack([signal, between], 2), [1, 2 * frames, signal.shape[2]])
    return doubled[:, :-1] if flavour["context"] else doubled


def main() -> None:
    """Make the golden files, in an environment with TensorFlow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "waveunet")
    parser.add_argument("--inside", action="store_true", help="the environment is this one")
    arguments = parser.parse_args()
    if not arguments.inside:
        environment = arguments.workspace / "tensorflow"
        python = environment / "bin" / "python"
        if not python.exists():
            venv.create(environment, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", TENSORFLOW], check=True)
        with_tests = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run([python, __file__, "--inside"], check=True, env=with_tests)
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    golden = {name: write_flavour(name) for name in FLAVOURS}
    np.savez_compressed(FOLDER / "stems.npz", **golden)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
