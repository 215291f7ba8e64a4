"""The table that is taken home: the right one, for the reason that is said, or a sentence that helps."""

from collections.abc import Callable

import pytest

from qsearch.analysis.choice import Choice, choose_at_ratio, choose_like_quality, choose_no_worse, choose_trial
from qsearch.analysis.results import Results
from qsearch.analysis.summary import summarize
from qsearch.errors import InputError
from qsearch.evaluation.objective import DIVERGENCE, LOSS, TOP1
from tests.made_up_runs import REFERENCE, REFERENCE_WITH_LOSS, SEARCH, SEARCH_WITH_LOSS, done

RESULTS = Results("demo", REFERENCE, SEARCH)
BY_LOSS = Results("demo", REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS, LOSS)


def at(quality: int) -> Results:
    """The same as RESULTS, stated at another quality."""
    return Results("demo", REFERENCE, SEARCH, like_quality=quality)


@pytest.mark.parametrize(("ratio", "trial"), [(10, 0), (10.01, 1), (17.9, 1), (20, 3), (29.9, 5)])
def test_a_ratio_chooses_the_most_accurate_table_that_reaches_it(ratio: float, trial: int) -> None:
    assert choose_at_ratio(RESULTS, ratio).trial.number == trial


@pytest.mark.parametrize(("top1", "trial"), [(0.55, 5), (0.56, 3), (0.75, 3), (0.76, 1), (0.9, 0)])
def test_an_accuracy_chooses_the_highest_ratio_that_keeps_it(top1: float, trial: int) -> None:
    assert choose_no_worse(RESULTS, TOP1, top1).trial.number == trial


@pytest.mark.parametrize(("loss", "trial"), [(0.5, 0), (0.7499, 0), (0.75, 3), (1.2, 3), (1.25, 4)])
def test_a_loss_chooses_the_highest_ratio_that_keeps_it(loss: float, trial: int) -> None:
    choice = choose_no_worse(BY_LOSS, LOSS, loss)
    assert choice.trial.number == trial
    assert f"at a cross-entropy of {loss:.4f} nats or less of the frontier by cross-entropy" in choice.reason


def test_by_loss_other_tables_are_chosen_than_by_top1() -> None:
    """Trial 1 has the higher top-1, trial 3 the lower loss."""
    by_top1 = Results("demo", REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS)
    chosen = [(choose_at_ratio(results, 20), choose_like_quality(results)) for results in (BY_LOSS, by_top1)]
    assert [[choice.trial.number for choice in pair] for pair in chosen] == [[3, 3], [1, 1]]
    assert [pair[0].reason for pair in chosen] == [
        "the best table of the frontier by cross-entropy at a ratio of 20 or more",
        "the best table of the frontier by top-1 at a ratio of 20 or more",
    ]
    assert choose_no_worse(BY_LOSS, TOP1, 0.6).trial.number == 4


def test_like_quality_chooses_what_the_summary_calls_best_at_that_ratio() -> None:
    choice = choose_like_quality(RESULTS)
    best = summarize(RESULTS, (0, 0)).best_at_ratio
    assert best is not None
    assert choice.trial.label == best.label == "3"
    assert "quality 50" in choice.reason
    assert "70.00 %" in choice.reason
    assert choose_like_quality(at(75)).trial.number == 1


def test_a_trial_is_chosen_by_its_label_also_off_the_frontier() -> None:
    assert choose_trial(RESULTS, "4").trial.number == 4
    assert choose_trial(RESULTS, "standard:75").trial.series == "reference"


@pytest.mark.parametrize(
    ("choose", "sentence"),
    [
        (lambda results: choose_at_ratio(results, 40), r"from ratio 10\.00 to 30\.\d\d and has no table at ratio 40"),
        (lambda results: choose_at_ratio(results, 3), r"from ratio 10\.00 to 30\.\d\d"),
        (lambda results: choose_at_ratio(results, float("nan")), "no table at ratio nan"),
        (lambda results: choose_no_worse(results, TOP1, 0.95), r"from top-1 55\.00 % to 90\.00 % .* at 95\.00 %"),
        (lambda results: choose_like_quality(at(60)), "did not measure standard quality 60: give .* measured, 50, 75"),
        (lambda results: choose_trial(results, "17"), "no trial '17'"),
        (lambda results: choose_trial(results, "2"), "it broke"),
    ],
)
def test_what_cannot_be_chosen_is_said_with_what_can(choose: Callable[[Results], Choice], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        choose(RESULTS)


def test_a_loss_that_no_table_has_is_said_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"reaches from cross-entropy 0\.5000 nats to 1\.2500 nats .* at 0\.4000 nats"):
        choose_no_worse(BY_LOSS, LOSS, 0.4)
    with pytest.raises(InputError, match="divergence was not measured: add it with 'qsearch measure RUN --add diverg"):
        choose_no_worse(BY_LOSS, DIVERGENCE, 0.4)


def test_a_frontier_of_one_point() -> None:
    results = Results("demo", REFERENCE, [done(0, 12, 0.85)])
    with pytest.raises(InputError, match=r"the frontier of run demo is ratio 12\.\d\d and has no table at ratio 20"):
        choose_at_ratio(results, 20)
    with pytest.raises(InputError, match=r"ends at ratio 12\.\d\d, below the 20\.\d\d of standard quality 50"):
        choose_like_quality(results)
    assert choose_like_quality(Results("demo", REFERENCE, [done(0, 21, 0.5)])).trial.number == 0


def test_a_run_without_a_finished_trial() -> None:
    with pytest.raises(InputError, match="no finished trial"):
        choose_at_ratio(Results("demo", REFERENCE, SEARCH[2:3]), 20)
