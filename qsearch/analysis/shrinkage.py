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

    The measured mean gains g are N(theta, S / N), where S is the covariance over images: what suits one image and not
    another. The true gains theta are N(mean of their kind, w S): where images differ much about two tables, the tables
    may truly differ much. The kinds' means are those of generalised least squares, w is the likeliest by restricted
    maximum likelihood (Patterson 1971). S is shrunk as Ledoit 2004 says, for there may be hardly more images than
    tables. So no table is judged by its own measurement alone, and the luckiest of many is not taken for the best; on
    300 photographs a prior of independent gains, likelier a priori, was never the likelier one.

    InputError for fewer than eight images and for shapes that differ.
    """
    from sklearn.covariance import ledoit_wolf

    if above.ndim != 2 or above.shape[0] != len(kinds) or not len(kinds):
        raise InputError(f"m tables on N images have gains [m, N] and m kinds, got {above.shape} and {len(kinds)}.")
    if above.shape[1] < FEWEST_IMAGES:
        raise InputError(f"tables are told apart on {FEWEST_IMAGES} images or more, got {above.shape[1]}.")
    tables, images = above.shape
    gains = above.mean(axis=1)
    names = list(dict.fromkeys(kinds))
    design = np.array([[kind == name for name in names] for kind in kinds], dtype=np.float64)
    over_images = np.asarray(ledoit_wolf(above.T)[0], dtype=np.float64)
    over_images += 1e-12 * max(float(np.diag(over_images).mean()), 1e-12) * np.eye(tables)  # where no image differs
    weighted = np.linalg.solve(over_images, design)
    level_covariance = np.linalg.inv(design.T @ weighted)
    levels = level_covariance @ (weighted.T @ gains)
    rest = gains - design @ levels
    freedom = tables - len(names)
    variance = float(rest @ np.linalg.solve(over_images, rest)) / freedom if freedom else 0.0
    total = max(variance, 1 / images)  # w + 1 / N, where w is not negative
    kept = 1 - 1 / (images * total)
    mean = gains - (1 - kept) * rest
    covariance = kept * over_images / images + (1 - kept) ** 2 * total * design @ level_covariance @ design.T
    return Shrunken(mean, covariance, dict(zip(names, levels.tolist(), strict=True)), kept)
