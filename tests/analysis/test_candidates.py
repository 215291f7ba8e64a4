"""Candidates of a pick: which tables, in which order, under which labels; each by hand."""

import math
from typing import Any

import numpy as np
import pytest

from qsearch.analysis.candidates import Kind, candidates, kind_of
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.objective import LOSS
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_tables


def measurement(size_bytes: int, loss: float) -> Measurement:
    """Of one image of 120,000 raw bytes."""
    return Measurement.of([size_bytes], [[0]], 40_000, loss=[[loss]])


def halves(first: int, second: int) -> QuantTables:
    """One entry in the first half of each table, another in the second."""
    return QuantTables.shared(np.repeat([first, second], 32).reshape(8, 8))


REFERENCE = [
    Trial("reference", quality, "standard", QuantTables.standard(quality), "done", measurement(size_bytes, loss))
    for quality, size_bytes, loss in ((80, 12_000, 1.0), (30, 3_000, 1.0 + math.log(4)))
]
"""Ratios 10 and 40; between them the loss is 1 + ln(ratio / 10), as a straight line in log ratio says."""


def at(number: int, tables: QuantTables, ratio: float, above: float, **more: Any) -> Trial:
    """A trial whose loss is so much lower than that of the standard tables at its ratio."""
    size_bytes = round(120_000 / ratio)
    loss = 1 + math.log(120_000 / size_bytes / 10) - above
    strategy = more.pop("strategy", "sorted-random")
    return Trial("search", number, strategy, tables, "done", measurement(size_bytes, loss), **more)


def found_in(*search: Trial, seeds: list[Seed] | None = None) -> dict[str, QuantTables]:
    results = Results("demo", REFERENCE, search, LOSS)
    found = candidates(results, 20.0, seeds or [])
    assert len({each.tables for each in found}) == len(found)
    return {each.label: each.tables for each in found}


def searched(found: dict[str, QuantTables]) -> list[str]:
    return [label for label in found if kind_of(label) == "searched"]


def test_the_best_above_the_standard_tables_come_first_of_those_near_the_ratio() -> None:
    found = found_in(
        at(0, halves(9, 10), 20, 0.1),
        at(1, halves(9, 11), 25.9, 0.3),  # 20 x 1.3 is 26
        at(2, halves(9, 12), 26.1, 0.9),
        at(3, halves(9, 13), 15.4, 0.2),  # 20 / 1.3 is 15.38
        at(4, halves(9, 14), 15.3, 0.9),
        Trial("search", 5, "sorted-random", halves(9, 15), "failed", reason="it broke"),
    )
    assert searched(found) == ["1", "3", "0"]
    assert found["3"] == halves(9, 13)


def test_of_many_the_twenty_best_are_measured_again_and_twelve_averaged() -> None:
    trials = [at(number, halves(9, 10 + number), 20, number / 100) for number in range(30)]
    found = found_in(*trials)
    assert searched(found) == [str(number) for number in range(29, 9, -1)]
    assert "mean-of-best-12" in found


def test_averages_are_geometric_means_of_shapes() -> None:
    # A factor of 4 between the halves and one of 1, at whatever scale, give one of 2, with 255 as the coarsest entry.
    found = found_in(at(0, halves(10, 40), 20, 0.1), at(1, halves(20, 20), 20, 0.2))
    assert found["mean-of-all"] == halves(128, 255)
    assert "mean-of-best-2" not in found  # the same tables, once
    expected = np.mean([np.log(published_tables(name).luma) for name in published_names()], axis=0)
    shape = np.log(found["mean-of-published"].luma)
    np.testing.assert_allclose(shape - shape.mean(), expected - expected.mean(), atol=0.05)
    both = np.log(found["mean-of-best-and-published"].luma)
    half = (np.log(halves(128, 255).luma) + shape) / 2
    np.testing.assert_allclose(both - both.mean(), half - half.mean(), atol=0.05)


def test_published_tables_are_there_and_equal_tables_once() -> None:
    luo = published_tables("luo-2021")
    found = found_in(at(0, luo, 20, 0.1), at(1, halves(9, 10), 20, 0.2), at(2, halves(9, 10), 20, 0.2))
    assert searched(found) == ["1"]
    for name in published_names():
        assert found[f"published:{name}"] == published_tables(name)
    named = found_in(at(0, halves(9, 10), 20, 0.1), seeds=[Seed("luo.txt", luo), Seed("7", halves(3, 4))])
    assert named["seed:luo.txt"] == luo
    assert "published:luo-2021" not in named
    assert kind_of("seed:7") == "elsewhere"  # a file called 7 is no trial 7


def test_where_no_trial_is_near_the_published_ones_remain() -> None:
    for search in ([], [at(0, halves(9, 10), 30, 0.1)]):
        found = found_in(*search)
        assert not searched(found)
        assert list(found) == [*(f"published:{name}" for name in published_names()), "mean-of-published"]


def test_tables_that_somebody_listed_are_no_trials_of_a_search() -> None:
    found = found_in(at(0, halves(9, 10), 20, 0.1, strategy="listed", origin="mean-of-mine"))
    assert found["listed:mean-of-mine"] == halves(9, 10)
    assert kind_of("listed:mean-of-mine") == "elsewhere"


def test_without_a_standard_curve_nothing_is_promising() -> None:
    with pytest.raises(InputError, match="two ratios or more"):
        candidates(Results("demo", REFERENCE[:1], [at(0, halves(9, 10), 20, 0.1)], LOSS), 20.0)


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("standard", "standard"),
        ("17", "searched"),
        ("17-scaled", "searched"),
        ("mean-of-all", "average"),
        ("mean-of-best-and-published", "average"),
        ("published:flat", "elsewhere"),
        ("learned:accuracy", "elsewhere"),
        ("seed:17-scaled", "elsewhere"),
        ("listed:standard", "elsewhere"),
    ],
)
def test_a_label_tells_which_tables_are_alike(label: str, kind: Kind) -> None:
    assert kind_of(label) == kind
