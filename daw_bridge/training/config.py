"""``stemtool train``'s TOML → a frozen, validated :class:`TrainingConfig`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from daw_bridge.errors import OptionError
from daw_bridge.files.flaws import FlawError, to_struct
from daw_bridge.files.tables import Natural, Positive, Share, Table, open_toml
from daw_bridge.library.names import ModelName, StemName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

CHECKPOINT_SUFFIX = ".ckpt"
SDR = "sdr"
RESIDUAL = "residual"

Halvable = Annotated[int, msgspec.Meta(ge=64, multiple_of=64)]
"""A length that the six levels of a U-Net halve."""


class Data(Table, frozen=True):
    """Where examples come from.

    Attributes:
        train: folders or tables of songs, relative to the configuration's folder.
        validation: the same, of songs that are only ever listened to; empty: no validation.
        weights: patterns of song names and how many times more often than others these are drawn;
            the first that fits counts.
        excerpt_frames: length of an example in time frames of the transform.
        workers: processes that make examples.
    """

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = msgspec.field(default_factory=dict)
    excerpt_frames: Halvable = 128
    workers: Natural = 1


class NetworkConfig(Table, frozen=True):
    """What is trained.

    Attributes:
        family: ``spleeter``: a U-Net a stem; ``shared-unet``: one encoder, a decoder a stem.
        start: a model of the library, or a training's checkpoint (.ckpt), to start from; None:
            random weights.
        start_stem: whose U-Net of the model.
        shared_levels: levels of the decoder that stems share (``shared-unet``).
        encoder_filters: filters of the six levels of the encoder.
        decoder_filters: filters of the six levels of a decoder.
        bins: how many bins of the transform the network sees.
        mask_exponent: estimates become ratio masks by this power.
        rest: the name of what the stems leave of the mixture, as one more part, which is estimated
            as such. It takes one stem.
    """

    family: Literal["spleeter", "shared-unet"] = "shared-unet"
    start: str | None = None
    start_stem: str | None = None
    shared_levels: Annotated[int, msgspec.Meta(ge=0, le=5)] = 1
    encoder_filters: tuple[int, int, int, int, int, int] = (16, 32, 64, 128, 256, 512)
    decoder_filters: tuple[int, int, int, int, int, int] = (256, 128, 64, 32, 16, 1)
    bins: Annotated[Halvable, msgspec.Meta(le=2048)] = 1024
    mask_exponent: Annotated[float, msgspec.Meta(gt=0)] = 2
    rest: str | None = None


class Before(Table, frozen=True):
    """An earlier stage: the network is shown only what a part's masks leave of the mixture.

    Attributes:
        model: the earlier model.
        part: which of its stems is shown.
        share: of training batches that go through it; in the others it is imitated, which is quick.
        leak: the gain of what belongs to no stem in an imitation.
    """

    model: str
    part: str
    share: Share = 0.25
    leak: Share = 0.2


class Teacher(Table, frozen=True):
    """A model whose stems are what the network learns to give.

    Attributes:
        model: the teacher.
        mixes: folders of whole mixes, whose stems nobody needs to know, for examples.
        mixes_share: the share of examples that are passages of mixes, where there are also songs.
        held: folders of mixes that are only ever listened to: the checkpoint is chosen whose stems
            of these are nearest to the teacher's, and not by the songs of the validation.
    """

    model: str
    mixes: tuple[str, ...] = ()
    mixes_share: Share = 0.5
    held: tuple[str, ...] = ()


class Optimiser(Table, frozen=True):
    """How it is trained: AdamW, a linear warm-up, then half a cosine down to ``final_share``.

    The loss is a sum of two, weighed: of the estimates' magnitudes, and of what their masks give.
    """

    steps: Positive
    batch: Positive = 4
    learning_rate: float = 4e-4
    final_share: Share = 0.02
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    average_decay: Share = 0.998
    norm_momentum: Share = 0.05
    magnitude_loss: float = 1.0
    masked_loss: float = 1.0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    validate_every_steps: Positive = 200
    patience: int | None = None


class Augmentation(Table, frozen=True):
    """How examples differ from the songs; 0 switches a thing off.

    Attributes:
        remix: the share of examples whose stems come from different songs (Uhlich et al. 2017).
        absent: the share of remixed stems that are left out.
        layered: the share of remixed stems that get a second source.
        gain_db: standard deviation of each stem's level.
        normalise: the share of sources that are brought to one loudness before.
        swap: the share of sources whose channels are swapped.
        pan: the share of sources that are panned, widened or made mono.
        speed: the greatest change of pitch and tempo together, as a share.
        production: the share of sources that go through a chain of effects.
        lossy: the share of sources that were MP3 once.
        extra_gain_db: the range of levels of what belongs to no stem.
        extra: the share of remixed examples that hold such.
    """

    remix: Share = 0.65
    absent: Share = 0.1
    layered: Share = 0.3
    gain_db: float = 4.5
    normalise: Share = 0.8
    swap: Share = 0.5
    pan: Share = 0.7
    speed: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.1
    production: Share = 0.7
    lossy: Share = 0.1
    extra: Share = 0.4
    extra_gain_db: tuple[float, float] = (-20.0, 0.0)


class TrainingConfig(Table, frozen=True):
    """All that a training depends on, but for the machine.

    Attributes:
        name: what the trained network is called.
        seed: of everything that is random.
        stems: what the network gives, and which stems of a song make it up.
        output: the folder of checkpoints and logs, relative to the configuration's folder.
    """

    name: ModelName
    stems: dict[StemName, tuple[str, ...]]
    optimiser: Optimiser
    seed: Natural = 0
    output: str = "run"
    data: Data = Data()
    network: NetworkConfig = NetworkConfig()
    before: Before | None = None
    teacher: Teacher | None = None
    augmentation: Augmentation = Augmentation()

    @property
    def parts(self) -> tuple[str, ...]:
        """What the masks are of: the stems and, where there is one, the rest."""
        rest = self.network.rest
        return (*self.stems, *([rest] if rest else []))

    @property
    def mixes(self) -> tuple[str, ...]:
        """Folders of mixes for examples."""
        return self.teacher.mixes if self.teacher else ()

    @property
    def held(self) -> tuple[str, ...]:
        """Folders of mixes on which a checkpoint is chosen by its teacher."""
        return self.teacher.held if self.teacher else ()

    @property
    def choice(self) -> tuple[str, Literal["min", "max"]] | None:
        """Which figure a checkpoint is chosen by, and which of its values is the best."""
        if self.held:
            return RESIDUAL, "min"
        return (SDR, "max") if self.data.validation else None


def read_config(path: Path, *, overrides: Mapping[str, object] | None = None) -> TrainingConfig:
    """Parse and validate a training's configuration; its paths become absolute.

    Args:
        path: the TOML file.
        overrides: ``"table.key"`` → a value that takes the place of the file's.

    Raises:
        OptionError: the file is no TOML, or a key is unknown, missing or of the wrong kind.
    """
    with open_toml(path, OptionError) as tables:
        for name, value in (overrides or {}).items():
            at, _, key = name.rpartition(".")
            table = tables.setdefault(at, {}) if at else tables
            if isinstance(table, dict):
                table[key] = value
        config = _locate(to_struct(tables, TrainingConfig), path.absolute().parent)
        _check(config)
    return config


def _locate(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """Return a configuration whose relative paths are those of a folder."""
    data, network, teacher = config.data, config.network, config.teacher
    train, validation, mixes, held = (
        tuple(str(folder / source) for source in sources)
        for sources in (data.train, data.validation, config.mixes, config.held)
    )
    if teacher:
        teacher = msgspec.structs.replace(teacher, mixes=mixes, held=held)
    if network.start and network.start.endswith(CHECKPOINT_SUFFIX):
        network = msgspec.structs.replace(network, start=str(folder / network.start))
    return msgspec.structs.replace(
        config,
        output=str(folder / config.output),
        data=msgspec.structs.replace(data, train=train, validation=validation),
        network=network,
        teacher=teacher,
    )


def _check(config: TrainingConfig) -> None:
    """Raise :class:`ValueError` for what the types of its fields do not say."""
    if not config.stems:
        raise FlawError("names no stem", "stems")
    if not (config.data.train or config.mixes):
        raise FlawError("names no folder of songs; --data does too", "data", "train")
    for source in (*config.data.train, *config.data.validation, *config.mixes, *config.held):
        if not Path(source).exists():
            raise ValueError(f"there is no data set {source}")
    _check_network(config.network, config.stems)


def _check_network(network: NetworkConfig, stems: Collection[str]) -> None:
    if network.rest and len(stems) != 1:
        raise FlawError(f"takes one stem, not {len(stems)}", "network", "rest")
    if len(stems) == 1 and not network.rest:
        raise FlawError("one stem leaves something; name it with network.rest", "stems")
    for stem in stems:
        if not re.fullmatch(r"[\w-]+", stem):
            raise FlawError("a stem's name has letters, digits, - and _ only", "stems", stem)
    if network.rest in stems:
        raise FlawError(f"has the name of a stem, '{network.rest}'", "network", "rest")
    if network.start_stem and not network.start:
        raise FlawError("needs network.start", "network", "start_stem")
