import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.analysis.shrinkage import shrunken
from qsearch.errors import InputError


def measured(gains: np.ndarray, images: int, noise: float, seed: int) -> np.ndarray:
    """Values [m, N] whose means are off the true ``gains`` [m], independently."""
    random = np.random.default_rng(seed)
    return np.asarray(gains[:, np.newaxis] + noise * random.normal(size=(len(gains), images)))


def test_tables_that_do_not_differ_get_the_mean_of_their_kind() -> None:
    above = measured(np.zeros(20), 200, noise=1.0, seed=1)
    found = shrunken(above, ["searched"] * 20)
    assert found.kept < 0.4
    assert np.ptp(found.mean) < 0.5 * np.ptp(above.mean(axis=1))


def test_tables_that_differ_much_keep_what_was_measured() -> None:
    above = measured(np.linspace(-1, 1, 10), 400, noise=0.2, seed=2)
    found = shrunken(above, ["searched"] * 10)
    assert found.kept > 0.99
    np.testing.assert_allclose(found.mean, above.mean(axis=1), atol=0.02)


def test_the_luckiest_of_a_poor_kind_is_not_taken_for_the_best() -> None:
    # Twenty equal tables, one of which was lucky, and three that are truly better.
    picks = []
    for seed in range(20):
        above = measured(np.array([0.0] * 20 + [0.12] * 3), 100, noise=1.0, seed=seed)
        found = shrunken(above, ["searched"] * 20 + ["average"] * 3)
        picks.append((above.mean(axis=1).argmax() >= 20, found.mean.argmax() >= 20))
    raw, shrunk = np.array(picks).sum(axis=0)
    assert shrunk > raw


def test_what_all_tables_share_moves_all_alike() -> None:
    above = measured(np.linspace(0, 0.1, 6), 100, noise=0.1, seed=3)
    shared = np.random.default_rng(4).normal(size=100)
    found, moved = shrunken(above, ["a"] * 6), shrunken(above + 5, ["a"] * 6)
    np.testing.assert_allclose(moved.mean, found.mean + 5, atol=1e-6)
    # An image that suits all tables says nothing about their differences, but much less is known of their level.
    blurred = shrunken(above + shared, ["a"] * 6)
    assert blurred.deviation.min() > 3 * found.deviation.max()


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(8, 60))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_means_lie_between_the_kind_and_the_measurement(seed: int, tables: int, images: int) -> None:
    random = np.random.default_rng(seed)
    above = random.normal(size=(tables, images)) + random.normal(size=(tables, 1))
    found = shrunken(above, ["a"] * tables)
    gains, level = above.mean(axis=1), found.kinds["a"]
    assert 0 <= found.kept <= 1
    assert ((found.mean - level) * (gains - level) >= -1e-9).all()
    assert (np.abs(found.mean - level) <= np.abs(gains - level) + 1e-9).all()
    assert (found.deviation > 0).all()


def test_one_table_alone_is_as_it_was_measured() -> None:
    above = measured(np.array([0.3]), 50, noise=0.1, seed=5)
    found = shrunken(above, ["average"])
    assert found.mean[0] == pytest.approx(above.mean())
    assert found.deviation[0] == pytest.approx(above.std() / np.sqrt(50), rel=0.05)


def test_equal_images_are_no_division_by_zero() -> None:
    found = shrunken(np.full((3, 10), 0.5), ["a", "a", "b"])
    np.testing.assert_allclose(found.mean, 0.5)
    assert np.isfinite(found.deviation).all()


def test_too_few_images_and_odd_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="8 images or more, got 7"):
        shrunken(np.zeros((2, 7)), ["a", "a"])
    with pytest.raises(InputError, match="m kinds"):
        shrunken(np.zeros((2, 20)), ["a"])


def test_intervals_of_the_pick_hold_the_truth_though_it_was_picked() -> None:
    """Gains as the model has them, twenty tables of two kinds on 60 images: nine intervals in ten or more."""
    held = []
    for seed in range(150):
        random = np.random.default_rng(seed)
        alike = random.normal(0, 0.15, (20, 4))
        root = np.linalg.cholesky(alike @ alike.T + 0.15**2 * np.eye(20))
        truth = np.repeat([0.0, 0.03], [15, 5]) + 0.06 * root @ random.normal(size=20)
        found = shrunken(truth[:, np.newaxis] + root @ random.normal(size=(20, 60)), ["a"] * 15 + ["b"] * 5)
        best = int(found.mean.argmax())
        held.append(abs(found.mean[best] - truth[best]) < 1.96 * found.deviation[best])
    assert np.mean(held) >= 0.9
