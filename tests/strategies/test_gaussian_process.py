import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.strategies.gaussian_process import (
    Floats,
    GaussianProcess,
    Indices,
    Prior,
    argmax_below,
    best_in_list,
    expected_improvement,
    fit_prior,
)

priors = st.builds(
    Prior,
    mean=st.floats(-0.1, 0.1),
    amplitude=st.floats(1e-3, 0.1),
    length=st.floats(0.1, 20),
    noise=st.floats(3e-4, 0.1),
)


def observed(prior: Prior, seed: int, count: int = 50, entries: int = 4) -> GaussianProcess:
    random = np.random.default_rng(seed)
    points = random.random((count, entries))
    return GaussianProcess(prior, points, prior.mean + prior.amplitude * random.normal(size=count))


@given(priors, st.integers(0, 100))
@settings(deadline=None)
def test_posterior_is_the_textbooks(prior: Prior, seed: int) -> None:
    """Against the formula with an inverse (Rasmussen and Williams 2006, equations 2.25 and 2.26)."""
    process = observed(prior, seed, count=6)
    asked = np.random.default_rng(seed + 1).random((3, 4))

    def kernel(left: Floats, right: Floats) -> Floats:
        distance = np.linalg.norm(left[:, None] - right, axis=2)
        return np.asarray(prior.amplitude**2 * np.exp(-(distance**2) / (2 * prior.length**2)))

    values = process.weights @ (kernel(process.points, process.points) + prior.noise**2 * np.eye(6))
    inverse = np.linalg.inv(kernel(process.points, process.points) + prior.noise**2 * np.eye(6))
    between = kernel(asked, process.points)
    cross = process.cross(asked)
    np.testing.assert_allclose(process.mean(cross), prior.mean + between @ inverse @ values, atol=1e-6)
    variance = np.diag(kernel(asked, asked) - between @ inverse @ between.T)
    np.testing.assert_allclose(process.variance(cross), variance, atol=1e-6 * prior.amplitude**2)


@given(priors, st.integers(0, 100))
@settings(deadline=None)
def test_observations_one_by_one_give_the_posterior_of_all(prior: Prior, seed: int) -> None:
    whole = observed(prior, seed)
    growing = GaussianProcess(prior, whole.points[:20], whole.values[:20])
    for point, value in zip(whole.points[20:], whole.values[20:], strict=True):
        growing = growing.observing(point, float(value))
    cross = whole.cross(np.random.default_rng(seed + 1).random((30, 4)))
    np.testing.assert_allclose(growing.mean(cross), whole.mean(cross), atol=1e-8)
    np.testing.assert_allclose(growing.variance(cross), whole.variance(cross), atol=1e-8 * prior.amplitude**2)
    assert growing.best == pytest.approx(whole.best, abs=1e-8)


@given(priors, st.integers(0, 100))
@settings(deadline=None)
def test_the_best_is_a_mean_and_not_the_luckiest_observation(prior: Prior, seed: int) -> None:
    process = observed(prior, seed)
    means = process.mean(process.cross(process.points))
    assert process.best == pytest.approx(means.max(), abs=1e-6)


def test_noise_does_not_raise_the_best() -> None:
    prior = Prior(0.0, 0.01, 1.0, 0.02)
    points = np.zeros((50, 2))
    values = np.random.default_rng(0).normal(0, 0.02, 50)
    assert values.max() > 0.03
    assert abs(GaussianProcess(prior, points, values).best) < 0.008


def test_improvement_is_scikit_optimizes() -> None:
    from skopt.acquisition import gaussian_ei
    from skopt.learning import GaussianProcessRegressor
    from skopt.learning.gaussian_process.kernels import RBF, ConstantKernel

    prior = Prior(0.0, 0.5, 0.8, 0.1)
    random = np.random.default_rng(0)
    points, values, asked = random.random((20, 3)), random.normal(size=20), random.random((40, 3))
    process = GaussianProcess(prior, points, values)
    cross = process.cross(asked)
    ours = expected_improvement(process.mean(cross), process.variance(cross), process.best + 0.01)
    kernel = ConstantKernel(0.25) * RBF(0.8)
    theirs = GaussianProcessRegressor(kernel, alpha=0.01, optimizer=None).fit(points, -values)  # it minimises
    np.testing.assert_allclose(ours, gaussian_ei(asked, theirs, y_opt=-process.best, xi=0.01), rtol=1e-6)


def test_improvement_without_any_uncertainty() -> None:
    assert expected_improvement(np.array([1.0, 3.0]), np.zeros(2), 2.0) == pytest.approx([0.0, 1.0])


@given(priors, st.integers(0, 100), st.integers(1, 200))
@settings(deadline=None)
def test_the_best_of_a_list_is_the_best_one_by_one(prior: Prior, seed: int, count: int) -> None:
    process = observed(prior, seed)
    points = np.random.default_rng(seed + 1).random((count, 4))
    index, value = best_in_list(process, points, 1e-3)
    cross = process.cross(points)
    every = expected_improvement(process.mean(cross), process.variance(cross), process.best + 1e-3)
    assert value == pytest.approx(every.max(), rel=1e-6)
    assert every[index] == pytest.approx(every.max(), rel=1e-6)
    assert (process.variance_bound(cross) >= process.variance(cross)).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=120), st.integers(-1, 9))
def test_argmax_is_the_first_largest_above_the_floor(pairs: list[tuple[int, int]], floor: int) -> None:
    values, slack = np.array(pairs, dtype=float).reshape(-1, 2).T
    expected = int(values.argmax()) if len(values) and values.max() > floor else -1
    index, value = argmax_below(values + slack, lambda chosen: values[chosen], floor)
    assert index == expected
    assert value == (values[expected] if expected >= 0 else floor)


def test_argmax_evaluates_where_the_bound_leaves_a_chance() -> None:
    values = np.arange(100_000.0)[::-1]
    seen = []

    def evaluate(indices: Indices) -> Floats:
        seen.extend(indices.tolist())
        return values[indices]

    assert argmax_below(values + 100, evaluate) == (0, 99_999.0)
    assert len(seen) == len(set(seen)) <= 192


def test_fit_finds_the_scales_of_a_function_and_is_quiet() -> None:
    truth = Prior(0.02, 0.05, 1.0, 0.002)
    random = np.random.RandomState(0)
    points = random.random_sample((120, 3))
    covariance = GaussianProcess(truth, points, np.zeros(120)).cross(points)
    values = truth.mean + random.multivariate_normal(np.zeros(120), covariance) + truth.noise * random.normal(size=120)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit_prior(points, values, np.random.RandomState(1))
    assert fitted == fit_prior(points, values, np.random.RandomState(1))
    assert fitted.length == pytest.approx(truth.length, rel=0.5)
    assert fitted.noise == pytest.approx(truth.noise, rel=0.2)


def test_equal_values_are_no_obstacle() -> None:
    points = np.random.default_rng(0).random((20, 3))
    prior = fit_prior(points, np.full(20, -0.3), np.random.RandomState(0))
    process = GaussianProcess(prior, points, np.full(20, -0.3))
    index, value = best_in_list(process, np.vstack([points, np.full((1, 3), 5.0)]), 0.0)
    assert index == 20  # the only place not looked at
    assert value > 0
