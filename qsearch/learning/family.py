"""Family: tables along a line through rungs from coarse to fine, and which of them have so many bytes."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from qsearch.codecs.base import Codec
from qsearch.datasets.base import Dataset
from qsearch.tables import QuantTables

NEAR = 1e-3
"""Bytes that differ by less than this share are as good as equal; steps are whole numbers."""
STAGGER = 0.25
"""Entries are rounded up from 0.5 plus or minus this on, each from a point of its own: where all are alike, they still
change one after the other, and bytes between those of whole tables are met."""
_LONGEST_SEARCH = 24
_LOG_OF_COARSEST = math.log(255)
_EXTRAPOLATED = 0.25
"""How much the logarithms of entries change over the length of a rung, beyond the last rungs."""


class Family:
    """Tables along a line: place 0 is the coarsest rung, place i rung i; lower and higher places go on beyond them.

    Of a single rung they are its shape at every scale.
    """

    def __init__(self, rungs: Sequence[QuantTables]) -> None:
        from scipy.optimize import isotonic_regression

        rungs = [*rungs, *rungs] if len(rungs) == 1 else rungs
        entries = np.stack([np.stack([one.luma, one.cb, one.cr]) for one in rungs]).astype(np.float64)
        logs = np.log(entries).reshape(len(rungs), -1)
        self._logs = np.stack([isotonic_regression(each, increasing=False).x for each in logs.T], axis=1)
        # Multiples of the golden ratio spread evenly; the same for all components, which may share a table.
        spread = np.modf(np.arange(64) * (np.sqrt(5) - 1) / 2)[0]
        self._round_up = 0.5 + STAGGER * (1 - 2 * np.tile(spread, 3))
        self.coarsest = -(_LOG_OF_COARSEST - float(self._logs[0].min())) / _EXTRAPOLATED
        self.finest = len(rungs) - 1 + float(self._logs[-1].max()) / _EXTRAPOLATED

    def tables(self, place: float) -> QuantTables:
        """Those at ``place``, rounded within 1..255."""
        last = len(self._logs) - 1
        inside = min(max(place, 0.0), float(last))
        lower = min(int(inside), last - 1)
        logs = self._logs[lower] + (inside - lower) * (self._logs[lower + 1] - self._logs[lower])
        entries = np.exp(logs - _EXTRAPOLATED * (place - inside))
        luma, cb, cr = np.clip(np.floor(entries + self._round_up), 1, 255).astype(np.int64).reshape(3, 8, 8)
        return QuantTables(luma, cb=cb, cr=cr)

    def matched(self, sizes: "Sizes", wanted: int, lowest: float | None = None) -> tuple[float, int]:
        """The place whose files have nearest to ``wanted`` bytes, ``lowest`` or beyond, and how many they have."""
        low = self.coarsest if lowest is None else lowest
        high = min(low + 1, self.finest)
        best = low, sizes.of(self.tables(low))
        while high < self.finest and sizes.of(self.tables(high)) < wanted:
            low, high = high, min(high + 1, self.finest)
        for _ in range(_LONGEST_SEARCH):
            for place in (low, high):
                size_bytes = sizes.of(self.tables(place))
                if abs(size_bytes - wanted) < abs(best[1] - wanted):
                    best = place, size_bytes
            if abs(best[1] - wanted) <= NEAR * wanted or high - low < 1e-6:
                break
            middle = _between(low, high, sizes.of(self.tables(low)), sizes.of(self.tables(high)), wanted)
            if sizes.of(self.tables(middle)) < wanted:
                low = middle
            else:
                high = middle
        return best


class Sizes:
    """The bytes of all images of ``dataset``, as they are compressed, at tables: counted in threads, once for each. A
    context manager."""

    def __init__(self, codec: Codec, dataset: Dataset, workers: int) -> None:
        self._codec = codec
        bounds = np.linspace(0, len(dataset), min(workers, len(dataset)) + 1).astype(int).tolist()
        self._parts: list[list[Any]]
        if dataset.stored is None:
            source = codec.prepare(dataset.images, dataset.digest)
            self._parts = [[source[start:end]] for start, end in pairwise(bounds)]
        else:
            stored = codec.prepare_stored(dataset.stored)
            self._parts = [[stored.one(index) for index in range(start, end)] for start, end in pairwise(bounds)]
        self._pool = ThreadPoolExecutor(len(self._parts))
        self._known: dict[QuantTables, int] = {}

    def __enter__(self) -> "Sizes":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def of(self, tables: QuantTables) -> int:
        """In all files together."""
        if tables not in self._known:
            self._known[tables] = sum(self._pool.map(lambda part: self._of_part(part, tables), self._parts))
        return self._known[tables]

    def _of_part(self, part: list[Any], tables: QuantTables) -> int:
        return sum(int(self._codec.size_bytes(source, [tables] * len(source)).sum()) for source in part)


def _between(low: float, high: float, low_bytes: int, high_bytes: int, wanted: int) -> float:
    """Where a line through the logarithms of the bytes meets ``wanted``, kept off both ends."""
    if not low_bytes < wanted < high_bytes:
        return (low + high) / 2
    share = math.log(wanted / low_bytes) / math.log(high_bytes / low_bytes)
    return low + min(max(share, 0.1), 0.9) * (high - low)
