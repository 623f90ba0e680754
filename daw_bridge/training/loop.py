"""Training by Lightning: checkpoints, going on after a kill, early stopping, logs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import lightning
import msgspec
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.files.atomic import part_of, remove_parts
from daw_bridge.training.config import RESIDUAL, SDR
from daw_bridge.training.module import Training
from daw_bridge.training.start import load_checkpoint, load_start

if TYPE_CHECKING:
    from daw_bridge.training.config import TrainingConfig

Device = Literal["cpu", "cuda"]
LAST = "last.ckpt"
BEST = "best.ckpt"
_LOG_EVERY_STEPS = 10

_log = logging.getLogger(__name__)


def train(
    config: TrainingConfig, *, device: Device = "cpu", resume: bool = False, show_bar: bool = False
) -> Path:
    """Train a network and return its checkpoint: the best by validation, else the last.

    A checkpoint is written at each validation. A training that goes on from one takes the very
    steps that it would have taken without the interruption.

    Args:
        config: what to train.
        device: where.
        resume: go on from the last checkpoint, where there is one.
        show_bar: draw a progress bar.

    Raises:
        OptionError: there is a checkpoint and ``resume`` is not given, or CUDA cannot be used.
        AudioError: a data set cannot be used.
        OutputError: checkpoints cannot be written.
        ModelError: weights to start from or to go on from are not to be had.
    """
    output = Path(config.output)
    last = output / LAST
    if last.exists() and not resume:
        raise OptionError(
            f"{last} is there already: --resume goes on from it, --output puts the training"
            " elsewhere."
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise OptionError("torch finds no CUDA device; --device cpu does without.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}.") from error
    remove_parts([last, output / BEST])
    lightning.seed_everything(config.seed, verbose=False)
    module = Training(msgspec.to_builtins(config))
    if last.exists():
        # Lightning restores it all; this says clearly where the network does not fit.
        load_checkpoint(module.network, last)
    elif config.network.start:
        load_start(module.network, config.network)
    trainer = _make_trainer(config, device=device, show_bar=show_bar)
    trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)
    best = output / BEST
    return best if config.choice and best.exists() else last


def _make_trainer(config: TrainingConfig, *, device: Device, show_bar: bool) -> lightning.Trainer:
    options = config.optimiser
    return lightning.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision=options.precision,
        max_steps=options.steps,
        limit_train_batches=min(options.validate_every_steps, options.steps),
        reload_dataloaders_every_n_epochs=1,  # examples go on where the last ones ended
        num_sanity_val_steps=0,
        gradient_clip_val=options.clip_norm,
        log_every_n_steps=_LOG_EVERY_STEPS,
        callbacks=_callbacks(config),
        plugins=[_WholeCheckpoints()],
        logger=[
            CSVLogger(config.output, name="csv", flush_logs_every_n_steps=_LOG_EVERY_STEPS),
            TensorBoardLogger(config.output, name="tensorboard"),
        ],
        default_root_dir=config.output,
        enable_model_summary=False,
        enable_progress_bar=show_bar,
    )


class _WholeCheckpoints(TorchCheckpointIO):
    """Writes beside a checkpoint and renames: Lightning would copy from a temporary folder."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,
        storage_options: Any = None,  # noqa: ARG002 - the interface's, for other storage
    ) -> None:
        """Replace a checkpoint, so that a kill leaves either the old or the new one."""
        part = part_of(Path(path))
        part.parent.mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, part)
        part.replace(path)


class _Report(Callback):
    """Says after each validation how well the network does."""

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Log the figures of all stems."""
        for figure, title in (SDR, "SDR"), (RESIDUAL, "residual against the teacher's"):
            told = ", ".join(
                f"{stem} {float(value):.2f} dB"
                for name, value in trainer.callback_metrics.items()
                for kind, _, stem in [name.partition("/")]
                if kind == figure and stem
            )
            if told:
                _log.info("step %d: %s of %s", pl_module.global_step, title, told)


def _callbacks(config: TrainingConfig) -> list[Callback]:
    """Averaged weights are validated and saved; the last are saved too, best or not."""
    kept: dict[str, Any] = {
        "dirpath": config.output,
        "enable_version_counter": False,
        "save_on_train_epoch_end": True,  # after validation, where a new epoch begins
    }
    callbacks: list[Callback] = [
        EMAWeightAveraging(decay=config.optimiser.average_decay),
        ModelCheckpoint(filename=Path(LAST).stem, **kept),
        _Report(),
    ]
    if config.choice:
        best: dict[str, Any] = dict(zip(("monitor", "mode"), config.choice, strict=True))
        callbacks.append(ModelCheckpoint(filename=Path(BEST).stem, **best, **kept))
        if config.optimiser.patience:
            callbacks.append(EarlyStopping(**best, patience=config.optimiser.patience))
    return callbacks
