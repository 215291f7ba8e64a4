"""What tables of each image's own gain, on photographs that nothing was trained on.

    python -m benchmarks.models --work FOLDER [--parts bits,descent,networks,between,accuracy] [--out FILE.json]

Needs the photographs and MobileNetV2 of ../shared (or QSEARCH_SHARED). Ladders and networks are learned from the 300 of
photos/search and kept in FOLDER, where what is there already is taken; all is measured on the 300 of photos/validate,
at equal bytes image by image and at equal mean bytes, with 95 % intervals (bootstrap over images).
bits: exact bits and the predictor of Choi 2020 against Huffman lengths and files, at standard qualities drawn at
random. descent: exact descent on each image over the ladder for distortion, 299x299. networks: two networks of
tables for distortion there, one with and one without hints. between: the geometric mean of the tables of a network's
two strengths. accuracy: at 224x224, MobileNetV2: networks trained for its loss and label-free, the choice of a rung by
two scores, descent with the ladder's Fisher weights, and per-image quality.
Settings were fixed on photos/search (a fifth of it held out); docs/models.md says how many were tried.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.codec import processor
from qsearch.analysis.bootstrap import Estimate, percentile_estimate, resample_weights
from qsearch.analysis.equal_bytes import EqualBytes, gains_at_equal_bytes
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.datasets.base import Dataset
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measures import ALWAYS
from qsearch.evaluation.task import Task
from qsearch.executors.base import Outcome
from qsearch.executors.serial import SerialExecutor
from qsearch.learning.ladder import Ladder
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import LearningSettings
from qsearch.models import load_model
from qsearch.models.code_length import errors, read_code_length, train_code_length
from qsearch.models.evaluation import BESIDE, LADDER, MODEL, QUALITY, Evaluation, evaluate_model
from qsearch.models.network import NetworkModel
from qsearch.models.settings import Architecture, NetworkSettings, Training
from qsearch.models.training import train_networks
from qsearch.quantizer import TableModel
from qsearch.run.building import build_classifier, build_dataset, usable_cores
from qsearch.run.settings import ClassifierSettings, DatasetSettings
from qsearch.tables import QuantTables

PARTS = ("bits", "descent", "networks", "between", "accuracy")
HEADER_BYTES = 625
QUALITIES_AN_IMAGE = 5
PREDICTOR_STEPS = 3000
DISTORTION_STRENGTHS = (24.0, 50.0, 80.0)
"""About 0.7, 1.1 and 1.6 bits per pixel."""
TRAINED = (24.0, 50.0)
BETWEEN = 36.0
DISTORTION = Training(epochs=40, batch=16, crop=192)
ACCURACY_STRENGTHS = (20.0, 40.0, 60.0)
ACCURACY_TRAINED = 40.0
ACCURACY = Training(epochs=8, batch=16)
LABEL_FREE = Training(epochs=6, batch=16, learning_rate=3e-4)


@dataclass(frozen=True)
class Row:
    """One figure: what it is of, what it says, its interval where it has one, and its unit."""

    part: str
    what: str
    value: float | None
    low: float | None
    high: float | None
    unit: str

    @property
    def line(self) -> str:
        """As it is printed."""
        known = [f"{end:.4f}" for end in (self.low, self.high) if end is not None]
        value = "not known" if self.value is None else f"{self.value:10.4f}"
        return f"{self.part:9}  {self.what:86}  {value} {self.unit:4}  {' to '.join(known)}"


class Shared:
    """The photographs, and what was learned from them so far."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder = folder
        self.work = work
        self._evaluations: dict[tuple[str, tuple[float, ...]], Evaluation] = {}
        self._executors: dict[str, Remembering] = {}

    @property
    def network(self) -> ClassifierSettings:
        """MobileNetV2."""
        return ClassifierSettings(spec=str(self.folder / "models" / "mobilenet_v2.pt2"))

    def settings_of(self, part: str, task: str) -> DatasetSettings:
        """``search`` or ``validate``; for accuracy as the network takes them."""
        spec = f"folder:{self.folder / 'data' / 'photos' / part}"
        return DatasetSettings(spec=spec, size=224, fit="stretch") if task == "accuracy" else DatasetSettings(spec=spec)

    def photographs(self, part: str, task: str) -> Dataset:
        """Those images."""
        return build_dataset(self.settings_of(part, task))

    def ladder(self, task: str) -> Ladder:
        """For distortion or accuracy, with the settings that 'qsearch learn' has."""
        network = self.network if task == "accuracy" else None
        settings = LearningSettings(
            objective="accuracy" if task == "accuracy" else "distortion",
            sensitivity="fisher",
            dataset=self.settings_of("search", task),
            classifier=network,
        )
        classifier = None if network is None else build_classifier(network, usable_cores())
        return learn_ladder(
            self.photographs("search", task), settings, classifier=classifier, out=self.work / f"{task}.ladder.json"
        )

    def trained(
        self, name: str, task: Any, strengths: tuple[float, ...], how: Training, hint: bool, label_free: bool = False
    ) -> NetworkModel:
        """A network, trained unless it is there; how long that took is printed."""
        ladder, network = self.ladder(task), self.network if task == "accuracy" else None
        settings = NetworkSettings(
            task=task,
            strengths=strengths,
            ladder=ladder.digest,
            label_free=label_free,
            price="own" if task == "distortion" else "shared",
            architecture=Architecture(hint=hint),
            training=how,
            dataset=self.settings_of("search", task),
            classifier=network,
        )
        classifier = None if network is None else build_classifier(network, usable_cores())
        out, start, spent = self.work / f"{name}.safetensors", time.monotonic(), time.process_time()
        train_networks(self.photographs("search", task), settings, ladder, out=out, classifier=classifier)
        print(
            f"{name}: trained in {time.monotonic() - start:.0f} s, {time.process_time() - spent:.0f} s CPU", flush=True
        )
        return NetworkModel.load(str(out))

    def evaluation(self, model: TableModel, task: str, strengths: Sequence[float], beside: Sequence[str]) -> Evaluation:
        """On photos/validate; what was measured before of the same model is told again, with the curves that it had."""
        key = model.digest, tuple(strengths)
        if key not in self._evaluations:
            self._evaluations[key] = evaluate_model(
                model, self.ladder(task), strengths, self._executor(task), beside=beside
            )
        return self._evaluations[key]

    def _executor(self, task: str) -> "Remembering":
        if task not in self._executors:
            classifiers = [build_classifier(self.network)] if task == "accuracy" else []
            measures = (*ALWAYS, "psnr") if classifiers else ("bytes", "psnr")
            evaluator = Evaluator(
                self.photographs("validate", task), CoefficientCodec(), classifiers, measures=measures
            )
            self._executors[task] = Remembering(evaluator, 1)
        return self._executors[task]


class Remembering(SerialExecutor):
    """In this process, and each task once: the curves that models are to beat are the same for all."""

    def __init__(self, evaluator: Evaluator, workers: int) -> None:
        super().__init__(evaluator, workers)
        self._known: dict[Task, Outcome] = {}
        self._again: list[Outcome] = []

    def submit(self, task: Task) -> None:
        """See :class:`~qsearch.executors.base.Executor`."""
        if task in self._known:
            self._again.append(self._known[task])
        else:
            super().submit(task)

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """See :class:`~qsearch.executors.base.Executor`."""
        again, self._again = self._again, []
        if again:
            return again
        found = super().collect(patience_s)
        self._known |= {one.task: one for one in found}
        return found


def bits_rows(shared: Shared) -> Iterator[Row]:
    """SMAPE, in per cent: of exact bits against files less their headers, of the predictor against Huffman lengths."""
    photographs = shared.photographs("validate", "distortion")
    coefficients = Coefficients.of(np.ascontiguousarray(photographs.images), "4:2:0")
    draw = np.random.default_rng(0)
    off = []
    for _ in range(QUALITIES_AN_IMAGE):
        tables = [QuantTables.standard(int(quality)) for quality in draw.integers(1, 101, len(coefficients))]
        counted = statistics(coefficients, tables).bits.astype(float)
        files = 8.0 * (coefficients.size_bytes(tables) - HEADER_BYTES)
        off.append(200 * np.abs(counted - files) / (counted + files))
    yield _row("bits", "exact bits against files less headers, SMAPE", _mean(np.mean(off, axis=0)), "%")
    path = shared.work / "code-length.safetensors"
    if not path.exists():
        train_code_length(shared.photographs("search", "distortion"), path, steps=PREDICTOR_STEPS, seed=0)
    found = list(errors(read_code_length(path), coefficients[np.arange(0, len(coefficients), 6)], seed=0))
    yield _row("bits", f"predictor against Huffman lengths, SMAPE, {len(found)} files", _mean(np.array(found)), "%")


def descent_rows(shared: Shared) -> Iterator[Row]:
    """Of exact descent on each image, and what a table costs."""
    model = load_model(f"per-image-descent:{_path(shared, 'distortion')}")
    yield from _psnr_rows(shared, "descent", "per-image descent", model, DISTORTION_STRENGTHS, BESIDE)
    images = shared.photographs("validate", "distortion").images[:50]
    start = time.process_time()
    for image in images:
        model.tables(image, DISTORTION_STRENGTHS[0])
    spent_ms = 1000 * (time.process_time() - start) / len(images)
    yield Row("descent", "CPU time of a table at strength 24", spent_ms, None, None, "ms")


def networks_rows(shared: Shared) -> Iterator[Row]:
    """Of two networks for distortion, image by image and on average, and what share of descent's gain they have."""
    bound = load_model(f"per-image-descent:{_path(shared, 'distortion')}")
    for name, strengths, hint in (("hint", TRAINED, True), ("plain", TRAINED[:1], False)):
        model = shared.trained(name, "distortion", strengths, DISTORTION, hint)
        yield from _psnr_rows(shared, "networks", f"network {name}", model, strengths, (LADDER,))
        for strength in strengths:
            gain, most = (
                _gains(shared.evaluation(each, "distortion", every, (LADDER,)), strength, LADDER)[
                    "psnr_db"
                ].by_image.value
                for each, every in ((model, strengths), (bound, DISTORTION_STRENGTHS))
            )
            if gain is not None and most is not None:
                yield Row(
                    "networks",
                    f"network {name}, strength {strength:g}, of descent's",
                    100 * gain / most,
                    None,
                    None,
                    "%",
                )


def between_rows(shared: Shared) -> Iterator[Row]:
    """Whether the mean of two strengths' tables lies on the curve: its gain over the ladder beside the ends' gains."""
    model = shared.trained("hint", "distortion", TRAINED, DISTORTION, True)
    strengths = (TRAINED[0], BETWEEN, TRAINED[1])
    yield from _psnr_rows(shared, "between", "network hint", model, strengths, (LADDER,))


def accuracy_rows(shared: Shared) -> Iterator[Row]:
    """Loss and top-1 at equal mean bytes and image by image, over the ladder and over per-image quality."""
    ladder = _path(shared, "accuracy")
    trained = shared.trained("accuracy", "accuracy", (ACCURACY_TRAINED,), ACCURACY, False)
    label_free = shared.trained("label-free", "accuracy", (ACCURACY_TRAINED,), LABEL_FREE, True, True)
    models = [
        ("network", trained, (ACCURACY_TRAINED,)),
        ("network, label-free", label_free, (ACCURACY_TRAINED,)),
        ("choice by sensitivity", load_model(f"ladder-choice:{ladder}"), ACCURACY_STRENGTHS),
        ("choice by entropy", load_model(f"ladder-choice:{ladder}", {"score": "entropy"}), ACCURACY_STRENGTHS[1:2]),
        ("per-image descent", load_model(f"per-image-descent:{ladder}"), ACCURACY_STRENGTHS[1:2]),
        ("per-image quality", load_model(f"per-image-quality:{ladder}"), ACCURACY_STRENGTHS[1:2]),
    ]
    for name, model, strengths in models:
        found = shared.evaluation(model, "accuracy", strengths, (LADDER, QUALITY))
        for point in found.curves[MODEL]:
            yield Row("accuracy", f"{name}, strength {point.strength:g}", point.measurement.bpp, None, None, "bpp")
            for against in (LADDER, QUALITY):
                gains = _gains(found, point.strength, against)
                for total, unit, scale in (("loss", "nats", 1), ("top1", "pts", 100)):
                    what = f"{name}, strength {point.strength:g}, {total} against {against}"
                    yield _row("accuracy", f"{what}, equal mean bytes", gains[total].on_average, unit, scale)
                    yield _row("accuracy", f"{what}, image by image", gains[total].by_image, unit, scale)


def _psnr_rows(
    shared: Shared, part: str, what: str, model: TableModel, strengths: Sequence[float], against: Sequence[str]
) -> Iterator[Row]:
    found = shared.evaluation(model, "distortion", strengths, against)
    for point in found.curves[MODEL]:
        yield Row(part, f"{what}, strength {point.strength:g}", point.measurement.bpp, None, None, "bpp")
        for curve in against:
            gain = _gains(found, point.strength, curve)["psnr_db"]
            named = f"{what}, strength {point.strength:g}, against {curve}"
            yield _row(part, f"{named}, image by image ({gain.images} images)", gain.by_image, "dB")
            yield _row(part, f"{named}, equal mean bytes", gain.on_average, "dB")


def _gains(found: Evaluation, strength: float, against: str) -> dict[str, EqualBytes]:
    (own,) = (point.measurement for point in found.curves[MODEL] if point.strength == strength)
    return gains_at_equal_bytes(found.measurements(against), own)


def _path(shared: Shared, task: str) -> Path:
    """Of the ladder, learned by now."""
    shared.ladder(task)
    return shared.work / f"{task}.ladder.json"


def _mean(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> Estimate:
    resampled = [weights @ values / len(values) for weights in resample_weights(len(values), 2000, 0)]
    return percentile_estimate(float(values.mean()), np.concatenate(resampled))


def _row(part: str, what: str, estimate: Estimate, unit: str, scale: float = 1) -> Row:
    value, low, high = (None if end is None else scale * end for end in (estimate.value, estimate.low, estimate.high))
    return Row(part, what, value, low, high, unit)


ROWS: dict[str, Callable[[Shared], Iterator[Row]]] = {
    "bits": bits_rows,
    "descent": descent_rows,
    "networks": networks_rows,
    "between": between_rows,
    "accuracy": accuracy_rows,
}


def main() -> None:
    """Reads the arguments, learns what is not there, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for ladders and networks")
    parser.add_argument("--parts", default=",".join(PARTS), help="which, by commas")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: photographs are needed, at ../shared or QSEARCH_SHARED.")
    chosen = arguments.parts.split(",")
    if not set(chosen) <= set(PARTS):
        raise SystemExit(f"parts are {', '.join(PARTS)}, got {arguments.parts}.")
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("QSEARCH_CACHE", cache)
        shared = Shared(folder.resolve(), arguments.work)
        for part in PARTS:
            for row in ROWS[part](shared) if part in chosen else ():
                print(row.line, flush=True)
                rows.append(row)
    if arguments.out is not None:
        machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
        report = {"machine": machine, "processor": processor(), "rows": [asdict(row) for row in rows]}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
