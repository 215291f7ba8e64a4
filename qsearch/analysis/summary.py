"""Summary: what a run has found so far, against the standard tables, on the images it searched."""

from dataclasses import dataclass

import numpy as np

from qsearch.analysis.choice import pick
from qsearch.analysis.gains import gain_points_over, saving_percent_over
from qsearch.analysis.results import Results, measured, of_network
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.pareto.hypervolume import hypervolume_within
from qsearch.pareto.mean_gain import mean_gain

NEAR = 0.03
"""A table lies near a ratio where its own is higher by so large a share at most: over as much the accuracy of the
standard tables falls by about half a point, and one quality of theirs lies 5 % from the next."""


@dataclass(frozen=True)
class Point:
    """One table's place: label, ratio, bits per pixel, KB (1000 bytes) per image, top-1 (0..1); where measured, loss
    and divergence in nats."""

    label: str
    ratio: float
    bpp: float
    kb_per_image: float
    top1: float
    loss: float | None = None
    divergence: float | None = None

    @classmethod
    def of(cls, label: str, measurement: Measurement) -> "Point":
        """The place of a measurement."""
        smooth = (known(measurement.mean(name)) for name in ("loss", "divergence"))
        return cls(label, measurement.ratio, measurement.bpp, measurement.kb_per_image, measurement.top1, *smooth)


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

    Top-1 (0..1) at the standard quality and at the two best tables, whose gains in points are against this network's
    own standard curve; None where there is no such table, or where the curve was not measured.
    """

    standard_top1: float | None
    at_ratio_top1: float | None
    at_ratio_gain_points: float | None
    at_accuracy_top1: float | None
    at_accuracy_gain_points: float | None


@dataclass(frozen=True)
class Summary:
    """The headline of a run. Gains are against the standard curve and None where it was not measured.

    objective: what the picks are made by, and the frontier is of it and the ratio: top1, loss or divergence.
    mean_gain_points: top-1 of the frontier above the standard curve in percentage points, the mean over log ratio from
        mean_gain_ratios[0] to [1], the ratios that both cover.
    mean_saving_percent: bytes that the frontier saves at equal top-1, the mean of log bytes over the accuracies (0..1)
        from mean_saving_top1[0] to [1], which both reach; see :mod:`qsearch.pareto.mean_gain`.
    mean_objective_saving_percent: bytes that it saves at an equal value of the objective; that again for top1.
    hypervolume, standard_hypervolume: of the ratios in mean_gain_ratios alone, so that reaching far is no merit.
    like_quality: the standard quality that picks are made against; standard: the standard tables at it.
    best_at_ratio: the best table by the objective at no lower ratio than theirs; gain_points is its top-1 less that of
        the standard curve at its own ratio, in percentage points, objective_saving_percent the bytes it saves at its
        own value of the objective. best_is_near: whether its ratio is within :data:`NEAR`.
    best_at_accuracy: the table of highest ratio that is no worse by the objective; saving_percent are the bytes it
        saves against the standard curve at its own top-1, more_bytes_percent what it takes beyond those of that quality
        itself (negative where it takes fewer).
    trials_stopped: those that a race stopped after a part of the images; evaluations_saved: the share (0..1) of the
        images' evaluations by networks that this saved.
    arms: where the strategy has parts, what each contributed.
    networks: where there are several, in the order of the run's, what each makes of these tables.
    """

    objective: str
    trials_done: int
    trials_failed: int
    trials_stopped: int
    evaluations_saved: float
    distinct_tables: int
    frontier: tuple[Point, ...]
    mean_gain_points: float | None
    mean_gain_ratios: tuple[float, float] | None
    mean_saving_percent: float | None
    mean_saving_top1: tuple[float, float] | None
    mean_objective_saving_percent: float | None
    hypervolume: float | None
    standard_hypervolume: float | None
    like_quality: int
    standard: Point | None
    best_at_ratio: Point | None
    best_is_near: bool
    gain_points: float | None
    objective_saving_percent: float | None
    best_at_accuracy: Point | None
    saving_percent: float | None
    more_bytes_percent: float | None
    arms: tuple[Arm, ...]
    networks: tuple[NetworkSummary, ...]


def summarize(results: Results, reference_point: tuple[float, float]) -> Summary:
    """The headline of ``results``; hypervolumes are taken against ``reference_point`` (ratio, top-1)."""
    standard = results.baseline
    at_ratio, at_accuracy = pick(results, "ratio"), pick(results, "accuracy")
    points = list(results.standard.values())
    curve = [point.ratio for point in points], [point.top1 for point in points]
    best = [measured(trial).ratio for trial in results.frontier], [measured(trial).top1 for trial in results.frontier]
    mean = mean_gain(*best, *curve)
    objective = results.objective
    values = [objective.value(measured(trial)) for trial in results.frontier]
    reference = results.curve_of(objective)
    at_objective = None if reference is None else mean_gain(best[0], values, reference.ratio, reference.value)
    return Summary(
        objective=objective.name,
        trials_done=len(results.done),
        trials_failed=results.search.count("failed"),
        trials_stopped=results.search.count("stopped"),
        evaluations_saved=results.search.saved,
        distinct_tables=len(set(results.done.columns.quantizers.tolist())),
        frontier=tuple(_point(trial) for trial in results.frontier),
        mean_gain_points=mean.points,
        mean_gain_ratios=mean.ratios,
        mean_saving_percent=mean.saving_percent,
        mean_saving_top1=mean.top1,
        mean_objective_saving_percent=None if at_objective is None else at_objective.saving_percent,
        hypervolume=None if mean.ratios is None else hypervolume_within(mean.ratios, *best, reference_point),
        standard_hypervolume=None if mean.ratios is None else hypervolume_within(mean.ratios, *curve, reference_point),
        like_quality=results.like_quality,
        standard=None if standard is None else Point.of(f"standard:{results.like_quality}", standard),
        best_at_ratio=None if at_ratio is None else _point(at_ratio),
        best_is_near=at_ratio is not None
        and standard is not None
        and measured(at_ratio).ratio <= (1 + NEAR) * standard.ratio,
        gain_points=None if at_ratio is None else gain_points(results, at_ratio),
        objective_saving_percent=None if at_ratio is None else saving_percent(results, at_ratio, objective),
        best_at_accuracy=None if at_accuracy is None else _point(at_accuracy),
        saving_percent=None if at_accuracy is None else saving_percent(results, at_accuracy),
        more_bytes_percent=None
        if at_accuracy is None or standard is None
        else 100 * (measured(at_accuracy).total_bytes / standard.total_bytes - 1),
        arms=_arms(results),
        networks=_networks(results, at_ratio, at_accuracy),
    )


def _networks(results: Results, at_ratio: Trial | None, at_accuracy: Trial | None) -> tuple[NetworkSummary, ...]:
    count = max((each.networks for each in results.standard.values()), default=0)
    if count < 2:
        return ()
    picks = [trial for trial in (at_ratio, at_accuracy) if trial is not None]
    chosen = Results(results.name, results.reference, picks, results.objective, results.like_quality)
    summaries = []
    for index in range(count):
        seen = of_network(chosen, index, results.name)
        standard = seen.baseline
        its = [None if trial is None else seen.trial(trial.label) for trial in (at_ratio, at_accuracy)]
        top1 = [None if trial is None else measured(trial).top1 for trial in its]
        gains = [None if trial is None else gain_points(seen, trial) for trial in its]
        summaries.append(
            NetworkSummary(None if standard is None else standard.top1, top1[0], gains[0], top1[1], gains[1])
        )
    return tuple(summaries)


def _arms(results: Results) -> tuple[Arm, ...]:
    done = results.done
    origins = done.columns.origins
    parted = int((origins != "").sum())
    if not parted:
        return ()
    gains = np.full(len(done), np.nan)
    if results.curve is not None:
        gains = gain_points_over(results.curve, results.ratio, results.top1)
    arms = []
    for name in sorted(set(origins[origins != ""].tolist())):
        its = np.flatnonzero(origins == name)
        known = its[~np.isnan(gains[its])]
        best = int(known[gains[known].argmax()]) if len(known) else None
        arms.append(
            Arm(
                name,
                len(its),
                len(its) / parted,
                None if best is None else _point(done[best]),
                None if best is None else float(gains[best]),
            )
        )
    return tuple(arms)


def gain_points(results: Results, trial: Trial) -> float | None:
    """Top-1 of ``trial`` above the standard curve at its ratio, in percentage points; None outside the curve."""
    if results.curve is None:
        return None
    measurement = measured(trial)
    return known(float(gain_points_over(results.curve, measurement.ratio, measurement.top1)))


def saving_percent(results: Results, trial: Trial, objective: Objective = TOP1) -> float | None:
    """Bytes ``trial`` saves against the standard curve at its value of ``objective``, in per cent.

    None outside the curve, and where the objective was not measured.
    """
    curve = results.curve_of(objective)
    if curve is None:
        return None
    measurement = measured(trial)
    return known(float(saving_percent_over(curve, measurement.ratio, objective.value(measurement))))


def known(value: float) -> float | None:
    """``value``, or None for NaN."""
    return None if np.isnan(value) else value


@dataclass(frozen=True)
class FrontierPoint:
    """A table of the frontier with what it gains over the standard curve; None outside it, and where not measured.

    gain_points: in top-1 at its ratio; saving_percent: bytes at an equal value of the run's smooth objective.
    """

    point: Point
    gain_points: float | None
    saving_percent: float | None


def frontier_points(results: Results) -> list[FrontierPoint]:
    """The tables of the frontier by rising ratio."""
    smooth = results.objective.smooth
    return [
        FrontierPoint(_point(trial), gain_points(results, trial), saving_percent(results, trial, smooth))
        for trial in results.frontier
    ]


def _point(trial: Trial) -> Point:
    return Point.of(trial.label, measured(trial))
