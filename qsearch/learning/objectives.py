"""Objectives: what a table of a ladder minimises, with no weight to tune, or with the paper's three."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import checked_weights, rgb_weights, statistics
from qsearch.errors import InputError
from qsearch.learning.descent import Distortion
from qsearch.learning.ladder import Objective
from qsearch.tables import QuantTables

LEAST_FLOOR = 1 / 12
"""Mean squared error of pixels that are rounded to whole levels."""
_AT_A_TIME = 32


@dataclass(frozen=True)
class Target:
    """A cost to descend: the distortions' sum plus ``trade_off`` x bits per pixel."""

    distortions: tuple[Distortion, ...]
    trade_off: float

    @property
    def steepness(self) -> float:
        """The trade-off in units of squared error, to compare targets by."""
        return self.trade_off / sum(float(one.weights.mean() * one.image_weights.mean()) for one in self.distortions)


def target_at(
    name: Objective,
    coefficients: Coefficients,
    quality: int,
    *,
    floor: npt.NDArray[np.float64],
    network_weights: npt.NDArray[np.float64] | None = None,
) -> Target:
    """The objective ``name`` at the trade-off that the standard tables make at ``quality``.

    With D the mean squared error of an image over RGB and S the squared errors of all images weighted by what each
    coefficient means to a network, an objective is O + k x bits per pixel, where O is the mean of ln D over images for
    ``distortion`` (mean PSNR, that is), ln S for ``accuracy``, and half of either for ``mix``; k is -dO/d(bits per
    pixel) where all standard tables of that quality are scaled together (Luo 2021 leave such weights to the user). O is
    replaced by its tangent at the standard tables of that quality, which lies above it.

    floor: [N], what D is at the finest tables. network_weights: [3, 8, 8], mean squared gradient of the network's loss
    by dequantized coefficient of Y, Cb and Cr. InputError where the objective needs them and they are not given, and
    where the images have no detail that tables could change.
    """
    tables = QuantTables.standard(quality)
    found = statistics(coefficients, [tables] * len(coefficients))
    entries = np.stack([tables.luma, tables.cb, tables.cr]).astype(np.float64)
    bpp_slope = float((found.bits_gradient * entries).sum()) / found.pixels / len(coefficients)
    share = 0.5 if name == "mix" else 1.0
    distortions, slope = [], 0.0
    if name != "accuracy":
        error = found.distortion() + np.maximum(floor, LEAST_FLOOR)
        slopes = (found.distortion_gradient() * entries).sum(axis=(1, 2, 3))
        slope += share * float((slopes / error).mean())
        distortions.append(Distortion(share * rgb_weights(coefficients.subsampling), 1 / error))
    if name != "distortion":
        weights = checked_network_weights(name, network_weights, coefficients.subsampling)
        total = float(found.distortion(weights).mean())
        if total > 0:
            slope += share * float((found.distortion_gradient(weights) * entries).sum()) / len(coefficients) / total
            distortions.append(Distortion(share * weights, np.full(len(coefficients), 1 / total)))
    if not (bpp_slope < 0 < slope):
        raise InputError(
            f"the images have too little detail to learn tables from: at standard quality {quality} no entry changes "
            "both their bits and their error."
        )
    return Target(tuple(distortions), -slope / bpp_slope)


def target_of_loss(
    loss_weights: tuple[float, float, float],
    coefficients: Coefficients,
    network_weights: npt.NDArray[np.float64] | None = None,
) -> Target:
    """The loss of Luo 2021: c_r bits + c_d squared error + c_c loss of the network, summed over images.

    loss_weights: (c_r, c_d, c_c); the squared error is summed over pixels, R, G and B, in levels^2. The network's loss
    is replaced by what errors of coefficients add to it in the second order, half their squares times
    ``network_weights``. InputError unless c_r is above 0, the others are at least 0, and one of them is above.
    """
    c_r, c_d, c_c = loss_weights
    if not (np.isfinite(loss_weights).all() and c_r > 0 and c_d >= 0 and c_c >= 0 and c_d + c_c > 0):
        raise InputError(
            "the weights of the loss are c_r above 0, and c_d and c_c of which one is above 0 and none below, got "
            f"{c_r:g}, {c_d:g} and {c_c:g}."
        )
    weights = 3 * c_d * rgb_weights(coefficients.subsampling)
    if c_c > 0:
        weights = weights + c_c / 2 * checked_network_weights("accuracy", network_weights, coefficients.subsampling)
    return Target((Distortion(weights, np.ones(len(coefficients))),), c_r)


def checked_network_weights(
    name: str, network_weights: npt.NDArray[np.float64] | None, subsampling: str
) -> npt.NDArray[np.float64]:
    """float64 [3, 8, 8]. InputError where there are none, or they are no weights."""
    if network_weights is None:
        raise InputError(f"the objective {name} needs a network: say which one with --classifier.")
    return checked_weights(network_weights, subsampling)


def floor_of(images: npt.NDArray[np.uint8], coefficients: Coefficients) -> npt.NDArray[np.float64]:
    """[N], the mean squared error over RGB that ``images`` uint8 [N, H, W, 3] keep at tables of 1: rounding, and at
    4:2:0 what halving the chroma costs."""
    finest = QuantTables.shared(np.ones((8, 8), dtype=np.int64))
    floor = np.empty(len(images))
    for start in range(0, len(images), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        _, decoded = coefficients[part].encode([finest] * len(images[part]))
        error = decoded.astype(np.float32) - images[part]
        floor[part] = np.square(error).mean(axis=(1, 2, 3))
    return floor
