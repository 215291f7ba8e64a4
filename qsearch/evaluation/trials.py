"""Trials: many trials as one sequence, with what a summary needs of them as columns."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from qsearch.evaluation.measurement import Status, Trial
from qsearch.evaluation.measures import Floats


@dataclass(frozen=True, eq=False)
class Columns:
    """n trials as arrays [n].

    quantizers: digests; images, pixels: of the measurement, 0 where there is none; pixels also where not all
        images have as many: their sum is among the totals.
    totals: sums over the images by name, float64 [n, 1] or, per network, [n, K]; NaN where there is none.
    """

    numbers: npt.NDArray[np.int64]
    statuses: npt.NDArray[np.str_]
    origins: npt.NDArray[np.object_]
    quantizers: npt.NDArray[np.object_]
    images: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    totals: Mapping[str, Floats]

    def at(self, which: npt.NDArray[Any]) -> "Columns":
        """The rows at positions ``which``, or where it is true."""
        return Columns(
            numbers=self.numbers[which],
            statuses=self.statuses[which],
            origins=self.origins[which],
            quantizers=self.quantizers[which],
            images=self.images[which],
            pixels=self.pixels[which],
            totals={name: sums[which] for name, sums in self.totals.items()},
        )


class Trials(Sequence[Trial]):
    """Trials in the order of their numbers. Each is made when it is asked for; columns are there at once."""

    def __init__(
        self,
        columns: Columns,
        build: Callable[[int], Trial],
        rows: npt.NDArray[np.int64] | None = None,
        at_hand: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """``build`` makes the trial of a row; ``rows`` [n] are those of the ``columns``, by default 0, 1, ...

        at_hand: see :attr:`at_hand`.
        """
        self.columns = columns
        self._build = build
        self.at_hand = at_hand
        """A context in which the arrays of many trials are read at less cost than one by one."""
        self._rows = np.arange(len(columns.numbers)) if rows is None else rows

    @classmethod
    def of(cls, trials: Sequence[Trial], at_hand: Callable[[], AbstractContextManager[None]] = nullcontext) -> "Trials":
        """``trials`` that are there already; ``at_hand`` is where their arrays come from."""
        if isinstance(trials, Trials):
            return trials
        return cls(_columns(trials), list(trials).__getitem__, at_hand=at_hand)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> "Trials": ...
    def __getitem__(self, index: int | slice) -> "Trial | Trials":
        if isinstance(index, slice):
            return self.at(np.arange(len(self))[index])
        return self._build(int(self._rows[index]))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def at(self, which: npt.NDArray[Any]) -> "Trials":
        """The trials at positions ``which``, or where it is true."""
        return Trials(self.columns.at(which), self._build, self._rows[which], self.at_hand)

    def done(self) -> "Trials":
        """Those that have a measurement by the networks, where there are networks."""
        return self.at(np.flatnonzero(self.columns.statuses == "done"))

    def count(self, status: Status) -> int:
        """How many have that status."""
        return int((self.columns.statuses == status).sum())

    @property
    def saved(self) -> float:
        """The share (0..1) of the images' evaluations by networks that stopping trials after a part saved."""
        seen = self.columns.images[np.isin(self.columns.statuses, ("done", "stopped"))]
        return float(1 - seen.sum() / (seen.max() * len(seen))) if len(seen) else 0.0

    def number(self, number: int) -> Trial | None:
        """The trial of that number, or None."""
        found = np.flatnonzero(self.columns.numbers == number)
        return self[int(found[0])] if len(found) else None

    @property
    def ratio(self) -> Floats:
        """[n] compression ratios; see :attr:`qsearch.evaluation.measurement.Measurement.ratio`."""
        columns = self.columns
        of_one_size = columns.pixels.astype(np.float64) * columns.images
        pixels = np.where(columns.pixels > 0, of_one_size, _column(columns, "total_pixels")[:, 0])
        return np.asarray(3.0 * pixels / _column(columns, "total_bytes")[:, 0])

    def mean(self, total: str) -> Floats:
        """[n] means over images and networks of ``total`` (top1, loss, ...); NaN where it was not measured."""
        sums = _column(self.columns, total)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums.sum(axis=1) / (sums.shape[1] * self.columns.images.astype(np.float64)))


def _column(columns: Columns, total: str) -> Floats:
    found = columns.totals.get(total)
    return np.full((len(columns.numbers), 1), np.nan) if found is None or not found.shape[1] else found


def _columns(trials: Sequence[Trial]) -> Columns:
    measurements = [trial.measurement for trial in trials]
    widths: dict[str, int] = {}
    for each in measurements:
        for name, sums in () if each is None else each.totals().items():
            widths[name] = max(len(sums), widths.get(name, 0))
    totals = {name: np.full((len(trials), width), np.nan) for name, width in widths.items()}
    for row, each in enumerate(measurements):
        for name, sums in () if each is None else each.totals().items():
            totals[name][row, : len(sums)] = sums
    return Columns(
        numbers=np.array([trial.number for trial in trials], dtype=np.int64),
        statuses=np.array([trial.status for trial in trials], dtype=np.str_),
        origins=objects([trial.origin for trial in trials]),
        quantizers=objects([trial.quantizer.digest for trial in trials]),
        images=np.array([0 if each is None else each.images for each in measurements], dtype=np.int64),
        pixels=np.array([0 if each is None else each.pixels for each in measurements], dtype=np.int64),
        totals=totals,
    )


def objects(values: Sequence[str]) -> npt.NDArray[np.object_]:
    """``values`` [n] as a column of texts of any length."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
