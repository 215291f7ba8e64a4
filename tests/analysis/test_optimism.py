"""The luck of having been picked: shown where there is nothing else, and not invented where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from qsearch.analysis.choice import Rule
from qsearch.analysis.optimism import selected_gain
from qsearch.analysis.results import Results, measured
from qsearch.analysis.summary import Point, summarize
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.measures import Array
from qsearch.evaluation.trials import Trials
from tests.analysis.simulated import simulated_results


def test_the_best_of_equal_tables_gains_only_by_luck() -> None:
    apparent, corrected, held, held_naively = [], [], 0, 0
    for seed in range(30):
        results, _ = simulated_results(seed, images=300, gains=np.zeros(200))
        found = selected_gain(results, "ratio", resamples=150, seed=seed)
        assert found is not None
        assert found.apparent.value is not None
        assert found.corrected is not None
        low, value, high = found.corrected.low, found.corrected.value, found.corrected.high
        assert low is not None
        assert value is not None
        assert high is not None
        assert found.apparent.low is not None
        apparent.append(found.apparent.value)
        corrected.append(value)
        held += low <= 0 <= high
        held_naively += found.apparent.low <= 0
    assert np.mean(apparent) > 3
    assert abs(np.mean(corrected)) < 0.5
    assert held >= 28
    assert held_naively <= 22


def test_a_table_far_above_the_others_owes_nothing_to_luck() -> None:
    results, _ = simulated_results(0, images=400, gains=[0] * 50 + [15] + [0] * 50)
    found = selected_gain(results, "ratio", resamples=100)
    assert found is not None
    assert found.label == "50"
    assert found.choices == 1
    assert found.optimism == 0
    assert found.corrected == found.apparent


def test_the_correction_is_small_where_tables_differ_more_than_chance() -> None:
    corrected, true = [], []
    for seed in range(30):
        gains = np.random.default_rng(seed).normal(0, 5, 60)
        results, _ = simulated_results(seed, images=500, gains=gains)
        found = selected_gain(results, "ratio", resamples=100, seed=seed)
        assert found is not None
        assert found.corrected is not None
        assert found.corrected.value is not None
        corrected.append(found.corrected.value)
        true.append(gains[int(found.label)])
    assert np.mean(corrected) == pytest.approx(np.mean(true), abs=1.0)


@pytest.mark.parametrize("seed", range(8))
def test_the_table_picked_is_the_one_the_summary_names(seed: int) -> None:
    random = np.random.default_rng(seed)
    # Few images make ties.
    results, _ = simulated_results(seed, 40, random.integers(-3, 4, 60), random.integers(17, 24, 60))
    summary = summarize(results, (1.0, 0.0))
    cases: tuple[tuple[Rule, Point | None, float | None], ...] = (
        ("ratio", summary.best_at_ratio, summary.gain_points),
        ("accuracy", summary.best_at_accuracy, summary.saving_percent),
    )
    for rule, best, gain in cases:
        found = selected_gain(results, rule, resamples=20)
        assert (found and found.label) == (best and best.label)
        assert found is None or found.apparent.value in (None, pytest.approx(gain))


@pytest.mark.parametrize("rule", ["ratio", "accuracy"])
@pytest.mark.parametrize("seed", range(4))
def test_tables_that_cannot_win_are_left_out_without_a_difference(
    rule: Rule, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(seed)
    results, _ = simulated_results(seed, 300, -np.abs(random.normal(0, 12, 400)), random.uniform(11, 29, 400))
    read: set[int] = set()
    few = counted(results, read)
    found = selected_gain(few, rule, resamples=200)
    assert 0 < len(read) < 300
    monkeypatch.setattr("qsearch.analysis.optimism.CONTENDING", 1e9)
    assert found == selected_gain(results, rule, resamples=200)


def counted(results: Results, read: set[int]) -> Results:
    """The same trials, of which ``read`` gets the numbers of those whose images are read."""

    def build(row: int) -> Trial:
        trial = results.search[row]
        seen = measured(trial)

        def load(measure: str) -> Array:
            read.add(trial.number)
            return np.array(seen[measure])

        light = Measurement.summed_up(seen.pixels, seen.images, seen.networks, seen.measures, seen.totals(), load)
        return replace(trial, measurement=light)

    return Results(results.name, results.reference, Trials(results.search.columns, build))


def test_savings_are_corrected_too() -> None:
    results, _ = simulated_results(11, images=500, gains=np.zeros(100), ratios=np.linspace(18, 23, 100))
    found = selected_gain(results, "accuracy", resamples=100)
    assert found is not None
    assert found.optimism is not None
    assert found.corrected is not None
    assert found.corrected.value is not None
    assert found.apparent.value is not None
    assert found.optimism > 1
    assert found.choices > 1
    assert found.corrected.value == pytest.approx(found.apparent.value - found.optimism)


def test_repeated_tables_are_one_candidate() -> None:
    results, _ = simulated_results(0, images=50, gains=[1, 2])
    first = results.done[0]
    again = Trial("search", 7, first.strategy, first.tables, "done", first.measurement)
    found = selected_gain(Results("demo", results.reference, [*results.search, again]), "ratio", resamples=10)
    assert found is not None
    assert found.candidates == 2


def test_resamples_that_drew_every_image_judge_nothing() -> None:
    results, _ = simulated_results(2, images=3, gains=[0, 1, 2], ratios=[18, 20, 22])
    rules: tuple[Rule, Rule] = ("ratio", "accuracy")
    for rule in rules:
        found = selected_gain(results, rule, resamples=100)
        assert found is None or found.unknown >= 10  # 3! / 27 of them draw all three images


def test_there_may_be_nothing_to_pick() -> None:
    results, _ = simulated_results(0, images=100, gains=[0, 0], ratios=12)
    assert selected_gain(results, "ratio") is None
    assert selected_gain(Results("demo", results.reference, []), "ratio") is None
    without_50 = [trial for trial in results.reference if trial.number != 50]
    assert selected_gain(Results("demo", without_50, results.search), "accuracy") is None
