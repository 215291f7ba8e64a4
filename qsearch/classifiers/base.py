"""The Classifier contract: images to logits, and what a classifier loader is given."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")


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


@dataclass(frozen=True)
class ClassifierOptions:
    """How a network is loaded; what a loader does not use, it refuses where it was set by the user.

    weights: a local file of weights, or a weight set's name, or None for the default.
    device: ``auto`` uses a GPU where there is one.
    precision: ``float32`` or, on a GPU, ``bfloat16``.
    mean, std: per channel (R, G, B), of pixels in 0..1: what the network was trained on is (pixel - mean) / std.
    input_range: what the network takes for black and white, (0, 1) by default; applied after mean and std.
    class_names: a text file with the name of each logit's class, one per line.
    threads: CPU threads for inference in this process.
    """

    weights: str | None = None
    device: str = "auto"
    precision: str = "float32"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    input_range: tuple[float, float] | None = None
    class_names: str | None = None
    threads: int = 1

    def refuse(self, name: str, *options: str) -> None:
        """InputError where the user set one of ``options``, which the network ``name`` does not use."""
        for option in options:
            if getattr(self, option) is not None:
                raise InputError(f"{name} does not take --{option.replace('_', '-')}: leave it out.")


class ClassifierLoader(Protocol):
    """What is registered under a classifier's name; ``argument`` is what follows the colon in ``name:argument``."""

    def __call__(self, argument: str, options: ClassifierOptions) -> Classifier: ...
