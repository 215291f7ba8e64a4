"""Per-image descent: the tables that no single entry's change improves, for one image alone."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.errors import InputError
from qsearch.learning.descent import Descent
from qsearch.learning.objectives import Target, target_at
from qsearch.models.ladders import LadderModel, ladder_of
from qsearch.tables import QuantTables


class PerImageDescent(LadderModel):
    """Exact coordinate descent on each image from a ladder's tables: the bound of what predictors could do.

    The objective is the ladder's, with what its network told of frequencies, at the trade-off that the standard tables
    of the strength make on the image itself. An image without detail keeps the ladder's tables.
    """

    name: ClassVar[str] = "per-image-descent"

    @classmethod
    def load(cls, argument: str) -> "PerImageDescent":
        """Exact coordinate descent on each image, from a ladder's tables and for its objective."""
        return cls(ladder_of(argument, cls.name))

    def tables(self, pixels: npt.NDArray[np.uint8], strength: float) -> QuantTables:
        """See :class:`TableModel`."""
        start = self.rungs.tables(self.checked(strength))
        coefficients = Coefficients.of(np.ascontiguousarray(pixels[None]), self.subsampling)
        try:
            target = self._target(coefficients, strength)
        except InputError:  # no entry changes both its bits and its error
            return start
        descent = Descent(coefficients, self.ladder.settings.layout)
        return descent.minimize(target.weights, target.trade_off, start).tables

    def _target(self, coefficients: Coefficients, strength: float) -> Target:
        """Between whole qualities on the line through their targets."""
        lower = int(strength)
        share = strength - lower
        targets = [
            (part, target_at(self.ladder.settings.objective, coefficients, quality, self.ladder.network_weights))
            for part, quality in ((1 - share, lower), (share, lower + 1))
            if part > 0
        ]
        weights = np.sum([part * target.weights for part, target in targets], axis=0)
        return Target(weights, sum(part * target.trade_off for part, target in targets))
