"""The uniform draw: the same tables for ever, and uniform within the box."""

import numpy as np
import pytest

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.strategies.uniform_random import UniformRandom

GOLDEN = {
    ("shared", 0): "50f938ae98e7cb6b",
    ("shared", 1): "f5725b87e8b3c621",
    ("shared", 999): "8392d7c74c385a33",
    ("luma-chroma", 999): "b8f4b065d04bd8ce",
    ("ycbcr", 999): "df8ef42cfeac3d26",
}


@pytest.mark.parametrize(("layout", "number"), GOLDEN)
def test_trial_i_of_seed_7_is_always_the_same_tables(layout: str, number: int) -> None:
    strategy = UniformRandom(SearchSpace.full(layout), seed=7)
    assert strategy.ask(number).digest.startswith(GOLDEN[layout, number])


def test_it_needs_no_asking_in_order() -> None:
    strategy = UniformRandom(SearchSpace.full(), seed=7)
    backwards = [strategy.ask(number) for number in (2, 1, 0, 2)]
    again = UniformRandom(SearchSpace.full(), seed=7)
    assert backwards == [again.ask(2), again.ask(1), again.ask(0), again.ask(2)]


def test_every_value_of_the_box_is_drawn_and_no_other() -> None:
    lower, upper = np.full(64, 7), np.full(64, 10)
    lower[5] = upper[5] = 200
    strategy = UniformRandom(SearchSpace("shared", lower, upper), seed=1)
    drawn = np.array([strategy.ask(number).luma.ravel() for number in range(60)])
    assert set(drawn[:, 5].tolist()) == {200}
    others = np.delete(drawn, 5, axis=1)
    assert set(others.ravel().tolist()) == {7, 8, 9, 10}
    counts = np.unique(others, return_counts=True)[1] / others.size
    np.testing.assert_allclose(counts, 0.25, atol=0.03)  # four standard errors of 3,780 draws


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(InputError, match="a seed is an integer of 0 or more, got -1"):
        UniformRandom(SearchSpace.full(), seed=-1)
