"""What a rung aims at: trade-offs of the standard tables, tangents, and the paper's loss."""

import numpy as np
import pytest

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import rgb_weights, statistics
from qsearch.errors import InputError
from qsearch.learning.objectives import target_at, target_of_loss
from qsearch.learning.settings import OBJECTIVES, Objective
from qsearch.tables import QuantTables
from tests.learning.images import waves

NETWORK = np.linspace(1, 0, 192).reshape(3, 8, 8)


@pytest.fixture
def images() -> Coefficients:
    return Coefficients.of(waves(3, 64), "4:2:0")


def scaled(quality: int, factor: float) -> QuantTables:
    tables = QuantTables.standard(quality)
    luma, chroma = (np.rint(table.astype(float) * factor).astype(int) for table in (tables.luma, tables.chroma))
    return QuantTables(luma, chroma)


def test_the_trade_off_is_the_slope_of_the_standard_curve(images: Coefficients) -> None:
    """-d ln D/d(bpp), against tables scaled by 10 % either way; nothing is 1 or 255 at quality 30."""
    found = target_at("distortion", images, 30)
    finer, coarser = (statistics(images, [scaled(30, factor)] * 3) for factor in (0.9, 1.1))
    rise = np.log(coarser.distortion().mean() / finer.distortion().mean())
    assert found.trade_off == pytest.approx(rise / (finer.bpp.mean() - coarser.bpp.mean()), rel=0.1)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_tangent_is_1_at_the_standard_tables(images: Coefficients, objective: Objective) -> None:
    """Whatever the unit of the network's weights."""
    target = target_at(objective, images, 30, NETWORK)
    at_standard = statistics(images, [QuantTables.standard(30)] * 3)
    assert at_standard.distortion(target.weights).mean() == pytest.approx(1)
    other = target_at(objective, images, 30, 1000 * NETWORK)
    assert other.trade_off == pytest.approx(target.trade_off)
    np.testing.assert_allclose(other.weights, target.weights)


def test_accuracy_counts_what_the_network_minds(images: Coefficients) -> None:
    weights = target_at("accuracy", images, 30, NETWORK).weights
    np.testing.assert_allclose(weights / weights[0, 0, 0], NETWORK)


def test_a_mix_is_half_of_each(images: Coefficients) -> None:
    distortion, accuracy, mix = (target_at(name, images, 60, NETWORK) for name in OBJECTIVES)
    assert mix.trade_off == pytest.approx((distortion.trade_off + accuracy.trade_off) / 2)
    np.testing.assert_allclose(mix.weights, (distortion.weights + accuracy.weights) / 2)


def test_the_papers_loss_is_a_sum_over_pixels() -> None:
    """c_d times the squared error of all three channels, half of c_c times what the network's curvature says."""
    target = target_of_loss((2.0, 0.5, 4.0), "4:2:0", NETWORK)
    assert target.trade_off == 2.0
    np.testing.assert_allclose(target.weights, 0.5 * 3 * rgb_weights("4:2:0") + 4.0 / 2 * NETWORK)
    assert target_of_loss((2.0, 0.5, 0.0), "4:4:4").steepness == pytest.approx(
        2.0 / (1.5 * rgb_weights("4:4:4").mean())
    )


def test_wrong_input(images: Coefficients) -> None:
    flat = Coefficients.of(np.full((1, 9, 9, 3), 77, np.uint8), "4:2:0")
    for objective in OBJECTIVES:
        with pytest.raises(InputError, match="too little detail"):
            target_at(objective, flat, 50, NETWORK)
    with pytest.raises(InputError, match="accuracy needs a network: say which one with --classifier"):
        target_at("accuracy", images, 50)
    for weights in ((0, 1, 0), (1, 0, 0), (1, -1, 2), (1, float("nan"), 0)):
        with pytest.raises(InputError, match="weights of the loss are c_r above 0"):
            target_of_loss(weights, "4:2:0")
    with pytest.raises(InputError, match="needs a network"):
        target_of_loss((1, 0, 1), "4:2:0")
