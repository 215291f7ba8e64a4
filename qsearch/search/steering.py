"""Sizes before networks: which proposals are worth a network's time, and proposals scaled to a compression ratio."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.task import Subset, Task
from qsearch.tables import QuantTables

TOLERANCE = 0.005
"""How far a steered table's ratio may be from its target, as a share of it, on all images."""
SUBSET_IMAGES = 48
"""Images whose sizes are looked at while the scale is sought; all images judge what is found."""
NEAR = 0.1
"""Tables whose ratio on these images is farther off are not at it on all images either."""
BISECTIONS = 14
"""Halvings of the range of scales, a factor of 255 either way: to less than a thousandth."""
CORRECTIONS = 4


@dataclass(frozen=True)
class Admission:
    """What becomes of a proposal: the tables to measure, or, refused, the sizes of its files and the reason."""

    tables: QuantTables
    sizes: Measurement | None = None
    reason: str = ""


class Gate(Protocol):
    """Decides on proposals before a network is asked; its answer depends on the proposal and the images alone."""

    def admit(self, tables: QuantTables) -> Admission:
        """The tables to measure in place of ``tables``, or why none are."""
        ...


@dataclass(frozen=True)
class RatioWindow:
    """Admits tables whose compression ratio, by the exact sizes of all files, lies in a window, ends included."""

    evaluator: Evaluator
    low: float
    high: float

    def admit(self, tables: QuantTables) -> Admission:
        """See :class:`Gate`."""
        sizes = sizes_of(self.evaluator, tables)
        if self.low <= sizes.ratio <= self.high:
            return Admission(tables)
        return Admission(
            tables, sizes, f"its ratio {sizes.ratio:.2f} lies outside the window {self.low:g} to {self.high:g}"
        )


@dataclass(frozen=True)
class Steering:
    """Scales the entries of proposals by one factor so that the compression ratio becomes ``ratio``.

    The factor is bisected over exact sizes on a few images, evenly taken, and corrected until the ratio on all images
    is within half a per cent of the target. Entries are rounded and clipped to 1..255, so shapes at the ends of what
    tables can reach are refused.
    """

    evaluator: Evaluator
    ratio: float
    _some: Subset | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_some", _evenly(len(self.evaluator.dataset)))

    def admit(self, tables: QuantTables) -> Admission:
        """See :class:`Gate`."""
        wanted, best = self.ratio, None
        if self._reached(tables):
            return Admission(tables)
        for _ in range(CORRECTIONS):
            found = self._bisected(tables, wanted)
            sizes = sizes_of(self.evaluator, found)
            if best is None or _distance(sizes, self.ratio) < _distance(best.sizes, self.ratio):
                best = Admission(found, sizes)
            if _distance(sizes, self.ratio) <= TOLERANCE or self._some is None:
                break
            # The few images compress otherwise than all of them, by about the same factor at every scale nearby.
            wanted *= self.ratio / sizes.ratio
        assert best is not None  # at least one correction was made
        if _distance(best.sizes, self.ratio) <= TOLERANCE:
            return Admission(best.tables)
        assert best.sizes is not None  # every candidate was measured
        reason = f"its shape reaches ratio {best.sizes.ratio:.2f}, not {self.ratio:g}, at any scale"
        return Admission(best.tables, best.sizes, reason)

    def _reached(self, tables: QuantTables) -> bool:
        """Whether ``tables`` are at the ratio as they are: what was steered once stays as it is."""
        some = sizes_of(self.evaluator, tables, self._some)
        near = _distance(some, self.ratio) <= NEAR
        return near and _distance(sizes_of(self.evaluator, tables), self.ratio) <= TOLERANCE

    def _bisected(self, tables: QuantTables, wanted: float) -> QuantTables:
        """``tables`` at the scale whose ratio on the few images is nearest to ``wanted``."""
        low, high = -math.log(255), math.log(255)
        nearest, distance = tables, math.inf
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            candidate = scaled_by(tables, math.exp(middle))
            ratio = sizes_of(self.evaluator, candidate, self._some).ratio
            if abs(math.log(ratio / wanted)) < distance:
                nearest, distance = candidate, abs(math.log(ratio / wanted))
            low, high = (middle, high) if ratio < wanted else (low, middle)
        return nearest


def check_gate(ratio: float | None, window: Sequence[float] | None) -> None:
    """InputError where both are asked for, or where one of them is none."""
    if ratio is not None and window is not None:
        raise InputError("--ratio steers every proposal to one ratio, --ratio-window refuses others: give one.")
    if ratio is not None and not (math.isfinite(ratio) and ratio > 0):
        raise InputError(f"a ratio to steer to is a number above 0, got {ratio:g}.")
    if window is not None and not (all(map(math.isfinite, window)) and 0 < window[0] <= window[1]):
        raise InputError(
            f"a window of ratios goes from a lower to a higher number above 0, got {window[0]:g} to {window[1]:g}."
        )


def check_reachable(evaluator: Evaluator, ratio: float) -> None:
    """InputError where no tables compress by ``ratio``: not the finest, all 1, nor the coarsest, all 255."""
    finest, coarsest = (sizes_of(evaluator, QuantTables.shared(np.full((8, 8), entry))).ratio for entry in (1, 255))
    if not finest <= ratio <= coarsest:
        raise InputError(
            f"tables reach ratios from {finest:.2f} (every entry 1) to {coarsest:.2f} (every entry 255) on these "
            f"images, and {ratio:g} lies outside: choose another --ratio."
        )


def gate_for(evaluator: Evaluator, ratio: float | None = None, window: Sequence[float] | None = None) -> Gate | None:
    """Steering to ``ratio``, a ``window`` of ratios, or None. InputError as :func:`check_gate`."""
    check_gate(ratio, window)
    if ratio is not None:
        return Steering(evaluator, ratio)
    return None if window is None else RatioWindow(evaluator, *window)


def sizes_of(evaluator: Evaluator, tables: QuantTables, subset: Subset | None = None) -> Measurement:
    """The exact sizes of the files, no network asked."""
    return evaluator.evaluate(Task(tables, subset, networks=False))


def scaled_by(tables: QuantTables, factor: float) -> QuantTables:
    """All entries times ``factor``, rounded half to even and clipped to 1..255."""

    def scaled(table: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        return np.clip(np.rint(table.astype(np.float64) * factor), 1, 255).astype(np.int64)

    return QuantTables(scaled(tables.luma), cb=scaled(tables.cb), cr=scaled(tables.cr))


def _evenly(images: int) -> Subset | None:
    if images <= SUBSET_IMAGES:
        return None
    positions = np.unique(np.linspace(0, images - 1, SUBSET_IMAGES).round().astype(np.int64))
    return Subset(f"{len(positions)} evenly", positions)


def _distance(sizes: Measurement | None, ratio: float) -> float:
    return math.inf if sizes is None else abs(sizes.ratio / ratio - 1)
