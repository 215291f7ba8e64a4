"""Efficiencies of runs made by hand."""

import numpy as np
import pytest

from qsearch.analysis.efficiency import common_parabola, efficiencies
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.fitness import Parabola
from qsearch.tables import QuantTables

IMAGES = 1000
FLAT = Parabola(0.0, 0.0, 0.5)
"""Good is a top-1 above 49.9 %."""


def trial(number: int, hits: int | None, *, ratio: float = 10, own: bool = True, same_as: int | None = None) -> Trial:
    """Of 1000 images ``hits`` right, or failed; its decision took as many seconds as its number."""
    tables = QuantTables.shared(np.full((8, 8), 1 + (number if same_as is None else same_as)))
    strategy = "bayesian" if own else "sorted-random"
    if hits is None:
        return Trial("search", number, strategy, tables, "failed", reason="no", decision_s=float(number))
    ranks = np.where(np.arange(IMAGES) < hits, 0, 1).astype(np.int32)[np.newaxis]
    measurement = Measurement.of(np.full(IMAGES, round(3000 / ratio)), ranks, 1000)
    return Trial("search", number, strategy, tables, "done", measurement, decision_s=float(number))


def results(*trials: Trial, name: str = "demo") -> Results:
    return Results(name, (), trials)


def test_the_tenth_good_table_ends_the_count() -> None:
    # Two bad ones, one just not good, one that failed, then ten good ones.
    trials = [trial(0, 400), trial(1, 450), trial(2, 499), trial(3, None)]
    trials += [trial(number, 500 + number) for number in range(4, 16)]
    (found,) = efficiencies([(results(*trials), "bayesian")], FLAT)
    assert found.trials_to_good == 14
    assert found.good_points == 12
    assert (found.trials, found.failed) == (16, 1)
    assert found.best_gap_points == pytest.approx(1.5)
    assert found.best_gap_trial == "15"


def test_nine_good_tables_are_not_ten_and_repeating_one_does_not_help() -> None:
    trials = [trial(number, 600) for number in range(9)] + [trial(number, 600, same_as=0) for number in range(9, 20)]
    (found,) = efficiencies([(results(*trials), "bayesian")], FLAT)
    assert found.good_points == 9
    assert found.trials_to_good is None


def test_the_first_hundred_decisions_are_averaged() -> None:
    many, few = [trial(number, 500) for number in range(150)], [trial(number, 500) for number in range(3)]
    found = efficiencies([(results(*many), "bayesian"), (results(*few), "bayesian")], FLAT)
    assert [each.decision_s for each in found] == [sum(range(100)) / 100, 1.0]


def test_a_warm_up_is_not_the_strategys_own() -> None:
    trials = [trial(number, 900, own=False) for number in range(5)] + [trial(number, 510) for number in range(5, 15)]
    (found,) = efficiencies([(results(*trials), "bayesian")], FLAT)
    assert (found.warm_up_trials, found.trials) == (5, 10)
    assert found.trials_to_good == 10
    assert found.best_gap_points == pytest.approx(1.0)
    assert found.decision_s == sum(range(5, 15)) / 10


def test_hypervolumes_are_of_the_ratios_that_all_runs_cover() -> None:
    long = results(
        trial(0, 600, ratio=5), trial(1, 500), trial(2, 400, ratio=20), trial(3, 100, ratio=100), name="long"
    )
    short = results(trial(0, 800, ratio=4), trial(1, 300, ratio=20), name="short")
    found = efficiencies([(long, "bayesian"), (short, "bayesian")], FLAT, reference_point=(0.0, 0.0))
    assert [each.equal_trials for each in found] == [2, 2]
    assert [each.hypervolume_window for each in found] == [(5, 20), (5, 20)]
    assert [each.equal_hypervolume for each in found] == pytest.approx([5 * 0.5, 15 * 0.3])
    assert [each.hypervolume for each in found] == pytest.approx([5 * 0.5 + 10 * 0.4, 15 * 0.3])


def test_runs_without_ratios_in_common_have_no_hypervolume() -> None:
    one, other = (
        results(trial(0, 600, ratio=5), trial(1, 500)),
        results(trial(0, 400, ratio=20), trial(1, 300, ratio=25)),
    )
    found = efficiencies([(one, "bayesian"), (other, "bayesian")], FLAT)
    assert {(each.hypervolume_window, each.hypervolume, each.equal_hypervolume) for each in found} == {(None,) * 3}


def test_a_run_whose_trials_all_failed_has_no_gap() -> None:
    (found,) = efficiencies([(results(trial(0, None), trial(1, None)), "bayesian")], FLAT)
    assert (found.best_gap_points, found.best_gap_trial, found.trials_to_good, found.hypervolume) == (
        None,
        None,
        None,
        None,
    )


def test_a_run_that_has_not_begun_is_refused() -> None:
    with pytest.raises(InputError, match="run demo has no trial of its strategy bayesian yet"):
        efficiencies([(results(trial(0, 500, own=False)), "bayesian")], FLAT)


def test_one_parabola_goes_through_the_frontier_of_all_runs() -> None:
    truth = Parabola(-1e-3, 0.0, 0.9)
    points = [(ratio, round(IMAGES * truth.at(float(ratio)))) for ratio in (5, 6, 10, 12, 15, 20)]
    best = [trial(number, hits, ratio=ratio) for number, (ratio, hits) in enumerate(points)]
    beaten = [trial(10 + number, hits - 100, ratio=ratio) for number, (ratio, hits) in enumerate(points)]
    found = common_parabola([results(*best[::2], *beaten), results(*best[1::2])])
    assert (found.a, found.b, found.c) == pytest.approx((truth.a, truth.b, truth.c), abs=1e-4)
