"""How exact the bits are that tables are learned with, and what learning costs, on photographs.

    python -m benchmarks.learning [--parts bits,cost] [--out FILE.json]

Needs the photographs of ../shared (or QSEARCH_SHARED). Tables are learned from the 300 of photos/search at 299x299.
bits: exact bits, without stuffed bytes, against the files of 300 others at 19 qualities. cost: CPU seconds for a ladder
of 14 rungs and for a dial, and microseconds for bits, errors and both gradients of an image. What learned tables gain
is measured by benchmarks.luo2021.
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
from typing import TypeVar

import numpy as np

from benchmarks.codec import processor
from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset
from qsearch.learning.dial import make_dial
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import LearningSettings
from qsearch.run.building import usable_cores
from qsearch.tables import QuantTables

Made = TypeVar("Made")
PARTS = ("bits", "cost")
HEADER_BYTES = 625


@dataclass(frozen=True)
class Row:
    """One figure: what it is of, what it says, and its unit."""

    part: str
    what: str
    value: float
    unit: str


def photographs(folder: Path, part: str) -> Dataset:
    """``search`` or ``validate``, as they are: 299x299."""
    return load_dataset(f"folder:{folder / 'data' / 'photos' / part}")


def bits_rows(folder: Path) -> Iterator[Row]:
    """Of 300 x 19 files: correlation, mean absolute error and bias of the exact bits with a header added."""
    images = photographs(folder, "validate").images
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


def cost_rows(folder: Path) -> Iterator[Row]:
    """CPU seconds, all threads together; the images are in memory, nothing in a cache."""
    search = photographs(folder, "search")
    coefficients = Coefficients.of(search.images, "4:2:0")
    tables = [QuantTables.standard(50)] * len(search)
    spent_s = [_spent_s(lambda: statistics(coefficients, tables))[0] for _ in range(5)]
    yield Row("cost", "bits, errors and both gradients, an image", 1e6 * float(np.median(spent_s)) / len(search), "us")
    seconds, ladder = _spent_s(lambda: learn_ladder(search, LearningSettings()))
    yield Row("cost", "a ladder of 14 rungs, 300 photographs", seconds, "s")
    codec = CoefficientCodec(EncoderOptions())
    seconds, _ = _spent_s(
        lambda: make_dial(ladder.tables, search, codec, title="of that ladder", workers=usable_cores())
    )
    yield Row("cost", "a dial through it", seconds, "s")


def _spent_s(work: Callable[[], Made]) -> tuple[float, Made]:
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


ROWS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "bits": bits_rows,
    "cost": cost_rows,
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
        for part in PARTS:
            for row in ROWS[part](folder) if part in chosen else ():
                print(f"{row.part:9}  {row.what:75}  {row.value:10.4f} {row.unit}", flush=True)
                rows.append(row)
    if arguments.out is not None:
        machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
        report = {"machine": machine, "processor": processor(), "rows": [asdict(row) for row in rows]}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
