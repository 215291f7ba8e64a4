"""Tables along a ladder: those of any strength between its rungs, and the model that gives them to every image."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import FORMAT
from qsearch.errors import InputError
from qsearch.learning.ladder import Ladder, read_ladder
from qsearch.learning.rates import rounded_tables, steps_of
from qsearch.quantizer import TableModel
from qsearch.tables import QuantTables

Floats = npt.NDArray[np.float64]


class Rungs:
    """Tables at any strength within a ladder's qualities: entries lie on lines through their logarithms."""

    def __init__(self, ladder: Ladder) -> None:
        """InputError for a ladder per image, without rungs, and of loss weights in place of qualities."""
        qualities = [rung.quality for rung in ladder.rungs]
        if not qualities or None in qualities:
            raise InputError(
                "strengths are standard qualities, and the ladder has no rungs that make the trade-off of one: learn "
                "it with --quality."
            )
        self.strengths = np.array(qualities, dtype=np.float64)
        self._logarithms = np.log([steps_of(tables) for tables in ladder.tables]).reshape(-1, 192)
        self._trade_offs = np.log([rung.trade_off for rung in ladder.rungs])

    def steps(self, strength: float) -> Floats:
        """[3, 64] of Y, Cb and Cr at ``strength``, not rounded."""
        return np.asarray(np.exp(self._at(strength, self._logarithms)).reshape(3, 64))

    def tables(self, strength: float) -> QuantTables:
        """Those steps, rounded."""
        return rounded_tables(self.steps(strength))

    def trade_off(self, strength: float) -> float:
        """What a bit per pixel is worth there, in the unit of the ladder's objective."""
        return float(np.exp(self._at(strength, self._trade_offs[:, None])[0]))

    def scaled(self, strength: float, factor: float) -> float:
        """The strength whose tables are ``factor`` times as coarse as those at ``strength``, by the mean of all
        entries' logarithms; the ladder's nearest end where there is none."""
        mean = self._logarithms.mean(axis=1)
        wanted = float(np.interp(strength, self.strengths, mean)) + np.log(factor)
        # From fine to coarse, for interpolation goes by rising values.
        return float(np.interp(wanted, np.maximum.accumulate(mean[::-1]), self.strengths[::-1]))

    def _at(self, strength: float, values: Floats) -> Floats:
        """The row of ``values`` [rungs, n] at ``strength``, linear between rungs."""
        right = int(np.clip(np.searchsorted(self.strengths, strength), 1, len(self.strengths) - 1))
        if len(self.strengths) == 1:
            return np.asarray(values[0])
        low, high = self.strengths[right - 1 : right + 1]
        share = (strength - low) / (high - low)
        return np.asarray((1 - share) * values[right - 1] + share * values[right])


class LadderModel(TableModel):
    """What the models that stand on a ladder share."""

    def __init__(self, ladder: Ladder) -> None:
        """InputError for a ladder whose rungs are no strengths."""
        self.ladder = ladder
        self.images = ladder.images
        self.rungs = Rungs(ladder)

    @property
    def digest(self) -> str:
        """Of the ladder, the coefficients' format and what :meth:`settings` says."""
        parts = (self.name, self.ladder.digest, FORMAT, sorted(self.settings().items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def settings(self) -> dict[str, str | float]:
        """What else decides the tables."""
        return {}

    @property
    def strengths(self) -> tuple[float, float]:
        """See :class:`TableModel`; the ladder's ends."""
        return float(self.rungs.strengths[0]), float(self.rungs.strengths[-1])

    @property
    def subsampling(self) -> str:
        """See :class:`TableModel`; the ladder's."""
        return self.ladder.settings.subsampling

    @cached_property
    def title(self) -> str:
        """With the ladder's."""
        return f"{self.name} ({self.ladder.title})"


class Constant(LadderModel):
    """The tables of a ladder, the same for every image: what others are to beat."""

    name: ClassVar[str] = "constant"

    @classmethod
    def load(cls, argument: str) -> "Constant":
        """The tables of a ladder, the same for every image: what others are to beat."""
        return cls(ladder_of(argument, cls.name))

    def tables(self, pixels: npt.NDArray[np.uint8], strength: float) -> QuantTables:
        """See :class:`TableModel`."""
        return self.rungs.tables(self.checked(strength))


def ladder_of(argument: str, name: str) -> Ladder:
    """The ladder in the file ``argument``. InputError where there is none."""
    if not argument:
        raise InputError(f"{name} stands on a ladder: name its file, {name}:LADDER, as 'qsearch learn' wrote it.")
    return read_ladder(Path(argument))
