"""Comparable runs: whether several may stand side by side, and the one fitness that all are measured by."""

from collections.abc import Sequence

from qsearch.analysis.efficiency import common_parabola
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.objective import objective_called
from qsearch.pareto.fitness import Parabola
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded
from qsearch.strategies.sorted_random import SortedRandom


def check_comparable(runs: Sequence[Run]) -> None:
    """InputError, naming the differences, where the runs were not measured under the same conditions."""
    first = runs[0].settings.recorded or Recorded()
    for other in runs[1:]:
        differences = first.differences(other.settings.recorded or Recorded())
        if differences:
            raise InputError(f"runs {runs[0].name} and {other.name} cannot be compared: {'; '.join(differences)}.")


def check_one_objective(runs: Sequence[Run]) -> None:
    """InputError where the runs pick by different objectives."""
    first = runs[0]
    for other in runs[1:]:
        names = [objective_called(run.settings.search.objective).title for run in (first, other)]
        if names[0] != names[1]:
            raise InputError(
                f"runs {first.name} and {other.name} cannot be compared: the first picks by {names[0]}, the second by "
                f"{names[1]}."
            )


def one_reference_point(runs: Sequence[Run]) -> tuple[float, float]:
    """The reference point (ratio, top-1) of all hypervolumes; InputError where the runs have different ones."""
    first, *others = {run.settings.search.hypervolume_reference for run in runs}
    if others:
        raise InputError("the runs' hypervolumes have different reference points and cannot be compared.")
    return first


def one_parabola(runs: Sequence[Run], results: Sequence[Results]) -> tuple[Parabola, str]:
    """One parabola for all runs, given with their results, and where it comes from, in words.

    It is fitted on the frontier of the sorted-random runs among them; without one it is that of the
    bounds of a run, else that of the first run's own frontier.
    """
    sorted_random = [
        (run, found)
        for run, found in zip(runs, results, strict=True)
        if run.settings.search.strategy == SortedRandom.name
    ]
    if sorted_random:
        names = ", ".join(run.name for run, _ in sorted_random)
        return common_parabola([found for _, found in sorted_random]), f"fitted on the frontier of {names}"
    for run in runs:
        bounds = run.settings.search.bounds
        if bounds is not None and bounds.parabola is not None:
            return Parabola(*bounds.parabola), f"that of the bounds of {run.name}, from {', '.join(bounds.sources)}"
    return common_parabola([results[0]]), f"fitted on the frontier of {runs[0].name}"
