"""What tables are worth on images as they are stored, and on the squares that networks are shown of them.

    python -m benchmarks.as_stored [--out FILE.json]

Needs the photographs and networks of ../shared (or QSEARCH_SHARED). Images: the 24 of Kodak, 768x512, of which networks
are shown the centre crop of 224 after the shorter side became 256; and the 300 photographs of photos/validate, stored
here at 299x299, of which they are shown the whole at 224x224. Both are compressed once as stored and once as shown.
Networks: MobileNetV2, and on Kodak SqueezeNet 1.0 too. Every published table is scaled to the ratio that standard
quality 50 has on the same images (one that whole steps do not bring there is left out), and compared with the standard
curve at equal divergence from the answers on the uncompressed images, and at equal loss where there are labels. rank:
Spearman's correlation, over the tables, of the bytes that they save as stored and as shown. Intervals are 95 % over
images drawn again, the same ones in both.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from qsearch.analysis.bootstrap import RESAMPLES, Floats, percentile_estimate, resample_weights, weighted_points
from qsearch.analysis.gains import gains_of_first
from qsearch.datasets.base import EncodeSize, Fit
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import Objective, ObjectiveName, objective_called
from qsearch.evaluation.task import Task
from qsearch.run.building import build_evaluator
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings
from qsearch.search.steering import Steering, sizes_of
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_tables

QUALITY = 50
QUALITIES = (20, 30, 40, 50, 60, 70, 85, 95)
SHOWN = (50, 85)
HOW: tuple[EncodeSize, ...] = ("as-stored", "prepared")


@dataclass(frozen=True)
class Photographs:
    """Images of ../shared, how which networks are shown them, and by what tables are compared on them."""

    name: str
    spec: str
    fit: Fit
    networks: tuple[str, ...]
    labelled: bool
    objectives: tuple[ObjectiveName, ...]


PHOTOGRAPHS = (
    Photographs(
        "Kodak",
        "images:{shared}/data/kodak",
        "crop",
        ("mobilenet_v2", "squeezenet1_0"),
        labelled=False,
        objectives=("divergence",),
    ),
    Photographs(
        "photos/validate",
        "folder:{shared}/data/photos/validate",
        "stretch",
        ("mobilenet_v2",),
        labelled=True,
        objectives=("divergence", "loss"),
    ),
)


@dataclass(frozen=True)
class Row:
    """One figure with its 95 % interval, None where there is none: of which images and network, and what it says."""

    images: str
    network: str
    what: str
    encode_size: str
    value: float | None
    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True)
class Measured:
    """Of one set of images, compressed one way: the standard tables by quality, and published ones at one ratio."""

    curve: dict[int, Measurement]
    tables: dict[str, Measurement]

    def of_network(self, index: int) -> "Measured":
        """As one network sees it."""
        return Measured(
            {quality: each.of_network(index) for quality, each in self.curve.items()},
            {name: each.of_network(index) for name, each in self.tables.items()},
        )


def measured(evaluator: Evaluator) -> Measured:
    """Every published table at the ratio of standard quality 50, and the standard curve."""
    curve = {quality: evaluator.evaluate(Task(QuantTables.standard(quality))) for quality in QUALITIES}
    steering = Steering(evaluator, sizes_of(evaluator, QuantTables.standard(QUALITY)).ratio)
    tables = {}
    for name in published_names():
        admission = steering.admit(published_tables(name))
        if not admission.reason:
            tables[name] = evaluator.evaluate(Task(admission.tables))
    return Measured(curve, tables)


def savings(found: Measured, objective: Objective, weights: Floats) -> dict[str, Floats]:
    """Bytes saved in per cent by each table at equal value of the objective, [b] under ``weights`` [b, N]."""
    return {
        name: gains_of_first(*weighted_points([table, *found.curve.values()], weights, objective))[1]
        for name, table in found.tables.items()
    }


def rank_correlation(one: Sequence[Floats], other: Sequence[Floats]) -> Floats:
    """Spearman's, [b], over tables of which each has a value [b] in ``one`` and in ``other``; NaN where one is NaN."""
    ranked = []
    for values in (np.stack(one, axis=1), np.stack(other, axis=1)):
        ranks = values.argsort(axis=1).argsort(axis=1).astype(np.float64)
        ranks[np.isnan(values).any(axis=1)] = np.nan
        ranked.append(ranks - ranks.mean(axis=1, keepdims=True))
    first, second = ranked
    return np.asarray((first * second).sum(axis=1) / (first**2).sum(axis=1))


def compared(stored: Measured, prepared: Measured, objective: Objective) -> Iterator[tuple[str, str, Floats, Floats]]:
    """What it is, of which kind of compression, its value [1] and its resampled values [b]."""
    images = next(iter(stored.curve.values())).images
    names = [name for name in stored.tables if name in prepared.tables]
    whole, drawn = [], []
    for found in (stored, prepared):
        whole.append(savings(found, objective, np.ones((1, images))))
        blocks = [savings(found, objective, weights) for weights in resample_weights(images, RESAMPLES, 0)]
        drawn.append({name: np.concatenate([block[name] for block in blocks]) for name in found.tables})
    for name in names:
        for how, one, resamples in zip(HOW, whole, drawn, strict=True):
            yield f"{name}: bytes saved", how, one[name], resamples[name]
        value, resampled = (each[0][name] - each[1][name] for each in (whole, drawn))
        yield f"{name}: bytes saved", "as stored - as shown", value, resampled
    value, resampled = (rank_correlation(*([each[name] for name in names] for each in pair)) for pair in (whole, drawn))
    yield f"rank of {len(names)} tables", "both", value, resampled


def rows_of(photographs: Photographs, shared: Path) -> Iterator[Row]:
    """All figures of one set of images."""
    networks = tuple(ClassifierSettings(spec=str(shared / "models" / f"{name}.onnx")) for name in photographs.networks)
    found: list[Measured] = []
    for how in HOW:
        dataset = DatasetSettings(
            spec=photographs.spec.format(shared=shared),
            size=224,
            fit=photographs.fit,
            encode_size=how,
            labels="given" if photographs.labelled else "predicted",
        )
        evaluator = build_evaluator(RunSettings(dataset=dataset, classifiers=networks), workers=1)
        found.append(measured(evaluator))
        print(f"measured {photographs.name} {how} with the codec {evaluator.codec.name}", flush=True)
    for index, network in enumerate(photographs.networks):
        stored, prepared = (each.of_network(index) for each in found)
        row = Row(photographs.name, network, "", "", None, None, None, "")
        for how, one in zip(HOW, (stored, prepared), strict=True):
            for quality in SHOWN:
                at = one.curve[quality]
                what = f"standard quality {quality}"
                for name, value, unit in (
                    ("bits", at.bpp, "bpp"),
                    ("divergence", at.mean("divergence"), "nats"),
                    ("top-1", 100 * at.top1, "%"),
                ):
                    yield replace(row, what=f"{what}: {name}", encode_size=how, value=value, unit=unit)
        for name in photographs.objectives:
            for what, of, saved, resampled in compared(stored, prepared, objective_called(name)):
                told = percentile_estimate(float(saved[0]), resampled)
                yield replace(
                    row,
                    what=f"{what}, at equal {name}",
                    encode_size=of,
                    value=told.value,
                    low=told.low,
                    high=told.high,
                    unit="" if what.startswith("rank") else "%",
                )


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the figures are written as JSON")
    options = parser.parse_args()
    shared = Path(os.environ.get("QSEARCH_SHARED") or Path(__file__).parents[2] / "shared")
    rows = []
    for row in (row for photographs in PHOTOGRAPHS for row in rows_of(photographs, shared)):
        rows.append(row)
        interval = "" if row.low is None or row.high is None else f" ({row.low:.2f} to {row.high:.2f})"
        value = "unknown" if row.value is None else f"{row.value:.3f}"
        print(f"{row.images:16} {row.network:14} {row.encode_size:21} {row.what:52} {value}{interval} {row.unit}")
    print(f"{time.process_time():.0f} s of CPU")
    if options.out is not None:
        options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
