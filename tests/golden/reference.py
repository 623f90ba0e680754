"""Drive TensorFlow Spleeter; runs in an environment of its own.

python reference.py checkpoint VARIABLES.npz MODEL_FOLDER     a checkpoint that Spleeter loads
python reference.py tiny FOLDER                               a small checkpoint and its arrays
python reference.py separate MODELS_FOLDER IN.npy OUT.npy     (channels, frames) to stacked stems
"""

import os
import sys
from pathlib import Path

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from spleeter.model import EstimatorSpecBuilder, InputProviderFactory
from spleeter.utils.configuration import load_configuration

v1 = tf.compat.v1


def write_checkpoint(variables_file: str, model_folder: str) -> None:
    """Fill Spleeter's own graph with arrays named after its variables, and save it."""
    arrays = np.load(variables_file)
    configuration = load_configuration("spleeter:2stems")
    with tf.Graph().as_default(), v1.Session() as session:
        features = InputProviderFactory.get(configuration).get_input_dict_placeholders()
        EstimatorSpecBuilder(features, configuration).outputs  # noqa: B018 - builds the graph
        model_variables = v1.global_variables()
        v1.train.get_or_create_global_step()
        session.run(v1.global_variables_initializer())
        for variable in model_variables:
            # The last encoder's normalisation feeds nothing; our arrays leave it out.
            if variable.op.name in arrays:
                variable.load(arrays[variable.op.name], session)
        v1.train.Saver().save(session, str(Path(model_folder) / "model"))
    (Path(model_folder) / ".probe").write_text("OK")  # tells Spleeter not to download


def write_tiny_checkpoint(folder: str) -> None:
    """Save variables of several shapes, and one that is no float, as TensorFlow does."""
    rng = np.random.default_rng(1)
    arrays = {
        f"layer_{i}/{name}": rng.standard_normal(shape).astype(np.float32)
        for i in range(40)
        for name, shape in (("kernel", (3, 2, 1, i % 3 + 1)), ("bias", (5,)), ("scale", ()))
    }
    with tf.Graph().as_default(), v1.Session() as session:
        for name, array in arrays.items():
            v1.get_variable(name, initializer=array)
        v1.train.get_or_create_global_step()
        session.run(v1.global_variables_initializer())
        path = str(Path(folder) / "tiny-checkpoint" / "model")
        v1.train.Saver().save(session, path, latest_filename="unused", write_meta_graph=False)
    (Path(folder) / "tiny-checkpoint" / "unused").unlink()
    np.savez_compressed(Path(folder) / "tiny-checkpoint.npz", **arrays)


def separate(models_folder: str, source: str, target: str) -> None:
    """Separate float32 audio at 44.1 kHz with the 2-stem model."""
    os.environ["MODEL_PATH"] = models_folder
    from spleeter.separator import Separator

    separator = Separator("spleeter:2stems", multiprocess=False)
    stems = separator.separate(np.load(source).T)
    np.save(target, np.stack([stems["vocals"].T, stems["accompaniment"].T]))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"checkpoint": write_checkpoint, "tiny": write_tiny_checkpoint, "separate": separate}[command](
        *arguments
    )
