"""Shrinkage: what tables truly gain, given what they were measured to gain and how tables of their kind differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsearch.analysis.bootstrap import Floats
from qsearch.errors import InputError

SHARES = 400
"""Points of the grid on which the share of luck is integrated."""
FEWEST_IMAGES = 8
"""Below so many no covariance can be told."""


@dataclass(frozen=True)
class Shrunken:
    """Posterior of the true gains of m tables.

    mean: [m]; covariance: [m, m]. kinds: the mean gain of each kind.
    kept: the share, 0 to 1, of what a table was measured to differ from its kind that it is expected to differ truly:
        its posterior mean.
    """

    mean: Floats
    covariance: Floats
    kinds: dict[str, float]
    kept: float

    @property
    def deviation(self) -> Floats:
        """[m], the standard deviation of each true gain."""
        return np.sqrt(np.diag(self.covariance))


def shrunken(above: Floats, kinds: Sequence[str]) -> Shrunken:
    """Empirical Bayes on paired values (Efron 1973): what m tables truly gain.

    above: [m, N], by how much each table is better than the standard curve on each of N images.
    kinds: [m], which tables are alike a priori: the best of a search, averages, tables from elsewhere.

    The measured mean gains are N(theta, S / N), where S is the covariance over images: what suits one image and not
    another. The true gains theta are N(mean of their kind, w S): where images differ much about two tables, the tables
    may truly differ much. The kinds' means are plain averages: with hardly more images than tables, an inverse of S
    would set great weights against each other. The share of a difference within a kind that is luck, 1 / (1 + N w), is
    uniform a priori (Christiansen 1997), and the sum of squared differences over what luck alone would make of it is
    taken as chi-squared: one likeliest w, often 0, makes intervals too short and picks worse. So no table is judged by
    its own measurement alone, and the luckiest of many is not taken for the best.

    InputError for fewer than eight images and for shapes that differ.
    """
    if above.ndim != 2 or above.shape[0] != len(kinds) or not len(kinds):
        raise InputError(f"m tables on N images have gains [m, N] and m kinds, got {above.shape} and {len(kinds)}.")
    if above.shape[1] < FEWEST_IMAGES:
        raise InputError(f"tables are told apart on {FEWEST_IMAGES} images or more, got {above.shape[1]}.")
    tables, images = above.shape
    gains = above.mean(axis=1)
    names = list(dict.fromkeys(kinds))
    design = np.array([[kind == name for name in names] for kind in kinds], dtype=np.float64)
    averaging = (design / design.sum(axis=0)) @ design.T
    within = np.eye(tables) - averaging
    noise = np.atleast_2d(np.cov(above)) / images
    rest = within @ gains
    by_luck, freedom = float(np.trace(within @ noise @ within)), tables - len(names)
    off, off_variance = _shares_off(freedom, freedom * float(rest @ rest) / by_luck) if by_luck > 0 else (0.0, 0.0)
    weights = averaging + np.sqrt(1 - off) * within
    # Where much may be shrunken away and little, a table far from its kind may truly be there or not.
    covariance = weights @ noise @ weights.T + off_variance * np.outer(rest, rest)
    levels = (design / design.sum(axis=0)).T @ gains
    return Shrunken(gains - off * rest, covariance, dict(zip(names, levels.tolist(), strict=True)), 1 - off)


def _shares_off(freedom: int, squares: float) -> tuple[float, float]:
    """Posterior mean and variance of the share b = 1 / (1 + N w) of a difference that is luck, uniform a priori.

    Its likelihood is that of ``squares``, b times which is chi-squared with ``freedom`` degrees.
    """
    shares = (np.arange(SHARES) + 0.5) / SHARES
    logarithms = freedom / 2 * np.log(shares) - squares / 2 * shares
    weights = np.exp(logarithms - logarithms.max())
    weights /= weights.sum()
    mean = float(weights @ shares)
    return mean, float(weights @ (shares - mean) ** 2)
