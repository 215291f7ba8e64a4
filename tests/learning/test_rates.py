"""Rate models: near the codec's sizes, and gradients that are the differences they stand for."""

from functools import cache

import numpy as np
import pytest

from benchmarks.codec import made_up
from qsearch.coefficients.arrays import Coefficients
from qsearch.errors import InputError
from qsearch.learning.densities import LARGEST_LEVEL, train_densities
from qsearch.learning.rates import (
    HEADER_BITS,
    REACH,
    ExactRate,
    LaplaceRate,
    LinearRate,
    LuoRate,
    RateModel,
    laplace_entropy,
    rate_model,
    rounded_tables,
    steps_of,
)
from qsearch.tables import QuantTables

SUBSAMPLINGS = ("4:2:0", "4:4:4")


@cache
def coefficients(subsampling: str = "4:2:0") -> Coefficients:
    """Of eight images, smooth and rough."""
    images = made_up(8)[:, :80, :72].astype(np.float64)
    contrast = np.linspace(0.3, 1.5, 8)[:, None, None, None]
    pixels = np.clip(128 + (images - 128) * contrast, 0, 255).astype(np.uint8)
    return Coefficients.of(pixels, subsampling)


@cache
def luo() -> LuoRate:
    return LuoRate.fitted(coefficients(), seed=0, steps=120)


def models(subsampling: str) -> list[RateModel]:
    return [ExactRate(), luo(), LaplaceRate(), LinearRate.fitted(coefficients(subsampling))]


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_bits_follow_the_codecs_sizes(subsampling: str) -> None:
    of = coefficients(subsampling)
    qualities = (15, 30, 45, 60, 75, 90)
    true = np.concatenate([8.0 * of.size_bytes([QuantTables.standard(q)] * len(of)) for q in qualities]) - HEADER_BITS
    least = {"exact": 0.9999, "luo": 0.97, "laplace": 0.99, "linear": 0.98}
    for model in models(subsampling):
        told = np.concatenate([model.rate(of, steps_of(QuantTables.standard(quality))).bits for quality in qualities])
        assert np.corrcoef(told, true)[0, 1] > least[model.name]
        error = np.abs(told / true - 1).mean()
        # One density for all frequencies tells far too much, as its authors' estimate does.
        assert error < {"exact": 0.02, "luo": 0.9, "laplace": 0.2, "linear": 0.1}[model.name]


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_gradients_are_differences_of_bits(subsampling: str) -> None:
    of = coefficients(subsampling)
    steps = steps_of(QuantTables.standard(60))
    steps = np.maximum(steps, 4)
    for model in models(subsampling):
        if model.name == "exact":  # whose tables are integers, so that its secants are of other widths
            continue
        gradient = model.rate(of, steps).gradient
        assert gradient.shape == (8, 3, 64)
        for component, entry in ((0, 0), (0, 1), (0, 27), (1, 0), (1, 9), (2, 2)):
            ends = []
            for factor in (1 - REACH, 1 + REACH):
                changed = steps.copy()
                changed[component, entry] *= factor
                ends.append(model.rate(of, changed).bits)
            slope = (ends[1] - ends[0]) / (2 * REACH * steps[component, entry])
            tolerance = 0.06 if model.name == "laplace" else 1e-6
            np.testing.assert_allclose(gradient[:, component, entry], slope, rtol=tolerance, atol=1e-3)


def test_exact_gradients_tell_what_a_coarser_table_saves() -> None:
    steps = steps_of(QuantTables.standard(40))
    model = ExactRate()
    gradient = model.rate(coefficients(), steps).gradient.sum(axis=0)
    finer, coarser = (steps_of(rounded_tables(steps * factor)) for factor in (0.9, 1.1))
    saved = (model.rate(coefficients(), finer).bits - model.rate(coefficients(), coarser).bits).sum()
    assert (gradient * (finer - coarser)).sum() == pytest.approx(saved, rel=0.2)


@pytest.mark.parametrize("ratio", [0.01, 0.3, 1.0, 2.5, 8.0, 40.0])
def test_the_entropy_of_a_rounded_laplacian(ratio: float) -> None:
    levels = np.arange(1, 20_000)
    tail = (np.exp(-ratio * (levels - 0.5)) - np.exp(-ratio * (levels + 0.5))) / 2
    chances = np.concatenate([[1 - np.exp(-ratio / 2)], tail, tail])
    chances = chances[chances > 0]
    entropy, slope = laplace_entropy(np.array(ratio))
    assert entropy == pytest.approx(-(chances * np.log2(chances)).sum(), rel=1e-6, abs=1e-9)
    ends = [laplace_entropy(np.array(ratio * factor))[0] for factor in (1 - 1e-4, 1 + 1e-4)]
    assert slope == pytest.approx((ends[1] - ends[0]) / (2e-4 * ratio), rel=1e-3, abs=1e-9)


def test_densities_learn_what_levels_cost() -> None:
    draw = np.random.default_rng(0)
    chances = [0.5, 0.1, 0.9, 0.3]

    def levels() -> tuple[np.ndarray, ...]:
        return tuple((draw.geometric(chance, 2000) - 1) * draw.choice([-1.0, 1.0], 2000) for chance in chances)

    heard: list[tuple[int, int]] = []
    densities = train_densities(levels, 0, 150, lambda done, total: heard.append((done, total)))
    assert heard[-1] == (150, 150)
    costs = densities.costs
    assert costs.shape == (4, 2 * LARGEST_LEVEL + 1)
    # Of all levels together there is one chance; far away it is not told apart from none.
    assert np.exp2(-costs)[:, LARGEST_LEVEL - 60 : LARGEST_LEVEL + 61].sum(axis=1) == pytest.approx(1, abs=0.05)
    for row, drawn in enumerate(levels()):
        shares = np.unique(drawn, return_counts=True)[1] / len(drawn)
        entropy = -(shares * np.log2(shares)).sum()
        assert entropy * 0.97 < costs[row, LARGEST_LEVEL + drawn.astype(int)].mean() < entropy + 0.3


def test_a_seed_trains_the_same_densities() -> None:
    steps = steps_of(QuantTables.standard(50))
    told = [LuoRate.fitted(coefficients(), seed, steps=5).rate(coefficients(), steps).bits for seed in (1, 1, 2)]
    np.testing.assert_array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])


@pytest.mark.parametrize("name", ["exact", "laplace", "linear"])
def test_models_are_found_by_name_and_say_it(name: str) -> None:
    model = rate_model(name, coefficients(), seed=0)  # type: ignore[arg-type]
    assert model.settings()["name"] == name


def test_what_was_fitted_is_recorded() -> None:
    assert luo().settings() == {"name": "luo", "seed": 0, "steps": 120, "images": 8}
    numbers = LinearRate.fitted(coefficients()).settings()["numbers"]
    assert len(numbers) == 4
    assert LinearRate(tuple(numbers)).rate(coefficients(), np.full((3, 64), 9.0)).bits.min() > 0


def test_refused() -> None:
    with pytest.raises(InputError, match="exact, luo, laplace, linear, got 'entropy'"):
        rate_model("entropy", coefficients(), seed=0)  # type: ignore[arg-type]
    small = Coefficients.of(np.zeros((1, 8, 8, 3), np.uint8), "4:2:0")
    with pytest.raises(InputError, match="8x8 pixels are too small"):
        rate_model("exact", small, seed=0)


def test_tables_and_steps_are_one_anothers() -> None:
    tables = QuantTables.standard(35)
    assert rounded_tables(steps_of(tables) + 0.4) == tables
    assert rounded_tables(np.full((3, 64), 400.0)) == QuantTables.shared(np.full((8, 8), 255))
