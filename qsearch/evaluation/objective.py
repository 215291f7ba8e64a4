"""Objective: the measure that strategies learn from and that picks are made by, as a number that is better larger."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.measures import MEASURES, Floats
from qsearch.evaluation.trials import Trials

ObjectiveName = Literal["top1", "loss", "divergence"]
NAMES: tuple[ObjectiveName, ...] = get_args(ObjectiveName)


@dataclass(frozen=True)
class Objective:
    """What is searched for.

    name: of the total it is the mean of; measure: what is recorded of each image.
    sign: 1 where more of it is better, -1 where less is; values are multiplied with it.
    title: as texts call it; unit: of the values.

    Between tables of equal ratio top-1 on a few hundred images says next to nothing, cross-entropy and divergence as
    much as 11 and 27 times as many images do; so these are searched, and results are stated in top-1 too.
    """

    name: ObjectiveName
    measure: str
    sign: int
    title: str
    unit: str

    def value(self, measurement: Measurement) -> float:
        """The mean over images and networks, larger is better; NaN where it was not measured."""
        return self.sign * measurement.mean(self.name)

    def worth(self, measurement: Measurement) -> Floats:
        """float64 [N], image by image, the sum over the networks: whole numbers for top-1.

        InputError where it was not measured.
        """
        total = next(total for total in MEASURES.get(self.measure).totals if total.name == self.name)
        values = np.asarray(total.of(measurement[self.measure]), dtype=np.float64)
        return np.asarray(self.sign * values.sum(axis=0))

    def values(self, measurement: Measurement) -> Floats:
        """float64 [N], image by image, the mean over the networks. InputError where it was not measured."""
        return self.worth(measurement) / measurement.networks

    def of_trials(self, trials: Trials) -> Floats:
        """float64 [n], the :meth:`value` of each of ``trials``, from their columns."""
        return np.asarray(self.sign * trials.mean(self.name))

    def measured_in(self, measurement: Measurement) -> bool:
        """Whether ``measurement`` has it."""
        return self.measure in measurement and measurement.networks > 0

    def shown(self, value: float) -> float:
        """A :meth:`value` as users know it: a loss is positive."""
        return self.sign * value

    @property
    def smooth(self) -> "Objective":
        """Itself, or cross-entropy for top-1: what tells tables apart on the images that there are."""
        return LOSS if self is TOP1 else self


TOP1 = Objective("top1", "rank", 1, "top-1", "")
LOSS = Objective("loss", "loss", -1, "cross-entropy", "nats")
DIVERGENCE = Objective("divergence", "divergence", -1, "divergence", "nats")
OBJECTIVES: dict[str, Objective] = {each.name: each for each in (TOP1, LOSS, DIVERGENCE)}


def objective_called(name: str) -> Objective:
    """The objective ``name``. InputError where there is none."""
    if name not in OBJECTIVES:
        raise InputError(f"an objective is one of {', '.join(OBJECTIVES)}, got {name!r}.")
    return OBJECTIVES[name]
