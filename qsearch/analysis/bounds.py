"""Bounds: where to search, and how good is good there: from a frontier (Li 2020), or from the shapes of good tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.analysis.results import LIKE_QUALITY, Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.pareto.bounds import FEWEST_TABLES, SIGMA, bounds, shape_bounds, window_around
from qsearch.pareto.fitness import LocalFit, Parabola
from qsearch.pareto.frontier import frontier
from qsearch.space import SearchSpace
from qsearch.space.shapes import log_mean
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables

NEAR = 1.3
"""Tables of ratios within this factor of the one that is searched for tell which shapes are good there."""
BEST = 12
"""How many of the best tables a box of shapes is made of: the average of as many held on unseen images."""


@dataclass(frozen=True)
class Bounds:
    """Where to search, and how good is good there.

    fitness: near the window, what strategies optimise: of the frontier, or in a box of shapes of the standard tables.
    parabola: of the whole frontier (Li 2020), None in a box of shapes.
    window: the ratios whose tables made the box.
    seeds: what earlier trials give a strategy to begin with.
    """

    space: SearchSpace
    fitness: LocalFit
    parabola: Parabola | None
    window: tuple[float, float]
    sigma: float
    sources: tuple[str, ...]
    seeds: tuple[Seed, ...] = ()


def bounds_of(
    runs: Sequence[Results],
    layout: str,
    *,
    around: int = LIKE_QUALITY,
    window: tuple[float, float] | None = None,
    sigma: float = SIGMA,
    objective: Objective = TOP1,
) -> Bounds:
    """Bounds and fitness from the common frontier of ``runs``, which were measured under the same conditions.

    The frontier is of ratio and ``objective``. ``window`` is the ratios to take tables from, by default those around
    the standard quality ``around``; its tables of the frontier are the seeds. Raises InputError where the frontier is
    too short, or holds too few tables in the window.
    """
    _check_measured(runs, objective)
    ratios = np.concatenate([results.ratio for results in runs])
    top1 = np.concatenate([results.top1 for results in runs])
    values = np.concatenate([objective.of_trials(results.done) for results in runs])
    best, of_top1 = frontier(ratios, values), frontier(ratios, top1)
    tables = [trial.tables for trial in _trials(runs, best)]
    if window is None:
        standard = next((results.standard[around] for results in runs if around in results.standard), None)
        if standard is None:
            known = ", ".join(str(quality) for quality in sorted(runs[0].standard))
            raise InputError(
                f"bounds around quality {around} need its ratio, and the run measured the standard tables at "
                f"{known or 'no quality yet'}: choose one of these, or give the ratios with --window."
            )
        window = window_around(standard.ratio)
    fitness = LocalFit.fit(ratios[best], values[best], window, objective)
    return Bounds(
        space=bounds(tables, ratios[best], layout, window, sigma),
        fitness=fitness,
        parabola=Parabola.fit(ratios[of_top1], top1[of_top1]),
        window=window,
        sigma=sigma,
        sources=tuple(results.name for results in runs),
        seeds=tuple(
            _seed(trial, fitness)
            for trial, ratio in zip(_trials(runs, best), ratios[best].tolist(), strict=True)
            if window[0] <= ratio <= window[1]
        ),
    )


def shape_bounds_of(
    runs: Sequence[Results],
    layout: str,
    ratio: float,
    *,
    window: tuple[float, float] | None = None,
    sigma: float = SIGMA,
    objective: Objective = TOP1,
    controls: Sequence[QuantTables] = (),
) -> Bounds:
    """A box of shapes and the fitness at ``ratio``, from the search trials of ``runs``, measured under the same
    conditions.

    Good is how far ``objective`` lies above the standard tables: their curve near the ratio, on the same images, so
    that most of what these happen to say of any table cancels. The :data:`BEST` tables by that, among those whose
    ratio lies in ``window`` (by default within a factor of :data:`NEAR` of ``ratio``), give the box, and they and
    their average the seeds. ``controls`` are tables that the box holds too. Raises InputError where too few trials or
    standard tables are there.
    """
    _check_measured(runs, objective)
    window = window or (ratio / NEAR, ratio * NEAR)
    standard = max((results.standard for results in runs), key=len)
    fitness = standard_fit(list(standard.values()), window, objective)
    ratios = np.concatenate([results.ratio for results in runs])
    gaps = fitness.above(ratios, np.concatenate([objective.of_trials(results.done) for results in runs]))
    near = np.flatnonzero((ratios >= window[0]) & (ratios <= window[1]))
    best: dict[QuantTables, Trial] = {}
    for trial in _trials(runs, near[np.argsort(-gaps[near], kind="stable")]):
        best.setdefault(trial.tables, trial)
        if len(best) == BEST:
            break
    if len(best) < FEWEST_TABLES:
        raise InputError(
            f"a box of shapes needs {FEWEST_TABLES} different tables of ratios from {window[0]:.2f} to "
            f"{window[1]:.2f}, and the trials have {len(best)}: search with more trials first, or widen --window."
        )
    average = Seed(f"mean of the {len(best)} best", log_mean(list(best), layout))
    return Bounds(
        space=shape_bounds([*best, *controls], layout, sigma),
        fitness=fitness,
        parabola=None,
        window=window,
        sigma=sigma,
        sources=tuple(results.name for results in runs),
        seeds=(average, *(_seed(trial, fitness) for trial in best.values())),
    )


def standard_fit(standard: Sequence[Measurement], window: tuple[float, float], objective: Objective) -> LocalFit:
    """What the ``standard`` tables reach of ``objective`` about a ``window`` of ratios. InputError below two tables."""
    values = [objective.value(point) for point in standard]
    return LocalFit.fit([point.ratio for point in standard], values, window, objective)


def _trials(runs: Sequence[Results], places: npt.NDArray[np.int64]) -> Iterator[Trial]:
    """The done trials at ``places`` of all ``runs``, one run's after another's."""
    starts = np.cumsum([0, *(len(results.done) for results in runs)])
    owners = np.searchsorted(starts, places, side="right") - 1
    for owner, place in zip(owners.tolist(), places.tolist(), strict=True):
        yield runs[owner].done[place - int(starts[owner])]


def _seed(trial: Trial, fitness: LocalFit) -> Seed:
    return Seed(f"trial {trial.label}", trial.tables, fitness.gap(measured(trial)))


def _check_measured(runs: Sequence[Results], objective: Objective) -> None:
    for results in runs:
        if not np.isfinite(objective.of_trials(results.done)).all():
            raise InputError(
                f"run {results.name} did not measure {objective.title} in every trial: add it with 'qsearch measure "
                f"{results.name} --add {objective.measure}', or search with another --objective."
            )
