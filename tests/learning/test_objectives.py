"""What a rung aims at: trade-offs of the standard tables, tangents, and the paper's loss."""

import numpy as np
import pytest

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import rgb_weights, statistics
from qsearch.errors import InputError
from qsearch.learning.ladder import OBJECTIVES
from qsearch.learning.objectives import LEAST_FLOOR, floor_of, target_at, target_of_loss
from qsearch.tables import QuantTables
from tests.coefficients.matrix import made_up_image
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
    """-d(mean of ln D)/d(bpp), against tables scaled by 10 % either way; nothing is 1 or 255 at quality 30."""
    floor = np.array([2.0, 3.0, 4.0])
    found = target_at("distortion", images, 30, floor=floor)
    finer, coarser = (statistics(images, [scaled(30, factor)] * 3) for factor in (0.9, 1.1))
    rise = np.log((coarser.distortion() + floor) / (finer.distortion() + floor)).mean()
    assert found.trade_off == pytest.approx(rise / (finer.bpp.mean() - coarser.bpp.mean()), rel=0.1)
    (part,) = found.distortions
    at_standard = statistics(images, [QuantTables.standard(30)] * 3)
    np.testing.assert_allclose(part.image_weights, 1 / (at_standard.distortion() + floor))
    np.testing.assert_array_equal(part.weights, rgb_weights("4:2:0"))


def test_accuracy_counts_what_the_network_minds(images: Coefficients) -> None:
    """The tangent of ln S: 1 at the standard tables, whatever the unit of the network's weights."""
    floor = np.ones(3)
    found = target_at("accuracy", images, 30, floor=floor, network_weights=NETWORK)
    other = target_at("accuracy", images, 30, floor=floor, network_weights=1000 * NETWORK)
    assert found.trade_off == pytest.approx(other.trade_off)
    (part,) = found.distortions
    at_standard = statistics(images, [QuantTables.standard(30)] * 3)
    assert (at_standard.distortion(part.weights) * part.image_weights).mean() == pytest.approx(1)


def test_a_mix_is_half_of_each(images: Coefficients) -> None:
    floor = np.ones(3)
    distortion, accuracy, mix = (
        target_at(name, images, 60, floor=floor, network_weights=NETWORK) for name in OBJECTIVES
    )
    assert mix.trade_off == pytest.approx((distortion.trade_off + accuracy.trade_off) / 2)
    for part, whole in zip(mix.distortions, (distortion, accuracy), strict=True):
        np.testing.assert_allclose(part.weights, whole.distortions[0].weights / 2)
        np.testing.assert_allclose(part.image_weights, whole.distortions[0].image_weights)


def test_the_papers_loss_is_a_sum_over_pixels(images: Coefficients) -> None:
    """c_d times the squared error of all three channels, half of c_c times what the network's curvature says."""
    target = target_of_loss((2.0, 0.5, 4.0), images, NETWORK)
    assert target.trade_off == 2.0
    (part,) = target.distortions
    np.testing.assert_allclose(part.weights, 0.5 * 3 * rgb_weights("4:2:0") + 4.0 / 2 * NETWORK)
    np.testing.assert_array_equal(part.image_weights, 1)
    assert target_of_loss((2.0, 0.5, 0.0), images).steepness == pytest.approx(2.0 / (1.5 * rgb_weights("4:2:0").mean()))


def test_the_floor_is_what_the_finest_tables_leave() -> None:
    """Grey keeps only rounding; at 4:2:0 a board of two colours, pixel by pixel, loses its chroma."""
    grey, board = made_up_image("grey", 16, 16, 3), np.zeros((16, 16, 3), np.uint8)
    board[::2, ::2, 0] = board[1::2, 1::2, 0] = 255
    images = np.stack([grey, board] * 20)
    fine, halved = (floor_of(images, Coefficients.of(images, subsampling)) for subsampling in ("4:4:4", "4:2:0"))
    assert fine.max() < 2
    assert halved[0] < 2
    assert halved[1] > 1000
    np.testing.assert_array_equal(halved[::2], halved[0])


def test_a_flat_image_does_not_count_for_ever(images: Coefficients) -> None:
    flat = np.concatenate([waves(1, 64), np.full((1, 64, 64, 3), 77, np.uint8)])
    target = target_at("distortion", Coefficients.of(flat, "4:2:0"), 50, floor=np.zeros(2))
    assert target.distortions[0].image_weights.max() <= 1 / LEAST_FLOOR


def test_wrong_input(images: Coefficients) -> None:
    flat = Coefficients.of(np.full((1, 9, 9, 3), 77, np.uint8), "4:2:0")
    with pytest.raises(InputError, match="too little detail"):
        target_at("distortion", flat, 50, floor=np.zeros(1))
    with pytest.raises(InputError, match="too little detail"):
        target_at("accuracy", flat, 50, floor=np.zeros(1), network_weights=NETWORK)
    with pytest.raises(InputError, match="accuracy needs a network: say which one with --classifier"):
        target_at("accuracy", images, 50, floor=np.zeros(3))
    for weights in ((0, 1, 0), (1, 0, 0), (1, -1, 2), (1, float("nan"), 0)):
        with pytest.raises(InputError, match="weights of the loss are c_r above 0"):
            target_of_loss(weights, images)
    with pytest.raises(InputError, match="needs a network"):
        target_of_loss((1, 0, 1), images)
