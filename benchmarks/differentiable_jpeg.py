"""How near JPEG in torch comes to the real codec: its pixels, and its gradients against finite differences.

    python -m benchmarks.differentiable_jpeg [--images 60] [--out FILE.json]

From the photographs at ../shared (or QSEARCH_SHARED) where they are, else from images made up to be like them. PSNR is
between the pixels of torch and those of the codec, which are Pillow's: the mean over images and the worst. The gradient
is that of the mean squared error of RGB by the 128 entries of the luma and chroma tables; the finite differences are
over 15 % of an entry to either side, or one where that is less. length: that of the gradient over that of the
differences; the cosine by logarithms is that of both times the entries, which is what a search by factors sees.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.codec import photographs
from qsearch.coefficients.arrays import Coefficients
from qsearch.learning.differentiable import (
    ROUNDINGS,
    SECANT_REACH,
    Frame,
    Rounding,
    coefficient_tensor,
    compressed,
    transform,
)
from qsearch.tables import QuantTables

Floats = npt.NDArray[np.float64]
QUALITIES = (20, 50, 80)
BATCH = 16


@dataclass(frozen=True)
class Row:
    """One rounding at one setting."""

    subsampling: str
    quality: int
    rounding: Rounding
    psnr_db: float
    psnr_worst_db: float
    psnr_from_pixels_db: float
    cosine: float
    cosine_of_logarithms: float
    length: float


class Comparison:
    """The images at one subsampling, through the codec and through torch."""

    def __init__(self, images: npt.NDArray[np.uint8], subsampling: str) -> None:
        import torch

        self.images = images
        height, width = images.shape[1:3]
        self.frame = Frame(height, width, subsampling)
        self.real = Coefficients.of(images, subsampling)
        self.coefficients = coefficient_tensor(self.real)
        self.pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        self.from_pixels = transform(self.pixels, self.frame)

    def psnr_db(self, tables: QuantTables, rounding: Rounding, of_pixels: bool = False) -> Floats:
        """[N] between torch's pixels and the codec's; ``of_pixels``: with torch's transform in place of libjpeg's."""
        import torch

        expected = self.real.encode([tables] * len(self.images))[1]
        source = self.from_pixels if of_pixels else self.coefficients
        steps = torch.from_numpy(entries_of(tables)).float()[[0, 1, 1]]
        error = np.concatenate(
            [
                compressed(part, steps, self.frame, rounding).permute(0, 2, 3, 1).numpy() - wanted
                for part, wanted in zip(torch.split(source, BATCH), _batches(expected), strict=True)
            ]
        )
        return np.asarray(10 * np.log10(255**2 / (error.astype(np.float64) ** 2).mean(axis=(1, 2, 3))))

    def gradient(self, tables: QuantTables, rounding: Rounding) -> Floats:
        """[2, 64] of the mean squared error, by torch."""
        import torch

        entries = torch.from_numpy(entries_of(tables)).float().requires_grad_()
        total = torch.zeros(2, 64, dtype=torch.float64)
        for part, pixels in zip(torch.split(self.coefficients, BATCH), torch.split(self.pixels, BATCH), strict=True):
            error = compressed(part, entries[[0, 1, 1]], self.frame, rounding) - pixels
            (gradient,) = torch.autograd.grad(error.square().mean(dim=(1, 2, 3)).sum(), entries)
            total += gradient
        return np.asarray(total.numpy() / len(self.images))

    def differences(self, tables: QuantTables) -> Floats:
        """[2, 64] of the mean squared error, by the codec."""
        entries = entries_of(tables)
        slopes = np.empty(entries.shape)
        for where in np.ndindex(entries.shape):
            reach = max(1, round(SECANT_REACH * float(entries[where])))
            ends = np.clip([entries[where] - reach, entries[where] + reach], 1, 255)
            low, high = (self._error(entries, where, end) for end in ends)
            slopes[where] = (high - low) / (ends[1] - ends[0])
        return slopes

    def _error(self, entries: npt.NDArray[np.int64], where: tuple[int, ...], entry: np.int64) -> float:
        changed = entries.copy()
        changed[where] = entry
        luma, chroma = changed.reshape(2, 8, 8)
        decoded = self.real.encode([QuantTables(luma, chroma)] * len(self.images))[1]
        total = sum(
            float(np.square(part.astype(np.float32) - images).mean(axis=(1, 2, 3)).sum())
            for part, images in zip(_batches(decoded), _batches(self.images), strict=True)
        )
        return total / len(self.images)


def compare(images: npt.NDArray[np.uint8], subsampling: str, quality: int) -> Iterator[Row]:
    """A row for each rounding."""
    comparison, tables = Comparison(images, subsampling), QuantTables.standard(quality)
    entries, differences = entries_of(tables), comparison.differences(tables)
    for rounding in ROUNDINGS:
        psnr_db = comparison.psnr_db(tables, rounding)
        gradient = comparison.gradient(tables, rounding)
        yield Row(
            subsampling,
            quality,
            rounding,
            float(psnr_db.mean()),
            float(psnr_db.min()),
            float(comparison.psnr_db(tables, rounding, of_pixels=True).mean()),
            cosine(gradient, differences),
            cosine(gradient * entries, differences * entries),
            float(np.linalg.norm(gradient) / np.linalg.norm(differences)),
        )


def entries_of(tables: QuantTables) -> npt.NDArray[np.int64]:
    """int64 [2, 64]: luma and chroma."""
    return np.stack([tables.luma, tables.chroma]).reshape(2, 64).astype(np.int64)


def cosine(one: Floats, other: Floats) -> float:
    """Of the angle between two arrays."""
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))


def _batches(images: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    source, images = photographs(options.images)
    print(f"{len(images)} images of {images.shape[2]}x{images.shape[1]} pixels ({source})")
    print(" " * 30 + "PSNR in dB               cosine")
    print("           q rounding          mean worst from pixels   entries logarithms length")
    rows = []
    for subsampling in ("4:2:0", "4:4:4"):
        for quality in QUALITIES:
            for row in compare(images, subsampling, quality):
                rows.append(row)
                print(
                    f"{subsampling} {quality:6} {row.rounding:18}{row.psnr_db:5.1f} {row.psnr_worst_db:5.1f} "
                    f"{row.psnr_from_pixels_db:11.1f} {row.cosine:9.3f} {row.cosine_of_logarithms:10.3f} "
                    f"{row.length:6.2f}",
                    flush=True,
                )
    if options.out:
        options.out.write_text(json.dumps({"source": source, "images": len(images), "rows": list(map(asdict, rows))}))


if __name__ == "__main__":
    main()
