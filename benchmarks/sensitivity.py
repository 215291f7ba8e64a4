"""Which way to ask a network what errors cost it gives tables that take fewer bytes at equal divergence.

    python -m benchmarks.sensitivity --judged-on halves            # on which the way was chosen
    python -m benchmarks.sensitivity --judged-on validate          # on which nothing was
    python -m benchmarks.sensitivity --judged-on kodak --encode-size as-stored

Needs the photographs and networks of ../shared (or QSEARCH_SHARED). Ladders for accuracy and mix, without labels, are
learned from photos/search with each sensitivity that the network allows (a .pt2 has gradients, an .onnx has none), from
a half of it where the other half judges. Each, and every published table, is measured at seven multiples of the bytes
of a standard quality; where it is as good as the standard tables, it takes so many per cent fewer bytes, with the 95 %
interval over images drawn again. Prepared images are 224x224, stored ones 299x299 (Kodak: 768x512, of which the network
is shown a centre crop). What was learned and measured is kept in runs/sensitivity, so that the benchmark goes on where
it was; --out appends its rows to a JSON file.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.judge import SHARED, photographs
from qsearch.classifiers.base import Classifier
from qsearch.classifiers.gradients import has_gradients
from qsearch.codecs.base import Codec
from qsearch.datasets.base import Dataset
from qsearch.datasets.splits import share_of
from qsearch.evaluation.evaluator import Evaluator
from qsearch.learning.family import Family, Sizes
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import LearningSettings, Objective, Sensitivity
from qsearch.run.building import build_classifier, build_codec, build_dataset, usable_cores
from qsearch.run.settings import ClassifierSettings, CodecSettings, DatasetSettings
from qsearch.shrink.measuring import Measured
from qsearch.shrink.saving import bytes_saved
from qsearch.shrink.settings import YARDSTICKS
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_tables

OBJECTIVES: tuple[Objective, ...] = ("accuracy", "mix")
SHARES = (0.66, 0.73, 0.80, 0.87, 0.94, 1.0, 1.07)
JUDGES = ("halves", "validate", "kodak")


@dataclass(frozen=True)
class Row:
    """What one family of tables saves, in per cent of the bytes of a standard quality, at equal divergence."""

    network: str
    encode_size: str
    judged_on: str
    images: int
    quality: int
    tables: str
    percent: float | None
    low: float | None
    high: float | None


def datasets(judged_on: str, encode_size: Any) -> tuple[DatasetSettings, Dataset, Dataset]:
    """Settings of the images learned from, these images, and those that judge."""
    searched = _as(photographs("search"), encode_size)
    if judged_on == "halves":
        whole = build_dataset(searched)
        return searched, share_of(whole, 0.5, "searched"), share_of(whole, 0.5, "kept")
    kodak = DatasetSettings(spec=f"images:{SHARED / 'data' / 'kodak'}", size=224, fit="crop", labels="predicted")
    unseen = photographs("validate") if judged_on == "validate" else kodak
    return searched, build_dataset(searched), build_dataset(_as(unseen, encode_size))


def _as(settings: DatasetSettings, encode_size: Any) -> DatasetSettings:
    return msgspec.structs.replace(settings, encode_size=encode_size)


def families(
    learned_on: Dataset, settings: DatasetSettings, network: Path, classifier: Classifier, folder: Path
) -> Iterator[tuple[str, Family]]:
    """Learned ones by objective and sensitivity, and the published ones."""
    ways: tuple[Sensitivity, ...] = ("noise", "quantization")
    if has_gradients(classifier):
        ways = ("fisher", *ways)
    for way in ways:
        weights = None
        for objective in OBJECTIVES:
            ladder = learn_ladder(
                learned_on,
                LearningSettings(
                    objective=objective,
                    label_free=True,
                    sensitivity=way,
                    dataset=settings,
                    classifier=ClassifierSettings(spec=str(network)),
                ),
                classifier=classifier,
                network_weights=weights,
                out=folder / f"{objective}-{way}.ladder.json",
                workers=usable_cores(),
            )
            weights = ladder.network_weights
            yield f"{objective}, {way}", Family(ladder.tables)
    for name in published_names():
        yield f"published:{name}", Family([published_tables(name)])


def judged(found: dict[str, Family], measured: Measured, sizes: Sizes, quality: int) -> Iterator[tuple[str, Any]]:
    """What each of ``found`` saves, with its interval."""
    (standard,) = measured.of([QuantTables.standard(quality)])
    for name, family in found.items():
        wanted = [round(share * standard.total_bytes) for share in SHARES]
        points = measured.of([family.tables(family.matched(sizes, size_bytes)[0]) for size_bytes in wanted])
        yield name, bytes_saved(standard, points, YARDSTICKS["divergence"].values)


def rows(wanted: argparse.Namespace, codec: Codec) -> Iterator[Row]:
    """A row for every family at every quality."""
    network = SHARED / "models" / wanted.network
    classifier = build_classifier(ClassifierSettings(spec=str(network)), usable_cores())
    settings, learned_on, unseen = datasets(wanted.judged_on, wanted.encode_size)
    how = f"{wanted.network}-{wanted.encode_size}"
    folder = wanted.runs / (f"{how}-half" if wanted.judged_on == "halves" else how)
    folder.mkdir(parents=True, exist_ok=True)
    found = dict(families(learned_on, settings, network, classifier, folder))
    evaluator = Evaluator(unseen, codec, [classifier])
    archive = folder / f"{wanted.judged_on}.sqlite"
    with (
        Sizes(codec, unseen, usable_cores()) as sizes,
        closing(Measured(evaluator, archive, "", usable_cores(), "processes", lambda *progress: None)) as measured,
    ):
        for quality in wanted.qualities:
            for name, saved in judged(found, measured, sizes, quality):
                yield Row(
                    wanted.network, wanted.encode_size, wanted.judged_on, len(unseen), quality, name, saved.value,
                    saved.low, saved.high,
                )  # fmt: skip


def main() -> None:
    """Reads the arguments, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="mobilenet_v2.pt2", help="a file of ../shared/models")
    parser.add_argument("--encode-size", choices=["prepared", "as-stored"], default="prepared")
    parser.add_argument("--judged-on", choices=JUDGES, default="halves")
    parser.add_argument("--qualities", type=int, nargs="+", default=[50, 85])
    parser.add_argument("--runs", type=Path, default=Path("runs/sensitivity"))
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    wanted = parser.parse_args()
    found = []
    for row in rows(wanted, build_codec(CodecSettings())):
        found.append(row)
        cells = [None if each is None else f"{each:+.1f}" for each in (row.percent, row.low, row.high)]
        print(f"quality {row.quality}  {row.tables:>26}  {cells[0]} % ({cells[1]} to {cells[2]})", flush=True)
    if wanted.out is not None:
        before = json.loads(wanted.out.read_text(encoding="utf-8")) if wanted.out.exists() else []
        wanted.out.write_text(json.dumps([*before, *map(asdict, found)], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
