"""Tables learned by Adam: better than where they began, for what they were learned for."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.codec import made_up
from qsearch.coefficients.arrays import Coefficients
from qsearch.datasets.base import Dataset
from qsearch.errors import EvaluationError, InputError
from qsearch.learning.differentiable import Rounding
from qsearch.learning.gradient import (
    NetworkLoss,
    Weights,
    learn_by_gradient,
    weights_at,
    weights_of_loss,
)
from qsearch.learning.rates import RateModel, RateName, rate_model
from qsearch.learning.settings import Adam
from qsearch.tables import QuantTables
from tests.learning.networks import broken, in_numpy, in_torch

FAST = Adam(steps=24, batch=6, learning_rate=0.08)
START = QuantTables.standard(60)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


@cache
def images() -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(made_up(6)[:, :64, :64])


@cache
def coefficients(subsampling: str = "4:2:0") -> Coefficients:
    return Coefficients.of(images(), subsampling)


def dataset() -> Dataset:
    return Dataset.from_arrays(images(), np.arange(6) % 2)


@cache
def rate(name: RateName = "exact") -> RateModel:
    return rate_model(name, coefficients(), seed=0)


def cost(tables: QuantTables, weights: Weights, subsampling: str = "4:2:0") -> float:
    """By the codec."""
    of = coefficients(subsampling)
    size_bytes, decoded = of.encode([tables] * len(of))
    error = np.square(decoded.astype(float) - images()).mean(axis=(1, 2, 3))
    bpp = 8 * (size_bytes - 625).mean() / 64**2
    return float(weights.bits * bpp + weights.log_error * np.log(error).mean() + weights.error * error.mean())


@pytest.mark.parametrize(
    ("name", "rounding", "subsampling"),
    [
        ("exact", "secant", "4:2:0"),
        ("exact", "straight-through", "4:4:4"),
        ("laplace", "secant", "4:2:0"),
        ("linear", "secant", "4:4:4"),
    ],
)
def test_tables_cost_less_than_those_it_began_from(name: RateName, rounding: Rounding, subsampling: str) -> None:
    weights = weights_at("distortion", 60, images(), coefficients(subsampling))
    adam = Adam(steps=24, batch=6, learning_rate=0.08, rounding=rounding)
    learned = learn_by_gradient(images(), coefficients(subsampling), weights, rate(name), START, adam=adam, seed=0)
    assert cost(learned.tables, weights, subsampling) < cost(START, weights, subsampling) - 0.02
    assert learned.tables.layout == "luma-chroma"
    assert len(learned.costs) == 24


def test_the_papers_loss_with_its_own_rounding_and_densities() -> None:
    from qsearch.learning.rates import LuoRate

    luo = LuoRate.fitted(coefficients(), seed=0, steps=40)
    weights = weights_of_loss((1, 0.2, 0), 64 * 64)
    adam = Adam(steps=6, batch=6, learning_rate=0.05, rounding="cubic")
    learned = learn_by_gradient(images(), coefficients(), weights, luo, START, adam=adam, seed=0)
    assert learned.tables != START
    assert np.isfinite(learned.costs).all()


def test_weights_of_the_papers_loss_are_its_sums() -> None:
    weights = weights_of_loss((2, 3, 5), 100)
    # Bits are per pixel and errors per pixel and channel here, and sums there.
    assert weights == Weights(bits=200, error=900, network=5)


def test_a_network_that_sees_one_mean_keeps_the_first_entry_alone() -> None:
    loss = NetworkLoss(in_torch(), dataset(), label_free=True)
    weights = Weights(bits=1.0, network=3000.0)
    learned = learn_by_gradient(images(), coefficients(), weights, rate(), START, adam=FAST, seed=0, network_loss=loss)
    change = learned.tables.luma.astype(float) / START.luma
    assert change[0, 0] < 1
    assert np.delete(change.ravel(), 0).mean() > 1.5
    assert learned.tables.chroma[:3, :3].mean() > 1.5 * START.chroma[:3, :3].mean()


@pytest.mark.parametrize("label_free", [True, False])
def test_the_loss_is_the_networks_own(label_free: bool) -> None:
    import torch

    loss = NetworkLoss(in_torch(), dataset(), label_free)
    _, decoded = coefficients().encode([QuantTables.standard(5)] * 6)
    which = np.array([4, 1])
    pixels = torch.from_numpy(decoded[which]).permute(0, 3, 1, 2).float()
    everything = torch.from_numpy(decoded).permute(0, 3, 1, 2).float()
    assert loss(everything, np.arange(6)).mean().item() == pytest.approx(loss.measured(decoded), rel=1e-3)
    torch.testing.assert_close(loss(pixels, which), loss(everything, np.arange(6))[which])
    if label_free:
        assert loss.measured(images()) == pytest.approx(0, abs=1e-6)


def test_layouts_share_entries() -> None:
    weights = weights_at("distortion", 60, images(), coefficients())
    fast = Adam(steps=2, batch=2)
    for layout in ("shared", "luma-chroma", "ycbcr"):
        start = QuantTables.shared(np.full((8, 8), 20))
        learned = learn_by_gradient(images(), coefficients(), weights, rate(), start, layout=layout, adam=fast, seed=0)
        assert learned.tables.layout == layout


def test_a_seed_says_which_images_and_progress_ends_at_the_end() -> None:
    weights = weights_at("distortion", 60, images(), coefficients())
    heard: list[tuple[int, int]] = []
    learned = [
        learn_by_gradient(
            images(),
            coefficients(),
            weights,
            rate(),
            START,
            adam=Adam(steps=4, batch=2),
            seed=seed,
            on_progress=lambda done, total: heard.append((done, total)),
        )
        for seed in (1, 1, 2)
    ]
    assert learned[0] == learned[1]
    assert learned[0].costs != learned[2].costs
    assert heard == [(step, 4) for step in (1, 2, 3, 4)] * 3


class TestWeights:
    def test_of_distortion_are_what_bits_are_worth_on_the_standard_curve(self) -> None:
        weights = weights_at("distortion", 60, images(), coefficients())
        ends = [cost(QuantTables.standard(quality), weights) for quality in (54, 66)]
        assert ends[0] == pytest.approx(ends[1], rel=1e-6)

    def test_of_a_mix_are_half_of_each(self) -> None:
        loss = NetworkLoss(in_torch(), dataset(), label_free=True)
        both = weights_at("mix", 10, images(), coefficients(), loss)
        distortion = weights_at("distortion", 10, images(), coefficients())
        accuracy = weights_at("accuracy", 10, images(), coefficients(), loss)
        assert both == Weights(1.0, log_error=distortion.log_error / 2, network=accuracy.network / 2)


class TestRefused:
    def test_an_objective_without_its_network(self) -> None:
        with pytest.raises(InputError, match="objective accuracy needs a network"):
            weights_at("accuracy", 50, images(), coefficients())
        with pytest.raises(InputError, match="say of which network"):
            learn_by_gradient(images(), coefficients(), Weights(1, network=1), rate(), START, adam=FAST, seed=0)

    def test_images_without_detail(self) -> None:
        flat = np.full((2, 32, 32, 3), 77, np.uint8)
        with pytest.raises(InputError, match="the error of the images does not fall"):
            weights_at("distortion", 50, flat, Coefficients.of(flat, "4:2:0"))

    def test_a_network_without_gradients(self) -> None:
        with pytest.raises(InputError, match="has no gradients"):
            NetworkLoss(in_numpy(), dataset(), label_free=True)

    def test_images_without_labels(self) -> None:
        unlabelled = replace(dataset(), labels=np.zeros(6, np.int64), class_names=("unlabelled",), truth="unknown")
        with pytest.raises(InputError, match="no labels"):
            NetworkLoss(in_torch(), unlabelled, label_free=False)

    def test_a_gradient_that_is_none(self) -> None:
        loss = NetworkLoss(broken(), dataset(), label_free=True)
        with pytest.raises(EvaluationError, match="gradient of broken by the tables is not a number in step 1"):
            learn_by_gradient(
                images(), coefficients(), Weights(1, network=1), rate(), START, adam=FAST, seed=0, network_loss=loss
            )

    @pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"learning_rate": 0.0}, {"learning_rate": 2.0}])
    def test_steps_that_are_none(self, wrong: dict[str, float]) -> None:
        with pytest.raises(InputError, match="one step and one image a step or more"):
            Adam(**wrong)  # type: ignore[arg-type]

    @pytest.mark.parametrize("wrong", [(0, 1, 1), (1, -1, 1), (1, 0, 0), (1, np.nan, 0)])
    def test_weights_of_a_loss(self, wrong: tuple[float, float, float]) -> None:
        with pytest.raises(InputError, match="c_r above 0"):
            weights_of_loss(wrong, 100)

    def test_an_unknown_layout_and_rounding(self) -> None:
        with pytest.raises(InputError, match="layout"):
            learn_by_gradient(images(), coefficients(), Weights(1), rate(), START, layout="four", adam=FAST, seed=0)
        with pytest.raises(InputError, match="rounding is one of"):
            Adam(rounding="stochastic")  # type: ignore[arg-type]
