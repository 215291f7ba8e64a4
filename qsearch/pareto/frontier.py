"""The frontier: which points of (rate, top-1) no other point beats."""

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError


def frontier(rate: npt.ArrayLike, top1: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Indices of the non-dominated points of ``rate`` [n] and ``top1`` [n], both maximised, by rising rate.

    A point is dominated where another is no worse in both and better in one; of equal points the first stands for all.
    Hence ``top1`` falls strictly along the answer. No points have an empty frontier.
    Raises InputError for NaN, infinity and lengths that differ.
    """
    rates = np.asarray(rate, dtype=np.float64)
    accuracies = np.asarray(top1, dtype=np.float64)
    if rates.ndim != 1 or rates.shape != accuracies.shape:
        raise InputError(
            f"a frontier is taken over n rates and n accuracies, got {rates.shape} and {accuracies.shape}."
        )
    if not (np.isfinite(rates).all() and np.isfinite(accuracies).all()):
        raise InputError("a frontier is taken over finite numbers: leave out trials without a rate or an accuracy.")
    order = np.lexsort((np.arange(len(rates)), -accuracies, -rates))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], accuracies[order]]))[:-1]
    return order[accuracies[order] > best_before][::-1].astype(np.int64)
