"""A run's results: which trials are points, where its frontier and its curve are, and what labels mean."""

import numpy as np
import pytest

from qsearch.analysis.results import Results, measured, of_network
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from tests.made_up_runs import REFERENCE, SEARCH, tables


@pytest.fixture
def results() -> Results:
    return Results("demo", REFERENCE, SEARCH)


def test_failed_trials_are_no_points_and_beaten_ones_not_on_the_frontier(results: Results) -> None:
    assert [trial.number for trial in results.done] == [0, 1, 3, 4, 5]
    assert [trial.number for trial in results.frontier] == [0, 1, 3, 5]
    assert len(results.ratio) == len(results.top1) == 5


def test_a_curve_needs_two_qualities(results: Results) -> None:
    assert results.curve is not None
    assert Results("early", REFERENCE[:1], SEARCH).curve is None
    assert sorted(results.standard) == [50, 75]


def test_labels_name_trials_and_standard_tables(results: Results) -> None:
    assert results.trial("3").number == 3
    assert results.trial("standard:75").series == "reference"
    with pytest.raises(InputError, match="run demo has no trial '9'"):
        results.trial("9")
    with pytest.raises(InputError, match="trial 2 failed"):
        measured(results.trial("2"))


def test_one_of_several_networks_alone() -> None:
    ranks = np.array([[0, 0, 0, 1], [0, 1, 1, 1]], dtype=np.int32)
    seen = Measurement.of(np.array([10, 20, 30, 40]), ranks, 64)
    both = Results("fleet", [], [Trial("search", 0, "any", tables(0), "done", seen)])
    assert both.top1.tolist() == [0.5]
    assert [of_network(both, index, "one").top1.tolist() for index in (0, 1)] == [[0.75], [0.25]]
    with pytest.raises(InputError, match="has 2 networks, asked for 3"):
        of_network(both, 2, "none")
