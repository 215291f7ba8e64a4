"""How well rate models tell the sizes of files: photographs they were not fitted to, at 19 standard qualities.

    python -m benchmarks.rate_models [--unseen validate] [--images 300] [--model luo ...] [--out FILE.json]

Needs the photographs at ../shared (or QSEARCH_SHARED), 299x299; models are fitted to photos/search, and asked of
photos/validate, or of the second half of photos/search after the first (--unseen search). Sizes are Pillow's at 4:2:0
and qualities 5, 10, ..., 95, in bits; headers are added to what a model tells. Over all images and tables: Pearson's
correlation, mean error and mean signed error in per cent of the size.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from qsearch.coefficients.arrays import Coefficients
from qsearch.learning.rates import HEADER_BITS, RATES, RateModel, RateName, rate_model, steps_of
from qsearch.tables import QuantTables

QUALITIES = range(5, 100, 5)


@dataclass(frozen=True)
class Row:
    """What one model tells. pearson: correlation; the errors in per cent; fit_s: CPU seconds."""

    model: RateName
    pearson: float
    mean_error: float
    bias: float
    fit_s: float


def photographs(part: str, count: int) -> npt.NDArray[np.uint8]:
    """uint8 [count, 299, 299, 3]."""
    shared = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    files = sorted((shared / "data" / "photos" / part).glob("*/*.png"))[:count]
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


def compare(model: RateModel, coefficients: Coefficients) -> tuple[float, float, float]:
    """Pearson's correlation, mean error and bias."""
    told, true = [], []
    for quality in QUALITIES:
        tables = QuantTables.standard(quality)
        told.append(model.rate(coefficients, steps_of(tables)).bits + HEADER_BITS)
        true.append(8.0 * coefficients.size_bytes([tables] * len(coefficients)))
    estimates, sizes = np.concatenate(told), np.concatenate(true)
    errors = 100 * (estimates / sizes - 1)
    return float(np.corrcoef(estimates, sizes)[0, 1]), float(np.abs(errors).mean()), float(errors.mean())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unseen", choices=["search", "validate"], default="validate")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--model", choices=RATES, nargs="+", default=list(RATES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    images = photographs("search", options.images)
    unseen = photographs("validate", options.images)
    if options.unseen == "search":
        images, unseen = images[: len(images) // 2], images[len(images) // 2 :]
    seen, others = Coefficients.of(images, "4:2:0"), Coefficients.of(unseen, "4:2:0")
    print(f"fitted to {len(images)} photographs, asked of {len(unseen)} others at {len(QUALITIES)} tables")
    print("model    Pearson  mean error      bias  CPU s to fit")
    rows = []
    for name in options.model:
        started = time.process_time()
        model = rate_model(name, seen, seed=options.seed)
        fit_s = time.process_time() - started
        rows.append(Row(name, *compare(model, others), fit_s))
        print("{model:8} {pearson:7.4f} {mean_error:9.2f} % {bias:+8.2f} % {fit_s:7.1f}".format(**asdict(rows[-1])))
    if options.out:
        options.out.write_text(json.dumps({"unseen": options.unseen, "rows": list(map(asdict, rows))}))


if __name__ == "__main__":
    main()
