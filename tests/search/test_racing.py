"""Racing decisions: gains paired image by image, the chance that a table is better, and who the elite are."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.parts import NestedOrder
from qsearch.pareto.curve import StandardCurve
from qsearch.pareto.paired_curve import PairedCurve
from qsearch.search.racing import Race, RaceOptions, chance_of_more, check_raceable
from qsearch.space import SearchSpace
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Strategy
from qsearch.testing.strategies import LinearFitness

IMAGES = 256
SIZES = (32, 64, 128, 256)


def order(seed: int = 0) -> NestedOrder:
    return NestedOrder(np.random.RandomState(seed).permutation(IMAGES).astype(np.int64))


def measured(loss: npt.NDArray[Any], size_bytes: npt.NDArray[Any]) -> Measurement:
    ranks = (loss > 1).astype(np.int32)[None]
    return Measurement.of(size_bytes.astype(np.int64), ranks, 32 * 32, loss=loss[None])


def standard(images: int = IMAGES) -> list[Measurement]:
    """Six standard tables: each image loses more, and takes fewer bytes, as they become coarser."""
    image = np.arange(images)
    return [
        measured(0.5 + 0.1 * step + 0.01 * (image % 7), 3000 - 400.0 * step + 10 * (image % 11)) for step in range(6)
    ]


def table(gain: float, noise: float = 0.5, seed: int = 0, size: float = 1900.0) -> Measurement:
    """About standard table 2.75, and so much better; on each image more or less so."""
    image, draw = np.arange(IMAGES), np.random.RandomState(seed)
    loss = 0.775 + 0.01 * (image % 7) - gain + noise * draw.normal(size=IMAGES)
    return measured(np.maximum(loss, 0), size + 10 * (image % 11))


def race(**options: Any) -> Race:
    """One whose first twelve tables, all done, gain nothing."""
    made = Race(RaceOptions(by="loss", **options), order())
    made.set_standard(standard())
    for place in range(made.options.elite):
        made.settle(place, table(0, 0.05, seed=place))
    return made


def part(whole: Measurement, size: int) -> Measurement:
    return whole.at(order().part(size).positions)


class TestGains:
    """Against the standard curve at the table's own ratio, image by image."""

    @settings(max_examples=40)
    @given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 40))
    def test_their_mean_is_the_gain_over_the_curve(self, seed: int, points: int, images: int) -> None:
        draw = np.random.RandomState(seed)
        values, size_bytes = draw.normal(size=(points, images)), draw.uniform(50, 500, (points, images))
        mine, my_bytes = draw.normal(size=images), draw.uniform(50, 500, images)
        gains = PairedCurve.of([*zip(values, size_bytes, strict=True)]).gains(mine, my_bytes)
        reference = StandardCurve(images / size_bytes.sum(axis=1), values.mean(axis=1))
        expected = mine.mean() - float(reference.value_at(images / my_bytes.sum()))
        assert math.isnan(expected) if gains is None else gains.mean() == pytest.approx(expected, abs=1e-9)

    def test_each_image_counts_with_its_bytes_too(self) -> None:
        """A gain moves as the image's own gain says when the image is there once more."""
        draw = np.random.RandomState(3)
        values = -np.array([0.1, 0.3, 0.9])[:, None] * draw.uniform(0.5, 1.5, 500)
        size_bytes = np.array([300, 200, 100])[:, None] * draw.uniform(0.5, 1.5, (3, 500))
        mine, my_bytes = -draw.uniform(0, 1, 500), 160 * draw.uniform(0.5, 1.5, 500)
        gains = PairedCurve.of([*zip(values, size_bytes, strict=True)]).gains(mine, my_bytes)
        assert gains is not None
        moved = []
        for image in range(500):
            again = np.append(np.arange(500), image)
            more = PairedCurve.of([*zip(values[:, again], size_bytes[:, again], strict=True)])
            found = more.gains(mine[again], my_bytes[again])
            assert found is not None
            moved.append(501 * (found.mean() - gains.mean()))
        np.testing.assert_allclose(moved, gains - gains.mean(), atol=0.02 * gains.std())

    def test_outside_the_curve_there_is_none(self) -> None:
        curve = PairedCurve.of([(np.zeros(3), np.full(3, size)) for size in (100.0, 200.0)])
        assert curve.gains(np.zeros(3), np.full(3, 99.0)) is None
        assert curve.gains(np.zeros(3), np.full(3, 201.0)) is None
        assert curve.gains(np.ones(3), np.full(3, 150.0)) is not None

    def test_of_two_standard_tables_with_one_ratio_the_better_counts(self) -> None:
        curve = PairedCurve.of(
            [(np.full(3, value), np.full(3, size)) for value, size in ((1, 100.0), (4, 100.0), (5, 200.0))]
        )
        gains = curve.gains(np.full(3, 4.0), np.full(3, 100.0))
        assert gains is not None
        np.testing.assert_allclose(gains, 0)


class TestChance:
    """The chance that a difference is above 0 on all images."""

    def test_two_images_of_four_by_hand(self) -> None:
        """Mean 2, standard error sqrt(2) sqrt(1/2 - 1/4): t = 2 sqrt(2) with one degree of freedom."""
        chance = chance_of_more(np.array([1.0, 3.0]), 4)
        assert chance == pytest.approx(0.5 + math.atan(2 * math.sqrt(2)) / math.pi)

    def test_what_is_settled_is_certain(self) -> None:
        assert chance_of_more(np.array([1.0, -0.5, 0.2]), 3) == 1
        assert chance_of_more(np.array([1.0, -3.0, 0.2]), 3) == 0
        assert chance_of_more(np.zeros(5), 9) == 0.5

    def test_one_image_says_nothing(self) -> None:
        assert chance_of_more(np.array([1.0]), 9) is None

    @settings(max_examples=8)
    @given(st.integers(0, 10**6), st.floats(0.05, 0.5))
    def test_no_more_are_stopped_wrongly_than_the_chance_says(self, seed: int, chance: float) -> None:
        """Of samples whose population is better, in as many as the chance says it is thought to be less likely."""
        draw = np.random.RandomState(seed)
        stopped = 0
        for _ in range(300):
            population = draw.normal(size=256)
            population += abs(population.mean()) * 1e-9 - population.mean()
            found = chance_of_more(population[draw.permutation(256)[:32]], 256)
            assert found is not None
            stopped += found < chance
        assert abs(stopped / 300 - chance) < 4 * math.sqrt(chance * (1 - chance) / 300)


class TestVerdict:
    """Who sees more images."""

    def test_who_is_far_behind_is_stopped_and_who_leads_is_not(self) -> None:
        for size in SIZES[:-1]:
            behind, ahead = (
                race(chance=0.1).verdict(12, part(table(-1), size)),
                race().verdict(12, part(table(1), size)),
            )
            assert (behind.stays, ahead.stays) == (False, True)
            assert behind.reason.startswith(f"stopped after {size} of 256 images: a chance of ")
            assert behind.reason.endswith(" % to be better than the mean of the best 12 tables before it")
            assert ahead.reason == ""

    def test_the_threshold_decides(self) -> None:
        mine = part(table(-0.05, 0.4, seed=5), 64)
        stays = [race(chance=chance).verdict(12, mine).stays for chance in (0.001, 0.05, 0.2, 0.5, 0.9, 0.999)]
        assert stays == sorted(stays, reverse=True)
        assert stays[0]
        assert not stays[-1]

    def test_tables_of_other_ratios_race_fairly(self) -> None:
        """One that lies on the standard curve elsewhere gains as much as the elite: nothing."""
        made = race(chance=0.01)
        for step in (1, 4):
            assert made.verdict(12, part(standard()[step], 64)).stays

    def test_outside_the_standard_curve_nobody_is_stopped(self) -> None:
        assert race(chance=0.9).verdict(12, part(table(-1, size=5000), 64)).stays

    def test_without_a_curve_nobody_is_stopped(self) -> None:
        made = Race(RaceOptions(by="loss"), order())
        made.set_standard([])
        for place in range(12):
            made.settle(place, table(0))
        assert made.ready(12)
        assert made.verdict(12, part(table(-1), 64)).stays

    def test_who_failed_or_was_stopped_is_no_rival(self) -> None:
        made = Race(RaceOptions(by="loss"), order())
        made.set_standard(standard())
        for place in range(12):
            made.settle(place, None)
        assert made.verdict(12, part(table(-1), 64)).stays


class TestElite:
    """The best tables so far, of which a decision may know."""

    def test_the_first_are_never_stopped(self) -> None:
        made = race()
        assert [made.races(place) for place in (0, 11, 12, 500)] == [False, False, True, True]

    def test_a_decision_waits_for_all_that_it_rests_upon(self) -> None:
        made = Race(RaceOptions(by="loss", elite=3, lag=2), order())
        for place in (0, 1, 3, 4):
            made.settle(place, table(0, seed=place))
        assert not made.ready(3)
        made.set_standard(standard())
        assert not made.ready(3)
        made.settle(2, None)
        assert [made.ready(place) for place in range(3, 10)] == [True] * 5 + [False] * 2

    def test_what_comes_within_the_lag_does_not_count(self) -> None:
        made, same = race(lag=5), race(lag=5)
        mine = part(table(0.02, 0.3, seed=9), 64)
        for place in range(12, 40):
            made.settle(place, None)
            same.settle(place, table(3, seed=place) if place >= 15 else None)
        assert made.verdict(20, mine) == same.verdict(20, mine)
        assert made.verdict(21, mine).stays
        assert not same.verdict(21, mine).stays

    def test_it_is_the_best(self) -> None:
        """Against an elite of the better half of 24 tables one between the halves is stopped."""
        made = race()
        mine = part(table(0.5, 0.1, seed=77), 64)
        for place in range(12, 36):
            made.settle(place, table(1, 0.1, seed=place) if place % 2 else None)
        assert made.verdict(20, mine).stays
        assert not made.verdict(40, mine).stays

    @settings(max_examples=10)
    @given(st.permutations(range(20)))
    def test_the_order_in_which_trials_end_does_not_show(self, places: list[int]) -> None:
        made, whole = Race(RaceOptions(by="loss"), order()), Race(RaceOptions(by="loss"), order())
        tables = [table(0.02 * (place % 5), 0.3, seed=place) for place in range(20)]
        whole.set_standard(standard())
        for place in range(20):
            whole.settle(place, tables[place])
        for count, place in enumerate(places):
            made.settle(place, tables[place])
            if count == 7:
                made.set_standard(standard())
        mine = part(table(0.03, 0.3, seed=99), 64)
        assert all(made.verdict(place, mine) == whole.verdict(place, mine) for place in (12, 20, 24))

    def test_any_objective_races(self) -> None:
        made = Race(RaceOptions(by="top1", chance=0.2), order())
        made.set_standard(standard())
        for place in range(12):
            made.settle(place, table(0, seed=place))
        assert not made.verdict(12, part(table(-0.8), 128)).stays
        assert made.verdict(12, part(table(0.5), 128)).stays


@pytest.mark.parametrize("name", ["sorted-random", "uniform-random", "bounded-random"])
def test_strategies_that_only_draw_may_race(name: str) -> None:
    check_raceable(made(name))


@pytest.mark.parametrize("name", ["bayesian", "opentuner", "standard"])
def test_others_may_not(name: str) -> None:
    with pytest.raises(InputError, match=rf"--race is for strategies that draw tables .* leave it out with {name}\.$"):
        check_raceable(made(name))


def made(name: str) -> Strategy:
    strategy: type[Strategy] = STRATEGIES.get(name)
    return strategy(SearchSpace.full(strategy.layouts[0]), 0, fitness=LinearFitness())
