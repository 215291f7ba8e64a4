"""The box that bounded strategies search: where good tables lie, as entries (Li 2020) or as shapes."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.space import SearchSpace
from qsearch.space.shapes import LEVELS, ShapeSpace, shape_of
from qsearch.tables import QuantTables

SIGMA = 0.5
"""How many standard deviations the box reaches beyond the tables it is made of (Li 2020)."""

FEWEST_TABLES = 2
FINEST_STEP = 0.02
"""Between levels of a shape: a fiftieth, which an entry below 25 cannot tell from none."""


def window_around(ratio: float) -> tuple[float, float]:
    """The ratios of interest around the standard curve's ``ratio``: as the paper's 21 to 23 around its 22."""
    return ratio * 21 / 22, ratio * 23 / 22


def bounds(
    tables: Sequence[QuantTables],
    ratios: npt.ArrayLike,
    layout: str,
    window: tuple[float, float],
    sigma: float = SIGMA,
) -> SearchSpace:
    """The box around those of a frontier's ``tables`` whose ``ratios`` [n] lie in ``window``, and their transposes.

    Per entry of ``layout`` it goes from their minimum minus ``sigma`` standard deviations to their maximum plus as
    many, rounded and clipped to 1..255. The standard deviation is the population's (divided by n) over tables and
    transposes. Both ends of the window belong to it. Raises InputError where it holds fewer than two tables, where a
    table does not fit the layout, and for a window or a sigma that is none.
    """
    check_reach(window, sigma)
    low, high = window
    ratio = np.asarray(ratios, dtype=np.float64)
    if ratio.shape != (len(tables),):
        raise InputError(f"{len(tables)} tables come with as many ratios, got {ratio.shape}.")
    inside = [one for one, its_ratio in zip(tables, ratio, strict=True) if low <= its_ratio <= high]
    if len(inside) < FEWEST_TABLES:
        raise InputError(_too_few(ratio, low, high, len(inside)))
    space = SearchSpace.full(layout)
    vectors = np.array([space.to_vector(turned) for one in inside for turned in (one, one.transposed())])
    reach = sigma * vectors.std(axis=0)
    return SearchSpace(layout, space.clip(vectors.min(axis=0) - reach), space.clip(vectors.max(axis=0) + reach))


def shape_bounds(tables: Sequence[QuantTables], layout: str, sigma: float = SIGMA) -> ShapeSpace:
    """The box around the shapes of ``tables`` and their transposes; tables of any scale.

    Per entry of ``layout`` it goes from their minimum minus ``sigma`` standard deviations (the population's, as
    :func:`bounds` has it) to their maximum plus as many. Levels are :data:`FINEST_STEP` apart, or further where the
    box needs more than 255 of them. Raises InputError for fewer than two tables, where one does not fit the layout,
    and for a sigma that is none.
    """
    check_reach(None, sigma)
    if len(tables) < FEWEST_TABLES:
        raise InputError(
            f"bounds need the shapes of {FEWEST_TABLES} tables, got {len(tables)}: search with more trials."
        )
    shapes = np.array([shape_of(turned, layout) for one in tables for turned in (one, one.transposed())])
    reach = sigma * shapes.std(axis=0)
    lowest, highest = shapes.min(axis=0) - reach, shapes.max(axis=0) + reach
    origin = float(lowest.min())
    step = max(FINEST_STEP, (float(highest.max()) - origin) / (LEVELS - 1))
    lower, upper = (lowest - origin) / step, (highest - origin) / step
    return ShapeSpace(
        layout,
        1 + np.floor(lower).astype(np.int64),
        np.minimum(1 + np.ceil(upper), LEVELS).astype(np.int64),
        origin,
        step,
    )


def check_reach(window: tuple[float, float] | None, sigma: float) -> None:
    """InputError for a window of ratios or a sigma that is none."""
    if window is not None and not (all(map(math.isfinite, window)) and window[0] <= window[1]):
        raise InputError(
            f"a window of ratios goes from a lower to a higher number, got {window[0]:g} to {window[1]:g}."
        )
    if not (math.isfinite(sigma) and sigma >= 0):
        raise InputError(f"sigma is a number of standard deviations of 0 or more, got {sigma:g}.")


def _too_few(ratio: npt.NDArray[np.float64], low: float, high: float, found: int) -> str:
    """The sentence for a window that holds ``found`` tables, with the least widening that holds enough."""
    held = f"bounds need {FEWEST_TABLES} tables of the frontier, and {found} of {len(ratio)} "
    held += f"{'has a ratio' if found == 1 else 'have ratios'} from {low:.2f} to {high:.2f}"
    if len(ratio) < FEWEST_TABLES:
        return f"{held}: search with more trials first."
    distance = np.maximum(np.maximum(low - ratio, ratio - high), 0)
    nearest = ratio[np.argsort(distance, kind="stable")[:FEWEST_TABLES]]
    # Two decimals, rounded outwards, so that the window as printed holds them.
    lower = min(low, math.floor(nearest.min() * 100) / 100)
    upper = max(high, math.ceil(nearest.max() * 100) / 100)
    return f"{held}: the window {lower:.2f} to {upper:.2f} would hold {((ratio >= lower) & (ratio <= upper)).sum()}."
