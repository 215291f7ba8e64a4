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

    mean: [m]; covariance: [m, m]. kinds: the mean gain of each kind.
    kept: the share, 0 to 1, of what a table was measured to differ from its kind that it is expected to differ truly.
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
    may truly differ much. The kinds' means are plain averages, and w is what makes the squared differences within
    kinds as large as they were measured, 0 at least (method of moments). So no table is judged by its own measurement
    alone, and the luckiest of many is not taken for the best. No inverse of S is taken: with hardly more images than
    tables it would set great weights against each other.

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
    expected = float(np.trace(within @ noise @ within))
    found = float(((within @ gains) ** 2).sum())
    kept = max(0.0, 1 - expected / found) if found > 0 else 0.0
    mean = averaging @ gains + kept * (within @ gains)
    weights = averaging + np.sqrt(kept) * within
    levels = dict(zip(names, ((design / design.sum(axis=0)).T @ gains).tolist(), strict=True))
    return Shrunken(mean, weights @ noise @ weights.T, levels, kept)
