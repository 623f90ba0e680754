"""Drive TensorFlow Spleeter; runs in an environment of its own.

python reference.py checkpoint VARIABLES.npz MODEL_FOLDER     a checkpoint that Spleeter loads
python reference.py tiny FOLDER                               a small checkpoint and its arrays
python reference.py train SONGS FOLDER                        the same, by `spleeter train`
python reference.py narrow FILTERS IN.npy FOLDER              all flavours, of fewer filters
python reference.py separate MODELS_FOLDER IN.npy OUT.npy     (channels, frames) to stacked stems
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from spleeter.model import EstimatorSpecBuilder, InputProviderFactory
from spleeter.utils.configuration import load_configuration

v1 = tf.compat.v1


def write_checkpoint(variables_file: str, model_folder: str) -> None:
    """Fill the graph of the 2-stem model with arrays named after its variables, and save it."""
    save_model(np.load(variables_file), load_configuration("spleeter:2stems"), Path(model_folder))


def save_model(arrays: dict, configuration: dict, model_folder: Path) -> None:
    """Fill a configuration's own graph with arrays named after its variables, and save it."""
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
        v1.train.Saver().save(session, str(model_folder / "model"))
    (model_folder / ".probe").write_text("OK")  # tells Spleeter not to download


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
    save_stems("spleeter:2stems", source, target)


def save_stems(configuration: str, source: str, target: "str | Path") -> None:
    """Separate float32 audio at 44.1 kHz; stems are saved in the configuration's order."""
    from spleeter.separator import Separator

    stems = Separator(configuration, multiprocess=False).separate(np.load(source).T)
    order = load_configuration(configuration)["instrument_list"]
    np.save(target, np.stack([stems[name].T for name in order]))


def separate_narrow(filters: str, source: str, folder: str) -> None:
    """Run each of Spleeter's configurations for which the folder holds arrays, with narrow layers.

    <n>stems.npz → <n>stems.npy and <n>stems-16kHz.npy, the stems.
    """
    for arrays in Path(folder).glob("*stems.npz"):
        model_folder = arrays.with_suffix("")
        model_folder.mkdir()
        for name in (arrays.stem, f"{arrays.stem}-16kHz"):
            configuration = load_configuration(f"spleeter:{name}")
            configuration["model"]["params"]["conv_n_filters"] = json.loads(f"[{filters}]")
            configuration["model_dir"] = str(model_folder)
            path = model_folder / f"{name}.json"
            path.write_text(json.dumps(configuration))
            if name == arrays.stem:
                save_model(np.load(arrays), configuration, model_folder)
            save_stems(str(path), source, Path(folder) / f"{name}.npy")


def train(songs: str, folder: str) -> None:
    """Train very small U-Nets; keep what was saved before the first step, the same each time."""
    from spleeter.__main__ import spleeter

    songs, target = Path(songs).resolve(), Path(folder).resolve() / "trained-checkpoint"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    configuration = load_configuration("spleeter:5stems")
    configuration |= {"instrument_list": ["vocals", "drums", "rest"], "model_dir": "model"}
    configuration |= {"train_csv": "songs.csv", "validation_csv": "songs.csv"}
    configuration |= {"training_cache": "cache/train", "validation_cache": "cache/validation"}
    configuration |= {"batch_size": 1, "train_max_steps": 1, "random_seed": 3}
    configuration["model"]["params"]["conv_n_filters"] = [1, 1, 2, 2, 2, 3]
    (target / "configuration.json").write_text(json.dumps(configuration, indent=4) + "\n")
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        Path("songs.csv").write_text(
            "mix_path,vocals_path,drums_path,rest_path,duration\n"
            "rubidium.ogg,sodium.ogg,hydrogen.ogg,rubidium.ogg,20.0\n"
        )
        command = ["train", "-p", str(target / "configuration.json"), "-d", str(songs)]
        spleeter(command, standalone_mode=False)
        for suffix in ("index", "data-00000-of-00001"):
            shutil.copy(f"model/model.ckpt-0.{suffix}", target)
        os.chdir(target)
    v1.train.update_checkpoint_state(".", "model.ckpt-0")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {
        "checkpoint": write_checkpoint,
        "tiny": write_tiny_checkpoint,
        "train": train,
        "narrow": separate_narrow,
        "separate": separate,
    }[command](*arguments)
