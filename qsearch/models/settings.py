"""What a network of tables is, and how it is trained: all that decides it, the images' pixels aside."""

from typing import Annotated, Literal, get_args

import msgspec

from qsearch.codecs.base import Subsampling
from qsearch.errors import InputError
from qsearch.learning.differentiable import Rounding
from qsearch.run.settings import ClassifierSettings, DatasetSettings

NetworkTask = Literal["accuracy", "distortion", "ms-ssim", "features"]
TASKS: tuple[NetworkTask, ...] = get_args(NetworkTask)
NetworkRounding = Literal["secant", "straight-through"]
ROUNDINGS: tuple[NetworkRounding, ...] = get_args(NetworkRounding)
NetworkRate = Literal["exact", "taqn"]
RATES: tuple[NetworkRate, ...] = get_args(NetworkRate)
Price = Literal["own", "shared"]
PRICES: tuple[Price, ...] = get_args(Price)
OF_NETWORKS: tuple[NetworkTask, ...] = ("accuracy", "features")
"""Tasks that ask a classifier."""

Count = Annotated[int, msgspec.Meta(ge=1)]
Channels = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Blocks = Annotated[int, msgspec.Meta(ge=0, le=16)]


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The layers (Choi 2020 names no numbers: they are ours).

    width: channels of the convolutions; bottleneck: inside the blocks with a skip; luma_blocks, chroma_blocks: how many
    of these; hidden: of the layer before the 64 entries of a table.
    attention: by place, then by channel, after the convolutions.
    hint: entries are told, too, what their steps save in bits over what they cost in error, both exact, in the image
        at the tables where training starts. (Ours; not in the paper.)
    """

    width: Channels = 64
    bottleneck: Channels = 32
    luma_blocks: Blocks = 3
    chroma_blocks: Blocks = 2
    hidden: Channels = 128
    attention: bool = False
    hint: bool = False


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Adam over whole epochs. learning_rate: falls to 0 along a cosine. crop: pixels of the squares that images are cut
    to, each time elsewhere and half of them mirrored; 0 for whole images. held_out: the share of the images that is not
    trained on, by which the best epoch is taken; training starts at the ladder's own tables, which count as one."""

    epochs: Count = 30
    batch: Count = 8
    learning_rate: float = 1e-3
    crop: Annotated[int, msgspec.Meta(ge=0)] = 0
    held_out: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate <= 1:
            raise InputError(f"a learning rate is above 0 and up to 1, got {self.learning_rate:g}.")
        if not 0 < self.held_out < 1:
            raise InputError(f"the share held out lies between 0 and 1, got {self.held_out:g}.")


class NetworkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what is trained, the images' pixels and the classifier's weights aside.

    strengths: standard qualities, a network each. ladder: SHA-256 (hexadecimal) of the ladder whose tables training
    starts at, where its layers say nothing. code_length: of the file of the predictor that the rate ``taqn`` takes.
    price: what a bit is worth: ``shared`` by all images, so that bytes move to those that gain most of them, or each
        image's ``own`` at the ladder's tables (distortion alone), so that only the shape of tables is learned.
    label_free: accuracy: the divergence from the answers on the uncompressed images stands for the loss.
    """

    task: NetworkTask
    strengths: tuple[float, ...]
    ladder: str
    rate: NetworkRate = "exact"
    rounding: Rounding = "secant"
    code_length: str = ""
    price: Price = "shared"
    label_free: bool = False
    architecture: Architecture = Architecture()
    training: Training = Training()
    subsampling: Subsampling = "4:2:0"
    images: Count | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    dataset: DatasetSettings = DatasetSettings()
    classifier: ClassifierSettings | None = None

    def __post_init__(self) -> None:
        strengths = self.strengths
        if not strengths or list(strengths) != sorted(set(strengths)) or not 1 <= strengths[0] <= strengths[-1] <= 100:
            raise InputError(
                f"strengths are from 1 to 100, each once and rising, got {', '.join(f'{one:g}' for one in strengths)}."
            )
        if self.rounding not in ROUNDINGS:
            raise InputError(f"networks are trained with the rounding {' or '.join(ROUNDINGS)}, got {self.rounding}.")
        if (self.task in OF_NETWORKS) != (self.classifier is not None):
            wants = "asks a network: say which one with --classifier" if self.task in OF_NETWORKS else "asks no network"
            raise InputError(f"the task {self.task} {wants}.")
        if (self.rate == "taqn") != bool(self.code_length):
            raise InputError(
                "the rate taqn, and no other, takes a predictor of code lengths: give --code-length with --rate taqn."
            )
        if self.price == "own" and self.task != "distortion":
            raise InputError(f"an image's own price is of its squared error, and {self.task} was asked for: share one.")
        if self.label_free and self.task != "accuracy":
            raise InputError(f"only accuracy can be learned with or without labels, and {self.task} was asked for.")
        if self.training.crop and self.task in OF_NETWORKS:
            raise InputError(f"the task {self.task} asks a network about whole images: leave --crop out.")
