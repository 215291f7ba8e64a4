"""Candidates: the tables among which a search's pick is confirmed: its best, their averages, and published ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qsearch.analysis.bootstrap import Floats
from qsearch.analysis.bounds import BEST, NEAR
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.pareto.fitness import LocalFit
from qsearch.space.shapes import log_mean
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_tables

PROMISING = 20
"""Tables of a search that are measured again."""

MEAN_OF_PUBLISHED = "mean-of-published"

Kind = Literal["searched", "average", "published", "standard"]
"""Averages are of the search's tables; what is made of published ones alone is published. Of the standard tables, which
gains are stated against, there is one."""


@dataclass(frozen=True)
class Candidate:
    """Tables by a label, to be scaled to the target ratio. kind: which tables are alike before they are measured."""

    label: str
    kind: Kind
    tables: QuantTables


def candidates(results: Results, ratio: float, more: Sequence[Candidate] = ()) -> list[Candidate]:
    """The tables of ``results`` that are most promising at ``ratio``, averages of its tables, and published tables.

    The best by the objective above the standard curve, of those whose ratio is about ``ratio``. Averages are geometric
    means of shapes: of all tables about there, none of which was chosen; of the best; of the published ones; and of the
    best with the published ones. ``more`` are further tables from elsewhere. Of equal tables the first counts.

    InputError where fewer than two standard tables were measured, or no trial lies about that ratio.
    """
    done = results.done
    near = np.flatnonzero(np.abs(np.log(results.ratio / ratio)) <= np.log(NEAR))
    if not len(near):
        raise InputError(f"no trial of run {results.name} has a ratio within a factor {NEAR:g} of {ratio:.2f}.")
    above = gaps(results, ratio)[near]
    order = near[np.argsort(-above, kind="stable")]
    tables = {index: done[index].tables for index in near.tolist()}
    distinct = list(dict.fromkeys(tables[index] for index in order.tolist()))
    labels = {tables[index]: done[index].label for index in order[::-1].tolist()}
    published = [Candidate(f"published:{name}", "published", published_tables(name)) for name in published_names()]
    best, of_published = _mean(distinct[:BEST]), _mean([each.tables for each in published])
    averages = {
        "mean-of-all": _mean(distinct),
        f"mean-of-best-{BEST}": best,
        "mean-of-best-and-published": _mean([best, of_published]),
    }
    published.append(Candidate(MEAN_OF_PUBLISHED, "published", of_published))
    found = [Candidate(labels[each], "searched", each) for each in distinct[:PROMISING]]
    found += [Candidate(label, "average", each) for label, each in averages.items()]
    return list({each.tables: each for each in [*more, *published, *found][::-1]}.values())[::-1]


def _mean(tables: Sequence[QuantTables]) -> QuantTables:
    return log_mean(tables, "ycbcr")


def gaps(results: Results, ratio: float) -> Floats:
    """[n], by how much each done trial is better by the objective than the standard tables about ``ratio``."""
    objective, points = results.objective, list(results.standard.values())
    window = (ratio / NEAR, ratio * NEAR)
    values = [objective.value(point) for point in points]
    standard = LocalFit.fit([point.ratio for point in points], values, window, objective)
    return np.asarray(standard.above(results.ratio, results.value))
