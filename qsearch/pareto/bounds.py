"""The box that bounded strategies search: where a frontier's tables lie at the rates of interest (Li 2020)."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.tables import QuantTables

SIGMA = 0.5
"""How many standard deviations the box reaches beyond the tables it is made of (Li 2020)."""

FEWEST_TABLES = 2


def window_around(rate: float) -> tuple[float, float]:
    """The rates of interest around the standard curve's ``rate``: the paper's 21 to 23 around its 22, in proportion."""
    return rate * 21 / 22, rate * 23 / 22


def bounds(
    tables: Sequence[QuantTables],
    rates: npt.ArrayLike,
    layout: str,
    window: tuple[float, float],
    sigma: float = SIGMA,
) -> SearchSpace:
    """The box around those of a frontier's ``tables`` whose ``rates`` [n] lie in ``window``, and their transposes.

    Per entry of ``layout`` it goes from their minimum minus ``sigma`` standard deviations to their maximum plus as
    many, rounded and clipped to 1..255. The standard deviation is the population's (divided by n) over tables and
    transposes. Both ends of the window belong to it. Raises InputError where it holds fewer than two tables, where a
    table does not fit the layout, and for a window or a sigma that is none.
    """
    low, high = window
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise InputError(f"a window of rates goes from a lower to a higher number, got {low:g} to {high:g}.")
    if not (math.isfinite(sigma) and sigma >= 0):
        raise InputError(f"sigma is a number of standard deviations of 0 or more, got {sigma:g}.")
    rate = np.asarray(rates, dtype=np.float64)
    if rate.shape != (len(tables),):
        raise InputError(f"{len(tables)} tables come with as many rates, got {rate.shape}.")
    inside = [one for one, its_rate in zip(tables, rate, strict=True) if low <= its_rate <= high]
    if len(inside) < FEWEST_TABLES:
        raise InputError(_too_few(rate, low, high, len(inside)))
    space = SearchSpace.full(layout)
    vectors = np.array([space.to_vector(turned) for one in inside for turned in (one, one.transposed())])
    reach = sigma * vectors.std(axis=0)
    return SearchSpace(layout, space.clip(vectors.min(axis=0) - reach), space.clip(vectors.max(axis=0) + reach))


def _too_few(rate: npt.NDArray[np.float64], low: float, high: float, found: int) -> str:
    """The sentence for a window that holds ``found`` tables, with the least widening that holds enough."""
    held = f"bounds need {FEWEST_TABLES} tables of the frontier, and {found} of {len(rate)} "
    held += f"{'has a rate' if found == 1 else 'have rates'} from {low:.2f} to {high:.2f}"
    if len(rate) < FEWEST_TABLES:
        return f"{held}: search with more trials first."
    distance = np.maximum(np.maximum(low - rate, rate - high), 0)
    nearest = rate[np.argsort(distance, kind="stable")[:FEWEST_TABLES]]
    # Two decimals, rounded outwards, so that the window as printed holds them.
    lower = min(low, math.floor(nearest.min() * 100) / 100)
    upper = max(high, math.ceil(nearest.max() * 100) / 100)
    return f"{held}: the window {lower:.2f} to {upper:.2f} would hold {((rate >= lower) & (rate <= upper)).sum()}."
