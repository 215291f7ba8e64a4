"""Evaluation of a table model: curves over strengths, its own beside those that it is to beat."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from qsearch.errors import EvaluationError, InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, outcomes_of
from qsearch.learning.ladder import Ladder, check_fits
from qsearch.models.ladders import Constant
from qsearch.models.quality import PerImageQuality
from qsearch.quantizer import Quantizer, TableModel
from qsearch.tables import QuantTables

MODEL, LADDER, STANDARD, QUALITY = "model", "ladder", "standard", "per-image-quality"
BESIDE = (LADDER, STANDARD, QUALITY)
STANDARD_QUALITIES = tuple(range(5, 100, 5))
_BETWEEN = 3
"""A curve through a ladder has so many points from rung to rung, the first one included."""
_FURTHER = 2
"""Rungs beyond the strengths asked for, so that each image finds its bytes on the curve."""


@dataclass(frozen=True)
class Point:
    """A strength, or the quality of standard tables, and what was measured there."""

    strength: float
    measurement: Measurement


@dataclass(frozen=True)
class Evaluation:
    """Points by rising strength of each curve: the model's, the ladder's, the standard tables', per-image quality's."""

    curves: dict[str, tuple[Point, ...]]

    def measurements(self, name: str) -> list[Measurement]:
        """Of one curve."""
        return [point.measurement for point in self.curves[name]]


def evaluate_model(
    model: TableModel,
    ladder: Ladder,
    strengths: Sequence[float],
    executor: Executor,
    *,
    beside: Collection[str] = BESIDE,
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Evaluation:
    """``model`` at ``strengths``, and on the same images what it is to beat: ``ladder``, the standard tables, and these
    with each image at a quality of its own; or those of them alone that are in ``beside``.

    InputError for a strength that the model or the ladder was not made for, and where their subsampling differs;
    EvaluationError where something cannot be measured.
    """
    check_fits(ladder, model.subsampling)
    constant, quality = Constant(ladder), PerImageQuality(ladder)
    if not strengths:
        raise InputError("a model is evaluated at one strength or more: name one.")
    along = _along(constant, sorted(set(strengths)))
    wanted: dict[str, list[tuple[float, Quantizer]]] = {
        MODEL: [(one, model.at(one)) for one in sorted(set(strengths))],
        LADDER: [(one, constant.at(one)) for one in along],
        STANDARD: [(float(one), QuantTables.standard(one)) for one in STANDARD_QUALITIES],
        QUALITY: [(one, quality.at(one)) for one in along],
    }
    wanted = {name: of_curve for name, of_curve in wanted.items() if name == MODEL or name in beside}
    tasks = {Task(quantizer) for of_curve in wanted.values() for _, quantizer in of_curve}
    measured = _carried_out(list(tasks), executor, on_progress)
    return Evaluation(
        {
            name: tuple(Point(strength, measured[Task(quantizer)]) for strength, quantizer in of_curve)
            for name, of_curve in wanted.items()
        }
    )


def strengths_of(model: TableModel, ladder: Ladder) -> list[float]:
    """Those to evaluate unless told otherwise: the ladder's within the model's."""
    low, high = model.strengths
    found = [float(rung.quality) for rung in ladder.rungs if rung.quality is not None and low <= rung.quality <= high]
    return found or [low]


def _along(constant: Constant, strengths: Sequence[float]) -> list[float]:
    """Strengths of a curve about ``strengths``, which are among them."""
    rungs = constant.rungs.strengths
    for one in (strengths[0], strengths[-1]):
        constant.checked(one)
    first = max(0, int(np.searchsorted(rungs, strengths[0], side="right")) - 1 - _FURTHER)
    last = min(len(rungs) - 1, int(np.searchsorted(rungs, strengths[-1])) + _FURTHER)
    places = np.arange(_BETWEEN * first, _BETWEEN * last + 1) / _BETWEEN
    between = np.interp(places, np.arange(len(rungs)), rungs)
    return sorted({*between.tolist(), *strengths})


def _carried_out(
    tasks: Sequence[Task], executor: Executor, on_progress: Callable[[str, int, int], None]
) -> dict[Task, Measurement]:
    found: dict[Task, Measurement] = {}
    on_progress("tables", 0, len(tasks))
    for outcome in outcomes_of(tasks, executor):
        if outcome.measurement is None:
            raise EvaluationError(f"{outcome.task.quantizer.kind} could not be measured: {outcome.reason}.")
        found[outcome.task] = outcome.measurement
        on_progress("tables", len(found), len(tasks))
    return found
