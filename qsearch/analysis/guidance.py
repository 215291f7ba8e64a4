"""Guidance: the box and the fitness that informed strategies take from the frontier of earlier searches (Li 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.pareto.bounds import SIGMA, bounds, window_around
from qsearch.pareto.fitness import Parabola
from qsearch.pareto.frontier import frontier
from qsearch.space import SearchSpace

QUALITY = 50
"""The standard quality around whose ratio bounds are taken unless the user says otherwise."""


@dataclass(frozen=True)
class Guidance:
    """Where to search, and how good is good there. ``window``: the ratios whose tables made the box."""

    space: SearchSpace
    fitness: Parabola
    window: tuple[float, float]
    sigma: float
    sources: tuple[str, ...]


def guidance(
    runs: Sequence[Results],
    layout: str,
    *,
    around: int = QUALITY,
    window: tuple[float, float] | None = None,
    sigma: float = SIGMA,
) -> Guidance:
    """Bounds and parabola from the common frontier of ``runs``, which were measured under the same conditions.

    ``window`` is the ratios to take tables from, by default those around the standard quality ``around``. Raises
    InputError where the frontier is too short, or holds too few tables in the window.
    """
    trials = [trial for results in runs for trial in results.done]
    best = frontier([measured(trial).ratio for trial in trials], [measured(trial).top1 for trial in trials])
    tables = [trials[index].tables for index in best]
    ratios = np.array([measured(trials[index]).ratio for index in best])
    top1 = np.array([measured(trials[index]).top1 for index in best])
    if window is None:
        standard = next((results.standard[around] for results in runs if around in results.standard), None)
        if standard is None:
            known = ", ".join(str(quality) for quality in sorted(runs[0].standard))
            raise InputError(
                f"bounds around quality {around} need its ratio, and the run measured the standard tables at "
                f"{known or 'no quality yet'}: choose one of these, or give the ratios with --window."
            )
        window = window_around(standard.ratio)
    return Guidance(
        space=bounds(tables, ratios, layout, window, sigma),
        fitness=Parabola.fit(ratios, top1),
        window=window,
        sigma=sigma,
        sources=tuple(results.name for results in runs),
    )
