"""Which table of a run to take home: one trial, and why it is the one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.evaluation.trials import Trials

QUALITY = 50
"""The standard quality that headlines are stated at, as in Li 2020, unless the user says otherwise."""
Rule = Literal["ratio", "accuracy"]
"""``ratio``: the best table by the objective at no lower ratio than the standard tables of a quality.
``accuracy``: the table of highest ratio whose value of the objective is no worse than theirs."""


@dataclass(frozen=True)
class Choice:
    """A trial that has a measurement, and in a few words why it was chosen."""

    trial: Trial
    reason: str


def place_of_pick(done: Trials, rule: Rule, standard: Measurement, objective: Objective = TOP1) -> int | None:
    """Which of ``done`` the ``rule`` picks against the ``standard`` tables of a quality; None where none fits.

    Ties go as on the frontier: to the better in the other number, then to the first.
    """
    if not standard.networks or not len(done):
        return None
    size_bytes, worth = totals_of(done, objective)
    enough = size_bytes <= standard.total_bytes if rule == "ratio" else worth >= total_worth(standard, objective)
    qualified = np.flatnonzero(enough)
    if not len(qualified):
        return None
    bytes_, worth_ = size_bytes[qualified], worth[qualified]
    order = np.lexsort((qualified, bytes_, -worth_) if rule == "ratio" else (qualified, -worth_, bytes_))
    return int(qualified[order[0]])


def pick(results: Results, rule: Rule, quality: int = QUALITY) -> Trial | None:
    """The table that ``rule`` picks of a run; None where that quality was not measured, or where no table fits."""
    standard = results.standard.get(quality)
    place = None if standard is None else place_of_pick(results.done, rule, standard, results.objective)
    return None if place is None else results.done[place]


def totals_of(done: Trials, objective: Objective) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bytes [n] and worth [n] (hits for top-1), summed over images and networks; InputError without the objective."""
    totals = done.columns.totals
    if objective.name not in totals:
        raise InputError(
            f"{objective.title} was not measured: add it with 'qsearch measure RUN --add {objective.name}'."
        )
    return totals["total_bytes"][:, 0], objective.sign * totals[objective.name].sum(axis=1)


def total_worth(measurement: Measurement, objective: Objective) -> float:
    """The objective's values summed over images and networks."""
    return float(objective.sign * measurement.totals()[objective.name].sum())


def choose_trial(results: Results, label: str) -> Choice:
    """The trial the user names, ``17`` or ``standard:50``. InputError where there is none, or where it failed."""
    trial = results.trial(label)
    measured(trial)
    return Choice(trial, "named by you")


def choose_at_ratio(results: Results, ratio: float) -> Choice:
    """The most accurate table of the frontier that compresses by ``ratio`` or more.

    Ratios count as they are printed, to two decimals. InputError where ``ratio`` lies outside the frontier, naming its
    ends.
    """
    trials = _frontier(results)
    ends = [_printed(measured(trial).ratio) for trial in (trials[0], trials[-1])]
    if not ends[0] <= ratio <= ends[1]:
        where = f"reaches from ratio {ends[0]:.2f} to {ends[1]:.2f}" if len(trials) > 1 else f"is ratio {ends[0]:.2f}"
        raise InputError(f"the frontier of run {results.name} {where} and has no table at ratio {ratio:g}.")
    trial = _first(trials, lambda measurement: _printed(measurement.ratio) >= ratio)
    return Choice(trial, f"the most accurate table of the frontier at a ratio of {ratio:g} or more")


def choose_at_top1(results: Results, top1: float) -> Choice:
    """The table of the frontier with the highest ratio whose top-1 (0..1) is ``top1`` or more.

    Accuracies count as they are printed, in per cent to two decimals. InputError where ``top1`` lies outside the
    frontier, naming its ends.
    """
    trials = _frontier(results)
    percent = _printed(100 * top1)
    ends = [_printed(100 * measured(trial).top1) for trial in (trials[-1], trials[0])]
    if not ends[0] <= percent <= ends[1]:
        where = f"reaches from top-1 {ends[0]:.2f} % to {ends[1]:.2f} %" if len(trials) > 1 else f"is {ends[0]:.2f} %"
        raise InputError(f"the frontier of run {results.name} {where} and has no table at {percent:.2f} %.")
    trial = _first(trials[::-1], lambda measurement: _printed(100 * measurement.top1) >= percent)
    return Choice(trial, f"the table of the frontier with the highest ratio at a top-1 of {percent:.2f} % or more")


def choose_like_quality(results: Results, quality: int) -> Choice:
    """The most accurate table of the frontier that compresses no less than the standard tables at ``quality``.

    InputError where that quality was not measured, or where the frontier ends below its ratio.
    """
    trials = _frontier(results)
    standard = results.standard.get(quality)
    if standard is None:
        known = ", ".join(map(str, sorted(results.standard))) or "none yet"
        raise InputError(f"run {results.name} did not measure standard quality {quality}; it measured: {known}.")
    trial = pick(results, "ratio", quality)
    if trial is None:
        highest = measured(trials[-1]).ratio
        raise InputError(
            f"the frontier of run {results.name} ends at ratio {highest:.2f}, below the {standard.ratio:.2f} of "
            f"standard quality {quality}: ask for a higher quality, or search on."
        )
    return Choice(
        trial,
        f"the most accurate table of the frontier at no lower ratio than standard quality {quality}'s "
        f"{standard.ratio:.2f} (whose top-1 is {100 * standard.top1:.2f} %)",
    )


def _frontier(results: Results) -> list[Trial]:
    if not results.frontier:
        raise InputError(f"run {results.name} has no finished trial to choose from yet: resume it first.")
    return results.frontier


def _printed(value: float) -> float:
    return round(value, 2)


def _first(trials: list[Trial], wanted: Callable[[Measurement], bool]) -> Trial:
    return next(trial for trial in trials if wanted(measured(trial)))
