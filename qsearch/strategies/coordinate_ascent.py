"""Coordinate ascent: every entry in turn set to its best level, the others as they are."""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.int64]

TRIED = 9
"""Levels of an entry that are tried, evenly over its range: what a smooth process says hardly bends between them."""
NOTICEABLE = 1e-6
"""A level takes the place of another where it is better by more than this share."""


def climb(
    score: Callable[[Levels], npt.NDArray[np.float64]],
    start: Levels,
    width: Levels,
    random: np.random.RandomState,
    sweeps: int,
) -> tuple[Levels, float]:
    """Where ``score``, of many levels [c, d] at once, ends up from ``start`` [d], and how high; larger is better.

    Entries go from 0 to ``width`` [d] and come in a random order, in each of at most ``sweeps`` sweeps; the ascent ends
    early after one that changed none.
    """
    levels = start.copy()
    height = float(score(levels[np.newaxis])[0])
    for _ in range(sweeps):
        before = height
        for entry in random.permutation(len(width)).tolist():
            tried = _tried(int(width[entry]))
            some = levels[np.newaxis].repeat(len(tried), axis=0)
            some[:, entry] = tried
            scores = score(some)
            best = int(scores.argmax())
            if scores[best] > height * (1 + NOTICEABLE):
                levels, height = some[best], float(scores[best])
        if height == before:
            break
    return levels, height


@cache
def _tried(width: int) -> Levels:
    """The levels of 0..``width`` that are tried; read-only."""
    tried = np.unique(np.linspace(0, width, TRIED).round().astype(np.int64))
    tried.flags.writeable = False
    return tried
