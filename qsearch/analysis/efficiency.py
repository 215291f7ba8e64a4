"""Efficiency of a strategy: what its trials cost and how soon they are good (Li 2020, Table 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.pareto.fitness import GOOD_GAP, Parabola
from qsearch.pareto.frontier import frontier
from qsearch.pareto.hypervolume import REFERENCE_POINT, hypervolume_within

DECISIONS = 100
"""Trials whose decision times are averaged."""
GOOD_POINTS = 10


@dataclass(frozen=True)
class Efficiency:
    """How a run's strategy did on its own trials; those of a warm-up before them are counted apart.

    trials: its own, failed ones included, for they were spent; failed: how many failed.
    decision_s: mean seconds it took to propose, over its first 100 trials, or over all where there are fewer.
    trials_to_good: trials until ten different tables were good (:data:`qsearch.pareto.fitness.GOOD_GAP`), or None.
    good_points: different good tables in all.
    best_gap_points: the greatest gap above the parabola, in percentage points of top-1, and the trial that had it.
    hypervolume, equal_hypervolume: after all trials, and after the first equal_trials, as many as every run has; of the
        ratios in hypervolume_window alone, those that every run's frontier covers, so that reaching far is no merit.
        None where there are none.
    """

    run: str
    strategy: str
    warm_up_trials: int
    trials: int
    failed: int
    decision_s: float
    trials_to_good: int | None
    good_points: int
    best_gap_points: float | None
    best_gap_trial: str | None
    hypervolume_window: tuple[float, float] | None
    hypervolume: float | None
    equal_trials: int
    equal_hypervolume: float | None


def efficiencies(
    runs: Sequence[tuple[Results, str]], parabola: Parabola, reference_point: tuple[float, float] = REFERENCE_POINT
) -> list[Efficiency]:
    """The efficiency of each run, given with its strategy's name, against one ``parabola``.

    The runs were measured under the same conditions. InputError where a strategy has no trial of its own yet.
    """
    own = [_own_trials(results, strategy) for results, strategy in runs]
    equal_trials = min(map(len, own), default=0)
    window = _common_window(own)
    return [
        _efficiency(results, strategy, trials, parabola, equal_trials, window, reference_point)
        for (results, strategy), trials in zip(runs, own, strict=True)
    ]


def common_parabola(runs: Sequence[Results]) -> Parabola:
    """The parabola through the frontier of all ``runs`` together; InputError where it has too few points."""
    ratio = np.concatenate([results.ratio for results in runs])
    top1 = np.concatenate([results.top1 for results in runs])
    best = frontier(ratio, top1)
    return Parabola.fit(ratio[best], top1[best])


def _own_trials(results: Results, strategy: str) -> list[Trial]:
    own = [trial for trial in results.search if trial.strategy == strategy]
    if not own:
        raise InputError(f"run {results.name} has no trial of its strategy {strategy} yet: resume it first.")
    return own


def _efficiency(
    results: Results,
    strategy: str,
    trials: Sequence[Trial],
    parabola: Parabola,
    equal_trials: int,
    window: tuple[float, float] | None,
    reference_point: tuple[float, float],
) -> Efficiency:
    gaps = {trial.label: _gap(trial, parabola) for trial in trials if trial.status == "done"}
    best = max(gaps, key=gaps.__getitem__, default=None)
    good = _good_after(trials, parabola)
    return Efficiency(
        run=results.name,
        strategy=strategy,
        warm_up_trials=len(results.search) - len(trials),
        trials=len(trials),
        failed=sum(trial.status == "failed" for trial in trials),
        decision_s=float(np.mean([trial.decision_s for trial in trials[:DECISIONS]])),
        trials_to_good=good[GOOD_POINTS - 1] if len(good) >= GOOD_POINTS else None,
        good_points=len(good),
        best_gap_points=None if best is None else 100 * gaps[best],
        best_gap_trial=best,
        hypervolume_window=window,
        hypervolume=_hypervolume(trials, window, reference_point),
        equal_trials=equal_trials,
        equal_hypervolume=_hypervolume(trials[:equal_trials], window, reference_point),
    )


def _gap(trial: Trial, parabola: Parabola) -> float:
    return parabola.gap(measured(trial))


def _good_after(trials: Sequence[Trial], parabola: Parabola) -> list[int]:
    """After how many of ``trials`` the first, second, ... different good table was there."""
    seen, found = set(), []
    for count, trial in enumerate(trials, start=1):
        if trial.status != "done" or trial.tables in seen:
            continue
        seen.add(trial.tables)
        if _gap(trial, parabola) > GOOD_GAP:
            found.append(count)
    return found


def _common_window(runs: Sequence[Sequence[Trial]]) -> tuple[float, float] | None:
    """The ratios from the highest of the runs' lowest to the lowest of their highest, over their frontiers."""
    ends = []
    for trials in runs:
        ratio, top1 = _points(trials)
        best = ratio[frontier(ratio, top1)]
        if not len(best):
            return None
        ends.append((best[0], best[-1]))
    low, high = max(low for low, _ in ends), min(high for _, high in ends)
    return (float(low), float(high)) if low < high else None


def _points(trials: Sequence[Trial]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Ratios and accuracies of those that were measured."""
    points = [trial.measurement for trial in trials if trial.status == "done" and trial.measurement is not None]
    return np.array([each.ratio for each in points]), np.array([each.top1 for each in points])


def _hypervolume(
    trials: Sequence[Trial], window: tuple[float, float] | None, reference_point: tuple[float, float]
) -> float | None:
    return None if window is None else hypervolume_within(window, *_points(trials), reference_point)
