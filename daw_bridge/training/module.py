"""One step of a training, and one validation.

examples → STFT → earlier stage → network → L1 of magnitudes + L1 of masked spectra
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning
import msgspec
import numpy as np
import torch
from torch.utils.data import DataLoader

from daw_bridge.conversion.graphs.unet import MASK_EPSILON
from daw_bridge.errors import AudioError, OptionError
from daw_bridge.files.songs import find_mixes, find_songs
from daw_bridge.stft import Stft
from daw_bridge.training.config import RESIDUAL, SDR, TrainingConfig
from daw_bridge.training.examples import Examples, check_rate
from daw_bridge.training.networks import SharedUnet, Unets, ratio_masks
from daw_bridge.training.start import LibraryModel
from daw_bridge.training.validation import frame_sdr_db, residual_db, separate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from daw_bridge.files.songs import Song
    from daw_bridge.separation.network import Magnitudes, Masks
    from daw_bridge.training.networks import MagnitudeBatch, PartBatch, UnetFamily

SAMPLE_RATE_HZ = 44_100
STFT = Stft(window_samples=4096, hop_samples=1024)
HELD_SECONDS = 48
"""How much is listened to of the middle of a mix."""
_QUIET_MAGNITUDE = 0.05


class Training(lightning.LightningModule):
    """What one step of a training is, and one validation."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.config = msgspec.convert(config, TrainingConfig)
        options = self.config.network
        # A single stem's U-Net is the same in both families.
        family = Unets if options.family == "spleeter" and not options.rest else SharedUnet
        self.network: UnetFamily = family(
            tuple(self.config.stems), options, self.config.optimiser.norm_momentum
        )
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._window = torch.from_numpy(STFT.window)
        before, teacher = self.config.before, self.config.teacher
        self._before = LibraryModel(before.model) if before else None
        self._songs: list[Song] = []
        self._held: list[Song] = []
        self._teacher = LibraryModel(teacher.model) if teacher else None

    def train(self, mode: bool = True) -> Training:
        """Switch to training; statistics that trained weights came with stay as they are.

        Batch norms of Spleeter's weights have seen far more than a batch shows: with a batch's
        statistics, the network is another one.
        """
        super().train(mode)
        if self.config.network.start:
            for module in self.network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()
        return self

    def on_train_epoch_start(self) -> None:
        """Switch to training as above: Lightning itself only restores modes that it found."""
        self.train()

    def estimate(self, magnitudes: MagnitudeBatch) -> PartBatch:
        """Return the parts' magnitudes."""
        shown = magnitudes.contiguous(memory_format=torch.channels_last)
        estimates = self.network(shown).float() * magnitudes
        if self.config.network.rest:
            estimates = torch.cat([estimates, magnitudes - estimates])
        return estimates

    def masks(self, estimates: PartBatch) -> PartBatch:
        """Return the masks of the parts' magnitudes, which add up to one."""
        if self.config.network.rest:  # its sigmoids are the shares, whatever the level
            estimates = estimates / (estimates.sum(dim=0) + MASK_EPSILON)
        return ratio_masks(estimates, self.config.network.mask_exponent)

    def show(self, magnitudes: MagnitudeBatch) -> MagnitudeBatch:
        """Return what the earlier stage, where there is one, leaves of a mixture's magnitudes."""
        before = self.config.before
        if not (before and self._before):
            return magnitudes
        return magnitudes * self._before.masks(magnitudes)[self._before.index(before.part)]

    def _show_in_training(self, mixture: Tensor, targets: Tensor) -> MagnitudeBatch:
        """Run the earlier stage on a share of the batches; imitate it on the others.

        It costs as much as the network itself. To imitate what it leaves of sounds that belong to
        no stem, these are turned down.

        Args:
            mixture: complex (b, channels, time_frames, bins).
            targets: complex (parts, b, channels, time_frames, bins).
        """
        before = self.config.before
        if not before:
            return mixture.abs()
        random = np.random.default_rng((self.config.seed, self.global_step))
        if random.random() < before.share:
            return self.show(mixture.abs())
        kept = targets.sum(dim=0)
        return (kept + before.leak * (mixture - kept)).abs()

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        """Return the loss of a batch of examples (b, 1 + stems, channels, samples)."""
        spectra = self._transform(batch)
        mixture, targets = spectra[0], spectra[1:]
        magnitudes = mixture.abs()
        if self._teacher:
            targets = self._taught(magnitudes, self._teacher) * mixture
        elif self.config.network.rest:
            targets = torch.cat([targets, (mixture - targets.sum(dim=0))[None]])
        shown = self._show_in_training(mixture, targets)
        estimates = self.estimate(shown)
        masked = self.masks(estimates) * shown * torch.sgn(mixture)
        options = self.config.optimiser
        errors = options.magnitude_loss * (estimates - targets.abs()).abs()
        errors = errors + options.masked_loss * (masked - targets).abs()
        # Relative to the mixture's level, as SDR is: else a few loud examples teach all.
        levels = magnitudes.mean(dim=(1, 2, 3)).clamp(min=_QUIET_MAGNITUDE)
        by_part = (errors.mean(dim=(2, 3, 4)) / levels).mean(dim=1)
        for part, loss in zip(self.config.parts, by_part, strict=True):
            self.log(f"loss/{part}", loss.detach())
        loss = by_part.sum()
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def _taught(self, magnitudes: MagnitudeBatch, teacher: LibraryModel) -> PartBatch:
        """Return the teacher's masks of the parts."""
        return teacher.masks(magnitudes)[[teacher.index(part) for part in self.config.parts]]

    def validation_step(self, number: int, _: int) -> None:
        """Separate a whole song, or a passage of a mix whose stems the teacher gives."""
        if number < len(self._songs):
            self._validate(self._songs[number])
        elif self._teacher:
            self._compare(self._held[number - len(self._songs)], self._teacher)

    def on_validation_epoch_end(self) -> None:
        """Make sure that something was heard, by which a checkpoint can be chosen."""
        choice = self.config.choice
        if choice and choice[0] not in self.trainer.callback_metrics:
            sources = ", ".join(self.config.held or self.config.data.validation)
            raise AudioError(
                f"No checkpoint can be chosen by {sources}: all stems there are silent."
            )

    def _compare(self, mix: Song, teacher: LibraryModel) -> None:
        """Log how far, relative to the teacher's parts, those of the network are from them."""
        frames = min(mix.exact_frames, HELD_SECONDS * SAMPLE_RATE_HZ)
        passage = mix.read_mixture((mix.exact_frames - frames) // 2, frames)

        def mask(magnitudes: Magnitudes) -> Masks:
            shown = torch.from_numpy(np.ascontiguousarray(magnitudes))[None]
            return self._taught(shown, teacher)[:, 0].numpy()

        ours, theirs = (
            separate(each, passage, STFT, bins=self.config.network.bins)
            for each in (self._mask_song, mask)
        )
        residuals_db = map(residual_db, theirs, ours)
        self._log_figures(RESIDUAL, dict(zip(self.config.parts, residuals_db, strict=True)))

    def _validate(self, song: Song) -> None:
        """Log the median of the SDR of a song's frames, stem by stem."""
        mixture = song.read_mixture()
        stems = separate(self._mask_song, mixture, STFT, bins=self.config.network.bins)
        sdrs_db = {}
        for (stem, names), estimate in zip(self.config.stems.items(), stems, strict=False):
            reference = np.sum([song.read(name) for name in names], axis=0)
            sdrs_db[stem] = frame_sdr_db(reference, estimate, SAMPLE_RATE_HZ)
        self._log_figures(SDR, sdrs_db)

    def _log_figures(self, figure: str, by_part_db: Mapping[str, float]) -> None:
        """Log a figure of each part that was heard, and their mean."""
        heard = {part: db for part, db in by_part_db.items() if not math.isnan(db)}
        for part, db in heard.items():
            self.log(f"{figure}/{part}", db, batch_size=1, on_epoch=True)
        if heard:
            mean_db = float(np.mean(list(heard.values())))
            self.log(figure, mean_db, batch_size=1, on_epoch=True, prog_bar=True)

    def _mask_song(self, magnitudes: Magnitudes) -> Masks:
        """Return the parts' masks, the earlier stage's included."""
        mixture = torch.from_numpy(magnitudes)[None].to(self.device)
        shown = self.show(mixture)
        masks = self.masks(self.estimate(shown)) * (shown / (mixture + MASK_EPSILON))
        return masks[:, 0].cpu().numpy()

    def _transform(self, batch: Tensor) -> Tensor:
        """(b, tracks, channels, samples) → complex (tracks, b, channels, time_frames, bins)."""
        spectra = torch.stft(
            batch.flatten(0, 2),
            STFT.window_samples,
            STFT.hop_samples,
            window=self._window.to(batch.device),
            center=False,
            return_complex=True,
        )[:, : self.config.network.bins]
        frames, bins = spectra.shape[2], spectra.shape[1]
        by_track = spectra.transpose(1, 2).reshape(*batch.shape[:3], frames, bins)
        return by_track.transpose(0, 1)

    def configure_optimizers(self) -> Any:
        """AdamW, and a schedule by steps."""
        options = self.config.optimiser
        optimiser = torch.optim.AdamW(
            self.network.parameters(), options.learning_rate, weight_decay=options.weight_decay
        )

        def share(step: int) -> float:
            fallen = 0.5 + 0.5 * math.cos(math.pi * min(step / options.steps, 1))
            rise = min((step + 1) / options.warmup_steps, 1)
            return rise * (options.final_share + (1 - options.final_share) * fallen)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the examples that come after those already seen."""
        options = self.config
        examples = Examples(
            options,
            samples=STFT.count_samples(options.data.excerpt_frames),
            sample_rate_hz=SAMPLE_RATE_HZ,
            first=self.global_step * options.optimiser.batch,
        )
        return DataLoader(
            examples, options.optimiser.batch, num_workers=options.data.workers, drop_last=True
        )

    def val_dataloader(self) -> Any:
        """Return the numbers of the validation's songs, and of the mixes that are held."""
        self._songs = [
            song for source in self.config.data.validation for song in find_songs(Path(source))
        ]
        for song in self._songs:
            check_rate(song, SAMPLE_RATE_HZ)
        wanted = {name for names in self.config.stems.values() for name in names}
        if self._songs and not any(wanted & set(song.stems) for song in self._songs):
            raise OptionError(
                f"No song to validate on has any of the stems {', '.join(sorted(wanted))}."
            )
        self._held = [mix for source in self.config.held for mix in find_mixes(Path(source))]
        for mix in self._held:
            check_rate(mix, SAMPLE_RATE_HZ)
        count = len(self._songs) + len(self._held)
        return DataLoader(cast("Any", range(count)), batch_size=None)
