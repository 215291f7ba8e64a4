"""Shrinkage: what tables truly gain, given what they were measured to gain and how tables of their kind differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsearch.analysis.bootstrap import Floats
from qsearch.errors import InputError

FEWEST_IMAGES = 8
"""Below so many no covariance can be told."""


@dataclass(frozen=True)
class Shrunken:
    """Posterior of the true gains of m tables.

    mean: [m]; covariance: [m, m]. spread: the standard deviation of true gains within a kind; kinds: the mean gain of
    each kind.
    """

    mean: Floats
    covariance: Floats
    spread: float
    kinds: dict[str, float]

    @property
    def deviation(self) -> Floats:
        """[m], the standard deviation of each true gain."""
        return np.sqrt(np.diag(self.covariance))


def shrunken(above: Floats, kinds: Sequence[str]) -> Shrunken:
    """Empirical Bayes on paired values (Efron 1973): what m tables truly gain.

    above: [m, N], by how much each table is better than the standard curve on each of N images.
    kinds: [m], which tables are alike a priori: the best of a search, averages, tables from elsewhere.

    The measured mean gains g of m tables are N(theta, S), S the covariance of the means over images, which is large and
    common to all, so that differences between tables are known far better than their level. The true gains theta are
    N(mean of their kind, spread^2), means flat, one spread for all, the likeliest by restricted maximum likelihood
    (Patterson 1971). S is shrunk as Ledoit 2004 says, for there may be hardly more images than tables. No table is
    judged by its own measurement alone, so that the luckiest of many is not taken for the best.

    InputError for fewer than eight images and for shapes that differ.
    """
    from sklearn.covariance import ledoit_wolf

    if above.ndim != 2 or above.shape[0] != len(kinds) or not len(kinds):
        raise InputError(f"m tables on N images have gains [m, N] and m kinds, got {above.shape} and {len(kinds)}.")
    if above.shape[1] < FEWEST_IMAGES:
        raise InputError(f"tables are told apart on {FEWEST_IMAGES} images or more, got {above.shape[1]}.")
    names = list(dict.fromkeys(kinds))
    design = np.array([[kind == name for name in names] for kind in kinds], dtype=np.float64)
    gains = above.mean(axis=1)
    noise = ledoit_wolf(above.T)[0] / above.shape[1]
    spread = _likeliest_spread(gains, noise, design)
    total = noise + spread**2 * np.eye(len(gains))
    weighted = np.linalg.solve(total, design)
    level_covariance = np.linalg.inv(design.T @ weighted)
    levels = level_covariance @ (weighted.T @ gains)
    expected = design @ levels
    keep = spread**2 * np.linalg.inv(total)
    mean = expected + keep @ (gains - expected)
    # Of the true gain given the levels, and what not knowing the levels adds.
    rest = design - keep @ design
    covariance = spread**2 * (np.eye(len(gains)) - keep) + rest @ level_covariance @ rest.T
    return Shrunken(mean, (covariance + covariance.T) / 2, spread, dict(zip(names, levels.tolist(), strict=True)))


def _likeliest_spread(gains: Floats, noise: Floats, design: Floats) -> float:
    """The standard deviation of true gains within a kind, by restricted maximum likelihood."""
    from scipy.optimize import minimize_scalar

    scale = float(np.sqrt(np.diag(noise).mean()))
    if len(gains) <= design.shape[1] or scale == 0:
        return float(gains.std()) if scale == 0 else 0.0

    def loss(log_spread: float) -> float:
        total = noise + np.exp(2 * log_spread) * np.eye(len(gains))
        _, log_determinant = np.linalg.slogdet(total)
        weighted = np.linalg.solve(total, design)
        information = design.T @ weighted
        _, log_information = np.linalg.slogdet(information)
        rest = gains - design @ np.linalg.solve(information, weighted.T @ gains)
        return float(log_determinant + log_information + rest @ np.linalg.solve(total, rest)) / 2

    low, high = np.log(1e-4 * scale), np.log(1e2 * scale)
    starts = np.linspace(low, high, 41)
    best = starts[int(np.argmin([loss(start) for start in starts]))]
    width = starts[1] - starts[0]
    found = minimize_scalar(loss, bounds=(max(low, best - width), min(high, best + width)), method="bounded")
    return float(np.exp(found.x))
