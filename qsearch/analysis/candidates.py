"""Candidates: the tables among which a search's pick is confirmed: its best, their averages, and published ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qsearch.analysis.bootstrap import Floats
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.pareto.fitness import LocalFit
from qsearch.published import published_names, published_tables
from qsearch.tables import QuantTables

PROMISING = 20
"""Tables of a search that are measured again."""
AVERAGED = 12
"""The best tables that are averaged: on unseen photographs their mean saved more than the best of them did."""
REACH = 1.3
"""Trials count whose ratio is within this factor of the target: shapes of tables change little over it."""
GEOMETRIC_MEAN = 30.0
"""Of the entries of an average before it is scaled to the ratio: far from both ends of 1..255."""

Kind = Literal["searched", "average", "published"]


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
    near = np.flatnonzero(np.abs(np.log(results.ratio / ratio)) <= np.log(REACH))
    if not len(near):
        raise InputError(f"no trial of run {results.name} has a ratio within a factor {REACH:g} of {ratio:.2f}.")
    above = gaps(results, ratio)[near]
    order = near[np.argsort(-above, kind="stable")]
    tables = {index: done[index].tables for index in near.tolist()}
    distinct = list(dict.fromkeys(tables[index] for index in order.tolist()))
    labels = {tables[index]: done[index].label for index in order[::-1].tolist()}
    published = [Candidate(f"published:{name}", "published", published_tables(name)) for name in published_names()]
    best, all_published = mean_shape(distinct[:AVERAGED]), mean_shape([each.tables for each in published])
    averages = [
        Candidate("mean-of-all", "average", from_shape(mean_shape(distinct))),
        Candidate(f"mean-of-best-{AVERAGED}", "average", from_shape(best)),
        Candidate("mean-of-published", "average", from_shape(all_published)),
        Candidate("mean-of-best-and-published", "average", from_shape((best + all_published) / 2)),
    ]
    found = [Candidate(labels[each], "searched", each) for each in distinct[:PROMISING]]
    return list({each.tables: each for each in [*more, *published, *averages, *found][::-1]}.values())[::-1]


def gaps(results: Results, ratio: float) -> Floats:
    """[n], by how much each done trial is better by the objective than the standard tables about ``ratio``."""
    objective, points = results.objective, list(results.standard.values())
    window = (ratio / REACH, ratio * REACH)
    values = [objective.value(point) for point in points]
    standard = LocalFit.fit([point.ratio for point in points], values, window, objective)
    return np.asarray(standard.above(results.ratio, results.value))


def mean_shape(tables: Iterable[QuantTables]) -> Floats:
    """[3, 8, 8], the mean of the tables' shapes: logarithms of Y, Cb and Cr entries less their mean over all three."""
    logarithms = [np.log(np.stack([each.luma, each.cb, each.cr]).astype(np.float64)) for each in tables]
    return np.asarray(np.mean([each - each.mean() for each in logarithms], axis=0))


def from_shape(shape: Floats) -> QuantTables:
    """Tables of a shape [3, 8, 8], at some scale."""
    luma, cb, cr = np.clip(np.rint(GEOMETRIC_MEAN * np.exp(shape)), 1, 255).astype(np.int64)
    return QuantTables(luma, cb=cb, cr=cr)
