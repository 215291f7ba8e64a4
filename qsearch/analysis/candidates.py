"""Candidates: the tables among which a search's pick is confirmed: its best, averages, published and learned ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qsearch.analysis.bootstrap import Floats
from qsearch.analysis.bounds import BEST, NEAR, standard_fit
from qsearch.analysis.results import Results
from qsearch.space.shapes import log_mean
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_tables

PROMISING = 20
"""Tables of a search that are measured again."""
STANDARD = "standard"
"""The label of the standard tables at the ratio, which a pick falls back on."""
MEAN_OF = "mean-of-"
MEAN_OF_PUBLISHED = f"{MEAN_OF}published"
PUBLISHED = "published:"
LEARNED = "learned:"
SEED = "seed:"
LISTED = "listed:"
SCALED = "-scaled"
"""Ends the label of a trial whose tables are not those that the search measured, but at another scale."""

Kind = Literal["searched", "average", "elsewhere", "standard"]


@dataclass(frozen=True)
class Candidate:
    """Tables by a label, to be scaled to the target ratio."""

    label: str
    tables: QuantTables


def kind_of(label: str) -> Kind:
    """Which tables are alike before they are measured, by the label that a candidate has, scaled or not.

    Averages are of the search's tables; what is made of published ones alone is from elsewhere.
    """
    if label == STANDARD:
        return "standard"
    if label.startswith(MEAN_OF) and label != MEAN_OF_PUBLISHED:
        return "average"
    return "searched" if label.removesuffix(SCALED).isdecimal() else "elsewhere"


def candidates(
    results: Results, ratio: float, seeds: Sequence[Seed] = (), learned: Sequence[Seed] = ()
) -> list[Candidate]:
    """The tables of ``results`` that are most promising at ``ratio``, averages of its tables, and published tables.

    The best by the objective above the standard tables, of those whose ratio is within a factor :data:`NEAR` of
    ``ratio``; none where no trial is. Averages are geometric means of shapes: of all tables about there, none of which
    was chosen; of the best; of the published ones; and of the best with the published ones. ``seeds`` are further
    tables that somebody named, ``learned`` those that were learned from the images searched, whose labels say so. Of
    equal tables the first counts: seeds, published ones, learned ones, the best, averages.

    InputError where fewer than two standard tables were measured.
    """
    done = results.done
    near = np.flatnonzero(np.abs(np.log(results.ratio / ratio)) <= np.log(NEAR))
    best_first = near[np.argsort(-gaps(results, ratio)[near], kind="stable")].tolist()
    searched: dict[QuantTables, str] = {}
    for trial in (done[index] for index in best_first):
        searched.setdefault(trial.tables, trial.label if trial.label.isdecimal() else f"{LISTED}{trial.label}")
    distinct = list(searched)
    published = {f"{PUBLISHED}{name}": published_tables(name) for name in published_names()}
    averages = {MEAN_OF_PUBLISHED: _mean(list(published.values()))}
    if distinct:
        best = _mean(distinct[:BEST])
        averages = {
            f"{MEAN_OF}all": _mean(distinct),
            f"{MEAN_OF}best-{min(BEST, len(distinct))}": best,
            **averages,
            f"{MEAN_OF}best-and-published": _mean([best, averages[MEAN_OF_PUBLISHED]]),
        }
    found: dict[QuantTables, Candidate] = {}
    for each in (
        *(Candidate(f"{SEED}{seed.label}", seed.tables) for seed in seeds),
        *(Candidate(label, tables) for label, tables in published.items()),
        *(Candidate(one.label, one.tables) for one in learned),
        *(Candidate(searched[tables], tables) for tables in distinct[:PROMISING]),
        *(Candidate(label, tables) for label, tables in averages.items()),
    ):
        found.setdefault(each.tables, each)
    return list(found.values())


def _mean(tables: Sequence[QuantTables]) -> QuantTables:
    return log_mean(tables, "ycbcr")


def gaps(results: Results, ratio: float) -> Floats:
    """[n], by how much each done trial is better by the objective than the standard tables about ``ratio``."""
    standard = standard_fit(list(results.standard.values()), (ratio / NEAR, ratio * NEAR), results.objective)
    return np.asarray(standard.above(results.ratio, results.value))
