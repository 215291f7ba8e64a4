"""The best so far: after each trial what a pick made then would have been, and what it cost to get there."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.analysis.choice import pick
from qsearch.analysis.history import Against, History, Target, band, history
from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Part, Trial
from qsearch.evaluation.objective import LOSS, TOP1, Objective
from tests.made_up_runs import IMAGES, REFERENCE, REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS, done, failed, tables

AT_50 = Target(20.0, 19.99, inf)
BY_LOSS = Results("demo", REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS, LOSS)
NAN = np.nan


def again(number: int, loss: float, top1: float, ratio: float = 20) -> Trial:
    """What a validation says of the tables of trial ``number``."""
    return replace(done(number, ratio, top1, loss=loss), number=number + 100, strategy="listed", origin=str(number))


def test_worked_by_hand() -> None:
    """Trial 1 is the first at the ratio of quality 50 or more, trial 3 has a lower loss, trial 4 a higher one.

    The curve has loss 0.5 at ratio 15, 1 at 20 and 2 at 40, and so 0.875 at 18.75 and 0.75 at 17.5; top-1 0.68 at ratio
    22 and 0.66 at 24.
    """
    found = history(BY_LOSS, AT_50)
    assert found.labels == ("", "1", "1", "3", "3")
    assert found.changes.tolist() == [1, 3]
    saving = [NAN, *[100 * (1 - 18.75 / 22)] * 2, *[100 * (1 - 17.5 / 24)] * 2]
    np.testing.assert_allclose(found.searched.saving_percent, saving, atol=0.05)
    np.testing.assert_allclose(found.searched.gain_points, [NAN, 7, 7, 2, 2], atol=0.05)
    assert found.validation is None
    assert found.x("trials").tolist() == [1, 2, 3, 4, 5]
    assert found.x("evaluations").tolist() == [IMAGES * trials for trials in range(1, 6)]


def test_picked_by_top1_other_tables_are_best() -> None:
    assert history(Results("demo", REFERENCE_WITH_LOSS, SEARCH_WITH_LOSS, TOP1), AT_50).labels[-1] == "1"


def test_a_steered_search_picks_within_its_ratio() -> None:
    assert history(BY_LOSS, Target(22, 21.89, 22.11)).labels == ("", "1", "1", "1", "1")


def test_on_other_images_only_what_was_measured_there_is_known() -> None:
    validation = Results("unseen", REFERENCE_WITH_LOSS, [again(3, 0.875, 0.75), again(0, 0.5, 0.9)], LOSS)
    found = history(BY_LOSS, AT_50, validation).validation
    assert found is not None
    np.testing.assert_allclose(found.saving_percent, [NAN, NAN, NAN, *[100 * (1 - 18.75 / 20)] * 2], atol=0.05)
    np.testing.assert_allclose(found.gain_points, [NAN, NAN, NAN, 5, 5], atol=0.05)


def test_evaluations_are_the_images_that_networks_read() -> None:
    """A table proposed again or screened costs nothing, one that a race stopped its part, a failed one all."""
    repeated = replace(done(1, 22, 0.75), quantizer=tables(0))
    sizes = Measurement.of(np.full(IMAGES, 1000), None, 128 * 128)
    screened = Trial("search", 3, "sorted-random", tables(3), "screened", sizes, reason="too large")
    part = Measurement.of(np.full(50, 1000), np.zeros((1, 50)), 128 * 128)
    stopped = Trial("search", 5, "sorted-random", tables(5), "stopped", part, reason="worse", part=Part(50, "0"))
    trials = [done(0, 22, 0.75), repeated, failed(2), screened, done(4, 23, 0.7), stopped]
    found = history(Results("demo", REFERENCE, trials), AT_50)
    assert found.evaluations.tolist() == [IMAGES, IMAGES, 2 * IMAGES, 3 * IMAGES, 3 * IMAGES + 50]
    assert found.labels == ("0", "0", "0", "0", "0")


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([18, 20, 21, 25]), st.integers(0, 6)), min_size=1), st.sampled_from([TOP1, LOSS])
)
def test_each_pick_is_the_one_of_the_trials_so_far(trials: list[tuple[int, int]], objective: Objective) -> None:
    search = [
        done(number, ratio, level / 10, loss=1 - level / 8) if level else failed(number)
        for number, (ratio, level) in enumerate(trials)
    ]
    results = Results("demo", REFERENCE_WITH_LOSS, search, objective)
    if not results.done:
        return
    picks = [
        pick(Results("demo", REFERENCE_WITH_LOSS, search[:count], objective), "ratio")
        for count in range(1, len(search) + 1)
    ]
    at_50 = results.standard[50].ratio
    assert history(results, Target(at_50, at_50, inf)).labels == tuple(
        "" if each is None else each.label for each in picks
    )


def made(saving: list[float], cost: int = 10, validation: list[float] | None = None) -> History:
    """A history of savings, each another pick's, at ``cost`` evaluations a trial."""
    values = np.array(saving)
    return History(
        evaluations=cost * np.arange(1, len(saving) + 1),
        pick=np.arange(len(saving)),
        labels=tuple(map(str, range(len(saving)))),
        searched=Against(values, values / 10),
        validation=None if validation is None else Against(np.array(validation), np.array(validation) / 10),
    )


def test_several_seeds_have_a_median_and_quartiles_while_all_of_them_go_on() -> None:
    found = band([made([NAN, 1, 2]), made([0, 3, 4, 9]), made([1, 5, 6, 7])], "trials")
    assert found.x.tolist() == [1, 2, 3]
    np.testing.assert_allclose(found.saving_percent, [[NAN, 2, 3], [NAN, 3, 4], [NAN, 4, 5]])
    np.testing.assert_allclose(found.gain_points, found.saving_percent / 10)
    assert np.isnan(found.validation_saving_percent).all()


def test_by_evaluations_a_cheap_search_is_ahead() -> None:
    """At 20 evaluations the dear one has one trial, the cheap one four."""
    found = band([made([1, 2], cost=20), made([3, 4, 5, 6, 7, 8], cost=5)], "evaluations")
    assert found.x.tolist() == [20, 25, 30]
    np.testing.assert_allclose(found.saving_percent[1], [3.5, 4, 4.5])


def test_of_one_search_the_band_is_its_own() -> None:
    found = band([made([1, 2], validation=[NAN, 5])], "trials")
    np.testing.assert_allclose(found.saving_percent, [[1, 2]] * 3)
    np.testing.assert_allclose(found.validation_saving_percent, [[NAN, 5]] * 3)


@pytest.mark.parametrize(
    ("saving", "after"), [([1, 4.5, 5], 20), ([5, 3, 5], 30), ([5], 10), ([1, 2], None), ([NAN], None)]
)
def test_close_to_the_best_known(saving: list[float], after: int | None) -> None:
    assert made(saving).close_after(5.5, "evaluations") == after


def test_nothing_is_picked_without_a_done_trial_or_a_classifier() -> None:
    with pytest.raises(InputError, match="run demo has no finished trial yet"):
        history(Results("demo", REFERENCE, [failed(0)]), AT_50)
    bare = Measurement.of(np.full(IMAGES, 1000), None, 128 * 128)
    with pytest.raises(InputError, match="without a classifier"):
        history(Results("demo", REFERENCE, [Trial("search", 0, "any", tables(0), "done", bare)]), AT_50)
    with pytest.raises(InputError, match="cross-entropy was not measured"):
        history(Results("demo", REFERENCE, [done(0, 20, 0.7)], LOSS), AT_50)
