"""Summary: what a run has found so far, against the standard tables, on the images it searched."""

from dataclasses import dataclass

import numpy as np

from qsearch.analysis.gains import gain_points_over, saving_percent_over
from qsearch.analysis.results import Results, measured, of_network
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.hypervolume import hypervolume

QUALITY = 50
"""The quality that headlines are stated at, as in Li 2020."""


@dataclass(frozen=True)
class Point:
    """One table's place: its label, ratio, top-1 (0..1)."""

    label: str
    ratio: float
    top1: float

    @classmethod
    def of(cls, label: str, measurement: Measurement) -> "Point":
        """The place of a measurement."""
        return cls(label, measurement.ratio, measurement.top1)


@dataclass(frozen=True)
class Arm:
    """One part of a strategy (a bandit's arm, say): its done trials, their share of all, the best gain of one."""

    name: str
    trials: int
    share: float
    best: Point | None
    best_gain_points: float | None


@dataclass(frozen=True)
class NetworkSummary:
    """What one of several networks makes of the headline's tables, which their mean accuracy chose.

    Top-1 (0..1) at standard quality 50 and at the two best tables, whose gains in points are against this network's
    own standard curve; None where there is no such table, or where the curve was not measured.
    """

    standard_top1: float | None
    at_ratio_top1: float | None
    at_ratio_gain_points: float | None
    at_accuracy_top1: float | None
    at_accuracy_gain_points: float | None


@dataclass(frozen=True)
class Summary:
    """The headline of a run. Gains interpolate the standard curve linearly and are None where it was not measured.

    standard: the standard tables at quality 50.
    best_at_ratio: the most accurate table at no lower ratio than theirs; gain_points is its top-1 less that of the
        standard curve at the same ratio, in percentage points.
    best_at_accuracy: the table of highest ratio that is no less accurate; saving_percent are the bytes it saves
        against the standard curve at the same top-1.
    arms: where the strategy has parts, what each contributed.
    networks: where there are several, in the order of the run's, what each makes of these tables.
    """

    trials_done: int
    trials_failed: int
    distinct_tables: int
    frontier: tuple[Point, ...]
    hypervolume: float
    standard_hypervolume: float
    standard: Point | None
    best_at_ratio: Point | None
    gain_points: float | None
    best_at_accuracy: Point | None
    saving_percent: float | None
    arms: tuple[Arm, ...]
    networks: tuple[NetworkSummary, ...]


def summarize(results: Results, reference_point: tuple[float, float]) -> Summary:
    """The headline of ``results``; hypervolumes are taken against ``reference_point`` (ratio, top-1)."""
    standard = results.standard.get(QUALITY)
    at_ratio = at_accuracy = None
    if standard is not None:
        at_ratio = next((trial for trial in results.frontier if measured(trial).ratio >= standard.ratio), None)
        at_accuracy = next(
            (trial for trial in reversed(results.frontier) if measured(trial).top1 >= standard.top1), None
        )
    points = list(results.standard.values())
    return Summary(
        trials_done=len(results.done),
        trials_failed=int((results.search.columns.statuses == "failed").sum()),
        distinct_tables=len(set(results.done.columns.quantizers.tolist())),
        frontier=tuple(_point(trial) for trial in results.frontier),
        hypervolume=hypervolume(results.ratio, results.top1, reference_point),
        standard_hypervolume=hypervolume([p.ratio for p in points], [p.top1 for p in points], reference_point),
        standard=None if standard is None else Point.of(f"standard:{QUALITY}", standard),
        best_at_ratio=None if at_ratio is None else _point(at_ratio),
        gain_points=None if at_ratio is None else gain_points(results, at_ratio),
        best_at_accuracy=None if at_accuracy is None else _point(at_accuracy),
        saving_percent=None if at_accuracy is None else saving_percent(results, at_accuracy),
        arms=_arms(results),
        networks=_networks(results, at_ratio, at_accuracy),
    )


def _networks(results: Results, at_ratio: Trial | None, at_accuracy: Trial | None) -> tuple[NetworkSummary, ...]:
    count = max((each.networks for each in results.standard.values()), default=0)
    if count < 2:
        return ()
    summaries = []
    for index in range(count):
        seen = of_network(results, index, results.name)
        standard = seen.standard.get(QUALITY)
        chosen = [None if trial is None else seen.trial(trial.label) for trial in (at_ratio, at_accuracy)]
        top1 = [None if trial is None else measured(trial).top1 for trial in chosen]
        gains = [None if trial is None else gain_points(seen, trial) for trial in chosen]
        summaries.append(
            NetworkSummary(None if standard is None else standard.top1, top1[0], gains[0], top1[1], gains[1])
        )
    return tuple(summaries)


def _arms(results: Results) -> tuple[Arm, ...]:
    parted = results.done.at(np.flatnonzero(results.done.columns.origins != ""))
    arms = []
    for name in sorted({trial.origin for trial in parted}):
        gains = [(gain_points(results, trial), trial) for trial in parted if trial.origin == name]
        known = [(gain, trial) for gain, trial in gains if gain is not None]
        gain, best = max(known, key=lambda pair: pair[0], default=(None, None))
        arms.append(Arm(name, len(gains), len(gains) / len(parted), None if best is None else _point(best), gain))
    return tuple(arms)


def gain_points(results: Results, trial: Trial) -> float | None:
    """Top-1 of ``trial`` above the standard curve at its ratio, in percentage points; None outside the curve."""
    if results.curve is None:
        return None
    measurement = measured(trial)
    return _known(float(gain_points_over(results.curve, measurement.ratio, measurement.top1)))


def saving_percent(results: Results, trial: Trial) -> float | None:
    """Bytes ``trial`` saves against the standard curve at its top-1, in per cent; None outside the curve."""
    if results.curve is None:
        return None
    measurement = measured(trial)
    return _known(float(saving_percent_over(results.curve, measurement.ratio, measurement.top1)))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _point(trial: Trial) -> Point:
    return Point.of(trial.label, measured(trial))
