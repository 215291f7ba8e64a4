"""What is learned, and how: all that decides a ladder, the images' pixels and the network's weights aside."""

from typing import Annotated, Literal, get_args

import msgspec

from qsearch.codecs.base import Subsampling
from qsearch.errors import InputError
from qsearch.learning.differentiable import ROUNDINGS, Rounding
from qsearch.learning.rates import RateName
from qsearch.run.settings import ClassifierSettings, DatasetSettings, Quality

Objective = Literal["distortion", "accuracy", "mix"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
Method = Literal["descent", "gradient"]
METHODS: tuple[Method, ...] = get_args(Method)
Sensitivity = Literal["auto", "fisher", "noise", "quantization"]
SENSITIVITIES: tuple[Sensitivity, ...] = get_args(Sensitivity)
SUBSAMPLINGS = ("4:2:0", "4:4:4")
"""Those whose coefficients tables are learned from."""
QUALITIES = (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 88, 93, 97, 99)
"""Standard qualities whose trade-offs a ladder makes unless told otherwise."""


class Adam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How tables are learned. steps: of Adam; batch: images in each; learning_rate: of the logarithms, falls to 0.

    rounding: see :data:`~qsearch.learning.differentiable.Rounding`.
    """

    steps: int = 60
    batch: int = 32
    learning_rate: float = 0.03
    rounding: Rounding = "secant"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 0 < self.learning_rate <= 1:
            raise InputError(
                "learning takes one step and one image a step or more, and a rate above 0 and up to 1, got "
                f"{self.steps}, {self.batch} and {self.learning_rate:g}."
            )
        if self.rounding not in ROUNDINGS:
            raise InputError(f"rounding is one of {', '.join(ROUNDINGS)}, got {self.rounding!r}.")


class LearningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what is learned, the images' pixels and the network's weights aside.

    method: ``descent``, the exact coordinate descent, or ``gradient``, steps of Adam as ``adam`` says.
    rate: what tells bits; the descent counts them, and takes ``exact`` alone.
    start: SHA-256 (hexadecimal) of the ladder whose rungs the gradient starts at; empty for the standard tables.
    qualities: the standard qualities whose trade-offs are made, a rung each; loss_weights: (c_r, c_d, c_c) of Luo 2021
        in their place, a rung each.
    images: how many of the dataset's images are learned from, drawn with ``seed``; None for all.
    label_free: the network's divergence from its own answer on the uncompressed image stands for its loss.
    sensitivity: how that is learned of the network: by its gradients (``fisher``), by ``noise`` in the images, by
        coarse ``quantization`` of them, or ``auto``, the best known way, which is quantization.
    """

    objective: Objective = "distortion"
    method: Method = "descent"
    rate: RateName = "exact"
    adam: Adam | None = None
    start: str = ""
    qualities: tuple[Quality, ...] = QUALITIES
    loss_weights: tuple[tuple[float, float, float], ...] = ()
    subsampling: Subsampling = "4:2:0"
    layout: str = "luma-chroma"
    per_image: bool = False
    images: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    label_free: bool = False
    sensitivity: Sensitivity = "auto"
    dataset: DatasetSettings = DatasetSettings()
    classifier: ClassifierSettings | None = None

    @property
    def rungs(self) -> int:
        """How many there are to be."""
        return len(self.loss_weights or self.qualities)
