"""Coordinate descent: where it ends, no entry's change helps, counted anew from whole images."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import rgb_weights, statistics
from qsearch.errors import InputError
from qsearch.learning.descent import Descent, scaled_tables
from qsearch.tables import ZIGZAG, QuantTables
from tests.coefficients.matrix import made_up_image
from tests.learning.images import waves

GROUPS: dict[str, list[tuple[str, ...]]] = {
    "shared": [("luma", "cb", "cr")],
    "luma-chroma": [("luma",), ("cb", "cr")],
    "ycbcr": [("luma",), ("cb",), ("cr",)],
}


def cost_of(coefficients: Coefficients, tables: QuantTables, trade_off: float) -> float:
    """Mean squared error over RGB and bits per pixel."""
    found = statistics(coefficients, [tables] * len(coefficients))
    return float(found.distortion().mean() + trade_off * found.bpp.mean())


def changed(tables: QuantTables, names: tuple[str, ...], entry: int, factor: float) -> QuantTables:
    """One entry of the named tables a step or more finer or coarser."""
    arrays: dict[str, npt.NDArray[Any]] = {name: getattr(tables, name).astype(int) for name in ("luma", "cb", "cr")}
    for name in names:
        step = int(arrays[name].flat[entry])
        moved = max(step + 1, round(step * factor)) if factor > 1 else min(step - 1, round(step * factor))
        arrays[name].flat[entry] = np.clip(moved, 1, 255)
    return QuantTables(arrays["luma"], cb=arrays["cb"], cr=arrays["cr"])


@pytest.mark.parametrize(("subsampling", "layout"), [("4:2:0", "luma-chroma"), ("4:4:4", "shared"), ("4:2:0", "ycbcr")])
def test_no_entry_alone_improves_the_end(subsampling: str, layout: str) -> None:
    coefficients = Coefficients.of(waves(2), subsampling)
    trade_off = 60.0
    end = Descent(coefficients, layout).minimize(
        rgb_weights(coefficients.subsampling), trade_off, QuantTables.standard(50)
    )
    least = cost_of(coefficients, end.tables, trade_off)
    assert least < 0.98 * cost_of(coefficients, QuantTables.standard(50), trade_off)
    assert end.tables.layout == layout
    for names in GROUPS[layout]:
        for entry in range(0, 64, 3):
            for factor in (0.85, 0.99, 1.01, 1.2):
                other = cost_of(coefficients, changed(end.tables, names, entry, factor), trade_off)
                assert other >= least * (1 - 2e-4)


def test_every_sweep_lowers_the_cost_by_what_it_says() -> None:
    coefficients = Coefficients.of(waves(2), "4:2:0")
    start = QuantTables.standard(30)
    end = Descent(coefficients).minimize(rgb_weights(coefficients.subsampling), 30.0, start)
    assert list(end.costs) == sorted(end.costs, reverse=True)
    fallen = cost_of(coefficients, start, 30.0) - cost_of(coefficients, end.tables, 30.0)
    assert end.costs[0] - end.costs[-1] == pytest.approx(fallen)


def test_weights_decide_where_errors_go() -> None:
    """What counts a hundredfold gets finer steps; what counts nothing is not kept at all."""
    coefficients = Coefficients.of(waves(2), "4:4:4")
    weights = rgb_weights("4:4:4")
    weights[0, 0, 1] *= 100
    weights[0, 1, 1] = 0
    descent = Descent(coefficients)
    even = descent.minimize(rgb_weights(coefficients.subsampling), 60.0, QuantTables.standard(50)).tables
    uneven = descent.minimize(weights, 60.0, QuantTables.standard(50)).tables
    assert uneven.luma[0, 1] < even.luma[0, 1] / 4
    (position,) = np.flatnonzero(ZIGZAG == 8 * 1 + 1)
    largest = np.abs(coefficients.values[:, :25, position]).max()  # of the 25 luma blocks of both images, times 8
    assert largest < 4 * int(uneven.luma[1, 1])
    assert largest > 4 * int(even.luma[1, 1])


def test_an_entry_without_coefficients_keeps_its_place() -> None:
    """Grey images have no chroma: whatever its steps are costs the same."""
    coefficients = Coefficients.of(np.stack([made_up_image("grey", 24, 24, seed) for seed in (1, 2)]), "4:4:4")
    start = QuantTables.standard(50)
    end = Descent(coefficients).minimize(rgb_weights("4:4:4"), 60.0, start).tables
    assert end.chroma.tolist() == start.chroma.tolist()
    assert end.luma.tolist() != start.luma.tolist()


def test_a_descent_does_not_remember_the_one_before() -> None:
    coefficients = Coefficients.of(waves(1), "4:2:0")
    descent = Descent(coefficients)
    first = descent.minimize(rgb_weights(coefficients.subsampling), 40.0, QuantTables.standard(50))
    descent.minimize(rgb_weights(coefficients.subsampling), 4000.0, QuantTables.standard(5))
    assert descent.minimize(rgb_weights(coefficients.subsampling), 40.0, QuantTables.standard(50)) == first


def test_scaled_tables_stay_tables() -> None:
    tables = QuantTables.standard(50)
    assert scaled_tables(tables, 1.0) == tables
    assert scaled_tables(tables, 0.0001) == QuantTables.shared(np.ones((8, 8), dtype=int))
    assert scaled_tables(tables, 2.0).luma[0].tolist() == [32, 22, 20, 32, 48, 80, 102, 122]
    assert scaled_tables(tables, 99).luma.max() == 255


@pytest.mark.parametrize("trade_off", [0.0, -1.0, float("inf"), float("nan")])
def test_a_trade_off_that_is_none(trade_off: float) -> None:
    coefficients = Coefficients.of(waves(1, 8), "4:2:0")
    with pytest.raises(InputError, match="trade-off \\(lambda\\) is finite and above 0"):
        Descent(coefficients).minimize(rgb_weights(coefficients.subsampling), trade_off, QuantTables.standard(50))


def test_other_wrong_input() -> None:
    coefficients = Coefficients.of(waves(1, 8), "4:2:0")
    with pytest.raises(InputError, match="one of luma-chroma, ycbcr, shared, got 'rgb'"):
        Descent(coefficients, "rgb")
    with pytest.raises(InputError, match="one image or more, got none"):
        Descent(coefficients[:0])
    with pytest.raises(InputError, match="that are not finite"):
        Descent(coefficients).minimize(np.full((3, 8, 8), np.nan), 1, QuantTables.standard(50))
