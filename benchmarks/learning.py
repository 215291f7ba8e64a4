"""What learned tables gain and cost, on photographs that they were not learned from.

    python -m benchmarks.learning [--parts bits,cost,kodak,per-image] [--out FILE.json]

Needs the photographs of ../shared (or QSEARCH_SHARED). Tables are learned from the 300 of photos/search at 299x299.
bits: exact bits, without stuffed bytes, against the files of 300 others at 19 qualities. cost: CPU seconds for a ladder
of 14 rungs and for a dial, and microseconds for bits, errors and both gradients of an image. kodak: a dial's gain over
the standard tables on the 24 Kodak photographs, both at every other quality from 3 to 99, linear between. per-image:
tables of each Kodak photograph's own against those for all; they stand for an encoder that adapts its tables to the
image, as sjpeg does. Every part is one command's work: nothing is tried and chosen.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.codec import processor
from qsearch.analysis.rate_distortion import Family, RateDistortion, gain_db, measure_rate_distortion, saving_percent
from qsearch.codecs.base import Codec, EncoderOptions, Images
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset
from qsearch.datasets.pixels import prepared_image
from qsearch.evaluation.measures import psnr
from qsearch.learning.dial import Dial, make_dial
from qsearch.learning.ladder import Ladder
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import LearningSettings
from qsearch.run.building import usable_cores
from qsearch.tables import QuantTables
from qsearch.tables.published import published_tables

PARTS = ("bits", "cost", "kodak", "per-image")
QUALITIES = range(3, 100, 2)
PER_IMAGE_QUALITIES = (20, 50, 80)
BPP = (0.5, 1.0, 2.0, 3.0)
PSNR_DB = 36.0
HEADER_BYTES = 625


@dataclass(frozen=True)
class Row:
    """One figure: what it is of, what it says, and its unit."""

    part: str
    what: str
    value: float
    unit: str


class Shared:
    """The photographs, and what was learned from them so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ladders: dict[str, Ladder] = {}
        self._dials: dict[str, Dial] = {}

    def photographs(self, part: str) -> Dataset:
        """``search`` or ``validate``."""
        return load_dataset(f"folder:{self.folder / 'data' / 'photos' / part}")

    @property
    def kodak(self) -> list[Path]:
        """The 24 files."""
        return sorted((self.folder / "data" / "kodak").rglob("*.png"))

    def ladder(self, subsampling: str) -> Ladder:
        """Learned from the 300 of the search."""
        if subsampling not in self._ladders:
            settings = msgspec.structs.replace(LearningSettings(), subsampling=subsampling)
            self._ladders[subsampling] = learn_ladder(self.photographs("search"), settings)
        return self._ladders[subsampling]

    def dial(self, subsampling: str) -> Dial:
        """Through that ladder, with the bytes of the same images."""
        if subsampling not in self._dials:
            self._dials[subsampling] = make_dial(
                self.ladder(subsampling).tables,
                self.photographs("search"),
                _codec(subsampling),
                title=subsampling,
                workers=usable_cores(),
            )
        return self._dials[subsampling]


def bits_rows(shared: Shared) -> Iterator[Row]:
    """Of 300 x 19 files: correlation, mean absolute error and bias of the exact bits with a header added."""
    images = shared.photographs("validate").images
    coefficients = Coefficients.of(images, "4:2:0")
    counted, real = [], []
    for quality in range(5, 100, 5):
        tables = [QuantTables.standard(quality)] * len(images)
        counted.append(statistics(coefficients, tables).bits / 8 + HEADER_BYTES)
        real.append(coefficients.size_bytes(tables))
    ours, files = np.concatenate(counted), np.concatenate(real)
    off = ours / files - 1
    yield Row("bits", "correlation with the bytes of files (Pearson)", float(np.corrcoef(ours, files)[0, 1]), "")
    yield Row("bits", "mean absolute error", 100 * float(np.abs(off).mean()), "%")
    yield Row("bits", "bias", 100 * float(off.mean()), "%")


def cost_rows(shared: Shared) -> Iterator[Row]:
    """CPU seconds, all threads together; the images are in memory, nothing in a cache."""
    search = shared.photographs("search")
    coefficients = Coefficients.of(search.images, "4:2:0")
    tables = [QuantTables.standard(50)] * len(search)
    spent_s = [_spent_s(lambda: statistics(coefficients, tables)) for _ in range(5)]
    yield Row("cost", "bits, errors and both gradients, an image", 1e6 * float(np.median(spent_s)) / len(search), "us")
    yield Row("cost", "a ladder of 14 rungs, 300 photographs", _spent_s(lambda: shared.ladder("4:2:0")), "s")
    yield Row("cost", "a dial through it", _spent_s(lambda: shared.dial("4:2:0")), "s")


def kodak_rows(shared: Shared) -> Iterator[Row]:
    """Gains over the standard tables at equal bits per pixel, and bits saved at equal PSNR."""
    for subsampling in ("4:2:0", "4:4:4"):
        families: dict[str, Family] = {
            "standard": QuantTables.standard,
            "dial": shared.dial(subsampling).tables,
            "published:luo-2021": lambda quality: published_tables("luo-2021", quality),
        }
        standard, *others = measure_rate_distortion(
            shared.kodak, _codec(subsampling), families, qualities=QUALITIES, workers=usable_cores()
        )
        for each in others:
            yield from _gains("kodak", f"{each.name}, {subsampling}", each, standard)


def _gains(part: str, what: str, curve: RateDistortion, standard: RateDistortion) -> Iterator[Row]:
    for bpp in BPP:
        yield Row(part, f"{what}, at {bpp:g} bits per pixel", gain_db(curve, standard, bpp), "dB")
    saved = saving_percent(curve, standard, PSNR_DB)
    yield Row(part, f"{what}, bits saved at {PSNR_DB:g} dB", saved, "%")


def per_image_rows(shared: Shared) -> Iterator[Row]:
    """Mean over the photographs, each at the bits per pixel of its own tables, of what these gain over the dial."""
    settings = LearningSettings(qualities=PER_IMAGE_QUALITIES, per_image=True)
    codec, dial = _codec("4:2:0"), shared.dial("4:2:0")
    gains: dict[int, list[float]] = {quality: [] for quality in PER_IMAGE_QUALITIES}
    for path in shared.kodak:
        found = prepared_image(path, None, "crop")
        if isinstance(found, str):
            raise SystemExit(f"{path} is {found}.")
        images = found.pixels[None]
        own = learn_ladder(Dataset.from_arrays(images, [0], name=path.name), settings)
        for_all = np.array([_place(codec, images, dial.tables(quality)) for quality in QUALITIES])
        for rung, quality in zip(own.rungs, PER_IMAGE_QUALITIES, strict=True):
            size_bytes, psnr_db = _place(codec, images, rung.tables[0])
            gains[quality].append(psnr_db - float(np.interp(size_bytes, for_all[:, 0], for_all[:, 1])))
    for quality, of_images in gains.items():
        error = float(np.std(of_images, ddof=1)) / len(of_images) ** 0.5
        what = f"own tables against the dial, trade-off of quality {quality}"
        yield Row("per-image", f"{what}, mean over {len(of_images)} photographs", float(np.mean(of_images)), "dB")
        yield Row("per-image", f"{what}, standard error of that", error, "dB")


def _place(codec: Codec, images: Images, tables: QuantTables) -> tuple[float, float]:
    """The bytes of one image's file and its PSNR in dB."""
    encoded = codec.encode(images, [tables])
    return float(encoded.size_bytes[0]), float(psnr(images, encoded.images)[0])


def _codec(subsampling: str) -> CoefficientCodec:
    return CoefficientCodec(msgspec.structs.replace(EncoderOptions(), subsampling=subsampling))


def _spent_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


ROWS: dict[str, Callable[[Shared], Iterator[Row]]] = {
    "bits": bits_rows,
    "cost": cost_rows,
    "kodak": kodak_rows,
    "per-image": per_image_rows,
}


def main() -> None:
    """Reads the arguments, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="which, by commas")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: photographs are needed, at ../shared or QSEARCH_SHARED.")
    chosen = arguments.parts.split(",")
    if not set(chosen) <= set(PARTS):
        raise SystemExit(f"parts are {', '.join(PARTS)}, got {arguments.parts}.")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["QSEARCH_CACHE"] = cache
        shared = Shared(folder)
        for part in PARTS:
            for row in ROWS[part](shared) if part in chosen else ():
                print(f"{row.part:9}  {row.what:75}  {row.value:10.4f} {row.unit}", flush=True)
                rows.append(row)
    if arguments.out is not None:
        machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
        report = {"machine": machine, "processor": processor(), "rows": [asdict(row) for row in rows]}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
