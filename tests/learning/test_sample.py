"""What is learned from: all images, or squares of stored ones, whose blocks are blocks of the files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsearch.coefficients.arrays import Coefficients
from qsearch.errors import InputError
from qsearch.learning.sample import SIDE, SQUARES, check_sizes, learning_coefficients, squares
from tests.learning.images import dataset_of
from tests.stored_images import loaded, photograph, stored_of_sizes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def test_prepared_images_are_learned_from_whole() -> None:
    dataset = dataset_of(3)
    expected = Coefficients.of(dataset.images, "4:2:0")
    np.testing.assert_array_equal(learning_coefficients(dataset, "4:2:0", 0).values, expected.values)


def test_squares_of_larger_images_are_more() -> None:
    one_of_each = squares(stored_of_sizes((SIDE, SIDE), (SIDE, 2 * SIDE), (3 * SIDE, 3 * SIDE)), 0)
    # 1, 2 and 9 squares of all pixels, and SQUARES an image.
    assert one_of_each.shape == (sum(round(SQUARES * share / 4) for share in (1, 2, 9)), SIDE, SIDE, 3)


@given(st.lists(st.tuples(st.integers(16, 90), st.integers(16, 90)), min_size=1, max_size=4), st.integers(0, 9))
def test_their_blocks_are_blocks_of_the_files(sizes: list[tuple[int, int]], seed: int) -> None:
    stored = stored_of_sizes(*sizes)
    found = squares(stored, seed)
    np.testing.assert_array_equal(found, squares(stored, seed))
    side = found.shape[1]
    assert side == min(min(size) for size in sizes) // 16 * 16
    luma = (side // 8) ** 2
    of_files = {
        block.tobytes()
        for index in range(len(stored))
        for block in Coefficients.of(stored.one(index), "4:4:4").values[0]
    }
    of_squares = Coefficients.of(found, "4:4:4").values[:, :luma].reshape(-1, 64)
    assert {block.tobytes() for block in of_squares} <= of_files


def test_images_smaller_than_a_block_of_each_component_are_refused(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for index, width in enumerate((40, 15)):
        photograph(width, 40, index).save(tmp_path / "small" / f"{index}.png")
    dataset = loaded(tmp_path / "small")
    with pytest.raises(InputError, match="images of 15x40 pixels are too small to learn from at 4:2:0"):
        check_sizes(dataset, "4:2:0")
    check_sizes(dataset, "4:4:4")
