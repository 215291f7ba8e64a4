"""What a race stopped stands in no result: all is as if the trial had not been, however good its part of the images."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from qsearch.analysis.bounds import bounds_of
from qsearch.analysis.choice import choose_like_quality, choose_trial
from qsearch.analysis.distribution import distribution
from qsearch.analysis.efficiency import common_parabola, efficiencies
from qsearch.analysis.optimism import selected_gain
from qsearch.analysis.results import Results, of_network
from qsearch.analysis.summary import summarize
from qsearch.analysis.validation import validation_rows
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Part, Trial
from qsearch.report.psnr_plot import highlighted
from qsearch.tables import QuantTables
from tests.analysis.simulated import simulated_results

REFERENCE_POINT = (1.0, 0.0)
IMAGES, SEEN = 200, 50


def stopped(number: int, ratio: float) -> Trial:
    """One that all its images read right."""
    size_bytes = np.full(SEEN, round(3 * 128 * 128 / ratio))
    measurement = Measurement.of(size_bytes, np.zeros((1, SEEN), dtype=np.int32), 128 * 128, np.full(SEEN, 50.0))
    tables = QuantTables.shared(np.full((8, 8), 200 + number % 40))
    return Trial("search", number, "s", tables, "stopped", measurement, "stopped", part=Part(SEEN, "ab"))


@pytest.fixture(scope="module")
def without() -> Results:
    """A run of twenty tables."""
    found, _ = simulated_results(3, IMAGES, np.linspace(-2, 2, 20), np.linspace(15, 25, 20))
    return found


@pytest.fixture(scope="module")
def having(without: Results) -> Results:
    """The same, and tables that were stopped, each better on its part than any other, at all ratios."""
    more = [stopped(len(without.search) + place, ratio) for place, ratio in enumerate((12.0, 20.4, 20.6, 28.0))]
    return Results(without.name, without.reference, [*without.search, *more])


def summary_of(results: Results) -> dict[str, Any]:
    said = asdict(summarize(results, REFERENCE_POINT))
    return {name: value for name, value in said.items() if name not in ("trials_stopped", "evaluations_saved")}


def efficiency_of(results: Results) -> dict[str, Any]:
    strategy = results.search[0].strategy
    trials = [replace(trial, strategy=strategy) for trial in results.search]
    same = Results(results.name, results.reference, trials)
    (found,) = efficiencies([(same, strategy)], common_parabola([same]))
    said = asdict(found)
    return {name: value for name, value in said.items() if name not in ("trials", "equal_trials")}


LOOKS: dict[str, Callable[[Results], Any]] = {
    "done": lambda results: list(results.done),
    "frontier": lambda results: results.frontier,
    "summary": summary_of,
    "efficiency": efficiency_of,
    "pick": lambda results: choose_like_quality(results).trial,
    "corrected": lambda results: selected_gain(results, "ratio"),
    "bounds": lambda results: bounds_of([results], "shared", window=(10.0, 30.0)).parabola,
    "distribution": lambda results: asdict(distribution(results, (10.0, 30.0))),
    "validation": lambda results: validation_rows(results, results),
    "PSNR": highlighted,
    "one network": lambda results: of_network(results, 0, "first").frontier,
}


@pytest.mark.parametrize("name", LOOKS)
def test_it_changes_nothing(without: Results, having: Results, name: str) -> None:
    assert repr(LOOKS[name](having)) == repr(LOOKS[name](without))


def test_it_is_counted_apart(having: Results) -> None:
    summary = summarize(having, REFERENCE_POINT)
    assert (summary.trials_done, summary.trials_stopped, summary.trials_failed) == (20, 4, 0)
    assert summary.evaluations_saved == pytest.approx(4 * (IMAGES - SEEN) / (24 * IMAGES))


def test_it_is_not_picked_by_name_either(having: Results) -> None:
    with pytest.raises(InputError, match=r"trial 20 was stopped after 50 images.*'qsearch measure RUN --complete 20'"):
        choose_trial(having, "20")
