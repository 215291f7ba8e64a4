"""Histories: the best so far of several runs, with the validations that judge it; seeds of one strategy together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import msgspec
import numpy as np

from qsearch.analysis.history import Against, Axis, Band, History, Target, against, band, history
from qsearch.analysis.results import Results
from qsearch.analysis.summary import NEAR
from qsearch.errors import InputError
from qsearch.registry import nearest_names
from qsearch.run.comparable import check_comparable, check_one_objective
from qsearch.run.confirmation import Confirmed, confirmed
from qsearch.run.folder import Run
from qsearch.run.validation import validations
from qsearch.search.steering import TOLERANCE

SEEDS_OWN = ("seed", "trials", "bounds", "hypervolume_reference", "qualities", "like_quality")
"""Settings of a search in which seeds of one strategy may differ."""


@dataclass(frozen=True)
class Taken:
    """What ``qsearch export`` takes of a run: the pick that was confirmed on images kept aside.

    validation: what it gains on the images of the validation, NaN where that did not measure it; None without one.
    """

    confirmed: Confirmed
    validation: Against | None


@dataclass(frozen=True)
class Traced:
    """A run with the history of its picks; ``validation`` is the one that judges them, or None.

    taken: None where the search kept no images aside, or before its pick is confirmed.
    """

    run: Run
    target: Target
    history: History
    validation: Run | None
    taken: Taken | None

    @property
    def seed(self) -> int:
        """That of the search."""
        return self.run.settings.search.seed


@dataclass(frozen=True)
class Traces:
    """Runs of one strategy that differ in the seed alone, under the ``name`` that tells them from others."""

    name: str
    runs: tuple[Traced, ...]

    def band(self, by: Axis) -> Band:
        """Their histories as one."""
        return band([each.history for each in self.runs], by)


def traces(
    runs: Sequence[Run], validation: str | None = None, on_note: Callable[[str], None] = lambda note: None
) -> list[Traces]:
    """The histories of ``runs``, grouped by strategy, in the order in which the strategies first come.

    ``validation`` names the one to judge by; by default it is each run's only one. ``on_note`` hears which runs are
    not judged. InputError where runs, or their validations, were measured under different conditions, where they pick
    by different objectives or at different ratios, where two runs of one strategy have one seed, where no run has the
    validation, and as :func:`qsearch.analysis.history.history`.
    """
    check_comparable(runs)
    check_one_objective(runs)
    judges = [_judge(run, validation, on_note) for run in runs]
    if validation is not None and not any(judges):
        known = sorted({each.name for run in runs for each in validations(run)})
        raise InputError(f"no run has a validation {validation!r}: {nearest_names(validation, known)}")
    check_comparable([judge for judge in judges if judge is not None] or runs)
    traced = [_traced(run, judge) for run, judge in zip(runs, judges, strict=True)]
    _check_one_ratio(traced)
    return _grouped(traced)


def _target_of(run: Run, results: Results) -> Target:
    """Where ``run`` picks: about the ratio it is steered to, else at no lower ratio than that of its picks.

    InputError where the standard quality that this is the ratio of was not measured.
    """
    search = run.settings.search
    if search.ratio is not None:
        return Target(search.ratio, search.ratio * (1 - TOLERANCE), search.ratio * (1 + TOLERANCE))
    standard = results.standard.get(search.around)
    if standard is None:
        raise InputError(
            f"run {run.name} has not measured standard quality {search.around}, where it picks: resume it."
        )
    ratio = search.ratio_of_picks(standard.ratio)
    return Target(ratio, ratio, inf)


def _judge(run: Run, name: str | None, on_note: Callable[[str], None]) -> Run | None:
    kept = validations(run)
    if name is not None:
        found = next((each for each in kept if each.name == name), None)
        if found is None:
            on_note(f"run {run.name} has no validation {name}: its picks are not judged.")
        return found
    if len(kept) > 1:
        on_note(
            f"run {run.name} has {len(kept)} validations, {', '.join(each.name for each in kept)}: name the one that "
            "judges its picks with --validation."
        )
    return kept[0] if len(kept) == 1 else None


def _traced(run: Run, judge: Run | None) -> Traced:
    results, judging = run.results(), None if judge is None else judge.results()
    target = _target_of(run, results)
    return Traced(run, target, history(results, target, judging), judge, _taken(run, judging))


def _taken(run: Run, judging: Results | None) -> Taken | None:
    found = confirmed(run)
    if found is None:
        return None
    place = found.results.done.columns.numbers.tolist().index(found.trial.number)
    return Taken(found, None if judging is None else against(found.results, judging).at(np.array([place])))


def _check_one_ratio(traced: Sequence[Traced]) -> None:
    first = traced[0]
    for other in traced[1:]:
        if abs(other.target.ratio / first.target.ratio - 1) > NEAR:
            raise InputError(
                f"runs {first.run.name} and {other.run.name} cannot be compared: the first picks at ratio "
                f"{first.target.ratio:.2f}, the second at {other.target.ratio:.2f}."
            )


def _grouped(traced: Sequence[Traced]) -> list[Traces]:
    groups: dict[str, list[Traced]] = {}
    for each in traced:
        groups.setdefault(str(sorted(_settings(each.run).items())), []).append(each)
    for group in groups.values():
        _check_seeds(group)
    settings = [_settings(group[0].run) for group in groups.values()]
    return [Traces(_name(its, settings), tuple(group)) for its, group in zip(settings, groups.values(), strict=True)]


def _check_seeds(group: Sequence[Traced]) -> None:
    """InputError where two runs are one search: they would count twice."""
    known: dict[tuple[int, tuple[str, ...]], str] = {}
    for each in group:
        search = each.run.settings.search
        sources = () if search.bounds is None or search.warm_up else search.bounds.sources
        key = each.seed, sources
        if key in known:
            raise InputError(
                f"runs {known[key]} and {each.run.name} are one search, {search.strategy} with seed {each.seed}: give "
                "one of them."
            )
        known[key] = each.run.name


def _settings(run: Run) -> dict[str, Any]:
    """What makes a strategy another one, the seed aside, by name; options of strategies and races by theirs."""
    found: dict[str, Any] = msgspec.to_builtins(run.settings.search)
    found |= found.pop("options")
    for name, value in list(found.items()):
        if isinstance(value, dict):
            found |= {f"{name} {key}": item for key, item in found.pop(name).items()}
    return {name: value for name, value in found.items() if name.split()[0] not in SEEDS_OWN and value is not None}


def _name(settings: dict[str, Any], others: Sequence[dict[str, Any]]) -> str:
    """The strategy and, where there are several of it, what this one has that not all of them have."""
    strategy = str(settings["strategy"])
    alike = [other for other in others if other["strategy"] == strategy]
    own = [name for name, value in settings.items() if any(other.get(name) != value for other in alike)]
    return ", ".join([strategy, *(f"{name} {_said(settings[name])}" for name in own)])


def _said(value: Any) -> str:
    return f"({len(value)})" if isinstance(value, list | tuple) else str(value)
