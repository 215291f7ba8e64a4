"""The best table of a grid: every combination of a few entries scored at once, the other entries fixed.

The squared-exponential covariance is a product over entries, so over a grid it is an outer product, and the means are
one matrix product of two half-grids. Variances are bounded from a coarse grid of nodes. Let g be the polynomial
interpolant of f from the nodes; the deviation e of f - g before any observation is known exactly, for both factorise
over the axes. Standard deviations obey the triangle inequality, before and after observing and for what observing
explains, so that

    deviation(f | data) <= deviation(g | data) + e   and
    variance(f | data)  <= variance(f) - (deviation explained of g - e)^2.

Where this bound leaves a chance the variance itself is computed, so that the answer is that of a list scored one by
one.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsearch.strategies.gaussian_process import (
    ROUNDING,
    Floats,
    GaussianProcess,
    Indices,
    argmax_below,
    expected_improvement,
)

NOTICEABLE = 1e-6
"""A grid's table takes the place of the current one where it is better by more than this share."""

_NODES = (2, 3)  # along an axis; more cost more than the variances they would spare
_TIGHT = 0.05  # an interpolant is tight where it loosens the deviation by less than this share


@dataclass(frozen=True)
class Grid:
    """Every combination of ``levels`` (arrays of different positions in [0, 1]) of the ``entries`` of ``point`` [d].

    Combinations are numbered in raster order, the last entry's level changing fastest.
    """

    point: Floats
    entries: Sequence[int]
    levels: Sequence[Floats]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many levels each entry has."""
        return tuple(len(levels) for levels in self.levels)

    def points(self, numbers: Indices) -> Floats:
        """The combinations ``numbers`` [c] as points [c, d]."""
        points = np.tile(self.point, (len(numbers), 1))
        for entry, levels, chosen in zip(self.entries, self.levels, np.unravel_index(numbers, self.shape), strict=True):
            points[:, entry] = levels[chosen]
        return points


def best_on_grid(process: GaussianProcess, grid: Grid, xi: float, current: float) -> tuple[int, float]:
    """Number and value of the largest expected improvement on ``grid``; (-1, ``current``) where none beats ``current``.

    Beating takes more than one part in a million; of equal ones the lowest number.
    """
    target = process.best + xi
    scored = _ScoredGrid(process, grid)
    mean = scored.mean()

    def improvement(numbers: Indices) -> Floats:
        return expected_improvement(mean[numbers], process.variance(scored.cross(numbers)), target)

    bound = expected_improvement(mean, scored.variance_bound(), target)
    number, value = argmax_below(bound, improvement, floor=current * (1 + NOTICEABLE))
    return (number, value) if number >= 0 else (-1, current)


class _ScoredGrid:
    """Means, variances and their bounds on a grid, from the factors of its covariance with the observations."""

    def __init__(self, process: GaussianProcess, grid: Grid) -> None:
        self._process = process
        self._grid = grid
        self._variance = process.prior.amplitude**2
        entries = list(grid.entries)
        others = np.delete(process.points - grid.point, entries, axis=1)
        self._fixed = self._variance * _correlation((others**2).sum(axis=1), process.prior.length)
        self._observed = process.points.T[entries]
        self._factors = self._along_axes(grid.levels)

    def _along_axes(self, positions: Sequence[Floats]) -> list[Floats]:
        """Per axis the correlations [g, n] of ``positions`` [g] on it and the observations."""
        length = self._process.prior.length
        pairs = zip(positions, self._observed, strict=True)
        return [_correlation(np.subtract.outer(here, there) ** 2, length) for here, there in pairs]

    def mean(self) -> Floats:
        """Posterior means of the whole grid."""
        sizes = self._grid.shape
        split = min(range(len(sizes)), key=lambda at: math.prod(sizes[:at]) + math.prod(sizes[at:]))
        weights = self._process.weights * self._fixed
        left = _rows_multiplied([weights[np.newaxis], *self._factors[:split]])
        products: Floats = left @ _rows_multiplied(self._factors[split:]).T
        return products.ravel() + self._process.prior.mean

    def cross(self, numbers: Indices) -> Floats:
        """Prior covariance [n, c] of the observations and the combinations ``numbers`` [c]."""
        product = self._fixed
        for factor, chosen in zip(self._factors, np.unravel_index(numbers, self._grid.shape), strict=True):
            product = product * factor[chosen]
        return product.T

    def variance_bound(self) -> Floats:
        """Upper bounds of the posterior variances of the whole grid."""
        axes = self._interpolation()
        of_interpolant = self._variance * _outer([axis.of_interpolant for axis in axes])
        with_function = self._variance * _outer([axis.with_function for axis in axes])
        missed = np.sqrt(np.maximum(self._variance - 2 * with_function + of_interpolant, 1e-14 * self._variance))
        at_nodes = _rows_multiplied([self._fixed[np.newaxis], *self._along_axes([axis.nodes for axis in axes])])
        explained_at_nodes = self._process.explained(at_nodes.T)
        covariance = explained_at_nodes.T @ explained_at_nodes
        explained = np.maximum(_variance_on_grid(covariance, [axis.weights for axis in axes]), 0.0)
        left = np.sqrt(np.maximum(of_interpolant - explained, 0.0)) + missed
        taken = np.maximum(np.sqrt(explained) - missed, 0.0)
        bound: Floats = np.minimum(left**2, self._variance - taken**2)
        return bound + ROUNDING * self._variance

    def _interpolation(self) -> list["_Axis"]:
        """The coarsest interpolation that bounds the variance at the grid's own point tightly, or else the finest."""
        here = self._process.variance(self._process.cross(self._grid.point[np.newaxis]))[0]
        explained = self._variance - here
        for count in _NODES:
            axes = [_Axis(levels, count, self._process.prior.length) for levels in self._grid.levels]
            missed = self._variance * sum(axis.missed for axis in axes)
            if missed * min(here, explained) <= (_TIGHT * here) ** 2:
                break
        return axes


class _Axis:
    """Polynomial interpolation along one axis, from at most ``count`` Chebyshev nodes to its ``levels`` [g].

    weights: [g, r], of the nodes in each level.
    with_function, of_interpolant: [g], the interpolant's prior covariance with the function and its variance, where
    the function's is 1. missed: the largest variance of their difference.
    """

    def __init__(self, levels: Floats, count: int, length: float) -> None:
        self.nodes = levels
        if len(levels) > count:
            places = np.cos((2 * np.arange(count) + 1) * np.pi / (2 * count))
            self.nodes = (levels.min() + levels.max() + (levels.max() - levels.min()) * places) / 2
        others = [np.delete(self.nodes, node) for node in range(len(self.nodes))]
        self.weights = np.stack(
            [
                np.prod(np.subtract.outer(levels, other) / (node - other), axis=1)
                for node, other in zip(self.nodes, others, strict=True)
            ],
            axis=1,
        )
        at_nodes = _correlation(np.subtract.outer(self.nodes, self.nodes) ** 2, length)
        to_levels = _correlation(np.subtract.outer(levels, self.nodes) ** 2, length)
        self.with_function: Floats = (self.weights * to_levels).sum(axis=1)
        self.of_interpolant: Floats = ((self.weights @ at_nodes) * self.weights).sum(axis=1)
        self.missed = float((1 - 2 * self.with_function + self.of_interpolant).max())


def _correlation(squared_distance: Floats, length: float) -> Floats:
    return np.asarray(np.exp(squared_distance / (-2 * length**2)))


def _outer(factors: Sequence[Floats]) -> Floats:
    """Products of every combination of elements of ``factors``, in raster order."""
    return functools.reduce(lambda product, factor: np.multiply.outer(product, factor).ravel(), factors)


def _rows_multiplied(factors: Sequence[Floats]) -> Floats:
    """Products [g1 * g2 * ..., n] of every combination of rows of ``factors`` [g, n], in raster order."""
    product = factors[0]
    for factor in factors[1:]:
        product = (product[:, np.newaxis] * factor).reshape(-1, factor.shape[1])
    return product


def _variance_on_grid(covariance: Floats, weights: Sequence[Floats]) -> Floats:
    """Variances of every combination of rows of ``weights`` [g, r] applied to variables of ``covariance`` [R, R].

    R is the product of all r; one axis after the other is carried from pairs of nodes to levels.
    """
    nodes = [axis.shape[1] for axis in weights]
    tensor = covariance.reshape(nodes * 2)
    for done, axis in enumerate(weights):
        pairs = axis[:, :, np.newaxis] * axis[:, np.newaxis, :]
        tensor = np.tensordot(tensor, pairs, axes=([0, len(weights) - done], [1, 2]))
    return tensor.ravel()
