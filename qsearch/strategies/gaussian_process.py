"""A Gaussian process over table entries, and the search for its largest expected improvement in a list of points."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

ROUNDING = 1e-9
"""Slack on bounds of a variance, relative to the prior's: far above what arithmetic loses, far below what matters."""

_FIT_AT_MOST = 256  # observations: they settle three hyper-parameters, and a fit costs the cube of their number
_CHUNK_ENTRIES = 500_000  # of a covariance matrix: 4 MB stay in a processor's cache
_PREFIX = 32  # observations that the first bound of a variance in a list rests on


@dataclass(frozen=True)
class Prior:
    """What is assumed of a function over [0, 1]^d before it is observed.

    It varies around ``mean`` with standard deviation ``amplitude`` and squared-exponential correlation
    exp(-distance^2 / (2 length^2)), a product over the entries; observations add noise of standard deviation ``noise``.
    """

    mean: float
    amplitude: float
    length: float
    noise: float


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Linear algebra of this block on one thread: sums depend on how many share them, and proposals would with them."""
    with _linear_algebra().limit(limits=1, user_api="blas"):
        yield


@cache
def _linear_algebra() -> "ThreadpoolController":
    """The libraries of NumPy and SciPy; to look for them among all that are loaded takes milliseconds."""
    import scipy.linalg  # noqa: F401 - only libraries that are loaded are found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def fit_prior(points: Floats, values: Floats, random: np.random.RandomState) -> Prior:
    """The prior under which ``values`` [n] at ``points`` [n, d] are likeliest, fitted with scikit-optimize.

    More than 256 observations are thinned evenly. Rounded to three digits, more than data tell, so that the last bits
    of a linear algebra library do not decide what a search proposes.
    """
    chosen = np.linspace(0, len(points) - 1, min(len(points), _FIT_AT_MOST)).round().astype(np.intp)
    points, values = points[chosen], values[chosen]
    mean, scale = float(values.mean()), float(values.std())
    usual_length = 0.5 * float(np.sqrt(points.shape[1]))
    if scale <= 1e-12 * max(1.0, abs(mean)):  # all equal: there is no scale to learn
        return Prior(mean, amplitude=1e-3, length=usual_length, noise=1e-4)
    variance, length, noise = _likeliest(points, (values - mean) / scale, usual_length, random)
    rounded = (float(f"{value:.3g}") for value in (scale * np.sqrt(variance), length, scale * np.sqrt(noise)))
    return Prior(mean, *rounded)


def _likeliest(points: Floats, values: Floats, usual_length: float, random: np.random.RandomState) -> Floats:
    """Variance, length and noise variance for standardised ``values``."""
    from sklearn.exceptions import ConvergenceWarning
    from skopt.learning import GaussianProcessRegressor
    from skopt.learning.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    # Random points lie about 0.8 usual lengths apart: at a quarter of one they already tell nothing of each other.
    signal = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(usual_length, (0.25 * usual_length, 20 * usual_length))
    noise = WhiteKernel(0.1, (1e-4, 1.0))
    regressor = GaussianProcessRegressor(signal + noise, n_restarts_optimizer=1, random_state=random)
    with warnings.catch_warnings():
        # An optimum at the end of its range (no noise, say) is an answer here, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regressor.fit(points, values)
    likeliest: Floats = np.exp(regressor.kernel_.theta)
    return likeliest


class GaussianProcess:
    """The posterior of ``prior`` after observing ``values`` [n] at ``points`` [n, d].

    Its methods take ``cross`` [n, c], the prior covariance of the observations and c points: what a list computes
    point by point, a grid knows as a product. scikit-optimize's own prediction is not used, for it takes n^2
    multiplications a point without a matrix product and always computes the variance.
    """

    def __init__(self, prior: Prior, points: Floats, values: Floats, factor: Floats | None = None) -> None:
        """``factor``: the Cholesky factor [n, n] of the observations' covariance, where it is known already."""
        self.prior = prior
        self.points = points
        self.values = values
        if factor is None:
            covariance = self.cross(points)
            covariance[np.diag_indices(len(points))] = prior.amplitude**2 + prior.noise**2
            factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        self._factor: Floats = factor

    def observing(self, point: Floats, value: float) -> "GaussianProcess":
        """The posterior after one more observation, ``value`` at ``point`` [d].

        The factor gets one more row, in n^2 operations where a new factorisation takes n^3 / 3.
        """
        known = len(self.points)
        row = self.explained(self.cross(point[np.newaxis]))[:, 0]
        variance = self.prior.amplitude**2 + self.prior.noise**2
        factor = np.zeros((known + 1, known + 1))
        factor[:known, :known] = self._factor
        factor[known, :known] = row
        # What is left of the variance is never below the noise, but for rounding.
        factor[known, known] = np.sqrt(max(variance - float(row @ row), ROUNDING * variance))
        return GaussianProcess(self.prior, np.vstack([self.points, point]), np.append(self.values, value), factor)

    @cached_property
    def weights(self) -> Floats:
        """[n], what the covariances with the observations are multiplied with for a mean."""
        from scipy.linalg import cho_solve

        weights: Floats = cho_solve((self._factor, True), self.values - self.prior.mean)
        return weights

    @cached_property
    def best(self) -> float:
        """The highest posterior mean at an observed point.

        Not the highest observation, which is the luckiest: what improves on luck is hardly there, and a search after
        it explores where little is to be had (Picheny 2013).
        """
        return float(self.means_observed.max())

    @cached_property
    def means_observed(self) -> Floats:
        """Posterior means [n] at the observed points."""
        means: Floats = self.values - self.prior.noise**2 * self.weights
        return means

    def cross(self, points: Floats) -> Floats:
        """Prior covariance [n, c] of the observations and the function at ``points`` [c, d]."""
        # One matrix product gives the logarithm: -|x - y|^2 / 2 = x.y - |x|^2 / 2 - |y|^2 / 2.
        right = np.empty((len(points), points.shape[1] + 2))
        asked = np.divide(points, self.prior.length, out=right[:, :-2])
        right[:, -2], right[:, -1] = 1, -0.5 * (asked**2).sum(axis=1)
        cross: Floats = self._left @ right.T
        np.exp(cross, out=cross)
        cross *= self.prior.amplitude**2
        return cross

    @cached_property
    def _left(self) -> Floats:
        """The observations' side [n, d + 2] of that product."""
        observed = self.points / self.prior.length
        return np.column_stack([observed, -0.5 * (observed**2).sum(axis=1), np.ones(len(observed))])

    def mean(self, cross: Floats) -> Floats:
        """Posterior means [c]."""
        means: Floats = self.weights @ cross
        return means + self.prior.mean

    def variance(self, cross: Floats) -> Floats:
        """Posterior variances [c] of the function, without noise."""
        explained = self.explained(cross)
        variances: Floats = self.prior.amplitude**2 - np.einsum("nc,nc->c", explained, explained)
        return np.maximum(variances, 0.0)

    def variance_bound(self, cross: Floats) -> Floats:
        """Upper bounds [c] of the variances at little cost: the posterior of the first observations alone.

        Further observations only lower a variance.
        """
        explained = self.explained(cross[:_PREFIX])
        bound: Floats = (1 + ROUNDING) * self.prior.amplitude**2 - np.einsum("nc,nc->c", explained, explained)
        return bound

    def explained(self, cross: Floats) -> Floats:
        """[m, c] from the first m rows of a ``cross``; its columns' products are what m observations explain."""
        # Not solve_triangular, whose checks take longer than the few columns of a step of an ascent.
        from scipy.linalg.lapack import dtrtrs

        rows = len(cross)
        solved: Floats = dtrtrs(self._factor[:rows, :rows].T, cross, trans=1)[0]
        return solved


def expected_improvement(mean: Floats, variance: Floats, target: float) -> Floats:
    """By how much a normal variable exceeds ``target`` in expectation; rises with ``mean`` [c] and ``variance`` [c]."""
    from scipy.special import ndtr

    above = mean - target
    deviation = np.sqrt(np.maximum(variance, 1e-30))
    ratio = above / deviation
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2 * np.pi)
    improvement: Floats = above * ndtr(ratio) + deviation * density
    return np.maximum(improvement, 0.0)


def best_in_list(process: GaussianProcess, points: Floats, xi: float) -> tuple[int, float]:
    """Index and value of the largest expected improvement on the best mean plus ``xi``, at ``points`` [c, d].

    The same as computing it for all of them; variances are computed where the mean leaves a chance.
    """
    target = process.best + xi

    def improvement(indices: Indices) -> Floats:
        cross = process.cross(points[indices])
        return expected_improvement(process.mean(cross), process.variance(cross), target)

    chunk = max(1, _CHUNK_ENTRIES // len(process.points))
    bound = np.empty(len(points))
    for start in range(0, len(points), chunk):
        cross = process.cross(points[start : start + chunk])
        bound[start : start + chunk] = expected_improvement(process.mean(cross), process.variance_bound(cross), target)
    return argmax_below(bound, improvement)


def argmax_below(bound: Floats, evaluate: Callable[[Indices], Floats], floor: float = -np.inf) -> tuple[int, float]:
    """Where a function of 0..g-1 is largest and how large, evaluated only where an upper ``bound`` [g] leaves a chance.

    Of equal values the first index; (-1, ``floor``) where none is above ``floor``.
    """
    left = np.flatnonzero(bound > floor)
    index, best, size = -1, floor, 64
    while left.size:
        # The highest bounds first: what they evaluate to rules out most of the others.
        rank = np.argpartition(-bound[left], min(size, left.size) - 1)
        chunk, left = left[rank[:size]], left[rank[size:]]
        values = evaluate(chunk)
        top = float(values.max())
        first = int(chunk[values == top].min())
        if top > best or (top == best and first < index):
            index, best = first, top
        left = left[bound[left] >= best]
        size = min(2 * size, 4096)
    return index, best
