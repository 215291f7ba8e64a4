"""The comparisons of Luo 2021 between learned tables and others, on images that nothing was learned or searched on.

    python -m benchmarks.luo2021 universal-psnr      learned and published tables against standard ones, in PSNR
    python -m benchmarks.luo2021 universal-accuracy  the same in what a network makes of them
    python -m benchmarks.luo2021 per-image           tables of each image's own against those for all, in PSNR; they
                                                     stand for an encoder that adapts its tables to each image, as
                                                     sjpeg does
    python -m benchmarks.luo2021 other-networks      tables learned for one network, read by another
    python -m benchmarks.luo2021 random-search       against what sorted random searches take home at a ratio

Tables are learned on the 300 photographs of photos/search in ../shared and judged on the 300 of photos/validate, or
on the 24 of Kodak, at 4:2:0 unless said otherwise. Each comparison prints a table and writes NAME.csv and NAME.png into
--out. What was learned or measured is kept in runs/luo2021: an interrupted command goes on.

Intervals are 95 % paired bootstraps over images; gains in PSNR have none. random-search takes the runs of
benchmarks.methods from --searches.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

from benchmarks.judge import SHARED, Judge, problem
from benchmarks.luo2021.curves import Curve, difference_at_equal_bpp
from benchmarks.luo2021.lessons import Lessons, codec_of
from benchmarks.luo2021.pictures import draw_gains, draw_network_curves, draw_psnr, draw_savings
from qsearch.analysis.bootstrap import Estimate
from qsearch.analysis.comparison import compare
from qsearch.analysis.gains import bootstrap_gains
from qsearch.analysis.rate_distortion import Family, gain_db, measure_rate_distortion, saving_percent
from qsearch.analysis.results import Results, measured
from qsearch.codecs.base import Subsampling
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.datasets.base import Dataset
from qsearch.datasets.pixels import prepared_image
from qsearch.evaluation.measures import psnr
from qsearch.evaluation.objective import DIVERGENCE, LOSS, TOP1
from qsearch.learning.dial import Dial
from qsearch.learning.learn import learn_ladder
from qsearch.learning.settings import LearningSettings, Objective
from qsearch.run.building import build_evaluator, usable_cores
from qsearch.run.confirmation import confirmed
from qsearch.run.folder import Run
from qsearch.search.steering import Steering
from qsearch.tables import QuantTables
from qsearch.tables.published import published_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HERE = Path(__file__).parent
SUBSAMPLINGS: tuple[Subsampling, ...] = ("4:2:0", "4:4:4")
NETWORK, OTHER_NETWORK = "mobilenet_v2", "squeezenet1_0"
FOR_NETWORKS: Objective = "mix"
"""What is learned for a network, unless said otherwise: chosen on photos/search alone (README.md)."""
QUALITIES = (10, 15, 20, 30, 40, 50, 60, 70, 80, 88)
WINDOWS = ((0.65, 1.0), (1.0, 1.4))
RIVALS = {10.0: "luo-2021", 16.0: "luo-2021", 22.0: "robidoux", 30.0: "standard"}
"""What is best of published tables at a ratio, known beforehand; above 26 the standard ones."""
PSNR_QUALITIES = {"Kodak": range(3, 100, 2), "photos/validate": range(3, 100, 6)}
PSNR_BPP = (0.5, 1.0, 2.0, 3.0)
OWN_QUALITIES = (15, 20, 30, 50, 70, 80, 90)


@dataclass
class Bench:
    """Where things are kept, and what was learned; networks' measurements are made once each."""

    runs: Path
    searches: Path

    @cached_property
    def lessons(self) -> Lessons:
        """Ladders and dials."""
        return Lessons(self.runs)

    def judge(self, network: str, subsampling: Subsampling = "4:2:0") -> Judge:
        """photos/validate, read by ``network``."""
        self.runs.mkdir(parents=True, exist_ok=True)
        unseen = problem("photos", network).unseen
        codec = msgspec.structs.replace(unseen.codec, subsampling=subsampling)
        evaluator = build_evaluator(msgspec.structs.replace(unseen, codec=codec), usable_cores())
        name = network if subsampling == "4:2:0" else f"{network}-{subsampling.replace(':', '')}"
        return Judge(evaluator, self.runs / f"validate-{name}.sqlite")

    @cached_property
    def kodak(self) -> list[Path]:
        """The 24 files."""
        return sorted((SHARED / "data" / "kodak").rglob("*.png"))


Row = dict[str, Any]
Made = tuple[list[Row], "Figure"]


def universal_psnr(bench: Bench) -> Made:
    """PSNR at equal bits per pixel on Kodak and photos/validate, 4:2:0 and 4:4:4."""
    validate = sorted(path for path in (SHARED / "data/photos/validate").rglob("*") if path.is_file())
    rows, panels = [], {}
    for subsampling in SUBSAMPLINGS:
        families: dict[str, Family] = {
            "standard": QuantTables.standard,
            "learned (dial)": bench.lessons.dial("distortion", subsampling=subsampling, size=None).tables,
            "published:luo-2021": lambda quality: published_tables("luo-2021", quality),
            "published:flat": lambda quality: published_tables("flat", quality),
        }
        for images, paths in (("Kodak", bench.kodak), ("photos/validate", validate)):
            curves = measure_rate_distortion(
                paths, codec_of(subsampling), families, qualities=PSNR_QUALITIES[images], workers=usable_cores()
            )
            panels[f"{len(paths)} images of {images}, {subsampling}"] = curves
            standard, *others = curves
            for curve in others:
                row: Row = {"images": images, "subsampling": subsampling, "tables": curve.name}
                row |= {f"dB at {bpp:g} bpp": gain_db(curve, standard, bpp) for bpp in PSNR_BPP}
                rows.append(row | {"bits saved at 36 dB, %": saving_percent(curve, standard, 36.0)})
    return rows, draw_psnr(panels)


def universal_accuracy(bench: Bench) -> Made:
    """What MobileNetV2 makes of tables at equal bits per pixel, and the bytes a dial saves over the best known."""
    rows: list[Row] = []
    panels: dict[str, Sequence[Curve]] = {}
    for subsampling in SUBSAMPLINGS:
        judge = bench.judge(NETWORK, subsampling)
        dials = {
            "distortion dial": bench.lessons.dial("distortion", subsampling=subsampling),
            "network dial": bench.lessons.dial(FOR_NETWORKS, NETWORK, subsampling),
            "accuracy dial": bench.lessons.dial("accuracy", NETWORK, subsampling),
        }
        families: dict[str, Callable[[int], QuantTables]] = {name: dial.tables for name, dial in dials.items()}
        families |= {f"published:{name}": partial(published_tables, name) for name in ("luo-2021", "robidoux")}
        curves = [Curve.of("standard", [measured(trial) for trial in judge.reference])]
        for name, tables in families.items():
            trials = judge.results([tables(quality) for quality in QUALITIES])
            curves.append(Curve.of(name, [measured(trial) for trial in trials]))
            found = _at_equal_bpp(curves[-1], curves[0])
            rows += [{"subsampling": subsampling, "tables": name, **row} for row in found]
        if subsampling == "4:2:0":
            rivals = _rivals()
            for name, dial in dials.items():
                found = _against_rivals(judge, dial, rivals)
                rows += [{"subsampling": subsampling, "tables": name, **row} for row in found]
        panels[subsampling] = curves
    return rows, draw_network_curves(panels, f"300 images of photos/validate, {NETWORK}")


def _at_equal_bpp(curve: Curve, standard: Curve) -> Iterator[Row]:
    for low, high in WINDOWS:
        for objective in (LOSS, DIVERGENCE, TOP1):
            found = difference_at_equal_bpp(curve, standard, objective, (low, high))
            sign, unit = (100, "points of top-1") if objective is TOP1 else (-1, f"nats of {objective.name}")
            yield {"what": f"against standard at {low:g} to {high:g} bpp, {unit}", **_ends(found, sign)}


def _rivals() -> dict[float, QuantTables]:
    """The tables of RIVALS by their ratio, scaled to it on the images searched."""
    searching = build_evaluator(problem("photos", NETWORK).searched, usable_cores())
    starts = {
        ratio: QuantTables.standard(50) if rival == "standard" else published_tables(rival)
        for ratio, rival in RIVALS.items()
    }
    return {ratio: Steering(searching, ratio).admit(start).tables for ratio, start in starts.items()}


def _against_rivals(judge: Judge, dial: Dial, rivals: Mapping[float, QuantTables]) -> Iterator[Row]:
    for ratio, tables in rivals.items():
        theirs, ours = judge.results([tables, _at_ratio(dial, ratio)])
        what = f"bytes saved at equal loss over {RIVALS[ratio]} at ratio {ratio:g}, %"
        yield {"what": what, **_saved(judge, theirs, ours)}


def _at_ratio(dial: Dial, ratio: float) -> QuantTables:
    """The dial's tables whose files of the images it was made on come nearest to ``ratio``."""
    made_on = dial.made_on
    raw = 3 * made_on.images * made_on.height * made_on.width
    return min(dial.settings, key=lambda one: abs(np.log(raw / one.size_bytes / ratio))).tables


def _saved(judge: Judge, baseline: Any, trial: Any) -> Row:
    """Bytes saved over ``baseline`` at equal loss, in per cent."""
    smooth = compare(measured(baseline), [measured(trial)], [measured(each) for each in judge.reference])[0].loss
    byte_ratio = None if smooth is None else smooth.byte_ratio
    if byte_ratio is None or byte_ratio.value is None:
        return {"value": None, "low": None, "high": None}
    turned = (None if end is None else 100 * (1 - end) for end in (byte_ratio.value, byte_ratio.high, byte_ratio.low))
    return dict(zip(("value", "low", "high"), turned, strict=True))


def _ends(estimate: Estimate, factor: float = 1.0) -> Row:
    ends = [None if end is None else factor * end for end in (estimate.value, estimate.low, estimate.high)]
    if factor < 0:
        ends[1:] = ends[:0:-1]
    return dict(zip(("value", "low", "high"), ends, strict=True))


def per_image(bench: Bench) -> Made:
    """PSNR of each Kodak photograph with tables learned from it alone above the dial and the standard tables at equal
    bytes."""
    dial, codec = bench.lessons.dial("distortion", size=None), codec_of("4:2:0")
    rows = []
    for path in bench.kodak:
        found = prepared_image(path, None, "crop")
        if isinstance(found, str):
            raise SystemExit(f"{path} is {found}.")
        images = found.pixels[None]
        settings = LearningSettings(qualities=OWN_QUALITIES, per_image=True)
        own = learn_ladder(Dataset.from_arrays(images, [0], name=path.name), settings)
        for_all = _psnr_curve(codec, images, dial.tables)
        standard = _psnr_curve(codec, images, QuantTables.standard)
        for rung in own.rungs:
            size_bytes, psnr_db = _place(codec, images, rung.tables[0])
            rows.append(
                {
                    "image": path.name,
                    "trade-off of quality": rung.quality,
                    "bpp": 8 * size_bytes / images[0, ..., 0].size,
                    "dB over the dial": psnr_db - float(np.interp(size_bytes, *for_all)),
                    "dB over standard": psnr_db - float(np.interp(size_bytes, *standard)),
                }
            )
    return rows, draw_gains(pd.DataFrame(rows), f"{len(bench.kodak)} photographs of Kodak, 4:2:0, 768x512")


def _psnr_curve(
    codec: CoefficientCodec, images: Any, tables: Callable[[int], QuantTables]
) -> tuple[Sequence[float], Sequence[float]]:
    bytes_, psnr_db = zip(*(_place(codec, images, tables(quality)) for quality in PSNR_QUALITIES["Kodak"]), strict=True)
    return bytes_, psnr_db


def _place(codec: CoefficientCodec, images: Any, tables: QuantTables) -> tuple[float, float]:
    encoded = codec.encode(images, [tables])
    return float(encoded.size_bytes[0]), float(psnr(images, encoded.images)[0])


def other_networks(bench: Bench) -> Made:
    """Bytes saved over the standard tables at equal loss, by who reads and whom tables were learned for."""
    dials = {
        "for pixels": bench.lessons.dial("distortion"),
        f"for {NETWORK}": bench.lessons.dial(FOR_NETWORKS, NETWORK),
        f"for {OTHER_NETWORK}": bench.lessons.dial(FOR_NETWORKS, OTHER_NETWORK),
    }
    rows = []
    for reader in (NETWORK, OTHER_NETWORK):
        judge = bench.judge(reader)
        for name, dial in dials.items():
            for ratio in RIVALS:
                trials = judge.results([_at_ratio(dial, ratio)])
                results = Results("unseen", judge.reference, trials, LOSS)
                gains = bootstrap_gains(results, trials[0])
                saving = gains.saving_at(LOSS)
                assert saving is not None
                row: Row = {"read by": reader, "tables": f"learned {name}", "ratio": ratio, **_ends(saving)}
                points = _ends(gains.gain_points)
                rows.append(row | {f"points of top-1, {end}": value for end, value in points.items()})
    return rows, draw_savings(
        pd.DataFrame(rows), "read by", "Bytes saved over the standard tables at equal loss, by whom tables are for"
    )


def random_search(bench: Bench) -> Made:
    """Bytes that dials save over the picks of sorted random searches at equal loss."""
    found = sorted(path for path in bench.searches.glob("sorted-random-[0-9]*-*") if (path / "run.toml").is_file())
    if not found:
        raise SystemExit(
            f"{bench.searches} has no searches: run python -m benchmarks.methods --data photos --strategies "
            "sorted-random first, or name its folder with --searches."
        )
    judge, rows = bench.judge(NETWORK), []
    dials = {
        "distortion dial": bench.lessons.dial("distortion"),
        "network dial": bench.lessons.dial(FOR_NETWORKS, NETWORK),
    }
    for path in found:
        run = Run.open(path)
        pick, ratio = confirmed(run), run.settings.search.ratio
        if pick is None or ratio is None:
            raise SystemExit(f"{path} has no confirmed pick at a ratio: run benchmarks.methods to its end.")
        (theirs,) = judge.results([pick.pick.tables])
        for name, dial in dials.items():
            (ours,) = judge.results([_at_ratio(dial, ratio)])
            row: Row = {"ratio": ratio, "seed": run.settings.search.seed, "tables": name}
            rows.append(row | _saved(judge, theirs, ours))
    return rows, draw_savings(
        pd.DataFrame(rows), "tables", "Bytes saved over the picks of five sorted random searches, at equal loss"
    )


COMPARISONS: dict[str, Callable[[Bench], Made]] = {
    "universal-psnr": universal_psnr,
    "universal-accuracy": universal_accuracy,
    "per-image": per_image,
    "other-networks": other_networks,
    "random-search": random_search,
}


def main() -> None:
    """Reads the arguments, compares, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", choices=COMPARISONS)
    parser.add_argument("--runs", type=Path, default=Path("runs/luo2021"))
    parser.add_argument("--searches", type=Path, default=Path(f"runs/methods/photos-{NETWORK}-100"))
    parser.add_argument("--out", type=Path, default=HERE)
    wanted = parser.parse_args()
    if not SHARED.is_dir():
        raise SystemExit(f"{SHARED} is not there: the photographs and networks are needed.")
    rows, figure = COMPARISONS[wanted.comparison](Bench(wanted.runs, wanted.searches))
    frame = pd.DataFrame(rows)
    wanted.out.mkdir(parents=True, exist_ok=True)
    frame.to_csv(wanted.out / f"{wanted.comparison}.csv", index=False, float_format="%.4f")
    figure.savefig(wanted.out / f"{wanted.comparison}.png", dpi=110)
    print(frame.to_string(index=False, float_format=lambda value: f"{value:.3f}"))


if __name__ == "__main__":
    main()
