"""Tests and intervals against closed forms, exhaustive enumeration and each other."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.analysis.significance import detectable_difference, holm, mcnemar_p_value, paired_interval
from qsearch.errors import InputError

Z = 1.959963984540054

counts = st.integers(0, 60).flatmap(lambda lost: st.tuples(st.just(lost), st.integers(0, 60)))


def coin_tosses(lost: int, won: int) -> float:
    """Two-sided: the share of all outcomes of fair tosses at least as uneven."""
    tosses = lost + won
    extreme = [math.comb(tosses, k) for k in range(tosses + 1) if abs(2 * k - tosses) >= abs(won - lost)]
    return float(sum(extreme) / 2**tosses)


@settings(deadline=None)  # the first example imports scipy
@given(counts)
def test_mcnemar_counts_the_outcomes_of_fair_tosses(pair: tuple[int, int]) -> None:
    assert mcnemar_p_value(*pair) == pytest.approx(coin_tosses(*pair))
    assert mcnemar_p_value(*pair) == pytest.approx(mcnemar_p_value(pair[1], pair[0]))


def test_mcnemar_worked_by_hand() -> None:
    assert mcnemar_p_value(0, 0) == 1
    assert mcnemar_p_value(0, 5) == pytest.approx(2 / 32)
    assert mcnemar_p_value(1, 7) == pytest.approx(2 * 9 / 256)


@given(counts, st.integers(0, 500))
def test_the_interval_leaves_out_zero_where_the_score_test_rejects(pair: tuple[int, int], same: int) -> None:
    lost, won = pair
    low, high = paired_interval(lost, won, max(1, lost + won + same))
    assert -1 <= low <= (won - lost) / max(1, lost + won + same) <= high <= 1
    score = (won - lost) ** 2 - Z**2 * (won + lost)
    if abs(score) > 1e-3:
        assert (low > 0 or high < 0) == (score > 0)


@given(counts, st.integers(0, 500))
def test_exchanging_the_tables_mirrors_the_interval(pair: tuple[int, int], same: int) -> None:
    lost, won = pair
    images = max(1, lost + won + same)
    low, high = paired_interval(lost, won, images)
    assert paired_interval(won, lost, images) == pytest.approx((-high, -low), abs=1e-6)


@pytest.mark.parametrize("images", [1, 10, 2500])
def test_without_a_change_the_interval_is_that_of_a_share_of_zero(images: int) -> None:
    # The score equation is then delta = z^2 (1 - delta) / n on either side.
    end = Z**2 / (images + Z**2)
    assert paired_interval(0, 0, images) == pytest.approx((-end, end), abs=1e-6)


def test_with_many_images_the_interval_is_the_normal_one() -> None:
    lost, won, images = 4000, 4600, 100_000
    difference = (won - lost) / images
    reach = Z * math.sqrt((won + lost) / images - difference**2) / math.sqrt(images)
    assert paired_interval(lost, won, images) == pytest.approx((difference - reach, difference + reach), abs=1e-5)


def test_all_images_on_one_side() -> None:
    low, high = paired_interval(0, 20, 20)
    assert high == 1
    assert 0.6 < low < 1
    assert paired_interval(20, 0, 20) == pytest.approx((-1, -low))


@pytest.mark.parametrize(("losses", "wins"), [(0.05, 0.05), (0.02, 0.06), (0.30, 0.10)])
def test_the_interval_keeps_its_level_at_few_images(losses: float, wins: float) -> None:
    images = 40
    held = sum(
        probability * (low <= wins - losses <= high)
        for lost, won in itertools.product(range(images + 1), repeat=2)
        if lost + won <= images and (probability := trinomial(lost, won, images, losses, wins)) > 1e-7
        for low, high in [paired_interval(lost, won, images)]
    )
    assert 0.93 <= held <= 0.99


def trinomial(lost: int, won: int, images: int, losses: float, wins: float) -> float:
    ways = math.comb(images, lost) * math.comb(images - lost, won)
    return float(ways * losses**lost * wins**won * (1 - losses - wins) ** (images - lost - won))


@pytest.mark.parametrize(("lost", "won", "images"), [(-1, 0, 10), (6, 5, 10), (0, 0, 0)])
def test_impossible_counts_are_refused(lost: int, won: int, images: int) -> None:
    with pytest.raises(InputError, match="lost and won images are parts of"):
        paired_interval(lost, won, images)


@pytest.mark.parametrize(("images", "share"), [(600, 0.1), (2500, 0.08), (2500, 0.3)])
def test_the_detectable_difference_is_found_about_four_times_in_five(images: int, share: float) -> None:
    difference = detectable_difference(round(share * images), images)
    random = np.random.default_rng(0)
    chances = [(share - difference) / 2, (share + difference) / 2, 1 - share]
    lost, won, _ = random.multinomial(images, chances, size=1500).T
    found = np.mean([mcnemar_p_value(*pair) < 0.05 for pair in zip(lost.tolist(), won.tolist(), strict=True)])
    # The exact test is a little less powerful than the normal approximation of the formula.
    assert 0.74 <= found <= 0.84


def test_the_detectable_difference_solves_its_equation() -> None:
    images, share = 2500, 0.08
    found = detectable_difference(200, images)
    root = Z * math.sqrt(share) + 0.8416212335729143 * math.sqrt(share - found**2)
    assert images == pytest.approx(root**2 / found**2)


def test_tables_that_never_differed_still_need_six_images_to_be_told_apart() -> None:
    assert detectable_difference(0, 300) == pytest.approx(6 / 300)
    assert mcnemar_p_value(0, 6) < 0.05 < mcnemar_p_value(0, 5)
    assert detectable_difference(0, 3) == 1


def test_holm_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_steps_reject(p_values: list[float]) -> None:
    alpha = 0.05
    rejected = set()
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for step, index in enumerate(order):
        if p_values[index] * (len(p_values) - step) >= alpha:
            break
        rejected.add(index)
    assert {index for index, corrected in enumerate(holm(p_values)) if corrected < alpha} == rejected
