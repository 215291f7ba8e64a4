"""Bits, squared errors and gradients against their definitions, on every path of the kernel's dispatch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsearch.coefficients import _kernel
from qsearch.coefficients.arrays import Coefficients, block_count
from qsearch.coefficients.statistics import rgb_weights, secant_tables, statistics
from qsearch.errors import InputError
from qsearch.tables import ZIGZAG, QuantTables
from tests.coefficients.matrix import (
    KINDS,
    SUBSAMPLINGS,
    TABLES,
    bits_of_image,
    levels_of,
    made_up_image,
)

PATHS = _kernel.paths()
QUICK = settings(
    max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SMALL = st.builds(made_up_image, st.sampled_from(KINDS), st.integers(1, 34), st.integers(1, 34), st.integers(0, 10**6))


@pytest.fixture(params=PATHS, autouse=True)
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every code path that this processor can run."""
    _kernel.use(request.param)
    yield request.param
    _kernel.use(PATHS[0])


def squared_error_of(coefficients: Coefficients, tables: QuantTables) -> npt.NDArray[Any]:
    """[3, 8, 8], from the levels."""
    (values,) = coefficients.values.astype(np.int64)
    totals = []
    for own, table in zip(levels_of(coefficients, tables), (tables.luma, tables.cb, tables.cr), strict=True):
        blocks = own.reshape(-1, 64)
        exact, values = values[: len(blocks)], values[len(blocks) :]
        raster = np.empty(64)
        raster[ZIGZAG] = ((exact / 8 - blocks * table.ravel()[ZIGZAG].astype(np.int64)) ** 2).sum(axis=0)
        totals.append(raster.reshape(8, 8))
    return np.stack(totals)


def with_entry(tables: QuantTables, component: int, entry: int, step: int) -> QuantTables:
    """``tables`` but for one entry, a raster index."""
    arrays = [one.copy() for one in (tables.luma, tables.cb, tables.cr)]
    arrays[component].ravel()[entry] = step
    return QuantTables(arrays[0], cb=arrays[1], cr=arrays[2])


@QUICK
@given(SMALL, TABLES, SUBSAMPLINGS)
def test_bits_and_squared_errors_are_those_of_the_definition(
    pixels: Any, tables: QuantTables, subsampling: str
) -> None:
    coefficients = Coefficients.of(pixels[None], subsampling)
    found = statistics(coefficients, [tables])
    assert found.bits.tolist() == [bits_of_image(coefficients, tables)]
    np.testing.assert_allclose(found.squared_error[0], squared_error_of(coefficients, tables), rtol=1e-12)
    stuffed = (
        coefficients.size_bytes([tables])[0] - (found.bits[0] + 7) // 8 - (694 if tables.layout == "ycbcr" else 625)
    )
    assert 0 <= stuffed <= found.bits[0] // 8 + 1


@QUICK
@given(SMALL, TABLES, SUBSAMPLINGS, st.integers(0, 2), st.integers(0, 63), st.sampled_from([0.05, 0.15, 0.9]))
def test_gradients_are_differences_of_files(
    pixels: Any, tables: QuantTables, subsampling: str, component: int, entry: int, width: float
) -> None:
    """Between the tables with one entry lower and higher, counted anew: DC, the last coefficient and all between."""
    coefficients = Coefficients.of(pixels[None], subsampling)
    found = statistics(coefficients, [tables], width=width)
    step = int((tables.luma, tables.cb, tables.cr)[component].ravel()[entry])
    for index in {0, 1, 63, entry}:
        step = int((tables.luma, tables.cb, tables.cr)[component].ravel()[index])
        reach = max(1, round(width * step))
        low, high = max(1, step - reach), min(255, step + reach)
        lower, upper = (with_entry(tables, component, index, at) for at in (low, high))
        bits = bits_of_image(coefficients, upper) - bits_of_image(coefficients, lower)
        error = squared_error_of(coefficients, upper) - squared_error_of(coefficients, lower)
        at = (0, component, *divmod(index, 8))
        assert found.bits_gradient[at] == pytest.approx(bits / (high - low))
        assert found.squared_error_gradient[at] == pytest.approx(error[at[1:]] / (high - low), abs=1e-9)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_each_image_has_tables_of_its_own(subsampling: str) -> None:
    images = np.stack([made_up_image(kind, 40, 35, 5) for kind in KINDS])
    tables = [QuantTables.standard(quality) for quality in (5, 60, 60, 95, 1, 100)]
    coefficients = Coefficients.of(images, subsampling)
    together = statistics(coefficients, tables)
    for index, one in enumerate(tables):
        alone = statistics(coefficients[[index]], [one])
        for name in ("bits", "bits_gradient", "squared_error", "squared_error_gradient"):
            np.testing.assert_array_equal(getattr(together, name)[index], getattr(alone, name)[0])


def test_errors_of_many_blocks_do_not_overflow() -> None:
    """The largest error, 4 * 255 in coefficients scaled by 8, in more blocks than fit into 32 bits."""
    values = np.full((1, block_count(800, 800, "4:4:4"), 64), 4 * 255 - 1, dtype=np.int16)
    found = statistics(Coefficients(values, 800, 800, "4:4:4"), [QuantTables.shared(np.full((8, 8), 255))])
    np.testing.assert_array_equal(found.squared_error, 10_000 * (4 * 255 - 1) ** 2 / 64)


@pytest.mark.parametrize("fill", [-32768, 32767, -1, 12345])
def test_values_no_image_has_are_harmless(fill: int) -> None:
    """A damaged cache may hold anything: the numbers then mean nothing, and nothing else happens."""
    values = np.full((1, block_count(17, 30, "4:2:0"), 64), fill, dtype=np.int16)
    for entry in (1, 255):
        found = statistics(Coefficients(values, 17, 30, "4:2:0"), [QuantTables.shared(np.full((8, 8), entry))])
        assert np.isfinite(found.bits_gradient).all()
        assert found.distortion().shape == (1,)


@pytest.mark.parametrize(("subsampling", "quality"), [("4:4:4", 60), ("4:4:4", 95), ("4:2:0", 60)])
def test_the_distortion_is_the_error_of_the_pixels(subsampling: str, quality: int) -> None:
    """Against the image decoded at tables of 1: within rounding, clipping, and errors of Y, Cb and Cr that meet."""
    images = np.stack([made_up_image("waves", 64, 64, seed) for seed in range(4)])
    coefficients = Coefficients.of(images, subsampling)
    tables = [QuantTables.standard(quality)] * len(images)
    decoded = coefficients.encode(tables)[1].astype(float)
    finest = coefficients.encode([QuantTables.shared(np.ones((8, 8), dtype=int))] * len(images))[1]
    expected = ((decoded - finest) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(statistics(coefficients, tables).distortion(), expected, rtol=0.2)


def test_weights_count_each_coefficient() -> None:
    """Of an 8x8 image the squared error of one entry alone, per pixel."""
    coefficients = Coefficients.of(made_up_image("noise", 8, 8, 1)[None], "4:4:4")
    weights = np.zeros((3, 8, 8))
    weights[1, 2, 5] = 3
    found = statistics(coefficients, [QuantTables.standard(30)])
    assert found.distortion(weights)[0] == pytest.approx(3 * found.squared_error[0, 1, 2, 5] / 64)
    gradient = found.distortion_gradient(weights)
    assert np.flatnonzero(gradient).tolist() in ([64 + 21], [])
    assert rgb_weights("4:4:4")[0].tolist() == np.ones((8, 8)).tolist()
    assert rgb_weights("4:2:0")[1, 0, 0] == pytest.approx(4 * rgb_weights("4:4:4")[1, 0, 0])


def test_secants_stay_within_what_tables_hold() -> None:
    tables = np.array([1, 2, 3, 10, 20, 100, 250, 255], dtype=np.uint8)
    lower, upper = secant_tables(tables, 0.15)
    assert lower.tolist() == [1, 1, 2, 8, 17, 85, 212, 217]
    assert upper.tolist() == [2, 3, 4, 12, 23, 115, 255, 255]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda one: statistics(one, []), "1 images came with 0 tables"),
        (lambda one: statistics(one, [QuantTables.standard(5)], width=2), "width of a secant is from 0 to 1"),
        (lambda one: statistics(one, [QuantTables.standard(5)]).distortion(np.zeros((3, 8, 8))), "not all 0"),
        (lambda one: statistics(one, [QuantTables.standard(5)]).distortion(np.ones((8, 8))), r"got \[8, 8\]"),
        (lambda one: statistics(one, [QuantTables.standard(5)]).distortion(np.full((3, 8, 8), np.nan)), "192 that"),
        (lambda one: rgb_weights("4:1:1"), "4:2:0 or 4:4:4, got '4:1:1'"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call(Coefficients.of(made_up_image("flat", 8, 8, 1)[None], "4:4:4"))


def test_the_kernel_refuses_buffers_of_other_sizes() -> None:
    values, tables = np.zeros((1, 3, 64), np.int16), np.ones((1, 3, 64), np.uint8)
    buffers = [values, tables, tables, tables, np.zeros(1, np.int64), *np.zeros((3, 1, 3, 64), np.int64)]
    for index in range(len(buffers)):
        wrong = [buffer[:0] if place == index else buffer for place, buffer in enumerate(buffers)]
        with pytest.raises(ValueError, match="1 images of this shape have"):
            _kernel.statistics(1, 8, 8, 1, *wrong)
    with pytest.raises(ValueError, match="entries are 1 to 255, got 0"):
        _kernel.statistics(1, 8, 8, 1, values, tables, tables, 0 * tables, *buffers[4:])
