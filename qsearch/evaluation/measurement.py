"""Measurement: what one evaluation saw, image by image; Trial: one proposal of a strategy and what became of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qsearch.errors import InputError
from qsearch.evaluation.measures import MEASURES, Array, Floats
from qsearch.quantizer import Quantizer, constant_tables
from qsearch.tables import QuantTables

Arrays = Mapping[str, Array]


def bpp_of(ratio: float) -> float:
    """JPEG bits per pixel at a compression ratio: raw RGB has 24."""
    return 24 / ratio


class Measurement:
    """One evaluation of N images under K networks: for each measure an array, [N] or, per network, [K, N].

    Ratios, accuracies and means are derived, so comparisons stay paired. Sums over the images are at hand without the
    arrays, which an archive reads only where they are asked for.

    pixels: of one image (height * width), or 0 where not all have as many: those of each are the measure ``pixels``.
    """

    __slots__ = ("_arrays", "_load", "_totals", "images", "measures", "networks", "pixels")

    def __init__(self, pixels: int, arrays: Arrays) -> None:
        """``arrays`` by the names of the measures; ``bytes`` is always there. InputError where shapes do not fit."""
        if "bytes" not in arrays:
            raise InputError("a measurement has at least the files' sizes: the measure bytes.")
        size_bytes = np.asarray(arrays["bytes"])
        if size_bytes.ndim != 1 or not len(size_bytes):
            raise InputError(f"a measurement of N images has sizes [N], N >= 1, got {list(size_bytes.shape)}.")
        images, networks = len(size_bytes), None
        fewest = 0 if "pixels" in arrays else 1
        if not isinstance(pixels, int | np.integer) or pixels < fewest or size_bytes.min() < 1:
            raise InputError(
                f"images have at least one pixel and files at least one byte, got {pixels!r} pixels and "
                f"{size_bytes.min()} bytes."
            )
        kept: dict[str, Array] = {}
        for name, values in arrays.items():
            measure = MEASURES.get(name)
            array = np.array(values, dtype=measure.dtype)
            if measure.per_network and networks is None and array.ndim == 2:
                networks = len(array)
            expected = (networks, images) if measure.per_network else (images,)
            if array.shape != expected:
                raise InputError(
                    f"a measurement of {images} images has {name} {'[K, N]' if measure.per_network else '[N]'}, "
                    f"got {list(array.shape)}."
                )
            array.flags.writeable = False
            kept[name] = array
        self._set(int(pixels), images, networks or 0, tuple(kept), sums_of(kept), kept, None)

    @classmethod
    def of(
        cls,
        size_bytes: npt.ArrayLike,
        ranks: npt.ArrayLike | None,
        pixels: int,
        psnr_db: npt.ArrayLike | None = None,
        **others: npt.ArrayLike,
    ) -> "Measurement":
        """A measurement from its commonest arrays: sizes [N], ranks [K, N], PSNR in dB [N], others by name."""
        named = {"bytes": size_bytes, "rank": ranks, "psnr": psnr_db, **others}
        return cls(pixels, {name: np.asarray(values) for name, values in named.items() if values is not None})

    @classmethod
    def summed_up(
        cls,
        pixels: int,
        images: int,
        networks: int,
        measures: tuple[str, ...],
        totals: Mapping[str, Floats],
        load: Callable[[str], Array],
    ) -> "Measurement":
        """A measurement whose sums are known and whose arrays ``load`` reads by the measure's name when asked for."""
        found = cls.__new__(cls)
        found._set(pixels, images, networks, measures, totals, {}, load)
        return found

    def _set(
        self,
        pixels: int,
        images: int,
        networks: int,
        measures: tuple[str, ...],
        totals: Mapping[str, Floats],
        arrays: dict[str, Array],
        load: Callable[[str], Array] | None,
    ) -> None:
        self.pixels = pixels
        self.images = images
        self.networks = networks
        self.measures = measures
        self._totals = totals
        self._arrays = arrays
        self._load = load

    def __getitem__(self, measure: str) -> Array:
        """The values of ``measure``, [N] or [K, N], read-only. InputError where it was not measured."""
        if measure not in self.measures:
            raise InputError(f"{measure} was not measured: add it with 'qsearch measure RUN --add {measure}'.")
        array = self._arrays.get(measure)
        if array is None:
            assert self._load is not None  # arrays that are not here can be loaded
            array = self._load(measure)
            array.flags.writeable = False
            self._arrays[measure] = array
        return array

    def __contains__(self, measure: object) -> bool:
        return measure in self.measures

    def totals(self) -> Mapping[str, Floats]:
        """The sums over the images by name, float64 [1] or, per network, [K]."""
        return self._totals

    def mean(self, total: str) -> float:
        """The mean over images and networks of ``total`` (top1, loss, ...); NaN where it was not measured."""
        sums = self._totals.get(total)
        return float("nan") if sums is None or not len(sums) else float(sums.sum() / (len(sums) * self.images))

    def shown(self) -> dict[str, Floats]:
        """What users are shown of each measure, by the names of its totals: means or sums, [1] or, per network, [K]."""
        totals = (total for name in self.measures for total in MEASURES.get(name).totals)
        return {total.name: self._totals[total.name] / (self.images if total.mean else 1) for total in totals}

    @property
    def size_bytes(self) -> npt.NDArray[np.int64]:
        """int64 [N], the sizes of the files."""
        sizes = self["bytes"].astype(np.int64)
        sizes.flags.writeable = False
        return sizes

    @property
    def ranks(self) -> npt.NDArray[np.int32]:
        """int32 [K, N], how many classes each network put before the true one; 0 is a top-1 hit. [0, N] without one."""
        return self["rank"] if "rank" in self else np.empty((0, self.images), dtype=np.int32)

    @property
    def psnr_db(self) -> npt.NDArray[np.float32] | None:
        """float32 [N], RGB peak signal-to-noise ratio in dB (inf where nothing was lost), or None."""
        return self["psnr"] if "psnr" in self.measures else None

    @property
    def total_bytes(self) -> int:
        """The bytes of all files."""
        return int(self._totals["total_bytes"][0])

    @property
    def total_pixels(self) -> int:
        """The pixels of all images that were compressed."""
        return self.pixels * self.images or int(self._totals["total_pixels"][0])

    @property
    def ratio(self) -> float:
        """Compression ratio: raw RGB bytes / JPEG bytes, totals over the set; Li 2020 calls it compression rate."""
        return 3 * self.total_pixels / self.total_bytes

    @property
    def bpp(self) -> float:
        """JPEG bits per pixel over the set."""
        return 8 * self.total_bytes / self.total_pixels

    @property
    def kb_per_image(self) -> float:
        """The mean size of a file in KB of 1000 bytes."""
        return self.total_bytes / (1000 * self.images)

    @property
    def hits(self) -> npt.NDArray[np.float64]:
        """[N], per image the share of networks whose first answer is right (0 or 1 for one network)."""
        return np.asarray((self.ranks == 0).mean(axis=0), dtype=np.float64)

    @property
    def top1(self) -> float:
        """Top-1 accuracy in 0..1, the mean over the networks; NaN where none was asked."""
        return self.mean("top1")

    @property
    def top5(self) -> float:
        """Top-5 accuracy in 0..1, the mean over the networks; NaN where none was asked."""
        return self.mean("top5")

    @property
    def mean_psnr_db(self) -> float | None:
        """Mean of the images' PSNR in dB, or None where it was not measured."""
        return self.mean("psnr_db") if "psnr" in self else None

    def of_network(self, index: int) -> "Measurement":
        """The same evaluation as one of its networks saw it."""
        per_network = {name for name in self.measures if MEASURES.get(name).per_network}
        rows = {total.name for name in per_network for total in MEASURES.get(name).totals}
        totals = {name: sums[index : index + 1] if name in rows else sums for name, sums in self._totals.items()}

        def load(measure: str) -> Array:
            return self[measure][index : index + 1] if measure in per_network else self[measure]

        return Measurement.summed_up(self.pixels, self.images, 1, self.measures, totals, load)

    def at(self, rows: npt.NDArray[Any]) -> "Measurement":
        """The images at ``rows`` of the arrays alone."""
        return Measurement(self.pixels, {name: self[name][..., rows] for name in self.measures})

    def only(self, measures: Sequence[str]) -> "Measurement":
        """The same images with ``measures`` alone, in their order. InputError where one was not measured."""
        return Measurement(self.pixels, {name: self[name] for name in measures})

    def with_measure(self, measure: str, values: Array) -> "Measurement":
        """This measurement and one more measure of the same images."""
        return Measurement(self.pixels, {**{name: self[name] for name in self.measures}, measure: values})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Measurement):
            return NotImplemented
        return (
            (self.pixels, self.images, self.networks) == (other.pixels, other.images, other.networks)
            and set(self.measures) == set(other.measures)
            and all(np.array_equal(self[name], other[name]) for name in self.measures)
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (Measurement, (self.pixels, {name: self[name] for name in self.measures}))

    def __repr__(self) -> str:
        return f"Measurement({self.images} images, ratio {self.ratio:.2f}, {', '.join(self.measures)})"


def joined(pieces: Sequence[tuple[npt.NDArray[np.int64], Measurement]]) -> Measurement:
    """One measurement of the images of all ``pieces``, each with its images' positions [n], in the positions' order.

    It equals the measurement of all of them at once. InputError where an image is in two pieces, or where the pieces
    differ in what was measured.
    """
    first = pieces[0][1]
    positions = np.concatenate([where for where, _ in pieces])
    order = np.argsort(positions, kind="stable")
    if (np.diff(positions[order]) == 0).any():
        raise InputError("pieces of a measurement have no image in common.")
    for where, each in pieces:
        if each.measures != first.measures or each.pixels != first.pixels or each.networks != first.networks:
            raise InputError(f"pieces of a measurement measure the same, got {first} and {each}.")
        if len(where) != each.images:
            raise InputError(f"a piece of {each.images} images has as many positions, got {len(where)}.")
    return Measurement(
        first.pixels,
        {name: np.concatenate([each[name] for _, each in pieces], axis=-1)[..., order] for name in first.measures},
    )


def sums_of(arrays: Arrays) -> dict[str, Floats]:
    """The totals of all measures of ``arrays``, by name: float64 [1] or, per network, [K]."""
    return dict(_sums(arrays))


def _sums(arrays: Arrays) -> Iterator[tuple[str, Floats]]:
    for name, values in arrays.items():
        for total in MEASURES.get(name).totals:
            yield total.name, np.atleast_1d(np.asarray(total.of(values), dtype=np.float64).sum(axis=-1))


Series = Literal["reference", "search"]
"""``reference`` trials are the standard tables, numbered by quality, and the uncompressed images as number 0;
``search`` trials are a strategy's, from 0."""
Status = Literal["done", "failed", "screened", "stopped"]
UNCOMPRESSED_NUMBER = 0


@dataclass(frozen=True)
class Part:
    """The part of the images after which a race stopped a trial: the first ``images`` of the nested order whose digest
    is ``order``; see :mod:`qsearch.evaluation.parts`."""

    images: int
    order: str


@dataclass(frozen=True)
class Trial:
    """One proposal and what became of it.

    status: ``done`` trials have a measurement; ``failed`` ones a reason; ``screened`` ones the files' sizes and the
        reason why no network was asked; ``stopped`` ones a measurement of a part of the images and the reason why
        they saw no more. Neither takes part in a frontier, a curve, a pick or a model.
    strategy names who proposed the quantizer; origin says which part of it did (a bandit's arm, say), or is empty.
    proposed: the strategy's own tables where others were measured in their place, else None.
    part: where a race stopped it; a done trial with a part was completed later.
    Times are in seconds: decision_s is what the strategy took to propose, evaluation_s what the measurement took
    (0 where the same quantizer had been measured before).
    """

    series: Series
    number: int
    strategy: str
    quantizer: Quantizer
    status: Status
    measurement: Measurement | None = None
    reason: str = ""
    origin: str = ""
    decision_s: float = field(default=0.0, compare=False)
    evaluation_s: float = field(default=0.0, compare=False)
    proposed: QuantTables | None = None
    part: Part | None = None

    def __post_init__(self) -> None:
        if (self.status == "failed") != (self.measurement is None) and self.status != "screened":
            raise InputError(
                f"trial {self.number} is {self.status}: a done trial has a measurement, a failed one none."
            )
        stopped_after = None if self.part is None else self.part.images
        if self.status == "stopped" and (self.measurement is None or self.measurement.images != stopped_after):
            raise InputError(f"trial {self.number} is stopped: it has the measurement of a part of the images.")
        if self.part is not None and self.status not in ("stopped", "done"):
            raise InputError(f"trial {self.number} is {self.status}: only races stop trials after a part.")

    @property
    def tables(self) -> QuantTables:
        """The tables of a constant quantizer; InputError where each image has tables of its own."""
        return constant_tables(self.quantizer)

    @property
    def label(self) -> str:
        """How users name it: ``17`` for a search trial, ``standard:50`` for a reference trial, a listed one's own."""
        if self.series == "reference":
            return f"standard:{self.number}" if self.number != UNCOMPRESSED_NUMBER else "uncompressed"
        return self.origin if self.strategy == "listed" and self.origin else str(self.number)
