"""Bounds: the box that the frontier of earlier trials spans, and the fitness in it (Li 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsearch.analysis.choice import QUALITY
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.pareto.bounds import SIGMA, bounds, window_around
from qsearch.pareto.fitness import LocalFit, Parabola
from qsearch.pareto.frontier import frontier
from qsearch.space import SearchSpace


@dataclass(frozen=True)
class Bounds:
    """Where to search, and how good is good there.

    fitness: of the frontier near the window, what strategies optimise; parabola: of the whole frontier (Li 2020).
    window: the ratios whose tables made the box.
    """

    space: SearchSpace
    fitness: LocalFit
    parabola: Parabola
    window: tuple[float, float]
    sigma: float
    sources: tuple[str, ...]


def bounds_of(
    runs: Sequence[Results],
    layout: str,
    *,
    around: int = QUALITY,
    window: tuple[float, float] | None = None,
    sigma: float = SIGMA,
) -> Bounds:
    """Bounds and fitness from the common frontier of ``runs``, which were measured under the same conditions.

    ``window`` is the ratios to take tables from, by default those around the standard quality ``around``. Raises
    InputError where the frontier is too short, or holds too few tables in the window.
    """
    ratios = np.concatenate([results.ratio for results in runs])
    top1 = np.concatenate([results.top1 for results in runs])
    starts = np.cumsum([0, *(len(results.done) for results in runs)])
    best = frontier(ratios, top1)
    owners = np.searchsorted(starts, best, side="right") - 1
    tables = [
        runs[owner].done[place - starts[owner]].tables
        for owner, place in zip(owners.tolist(), best.tolist(), strict=True)
    ]
    ratios, top1 = ratios[best], top1[best]
    if window is None:
        standard = next((results.standard[around] for results in runs if around in results.standard), None)
        if standard is None:
            known = ", ".join(str(quality) for quality in sorted(runs[0].standard))
            raise InputError(
                f"bounds around quality {around} need its ratio, and the run measured the standard tables at "
                f"{known or 'no quality yet'}: choose one of these, or give the ratios with --window."
            )
        window = window_around(standard.ratio)
    return Bounds(
        space=bounds(tables, ratios, layout, window, sigma),
        fitness=LocalFit.fit(ratios, top1, window),
        parabola=Parabola.fit(ratios, top1),
        window=window,
        sigma=sigma,
        sources=tuple(results.name for results in runs),
    )
