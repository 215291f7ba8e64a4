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


def pick(results: Results, rule: Rule) -> Trial | None:
    """The table that ``rule`` picks of a run against the standard tables at its ``like_quality``.

    None where these were not measured, or where no table fits.
    """
    standard = results.baseline
    place = None if standard is None else place_of_pick(results.done, rule, standard, results.objective)
    return None if place is None else results.done[place]


def measured_baseline(results: Results, otherwise: str = "") -> Measurement:
    """The standard tables at the ``like_quality`` of ``results``.

    InputError where they were not measured, naming those that were; ``otherwise`` says what else could be given.
    """
    if results.baseline is None:
        known = ", ".join(map(str, sorted(results.standard))) or "none yet"
        raise InputError(
            f"run {results.name} did not measure standard quality {results.like_quality}: give --like-quality one of "
            f"those that it measured, {known}{otherwise}."
        )
    return results.baseline


def totals_of(done: Trials, objective: Objective) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bytes [n] and worth [n] (hits for top-1), summed over images and networks; InputError without the objective."""
    totals = done.columns.totals
    if objective.name not in totals:
        raise _unmeasured(objective)
    return totals["total_bytes"][:, 0], objective.sign * totals[objective.name].sum(axis=1)


def _unmeasured(objective: Objective) -> InputError:
    add = f"'qsearch measure RUN --add {objective.measure}'"
    return InputError(f"{objective.title} was not measured: add it with {add}.")


def total_worth(measurement: Measurement, objective: Objective) -> float:
    """The objective's values summed over images and networks."""
    return float(objective.sign * measurement.totals()[objective.name].sum())


def choose_trial(results: Results, label: str) -> Choice:
    """The trial the user names, ``17`` or ``standard:50``. InputError where there is none, or where it failed."""
    trial = results.trial(label)
    measured(trial)
    return Choice(trial, "named by you")


def choose_at_ratio(results: Results, ratio: float) -> Choice:
    """The best table of the frontier by the objective that compresses by ``ratio`` or more.

    Ratios count as they are printed, to two decimals. InputError where ``ratio`` lies outside the frontier, naming its
    ends.
    """
    trials = _frontier(results)
    ends = [_printed(measured(trial).ratio) for trial in (trials[0], trials[-1])]
    if not ends[0] <= ratio <= ends[1]:
        where = f"reaches from ratio {ends[0]:.2f} to {ends[1]:.2f}" if len(trials) > 1 else f"is ratio {ends[0]:.2f}"
        raise InputError(f"the frontier of run {results.name} {where} and has no table at ratio {ratio:g}.")
    trial = _first(trials, lambda measurement: _printed(measurement.ratio) >= ratio)
    return Choice(trial, f"{_best(results)} at a ratio of {ratio:g} or more")


def choose_no_worse(results: Results, objective: Objective, value: float) -> Choice:
    """The table of the frontier with the highest ratio whose ``objective`` is as good as ``value`` or better.

    ``value`` is as users know it: a share for top-1, nats for a loss. Values count as they are printed, in per cent to
    two decimals, in nats to four. InputError where ``value`` lies outside the frontier, naming its ends, and where the
    objective was not measured.
    """
    trials = _frontier(results)
    percent = objective is TOP1
    decimals, unit = (2, " %") if percent else (4, f" {objective.unit}")

    def printed(shown: float) -> float:
        return round(100 * shown if percent else shown, decimals)

    values = [printed(objective.shown(objective.value(measured(trial)))) for trial in trials]
    wanted, ends = printed(value), (min(values), max(values))
    if np.isnan(values).any():
        raise _unmeasured(objective)
    if not ends[0] <= wanted <= ends[1]:
        low, high = (f"{end:.{decimals}f}{unit}" for end in ends)
        where = f"reaches from {objective.title} {low} to {high}" if len(trials) > 1 else f"is {objective.title} {low}"
        raise InputError(f"the frontier of run {results.name} {where} and has no table at {wanted:.{decimals}f}{unit}.")
    fitting = [trial for trial, its in zip(trials, values, strict=True) if objective.sign * (its - wanted) >= 0]
    than = "more" if objective.sign > 0 else "less"
    return Choice(
        fitting[-1],
        f"the table with the highest ratio at a {objective.title} of {wanted:.{decimals}f}{unit} or {than} of the "
        f"frontier by {results.objective.title}",
    )


def choose_like_quality(results: Results) -> Choice:
    """The best table of the frontier by the objective at no lower ratio than the standard tables at ``like_quality``.

    InputError where that quality was not measured, or where the frontier ends below its ratio.
    """
    trials = _frontier(results)
    quality, standard = results.like_quality, measured_baseline(results)
    trial = pick(results, "ratio")
    if trial is None:
        highest = measured(trials[-1]).ratio
        raise InputError(
            f"the frontier of run {results.name} ends at ratio {highest:.2f}, below the {standard.ratio:.2f} of "
            f"standard quality {quality}: ask for a higher quality, or search on."
        )
    return Choice(
        trial,
        f"{_best(results)} at no lower ratio than standard quality {quality}'s "
        f"{standard.ratio:.2f} (whose top-1 is {100 * standard.top1:.2f} %)",
    )


def _frontier(results: Results) -> list[Trial]:
    if not results.frontier:
        raise InputError(f"run {results.name} has no finished trial to choose from yet: resume it first.")
    return results.frontier


def _best(results: Results) -> str:
    return f"the best table of the frontier by {results.objective.title}"


def _printed(value: float) -> float:
    return round(value, 2)


def _first(trials: list[Trial], wanted: Callable[[Measurement], bool]) -> Trial:
    return next(trial for trial in trials if wanted(measured(trial)))
