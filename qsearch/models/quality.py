"""Per-image quality: each image at the quality that is best for it at one common price of bits."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import rgb_weights, statistics
from qsearch.errors import InputError
from qsearch.learning.ladder import Ladder
from qsearch.learning.objectives import checked_network_weights
from qsearch.models.ladders import LadderModel, ladder_of
from qsearch.tables import QuantTables

FAMILIES = ("standard", "ladder")
_COARSE, _FINE = 6, 1
"""Qualities are looked at so far apart, then those about the best one."""
_LEAST_ERROR = 1 / 12


class PerImageQuality(LadderModel):
    """The control: what moving bytes between images gains, with tables of one shape.

    Each image takes the quality that makes its ln error + k x its bits per pixel least, where k is what a bit is worth
    in the ladder at the strength, the same for all images; the error is the ladder's objective.

    family: the tables of the qualities: ``standard``, or the ``ladder``'s own.
    """

    name: ClassVar[str] = "per-image-quality"

    def __init__(self, ladder: Ladder, family: str = "standard") -> None:
        """InputError for another family."""
        super().__init__(ladder)
        if family not in FAMILIES:
            raise InputError(f"the family of tables is one of {', '.join(FAMILIES)}, got {family!r}.")
        self.family = family
        objective, network_weights = ladder.settings.objective, ladder.network_weights
        parts = [] if objective == "accuracy" else [rgb_weights(self.subsampling)]
        if objective != "distortion":
            parts.append(checked_network_weights(objective, network_weights, self.subsampling))
        self._weights = parts

    @classmethod
    def load(cls, argument: str, family: str = "standard") -> "PerImageQuality":
        """Standard tables, each image at the quality that is best for it at one price of bits: the control."""
        return cls(ladder_of(argument, cls.name), family)

    def settings(self) -> dict[str, str | float]:
        """See :class:`LadderModel`."""
        return {"family": self.family}

    def tables(self, pixels: npt.NDArray[np.uint8], strength: float) -> QuantTables:
        """See :class:`TableModel`."""
        price = self.rungs.trade_off(self.checked(strength))
        coefficients = Coefficients.of(np.ascontiguousarray(pixels[None]), self.subsampling)
        low, high = (1, 100) if self.family == "standard" else map(round, self.strengths)
        costs: dict[int, float] = {}

        def best(qualities: range) -> int:
            for quality in qualities:
                if quality not in costs:
                    costs[quality] = self._cost(coefficients, self._of(quality), price)
            # Of equally good ones the one nearest to the strength, so that a flat image stays where it is.
            return min(costs, key=lambda one: (costs[one], abs(one - strength)))

        coarse = best(range(low, high + 1, _COARSE))
        return self._of(best(range(max(low, coarse - _COARSE + 1), min(high, coarse + _COARSE - 1) + 1, _FINE)))

    def _of(self, quality: int) -> QuantTables:
        return QuantTables.standard(quality) if self.family == "standard" else self.rungs.tables(quality)

    def _cost(self, coefficients: Coefficients, tables: QuantTables, price: float) -> float:
        found = statistics(coefficients, [tables])
        errors = [float(found.distortion(part)[0]) for part in self._weights]
        # A mean squared error of rounding to whole levels is lost in any case.
        least = [_LEAST_ERROR * float(part.mean() / rgb_weights(self.subsampling).mean()) for part in self._weights]
        logs = [np.log(error + floor) for error, floor in zip(errors, least, strict=True)]
        return float(np.mean(logs) + price * found.bpp[0])
