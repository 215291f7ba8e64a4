"""Gains against the standard curve: the numbers of the summary, with intervals that hold the truth."""

import numpy as np
import pytest

from qsearch.analysis.gains import bootstrap_gains
from qsearch.analysis.results import Results
from qsearch.analysis.summary import gain_points, saving_percent
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.tables import QuantTables
from tests.analysis.simulated import simulated_results, with_fine_curve


def trial(number: int, size_bytes: list[int], hits: list[int], reference: bool = False) -> Trial:
    measurement = Measurement.of(np.array(size_bytes), 1 - np.array([hits], dtype=np.int32), 1000)
    tables = QuantTables.standard(number)
    return Trial("reference" if reference else "search", number, "any", tables, "done", measurement)


def test_the_values_are_those_of_the_summary() -> None:
    results, _ = simulated_results(seed=1, images=300, gains=[-2, 0, 4])
    for each in results.done:
        gains = bootstrap_gains(results, each, resamples=100)
        assert gains.gain_points.value == pytest.approx(gain_points(results, each))
        assert gains.saving_percent.value == pytest.approx(saving_percent(results, each))


def test_worked_by_hand() -> None:
    # Ratios 30 and 10 with top-1 1/4 and 3/4; the table's ratio 20 lies half-way, where the curve has 1/2.
    coarse, fine = trial(10, [100] * 4, [1, 0, 0, 0], True), trial(90, [300] * 4, [1, 1, 1, 0], True)
    table = trial(1, [150] * 4, [1, 1, 1, 0])
    gains = bootstrap_gains(Results("demo", [coarse, fine], [table]), table, resamples=100)
    assert gains.gain_points.value == pytest.approx(25)
    assert gains.saving_percent.value == pytest.approx(50)


def test_a_table_that_is_a_point_of_the_curve_gains_nothing_in_any_resample() -> None:
    results, _ = simulated_results(seed=2, images=200, gains=0)
    standard = next(each for each in results.reference if each.number == 50)
    gain = bootstrap_gains(results, standard).gain_points
    assert (gain.value, gain.low, gain.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(120):
        results, _ = simulated_results(seed, images=400, gains=2)
        gain = bootstrap_gains(results, results.done[0], resamples=300, seed=seed).gain_points
        assert gain.low is not None
        assert gain.high is not None
        held += gain.low <= 2 <= gain.high
    # 95 % of 120 is 114 with a standard deviation of 2.4.
    assert 106 <= held <= 120


def test_savings_of_tables_that_save_nothing_lie_around_nothing() -> None:
    """Chance makes a standard curve rise and fall; its last crossings would say that 2 % are lost."""
    found = []
    for seed in range(250):
        results = with_fine_curve(seed, 600, 12, 14, 16, 18)
        found.append([saving_percent(results, trial) for trial in results.done])
    medians = np.nanmedian(np.array(found, dtype=float), axis=0)
    assert abs(medians.mean()) < 0.8


@pytest.mark.parametrize("ratio", [14.0, 22.0])
def test_intervals_of_savings_hold_the_truth_about_as_often_as_they_say(ratio: float) -> None:
    held, known = 0, 0
    for seed in range(80):
        results = with_fine_curve(seed, 600, ratio)
        saving = bootstrap_gains(results, results.done[0], resamples=300).saving_percent
        if saving.low is not None and saving.high is not None:
            known += 1
            held += saving.low <= 0 <= saving.high
    assert known >= 76
    # 95 % of 80 is 76 with a standard deviation of 2.
    assert held >= 0.89 * known


def test_a_saving_that_few_resamples_know_is_withheld() -> None:
    """At the flat end of the curve, resamples in which it reaches so far are a selection."""
    withheld = 0
    for seed in range(20):
        results = with_fine_curve(seed, 300, 3.3)
        saving = bootstrap_gains(results, results.done[0], resamples=300).saving_percent
        if saving.unknown > 30:
            withheld += 1
            assert (saving.value, saving.low, saving.high) == (None, None, None)
        else:
            assert saving.value is None or saving.unknown <= 30
    assert withheld >= 5


def test_a_gain_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    results, _ = simulated_results(4, images=100, gains=[0, 1])
    first = bootstrap_gains(results, results.done[0])
    bootstrap_gains(results, results.done[1])
    monkeypatch.setattr("qsearch.analysis.gains.resample_weights", None)
    assert bootstrap_gains(results, results.done[0]) is first
    again, _ = simulated_results(4, images=100, gains=[0, 1])
    with pytest.raises(TypeError):
        bootstrap_gains(again, again.done[0])


def test_the_interval_narrows_with_the_root_of_the_images() -> None:
    widths = []
    for images in (200, 3200):
        results, _ = simulated_results(5, images, gains=1)
        gain = bootstrap_gains(results, results.done[0]).gain_points
        assert gain.low is not None
        assert gain.high is not None
        widths.append(gain.high - gain.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.25)


def test_beyond_the_curve_nothing_is_invented() -> None:
    results, _ = simulated_results(3, images=200, gains=0, ratios=20)
    best = trial(1, [1] * 200, [1] * 200)
    gains = bootstrap_gains(results, best, resamples=100)
    assert gains.gain_points.value is None
    assert gains.gain_points.unknown == 100
    assert gains.saving_percent.low is None


def test_the_same_seed_gives_the_same_interval() -> None:
    results, _ = simulated_results(4, images=100, gains=0)
    first, again, other = (bootstrap_gains(results, results.done[0], resamples=50, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_curve_needs_two_points() -> None:
    results, _ = simulated_results(4, images=20, gains=0)
    with pytest.raises(InputError, match="has measured 1 standard tables and a curve needs two"):
        bootstrap_gains(Results("demo", results.reference[:1], results.search), results.done[0])
