"""Objectives: what a table of a ladder minimises, with no weight to tune, or with the paper's three."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import checked_weights, rgb_weights, statistics
from qsearch.errors import InputError
from qsearch.learning.settings import Objective
from qsearch.tables import QuantTables


@dataclass(frozen=True, eq=False)
class Target:
    """A cost to descend: squared errors of coefficients times ``weights`` [3, 8, 8], plus ``trade_off`` x bits, both
    per pixel."""

    weights: npt.NDArray[np.float64]
    trade_off: float

    @property
    def steepness(self) -> float:
        """The trade-off in units of squared error, to compare targets by."""
        return self.trade_off / float(self.weights.mean())


def target_at(
    objective: Objective,
    coefficients: Coefficients,
    quality: int,
    network_weights: npt.NDArray[np.float64] | None = None,
) -> Target:
    """``objective`` at the trade-off that the standard tables make at ``quality``.

    With D the mean squared error over RGB and S the squared errors of coefficients times what each means to a network,
    both over all images, it is O + k x bits per pixel, where O is ln D for ``distortion``, ln S for ``accuracy`` and
    half of either for ``mix``; k is -dO/d(bits per pixel) where all entries of the standard tables of that quality are
    scaled together. (Luo 2021 leave such weights to the user.) O is replaced by its tangent there, which lies above it.

    network_weights: [3, 8, 8], mean squared gradient of the network's loss by dequantized coefficient of Y, Cb and Cr.
    InputError where the objective needs them and they are not given, and where the images have no detail that tables
    could change.
    """
    tables = QuantTables.standard(quality)
    found = statistics(coefficients, [tables] * len(coefficients))
    entries = np.stack([tables.luma, tables.cb, tables.cr]).astype(np.float64)
    parts = []
    if objective != "accuracy":
        parts.append(rgb_weights(coefficients.subsampling))
    if objective != "distortion":
        parts.append(checked_network_weights(objective, network_weights, coefficients.subsampling))
    bits_slope = float((found.bits_gradient * entries).sum()) / found.pixels
    weights, slope = np.zeros((3, 8, 8)), 0.0
    for part in parts:
        total = float(found.distortion(part).sum())
        if total > 0:
            slope += float((found.distortion_gradient(part) * entries).sum()) / total / len(parts)
            weights += part * len(coefficients) / total / len(parts)
    if not (bits_slope < 0 < slope):
        raise InputError(
            f"the images have too little detail to learn tables from: at standard quality {quality} no entry changes "
            "both their bits and their error."
        )
    return Target(weights, -slope * len(coefficients) / bits_slope)


def target_of_loss(
    loss_weights: tuple[float, float, float],
    subsampling: str,
    network_weights: npt.NDArray[np.float64] | None = None,
) -> Target:
    """The loss of Luo 2021: c_r bits + c_d squared error + c_c loss of the network, summed over images.

    loss_weights: (c_r, c_d, c_c); the squared error is summed over pixels, R, G and B, in levels^2. The network's loss
    is replaced by what errors of coefficients add to it in the second order, half their squares times
    ``network_weights``. InputError unless c_r is above 0, the others are at least 0, and one of them is above.
    """
    c_r, c_d, c_c = checked_loss_weights(loss_weights)
    weights = 3 * c_d * rgb_weights(subsampling)
    if c_c > 0:
        weights = weights + c_c / 2 * checked_network_weights("accuracy", network_weights, subsampling)
    return Target(weights, c_r)


def checked_loss_weights(loss_weights: tuple[float, float, float]) -> tuple[float, float, float]:
    """(c_r, c_d, c_c) as they are. InputError unless c_r is above 0, the others at least 0, and one of them above."""
    c_r, c_d, c_c = loss_weights
    if not (np.isfinite(loss_weights).all() and c_r > 0 and c_d >= 0 and c_c >= 0 and c_d + c_c > 0):
        raise InputError(
            "the weights of the loss are c_r above 0, and c_d and c_c of which one is above 0 and none below, got "
            f"{c_r:g}, {c_d:g} and {c_c:g}."
        )
    return loss_weights


def checked_network_weights(
    objective: Objective, network_weights: npt.NDArray[np.float64] | None, subsampling: str
) -> npt.NDArray[np.float64]:
    """float64 [3, 8, 8]. InputError where there are none, or they are no weights."""
    if network_weights is None:
        raise InputError(f"the objective {objective} needs a network: say which one with --classifier.")
    return checked_weights(network_weights, subsampling)
