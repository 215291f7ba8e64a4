"""History: the best so far after every trial of a search, and what it saves, on the images searched and on others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsearch.analysis.bootstrap import Floats
from qsearch.analysis.choice import totals_of
from qsearch.analysis.gains import gain_points_over, saving_percent_over
from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.trials import Columns

Axis = Literal["trials", "evaluations"]
QUARTILES = (0.25, 0.5, 0.75)
CLOSE_PERCENT = 1.0
"""A pick is close to the best known where it saves at most so many per cent of bytes less."""


@dataclass(frozen=True)
class Target:
    """Where picks are made: at ratios from ``low`` to ``high``, both included, which stand for ``ratio``."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Against:
    """What tables gain against the standard curve of the same images, float64 [n]; NaN where it is not known.

    saving_percent: bytes saved at an equal value of the smooth objective; gain_points: top-1 at equal ratio.
    """

    saving_percent: Floats
    gain_points: Floats

    def at(self, places: npt.NDArray[np.intp]) -> "Against":
        """The tables at ``places`` [m]; not known for -1."""
        padded = (np.append(values, np.nan)[places] for values in (self.saving_percent, self.gain_points))
        return Against(*padded)


@dataclass(frozen=True)
class History:
    """The pick after each of n trials: the best table by the objective, of those tried so far, at the target's ratio.

    evaluations: int64 [n], images that networks had read by then for the search.
    pick: [n], its place among the done trials; -1 before there is one. labels: [n], what users call it, or "".
    searched: what it gains on the images searched, which flatter it; validation: on a validation's, where this
        measured the table, or None without a validation.
    """

    evaluations: npt.NDArray[np.int64]
    pick: npt.NDArray[np.intp]
    labels: tuple[str, ...]
    searched: Against
    validation: Against | None

    def __len__(self) -> int:
        return len(self.pick)

    def x(self, by: Axis) -> npt.NDArray[np.int64]:
        """[n], how many trials, or evaluations, there had been."""
        return self.evaluations if by == "evaluations" else np.arange(1, len(self) + 1)

    @property
    def changes(self) -> npt.NDArray[np.intp]:
        """The trials, counted from 0, after which there was another pick."""
        return np.flatnonzero(np.diff(self.pick, prepend=-1))

    def close_after(self, best_percent: float, by: Axis) -> int | None:
        """After how many trials or evaluations the pick stayed within :data:`CLOSE_PERCENT` of ``best_percent``."""
        far = np.flatnonzero(~(self.searched.saving_percent >= best_percent - CLOSE_PERCENT))
        first = far[-1] + 1 if len(far) else 0
        return int(self.x(by)[first]) if first < len(self) else None


def history(results: Results, target: Target, validation: Results | None = None) -> History:
    """The picks of ``results`` as they came; ``validation`` are those tables on other images.

    Screened proposals are no trials. A trial costs the images that networks read for it: none where its tables had been
    measured before, a part where a race stopped it, all where it failed. What a race completed later counts with the
    trial. The standard tables, which every search measures, are not counted.

    InputError without a done trial, without a classifier, and where the objective was not measured.
    """
    if not results.done:
        raise InputError(f"run {results.name} has no finished trial yet: resume it first.")
    if not measured(results.done[0]).networks:
        raise InputError(f"run {results.name} was measured without a classifier: there is nothing to pick by.")
    columns = results.search.columns
    counted = columns.statuses != "screened"
    is_done = columns.statuses[counted] == "done"
    places = np.cumsum(is_done) - 1
    best = _best_so_far(results, target)
    pick = np.where(places >= 0, best[places], -1)
    labels = {place: results.done[place].label if place >= 0 else "" for place in np.unique(pick).tolist()}
    return History(
        evaluations=np.cumsum(_images_read(columns.at(counted))),
        pick=pick,
        labels=tuple(labels[place] for place in pick.tolist()),
        searched=against(results, results).at(pick),
        validation=None if validation is None else against(results, validation).at(pick),
    )


def _best_so_far(results: Results, target: Target) -> npt.NDArray[np.intp]:
    """[n], the place of the pick among the first 1, 2, ... of the n done trials; ties go as those of every pick."""
    size_bytes, worth = totals_of(results.done, results.objective)
    fits = (results.ratio >= target.low) & (results.ratio <= target.high)
    best = np.full(len(fits), -1)
    found, key = -1, (-np.inf, -np.inf)
    for place, (fitting, its_key) in enumerate(zip(fits, zip(worth, -size_bytes, strict=True), strict=True)):
        if fitting and its_key > key:
            found, key = place, its_key
        best[place] = found
    return best


def _images_read(columns: Columns) -> npt.NDArray[np.int64]:
    """[n], the images that networks read for each of the trials."""
    everything = int(columns.images.max())
    most: dict[str, int] = {}
    read = np.empty(len(columns.numbers), dtype=np.int64)
    for row, (status, digest, images) in enumerate(
        zip(columns.statuses.tolist(), columns.quantizers.tolist(), columns.images.tolist(), strict=True)
    ):
        before = most.get(digest, 0)
        read[row] = everything if status == "failed" else max(images - before, 0)
        most[digest] = max(before, images)
    return read


def against(results: Results, judge: Results) -> Against:
    """What each of the n done trials of ``results`` gains as ``judge`` measured its tables; not known where it did not.

    The judge is the run itself, or a validation of it.
    """
    done, smooth = judge.done, results.objective.smooth
    unknown = np.full(len(done), np.nan)
    curve, top1_curve = judge.curve_of(smooth), judge.curve
    ratio, top1, value = done.ratio, done.mean("top1"), smooth.of_trials(done)
    found = Against(
        unknown if curve is None else saving_percent_over(curve, ratio, value),
        unknown if top1_curve is None else gain_points_over(top1_curve, ratio, top1),
    )
    if judge is results:
        return found
    places = {digest: place for place, digest in enumerate(done.columns.quantizers.tolist())}
    return found.at(
        np.array([places.get(digest, -1) for digest in results.done.columns.quantizers.tolist()], dtype=int)
    )


@dataclass(frozen=True)
class Band:
    """Several histories as one: at x int64 [m] the quartiles over the seeds, float64 [3, m] each.

    NaN where a seed's value is not known: before it has a pick, and where no validation measured it. It ends where the
    shortest search does.
    """

    x: npt.NDArray[np.int64]
    saving_percent: Floats
    gain_points: Floats
    validation_saving_percent: Floats
    validation_gain_points: Floats


def band(histories: Sequence[History], by: Axis) -> Band:
    """The ``histories`` of one strategy's seeds over trials or evaluations; of one it has that one's values."""
    xs = [each.x(by) for each in histories]
    start, end = max(int(x[0]) for x in xs), min(int(x[-1]) for x in xs)
    turns = np.concatenate([x[each.changes] for x, each in zip(xs, histories, strict=True)])
    grid = np.unique([start, *turns[(turns >= start) & (turns <= end)].tolist(), end])
    then = [np.searchsorted(x, grid, side="right") - 1 for x in xs]

    def quartiles(of: Callable[[History], Floats]) -> Floats:
        values = np.stack([of(each)[places] for each, places in zip(histories, then, strict=True)])
        return np.asarray(np.quantile(values, QUARTILES, axis=0))

    def validation(each: History) -> Against:
        unknown = np.full(len(each), np.nan)
        return each.validation or Against(unknown, unknown)

    return Band(
        grid,
        quartiles(lambda each: each.searched.saving_percent),
        quartiles(lambda each: each.searched.gain_points),
        quartiles(lambda each: validation(each).saving_percent),
        quartiles(lambda each: validation(each).gain_points),
    )
