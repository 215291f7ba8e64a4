"""Whether a table found for baseline files is as good for optimized and progressive ones, on photographs.

    python -m benchmarks.encoders [--tables 16] [--out FILE.json]

Needs the photographs and MobileNetV2 at ../shared (or QSEARCH_SHARED). The published tables and so many sorted random
ones are steered to the ratios 22 and 10 of baseline files, on photos/search at 224x224 and 4:2:0, and then encoded by
Pillow (libjpeg-turbo) as baseline files, with --optimize and with --progressive, there and on photos/validate. A table
gives the same pixels in all three, so only bytes differ. Of each encoder and ratio: bytes for those of the baseline
file, over the tables; what each table saves at equal loss, and at equal PSNR, against the standard tables in files of
the same encoder; Spearman's correlation of these savings with those of baseline files; and the table that saves most.
Beside them, what other images change: the same correlation between the two sets of photographs, in baseline files.

What was measured is kept in runs/encoders, so that an interrupted benchmark goes on where it was.

And images a second, of one process: Pillow and Debian's cjpeg as a command, where it is there.
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.command import CommandCodec
from qsearch.codecs.files import FileCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.disk import append_line
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.task import Task
from qsearch.run.building import build_evaluator, usable_cores
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings
from qsearch.search.steering import Steering
from qsearch.space import SearchSpace
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.strategies.standard import REFERENCE_QUALITIES
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_tables

RATIOS = (22.0, 10.0)
PARTS = ("search", "validate")
ENCODERS = {
    "baseline": EncoderOptions(),
    "optimize": EncoderOptions(optimize=True),
    "progressive": EncoderOptions(progressive=True),
}
EQUAL = ("loss", "psnr")
"""What is equal where bytes are compared."""
TIMED_IMAGES = 64
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One table on a set of images: bytes of all files by encoder, mean cross-entropy in nats, mean PSNR in dB."""

    size_bytes: Mapping[str, int]
    loss: float
    psnr_db: float

    def quality(self, equal: str) -> float:
        """What :data:`EQUAL` names, higher for better images."""
        return -self.loss if equal == "loss" else self.psnr_db


def savings(tables: Sequence[Row], standard: Sequence[Row], encoder: str, equal: str) -> Floats:
    """Bytes that each of ``tables`` saves against the standard curve, in per cent, both by ``encoder``.

    The curve is linear in the logarithm of bytes between the qualities; NaN outside it.
    """
    curve = sorted((row.size_bytes[encoder], row.quality(equal)) for row in standard)
    qualities = np.maximum.accumulate([quality for _, quality in curve])
    log_bytes = np.log([size for size, _ in curve])
    wanted = [row.quality(equal) for row in tables]
    at_equal = np.exp(np.interp(wanted, qualities, log_bytes, left=np.nan, right=np.nan))
    return 100 * (1 - np.array([row.size_bytes[encoder] for row in tables]) / at_equal)


def compared(rows: Mapping[str, Row], standard: Sequence[Row], encoder: str) -> dict[str, Any]:
    """How ``encoder`` changes what ``rows``, the tables of one ratio by name, take and save."""
    names, tables = list(rows), list(rows.values())
    factors = np.array([row.size_bytes[encoder] / row.size_bytes["baseline"] for row in tables])
    found: dict[str, Any] = {
        "bytes_for_baseline": {
            "mean": float(factors.mean()),
            "lowest": float(factors.min()),
            "highest": float(factors.max()),
            "standard_deviation": float(factors.std(ddof=1)),
        }
    }
    for equal in EQUAL:
        baseline, own = (savings(tables, standard, each, equal) for each in ("baseline", encoder))
        known = np.isfinite(baseline) & np.isfinite(own)
        picked, best = (int(np.nanargmax(np.where(known, each, np.nan))) for each in (baseline, own))
        found[f"at_equal_{equal}"] = {
            "tables": int(known.sum()),
            "spearman_with_baseline": float(spearmanr(baseline[known], own[known]).statistic),
            "largest_change_of_saving": float(np.abs(own - baseline)[known].max()),
            "pick_of_baseline": names[picked],
            "its_saving_in_baseline": float(baseline[picked]),
            "its_saving_here": float(own[picked]),
            "pick_here": names[best],
            "largest_saving_here": float(own[best]),
        }
    return found


class Kept:
    """Answers of functions that take long, a line each, so that an interrupted benchmark goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {line["of"]: line["answer"] for line in map(json.loads, lines)}

    def measured(self, evaluator: Evaluator, tables: QuantTables) -> Row:
        """``tables`` on all images of ``evaluator``."""
        of = f"row {evaluator.dataset.digest} {tables.digest}"
        return Row(**self._answer(of, lambda: asdict(measured(evaluator, tables))))

    def steered(self, evaluator: Evaluator, ratio: float, tables: QuantTables) -> QuantTables | None:
        """``tables`` scaled to ``ratio``; None where they cannot be."""
        of = f"steered {evaluator.dataset.digest} {ratio:g} {tables.digest}"
        found = self._answer(of, lambda: steered(evaluator, ratio, tables))
        return None if found is None else QuantTables.from_bytes(bytes.fromhex(found))

    def _answer(self, of: str, ask: Callable[[], Any]) -> Any:
        if of not in self._known:
            self._known[of] = ask()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append_line(self._path, json.dumps({"of": of, "answer": self._known[of]}))
        return self._known[of]


def measured(evaluator: Evaluator, tables: QuantTables) -> Row:
    """``tables`` on all images, by all encoders."""
    measurement = evaluator.evaluate(Task(tables))
    images = evaluator.dataset.images
    each = [tables] * len(images)
    sizes = {name: int(PillowCodec(options).size_bytes(images, each).sum()) for name, options in ENCODERS.items()}
    assert sizes["baseline"] == measurement.total_bytes
    return Row(sizes, float(measurement["loss"].mean()), float(measurement["psnr"].mean()))


def evaluator_of(shared: Path, part: str) -> Evaluator:
    """The photographs of ``part`` with MobileNetV2."""
    dataset = DatasetSettings(spec=f"folder:{shared / 'data' / 'photos' / part}", size=224, fit="stretch")
    network = ClassifierSettings(spec=str(shared / "models" / "mobilenet_v2.onnx"))
    settings = RunSettings(dataset=dataset, classifiers=(network,), measures=("psnr",))
    return build_evaluator(settings, usable_cores())


def steered(evaluator: Evaluator, ratio: float, tables: QuantTables) -> str | None:
    """``tables`` scaled to ``ratio``, as QuantTables.to_bytes in hexadecimal; None where they cannot be."""
    admitted = Steering(evaluator, ratio).admit(tables)
    return None if admitted.reason else admitted.tables.to_bytes().hex()


def shapes(random: int) -> dict[str, QuantTables]:
    """The published tables and ``random`` sorted random ones, by name."""
    strategy = SortedRandom(SearchSpace.full(), 0)
    published = {f"published:{name}": published_tables(name) for name in published_names()}
    return published | {f"sorted-random {number}": strategy.ask(number) for number in range(random)}


def images_per_second(images: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Encoded and decoded by one process, the best of three times."""
    codecs: dict[str, FileCodec] = {"pillow": PillowCodec()}
    if shutil.which("cjpeg"):
        codecs["command:cjpeg"] = CommandCodec()
    found = {}
    for name, codec in codecs.items():
        times = []
        for _ in range(3):
            started = time.perf_counter()
            codec.encode(images, [QuantTables.standard(50)] * len(images))
            times.append(time.perf_counter() - started)
        found[name] = len(images) / min(times)
    return found


def main() -> None:
    """Prints the comparison, and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=16, help="Sorted random ones, beside the published.")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    shared = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    kept = Kept(Path("runs/encoders/answers.jsonl"))
    evaluators = {part: evaluator_of(shared, part) for part in PARTS}
    tables: dict[float, dict[str, QuantTables]] = {}
    for ratio in RATIOS:
        found = {name: kept.steered(evaluators["search"], ratio, one) for name, one in shapes(options.tables).items()}
        tables[ratio] = {name: one for name, one in found.items() if one is not None}
    results: list[dict[str, Any]] = []
    baseline_savings: dict[tuple[float, str, str], Floats] = {}
    for part, evaluator in evaluators.items():
        standard = [kept.measured(evaluator, QuantTables.standard(quality)) for quality in REFERENCE_QUALITIES]
        for ratio, chosen in tables.items():
            rows = {name: kept.measured(evaluator, one) for name, one in chosen.items()}
            for equal in EQUAL:
                baseline_savings[ratio, part, equal] = savings(list(rows.values()), standard, "baseline", equal)
            for encoder in ("optimize", "progressive"):
                what = {"images": f"photos/{part}", "ratio": ratio, "encoder": encoder}
                results.append(what | compared(rows, standard, encoder))
                print(json.dumps(results[-1], indent=1), flush=True)
    other_images = [
        {
            "ratio": ratio,
            "equal": equal,
            "spearman": float(spearmanr(*(baseline_savings[ratio, part, equal] for part in PARTS)).statistic),
        }
        for ratio in RATIOS
        for equal in EQUAL
    ]
    first = evaluators["search"].dataset.images
    said = {
        "command": f"python -m benchmarks.encoders --tables {options.tables}",
        "photographs": {part: len(each.dataset) for part, each in evaluators.items()},
        "tables": {f"{ratio:g}": len(chosen) for ratio, chosen in tables.items()},
        "pillow": PillowCodec().settings(),
        "results": results,
        "other_images_in_baseline_files": other_images,
        "images_per_second": images_per_second(first[:TIMED_IMAGES]),
    }
    options.out.write_text(json.dumps(said, indent=1) + "\n")
    print(json.dumps({name: said[name] for name in list(said)[-2:]}, indent=1))


if __name__ == "__main__":
    main()
