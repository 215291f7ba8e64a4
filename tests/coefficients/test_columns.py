"""The costs of one entry's steps against the bits and errors of whole images."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.coefficients import _kernel
from qsearch.coefficients.arrays import Coefficients, block_count
from qsearch.coefficients.columns import Columns
from qsearch.coefficients.statistics import statistics
from qsearch.errors import InputError
from qsearch.tables import QuantTables
from tests.coefficients.matrix import KINDS, SUBSAMPLINGS, TABLES, made_up_image

QUICK = settings(max_examples=30, derandomize=True, deadline=None)


def columns_at(coefficients: Coefficients, component: int, tables: QuantTables) -> Columns:
    columns = Columns(coefficients, component)
    for entry, step in enumerate((tables.luma, tables.cb, tables.cr)[component].ravel().tolist()):
        columns.set_entry(entry, step)
    return columns


def at_step(tables: QuantTables, component: int, entry: int, step: int) -> QuantTables:
    arrays = [one.copy() for one in (tables.luma, tables.cb, tables.cr)]
    arrays[component].ravel()[entry] = step
    return QuantTables(arrays[0], cb=arrays[1], cr=arrays[2])


@QUICK
@given(
    st.sampled_from(KINDS), st.integers(1, 40), st.integers(1, 40), TABLES, SUBSAMPLINGS, st.integers(0, 2), st.data()
)
def test_every_step_costs_what_images_say(
    kind: str, height: int, width: int, tables: QuantTables, subsampling: str, component: int, data: Any
) -> None:
    """Differences of bits, and squared errors, at steps of any entry, of two images at once."""
    images = np.stack([made_up_image(kind, height, width, seed) for seed in (1, 2)])
    coefficients = Coefficients.of(images, subsampling)
    columns = columns_at(coefficients, component, tables)
    for entry in (0, 63, data.draw(st.integers(1, 62))):
        steps = [1, 2, 255, data.draw(st.integers(1, 255)), data.draw(st.integers(3, 60))]
        exact = [statistics(coefficients, [at_step(tables, component, entry, step)] * 2) for step in steps]
        bits = np.array([int(one.bits.sum()) for one in exact])
        found = columns.bits_by_step(entry)[steps]
        np.testing.assert_array_equal(found - found[0], bits - bits[0])
        expected = [one.squared_error[:, component].reshape(2, 64)[:, entry].sum() for one in exact]
        np.testing.assert_allclose(columns.squared_error[entry, steps], expected, rtol=1e-9, atol=1e-6)


def test_a_range_of_steps_costs_the_same() -> None:
    coefficients = Coefficients.of(made_up_image("noise", 64, 64, 3)[None], "4:2:0")
    columns = columns_at(coefficients, 0, QuantTables.standard(50))
    for entry in (0, 1, 9, 63):
        whole, part = columns.bits_by_step(entry), columns.bits_by_step(entry, 20, 70)
        np.testing.assert_array_equal(part[20:71], whole[20:71])


def test_entries_are_set_one_after_the_other() -> None:
    """What an entry costs follows the others as they are now, not as they were."""
    coefficients = Coefficients.of(made_up_image("noise", 48, 48, 3)[None], "4:4:4")
    tables = QuantTables.standard(80)
    columns = columns_at(coefficients, 0, QuantTables.standard(20))
    for entry, step in reversed(list(enumerate(tables.luma.ravel().tolist()))):
        columns.set_entry(entry, step)
    for entry in (1, 30, 63):
        np.testing.assert_array_equal(
            columns.bits_by_step(entry), columns_at(coefficients, 0, tables).bits_by_step(entry)
        )


@pytest.mark.parametrize("fill", [-32768, 32767, -1, 12345])
def test_values_no_image_has_are_harmless(fill: int) -> None:
    """A damaged cache may hold anything: the numbers then mean nothing, and nothing else happens."""
    values = np.full((2, block_count(17, 30, "4:2:0"), 64), fill, dtype=np.int16)
    columns = columns_at(Coefficients(values, 17, 30, "4:2:0"), 1, QuantTables.standard(100))
    assert np.isfinite(columns.squared_error).all()
    assert all(columns.bits_by_step(entry).shape == (256,) for entry in range(64))


def test_no_images_cost_nothing() -> None:
    columns = columns_at(Coefficients.of(np.zeros((0, 9, 9, 3), np.uint8), "4:2:0"), 2, QuantTables.standard(50))
    assert not columns.squared_error.any()
    assert not any(columns.bits_by_step(entry)[1:].any() for entry in range(64))


def test_there_are_three_components() -> None:
    with pytest.raises(InputError, match="0 \\(Y\\), 1 \\(Cb\\) and 2 \\(Cr\\), got 3"):
        Columns(Coefficients.of(made_up_image("flat", 8, 8, 1)[None], "4:4:4"), 3)


class TestKernel:
    """The extension itself refuses what does not fit together, before it reads or writes anything."""

    @pytest.mark.parametrize(
        ("position", "lowest", "highest", "blocks"),
        [(0, 1, 9, 2), (64, 1, 9, 2), (3, 0, 9, 2), (3, 9, 8, 2), (3, 1, 256, 2), (3, 1, 9, -1), (3, 1, 9, 3)],
    )
    def test_entries_steps_and_blocks(self, position: int, lowest: int, highest: int, blocks: int) -> None:
        magnitudes, sizes, present = np.zeros((64, 2), np.uint16), np.zeros((64, 2), np.uint8), np.zeros(2, np.uint64)
        with pytest.raises(ValueError, match=r"AC entries are at 1 to 63|steps are 1 to 255|64 rows of all blocks"):
            _kernel.entry_bits(
                position, 0, lowest, highest, blocks, magnitudes, sizes, present, np.zeros(256, np.int64)
            )

    def test_components_and_buffers(self) -> None:
        values, errors, bits = np.zeros((2, 3, 64), np.int16), np.zeros((64, 256)), np.zeros(256, np.int64)
        with pytest.raises(ValueError, match="components are 0 to 2"):
            _kernel.columns(2, 8, 8, 1, 3, values, np.zeros((64, 2), np.uint16), errors, bits)
        with pytest.raises(ValueError, match="64 rows of all blocks have 256 bytes, got 128"):
            _kernel.columns(2, 8, 8, 1, 0, values, np.zeros((64, 1), np.uint16), errors, bits)
        with pytest.raises(ValueError, match="squared errors: 64 rows of 256 steps have 131072 bytes, got 512"):
            _kernel.columns(2, 8, 8, 1, 0, values, np.zeros((64, 2), np.uint16), np.zeros((64, 1)), bits)
        with pytest.raises(ValueError, match="sizes: 64 rows of all blocks have 128 bytes, got 64"):
            _kernel.set_step(3, 5, 2, np.zeros((64, 2), np.uint16), np.zeros((64, 1), np.uint8), np.zeros(2, np.uint64))
