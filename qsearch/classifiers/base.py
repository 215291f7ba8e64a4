"""The Classifier contract: images to logits, and what a classifier loader is given."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
Channels = tuple[float, float, float]


class Classifier(ABC):
    """A network. Picklable, so that each worker process gets its own; heavy work waits for the first logits().

    name: as the user asked for it.
    class_names: the classes in the order of the logits, or None where the network does not name them.
    classes: how many there are.
    digest: SHA-256 of the weights (hexadecimal).
    """

    name: str
    class_names: tuple[str, ...] | None
    classes: int
    digest: str

    @abstractmethod
    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, classes] of ``images`` uint8 [N, H, W, 3] RGB, preprocessing included.

        An image's logits do not depend on the others of the batch, nor on its size.
        """

    @abstractmethod
    def settings(self) -> dict[str, str | int | float | bool]:
        """Name, digest, input size, preprocessing, device, precision and library versions; recorded with every run."""


class NetworkOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What users choose of a network; what a loader does not use, it refuses where it was set.

    Settings and command line read it from here. mean and std are per channel (R, G, B).
    """

    weights: Annotated[
        str | None,
        msgspec.Meta(
            description="torchvision: a weight set's name; torchvision, timm: a file of weights.",
            extra={"path": True, "of_one": True},
        ),
    ] = None
    device: Annotated[Device, msgspec.Meta(description="Where the network runs; auto: a GPU where there is one.")] = (
        "auto"
    )
    precision: Annotated[Precision, msgspec.Meta(description="Of the arithmetic on a GPU.")] = "float32"
    mean: Annotated[
        Channels | None,
        msgspec.Meta(
            description="FILE.onnx, FILE.pt2: means of pixels in 0..1, R G B.", extra={"default": "0", "of_one": True}
        ),
    ] = None
    std: Annotated[
        Channels | None,
        msgspec.Meta(
            description="Their standard deviations; the network reads (x - mean) / std.",
            extra={"default": "1", "of_one": True},
        ),
    ] = None
    input_range: Annotated[
        tuple[float, float] | None,
        msgspec.Meta(
            description="FILE.onnx, FILE.pt2: what the network takes for 0 and 1, after mean and std.",
            extra={"default": "0 1", "of_one": True},
        ),
    ] = None
    class_names: Annotated[
        str | None,
        msgspec.Meta(
            description="A text file: the classes in the order of the logits, one per line.",
            extra={"path": True, "of_one": True},
        ),
    ] = None

    def refuse(self, name: str, *options: str) -> None:
        """InputError where the user set one of ``options``, which the network ``name`` does not use."""
        for option in options:
            if getattr(self, option) is not None:
                raise InputError(f"{name} does not take --{option.replace('_', '-')}: leave it out.")


class ClassifierOptions(NetworkOptions, frozen=True, kw_only=True):
    """How a network is loaded: what the user chose, and what this machine has to offer.

    threads: CPU threads for inference in this process.
    """

    threads: int = 1


class ClassifierLoader(Protocol):
    """What is registered under a classifier's name; ``argument`` is what follows the colon in ``name:argument``."""

    def __call__(self, argument: str, options: ClassifierOptions) -> Classifier: ...
