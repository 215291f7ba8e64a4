"""Significance of a paired difference in accuracy: exact test, interval, detectable difference, many tables."""

import math
from collections.abc import Sequence

import numpy as np

from qsearch.analysis.bootstrap import LEVEL
from qsearch.errors import InputError

ALPHA = 1 - LEVEL
POWER = 0.8


def mcnemar_p_value(lost: int, won: int) -> float:
    """McNemar's test, exact and two-sided: how likely ``lost`` and ``won`` images differ so much by chance.

    Of the images that one table gets right and the other wrong, each is as likely to be on either side if the tables
    are equally accurate: a binomial test at one half (McNemar 1947). 1 where no image tells them apart.
    """
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def paired_interval(lost: int, won: int, images: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the difference in accuracy (won - lost) / images, by inverting the score test (Tango 1998).

    It keeps its level for few images and rare changes, where the bootstrap's shrinks to nothing, and leaves out 0
    exactly where McNemar's test without continuity correction is significant.
    InputError where the counts are negative or more than the images.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    if lost < 0 or won < 0 or images < 1 or lost + won > images:
        raise InputError(f"lost and won images are parts of {images} or more, got {lost} and {won}.")
    z = float(norm.ppf((1 + level) / 2))
    difference = (won - lost) / images

    def excess(delta: float, sign: int) -> float:
        return (won - lost - images * delta) - sign * z * _score_deviation(lost, won, images, delta)

    # The score is 0 at the difference itself, a root that is none where no image changed: search beside it.
    beside = 1e-9
    low = -1.0 if difference <= beside - 1 else float(brentq(excess, -1, difference - beside, args=(1,)))
    high = 1.0 if difference >= 1 - beside else float(brentq(excess, difference + beside, 1, args=(-1,)))
    return low, high


def _score_deviation(lost: int, won: int, images: int, delta: float) -> float:
    """Standard deviation of won - lost if the true difference is ``delta``, at the likeliest share of losses."""
    b = -won - lost + (2 * images - won + lost) * delta
    c = -lost * delta * (1 - delta)
    losses = (math.sqrt(max(b * b - 8 * images * c, 0.0)) - b) / (4 * images)
    return math.sqrt(max(images * (2 * losses + delta * (1 - delta)), 0.0))


def detectable_difference(discordant: int, images: int, power: float = POWER, alpha: float = ALPHA) -> float:
    """The smallest true difference in accuracy that ``images`` (n) would have shown with probability ``power``.

    With psi the share of images on which two tables differ (``discordant`` / n) and z the normal quantiles of
    1 - alpha / 2 and of the power, it solves n = (z_alpha sqrt(psi) + z_power sqrt(psi - d^2))^2 / d^2 for d
    (Connor 1987). The exact test cannot call fewer than ceil(log2(2 / alpha)) images significant (6 at 5 %), even
    all on one side: so many of n is the least that is returned.
    """
    from scipy.stats import norm

    if not 0 <= discordant <= images or images < 1:
        raise InputError(f"discordant images are from 0 to all of at least one, got {discordant} of {images}.")
    z_alpha, z_power = float(norm.ppf(1 - alpha / 2)), float(norm.ppf(power))
    root = math.sqrt(max(images + z_power**2 - z_alpha**2, 0.0))
    share = math.sqrt(discordant / images)
    difference = share * (z_alpha * math.sqrt(images) + z_power * root) / (images + z_power**2)
    return min(1.0, max(difference, math.ceil(math.log2(2 / alpha)) / images))


def holm(p_values: Sequence[float]) -> list[float]:
    """``p_values`` corrected for their number (Holm 1979): below alpha, they hold together at that level."""
    order = np.argsort(p_values, kind="stable")
    count = len(order)
    corrected = np.empty(count)
    steps = [(count - step) * p_values[index] for step, index in enumerate(order)]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if steps else []
    return [float(value) for value in corrected]
