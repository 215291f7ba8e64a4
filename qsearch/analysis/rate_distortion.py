"""Rate and distortion: PSNR of tables over a range of qualities, on images of any sizes and without labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsearch.codecs.base import Codec
from qsearch.datasets.pixels import prepared_image
from qsearch.errors import InputError
from qsearch.evaluation.measures import psnr
from qsearch.tables import QuantTables

QUALITIES = tuple(range(5, 100, 5))
Family = Callable[[int], QuantTables] | Mapping[int, QuantTables]
"""Tables by quality: for all that are asked for, or those of a mapping alone."""


@dataclass(frozen=True)
class RateDistortionPoint:
    """One table on a set of images: the images' mean bits per pixel, and their mean PSNR in dB over RGB."""

    quality: int
    bpp: float
    psnr_db: float


@dataclass(frozen=True)
class RateDistortion:
    """A table scaled over qualities: its points by rising quality, linear between them."""

    name: str
    points: tuple[RateDistortionPoint, ...]

    def psnr_db_at(self, bpp: float) -> float:
        """PSNR in dB at so many bits per pixel; NaN outside the measured points."""
        return _interpolate(bpp, [p.bpp for p in self.points], [p.psnr_db for p in self.points])

    def bpp_at(self, psnr_db: float) -> float:
        """Bits per pixel at a PSNR in dB; NaN outside the measured points."""
        return _interpolate(psnr_db, [p.psnr_db for p in self.points], [p.bpp for p in self.points])


def _interpolate(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    order = np.argsort(xs)
    return float(np.interp(x, np.asarray(xs)[order], np.asarray(ys)[order], left=np.nan, right=np.nan))


def gain_db(curve: RateDistortion, standard: RateDistortion, bpp: float) -> float:
    """PSNR of ``curve`` above that of ``standard`` at equal bits per pixel, in dB; NaN where one was not measured."""
    return curve.psnr_db_at(bpp) - standard.psnr_db_at(bpp)


def saving_percent(curve: RateDistortion, standard: RateDistortion, psnr_db: float) -> float:
    """Bits that ``curve`` saves against ``standard`` at equal PSNR, in per cent; NaN where one was not measured."""
    return 100 * (1 - curve.bpp_at(psnr_db) / standard.bpp_at(psnr_db))


def measure_rate_distortion(
    images: Sequence[Path],
    codec: Codec,
    families: Mapping[str, Family],
    *,
    qualities: Sequence[int] = QUALITIES,
    workers: int = 1,
    on_image: Callable[[], None] = lambda: None,
) -> list[RateDistortion]:
    """The curves of ``families`` (name to tables at a quality) on the image files ``images``, each of its own size.

    qualities: of those families that have tables for any. ``on_image`` hears of each image done. InputError where one
    cannot be read.
    """
    from joblib import Parallel, delayed

    tables = {
        name: sorted(family.items())
        if isinstance(family, Mapping)
        else [(each, family(each)) for each in sorted(qualities)]
        for name, family in families.items()
    }
    every = [one for of_family in tables.values() for _, one in of_family]
    # joblib's processes stay for the next call, in the folder that was the current one when they began.
    answers = Parallel(n_jobs=workers, return_as="generator")(
        delayed(_measure)(path.absolute(), codec, every) for path in images
    )
    measured = []
    for answer in answers:
        if isinstance(answer, str):
            raise InputError(f"{answer}: leave the file out.")
        measured.append(answer)
        on_image()
    places = iter(np.mean(np.array(measured), axis=0).tolist())
    return [
        RateDistortion(name, tuple(RateDistortionPoint(quality, *next(places)) for quality, _ in of_family))
        for name, of_family in tables.items()
    ]


def _measure(path: Path, codec: Codec, tables: list[QuantTables]) -> list[tuple[float, float]] | str:
    """Bits per pixel and PSNR in dB of one image at each of ``tables``, or why it cannot be read."""
    found = prepared_image(path, None, "crop")
    if isinstance(found, str):
        return f"{path.name} is {found}" if " " not in found else f"{path.name}: {found}"
    pixels = found.pixels
    answers = []
    for one in tables:
        encoded = codec.encode(pixels[None], [one])
        bpp = 8 * int(encoded.size_bytes[0]) / (pixels.shape[0] * pixels.shape[1])
        answers.append((bpp, float(psnr(pixels[None], encoded.images)[0])))
    return answers
