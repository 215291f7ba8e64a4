"""The frontier: which points of (ratio, top-1) no other point beats."""

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError


def frontier(ratio: npt.ArrayLike, top1: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Indices of the non-dominated points of ``ratio`` [n] and ``top1`` [n], both maximised, by rising ratio.

    A point is dominated where another is no worse in both and better in one; of equal points the first stands for all.
    Hence ``top1`` falls strictly along the answer. No points have an empty frontier.
    Raises InputError for NaN, infinity and lengths that differ.
    """
    ratios = np.asarray(ratio, dtype=np.float64)
    accuracies = np.asarray(top1, dtype=np.float64)
    if ratios.ndim != 1 or ratios.shape != accuracies.shape:
        raise InputError(
            f"a frontier is taken over n ratios and n accuracies, got {ratios.shape} and {accuracies.shape}."
        )
    if not (np.isfinite(ratios).all() and np.isfinite(accuracies).all()):
        raise InputError("a frontier is taken over finite numbers: leave out trials without a ratio or an accuracy.")
    order = np.lexsort((np.arange(len(ratios)), -accuracies, -ratios))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], accuracies[order]]))[:-1]
    return order[accuracies[order] > best_before][::-1].astype(np.int64)
