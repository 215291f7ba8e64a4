"""What a race saves and what it costs: the same tables with and without one, on photographs.

    python -m benchmarks.racing [--shared ../shared] [--trials 100] [--seeds 2] [--judge]

Searches sorted random tables, steered to the ratio of standard quality 50, on photos/search with MobileNetV2 until all
have seen all images, and then replays races over what was measured: which tables each threshold stops, how many of the
network's evaluations of images that saves, and how good the best tables that are left are. Settings are chosen by that
alone: tables are raced and picked on random halves of the images and judged by loss on the others.

With --judge the picks of the default race, of one that is stricter, and those without a race are measured on
photos/validate: the best table, and the log-mean of the best twelve, steered to the same ratio. Gains are
cross-entropies in nats below the standard curve's at the table's own ratio, with normal 95 % intervals over the images.

The trials are kept in runs/racing, so that an interrupted benchmark goes on where it was. Writes racing.json into
--out.
"""

import argparse
import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.archive.store import Archive
from qsearch.datasets.base import identities
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.measures import Floats
from qsearch.evaluation.objective import DIVERGENCE, LOSS, Objective, ObjectiveName
from qsearch.evaluation.parts import NestedOrder, nested_order, order_of
from qsearch.evaluation.task import Task
from qsearch.executors import executor_for
from qsearch.pareto.paired_curve import PairedCurve
from qsearch.run.building import build_evaluator, usable_cores
from qsearch.run.settings import ClassifierSettings, DatasetSettings, RunSettings
from qsearch.search import run_search
from qsearch.search.racing import DEFAULT_CHANCE, Race, RaceOptions
from qsearch.search.steering import Steering, sizes_of
from qsearch.space import SearchSpace
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.strategies.standard import REFERENCE_QUALITIES
from qsearch.tables import QuantTables

HERE = Path(__file__).parent
QUALITY = 50
BEST = 12
CHANCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
PICKED_BY = (LOSS, DIVERGENCE)
JUDGED = (DEFAULT_CHANCE, 0.5)
WITHOUT = "without a race"
HALVES = 20


def evaluator_of(shared: Path, split: str) -> Evaluator:
    """MobileNetV2 on the photographs of ``split``."""
    settings = RunSettings(
        dataset=DatasetSettings(spec=f"folder:{shared / 'data' / 'photos' / split}", size=224, fit="stretch"),
        classifiers=(ClassifierSettings(spec=str(shared / "models" / "mobilenet_v2.onnx")),),
    )
    return build_evaluator(settings, usable_cores())


def searched(path: Path, evaluator: Evaluator, seed: int, trials: int) -> tuple[list[Measurement], list[Trial]]:
    """The standard tables, and the tables of a seed in their order, all measured on all images."""
    ratio = sizes_of(evaluator, QuantTables.standard(QUALITY)).ratio
    archive = Archive.open(path) if path.exists() else Archive.create(path, identities(evaluator.dataset))
    with archive, executor_for(evaluator, usable_cores()) as executor:
        strategy = SortedRandom(SearchSpace.full(), seed)
        run_search(strategy, executor, archive, trials=trials, gate=Steering(evaluator, ratio))
        reference = [trial for trial in archive.trials("reference").done() if trial.number in REFERENCE_QUALITIES]
        done = list(archive.trials("search").done())
    return [measured(trial) for trial in reference], done


def measured(trial: Trial) -> Measurement:
    """Of a done trial, its arrays in memory."""
    assert trial.measurement is not None  # it is done
    return trial.measurement.only(trial.measurement.measures)


def curve_of(standard: Sequence[Measurement], objective: Objective) -> PairedCurve:
    """The standard curve."""
    return PairedCurve.of([(objective.values(each), each.size_bytes.astype(np.float64)) for each in standard])


def gains_of(curve: PairedCurve, table: Measurement, objective: Objective) -> Floats:
    """[n], image by image."""
    gains = curve.gains(objective.values(table), table.size_bytes.astype(np.float64))
    assert gains is not None  # all are steered into the curve
    return gains


def mean_gains(standard: Sequence[Measurement], tables: Sequence[Measurement], objective: Objective) -> Floats:
    """[t], of each of ``tables``."""
    curve = curve_of(standard, objective)
    return np.array([gains_of(curve, table, objective).mean() for table in tables])


def replayed(
    options: RaceOptions, order: NestedOrder, standard: Sequence[Measurement], tables: Sequence[Measurement]
) -> npt.NDArray[np.int64]:
    """How many images each of ``tables`` sees in a race, in their order."""
    race = Race(options, order)
    race.set_standard(standard)
    seen = []
    for place, table in enumerate(tables):
        images = len(order)
        if race.races(place):
            parts = order.sizes[:-1]
            stays = (race.verdict(place, table.at(order.part(size).positions)).stays for size in parts)
            images = next((size for size, stay in zip(parts, stays, strict=True) if not stay), images)
        race.settle(place, table if images == len(order) else None)
        seen.append(images)
    return np.array(seen)


def best_of(gains: Floats, candidates: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """``candidates`` by falling gain."""
    return np.asarray(candidates[np.argsort(-gains[candidates], kind="stable")])


@dataclass(frozen=True)
class Half:
    """Tables on one random half of the images, to race and to pick on, and what each gains by loss on the other."""

    order: NestedOrder
    standard: list[Measurement]
    tables: list[Measurement]
    gains: dict[ObjectiveName, Floats]
    judged: Floats


def halves_of(standard: Sequence[Measurement], tables: Sequence[Measurement]) -> list[Half]:
    """Always the same random halves."""
    draw, images = np.random.RandomState(0), standard[0].images
    halves = []
    for number in range(HALVES):
        shuffled = draw.permutation(images)
        ours, theirs = np.sort(shuffled[: images // 2]), np.sort(shuffled[images // 2 :])
        here, mine = [each.at(ours) for each in standard], [table.at(ours) for table in tables]
        gains = {each.name: mean_gains(here, mine, each) for each in PICKED_BY}
        judged = mean_gains([each.at(theirs) for each in standard], [table.at(theirs) for table in tables], LOSS)
        halves.append(Half(nested_order([""] * len(ours), str(number)), here, mine, gains, judged))
    return halves


def race_row(
    options: RaceOptions,
    order: NestedOrder,
    standard: Sequence[Measurement],
    tables: Sequence[Measurement],
    halves: Sequence[Half],
) -> dict[str, Any]:
    """What a race saves, what is left of the best, and what that costs on other images."""
    seen = replayed(options, order, standard, tables)
    row: dict[str, Any] = {
        "by": options.by,
        "chance": options.chance,
        "images_evaluated": int(seen.sum()),
        "times_fewer": round(len(tables) * len(order) / int(seen.sum()), 2),
        "stopped_after": {str(size): int((seen == size).sum()) for size in order.sizes[:-1]},
    }
    seen_in_halves = [replayed(options, half.order, half.standard, half.tables) for half in halves]
    for objective in PICKED_BY:
        gains = mean_gains(standard, tables, objective)
        every, left = (best_of(gains, np.flatnonzero(seen >= least)) for least in (0, len(order)))
        row[f"picked by {objective.name}"] = {
            "best_is_left": bool(every[0] == left[0]),
            "of_the_best_12_left": len(set(every[:BEST].tolist()) & set(left[:BEST].tolist())),
            **in_halves(halves, seen_in_halves, objective),
        }
    return row


def in_halves(halves: Sequence[Half], seen: Sequence[npt.NDArray[np.int64]], objective: Objective) -> dict[str, float]:
    """Means over the halves of what picks gain by loss on the other half, with a race less without one."""
    rows = []
    for half, images in zip(halves, seen, strict=True):
        gains = half.gains[objective.name]
        every, left = (best_of(gains, np.flatnonzero(images >= least)) for least in (0, len(half.order)))
        best_12, best_12_left = half.judged[every[:BEST]].mean(), half.judged[left[:BEST]].mean()
        rows.append((best_12, best_12_left - best_12, half.judged[left[0]] - half.judged[every[0]]))
    means, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
    return {
        "other_half_best_12_without": round(float(means[0]), 4),
        "other_half_best_12_with_less_without": round(float(means[1]), 4),
        "spread_of_that_over_halves": round(float(spread[1]), 4),
        "other_half_best_with_less_without": round(float(means[2]), 4),
    }


def log_mean(tables: Sequence[QuantTables]) -> QuantTables:
    """The geometric mean of each entry."""
    logs = [np.log(np.stack([each.luma, each.cb, each.cr]).astype(np.float64)) for each in tables]
    luma, cb, cr = np.clip(np.rint(np.exp(np.mean(logs, axis=0))), 1, 255).astype(np.int64)
    return QuantTables(luma, cb=cb, cr=cr)


def judged(
    evaluator: Evaluator, unseen: Evaluator, picks: dict[str, dict[str, QuantTables]], ratio: float
) -> dict[str, Any]:
    """What each pick gains by loss on images that no search saw, and what a race makes of it, paired."""
    standard = [unseen.evaluate(Task(QuantTables.standard(quality))) for quality in REFERENCE_QUALITIES]
    curve, gate = curve_of(standard, LOSS), Steering(evaluator, ratio)
    known: dict[QuantTables, Floats] = {}
    rows: dict[str, Any] = {}
    for rule, tables in picks.items():
        steered = {way: gate.admit(each).tables for way, each in tables.items()}
        for each in steered.values():
            if each not in known:
                known[each] = gains_of(curve, unseen.evaluate(Task(each)), LOSS)
        without = known[steered.pop(WITHOUT)]
        rows[rule] = {WITHOUT: interval(without)}
        for way, each in steered.items():
            rows[rule][way] = interval(known[each])
            rows[rule][f"{way}, less without"] = interval(known[each] - without)
    return rows


def interval(values: Floats) -> list[float]:
    """Mean, and the ends of a normal 95 % interval of it."""
    mean, reach = float(values.mean()), 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return [round(mean, 4), round(mean - reach, 4), round(mean + reach, 4)]


def picks_of(
    order: NestedOrder, standard: Sequence[Measurement], trials: Sequence[Trial]
) -> dict[str, dict[str, QuantTables]]:
    """The best table and the log-mean of the best twelve, without a race and with races of the chances judged."""
    tables = [measured(trial) for trial in trials]
    through = {WITHOUT: np.arange(len(tables))}
    for chance in JUDGED:
        seen = replayed(RaceOptions(chance=chance), order, standard, tables)
        through[f"with chance {chance:g}"] = np.flatnonzero(seen == len(order))
    picks: dict[str, dict[str, QuantTables]] = {}
    for objective in PICKED_BY:
        gains = mean_gains(standard, tables, objective)
        ranked = {way: best_of(gains, candidates) for way, candidates in through.items()}
        picks[f"best by {objective.name}"] = {way: trials[best[0]].tables for way, best in ranked.items()}
        picks[f"log-mean of the best 12 by {objective.name}"] = {
            way: log_mean([trials[place].tables for place in best[:BEST]]) for way, best in ranked.items()
        }
    return picks


def main() -> None:
    """Reads the arguments, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="the photographs and the network")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--judge", action="store_true", help="measure the picks on photos/validate too")
    parser.add_argument("--runs", type=Path, default=Path("runs/racing"))
    parser.add_argument("--out", type=Path, default=HERE)
    wanted = parser.parse_args()
    wanted.runs.mkdir(parents=True, exist_ok=True)
    evaluator = evaluator_of(wanted.shared, "search")
    order = order_of(evaluator.dataset)
    ratio = sizes_of(evaluator, QuantTables.standard(QUALITY)).ratio
    unseen = evaluator_of(wanted.shared, "validate") if wanted.judge else None
    rows: list[dict[str, Any]] = []
    together: list[Measurement] = []
    standard: list[Measurement] = []
    for seed in range(wanted.seeds):
        standard, trials = searched(wanted.runs / f"{wanted.trials}-{seed}.sqlite", evaluator, seed, wanted.trials)
        tables = [measured(trial) for trial in trials]
        together += tables
        halves = halves_of(standard, tables)
        races = [
            race_row(RaceOptions(by=by.name, chance=chance), order, standard, tables, halves)
            for by in PICKED_BY
            for chance in CHANCES
        ]
        row: dict[str, Any] = {"seed": seed, "tables": len(tables), "races": races}
        if unseen is not None:
            row["on_photos_validate"] = judged(evaluator, unseen, picks_of(order, standard, trials), ratio)
        rows.append(row)
        print(json.dumps(row, indent=1), flush=True)
    halves = halves_of(standard, together)
    long = [race_row(RaceOptions(chance=chance), order, standard, together, halves) for chance in CHANCES]
    options = RaceOptions()
    result = {
        "at": datetime.now(UTC).date().isoformat(),
        "command": f"python -m benchmarks.racing --trials {wanted.trials} --seeds {wanted.seeds}"
        + (" --judge" if wanted.judge else ""),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "images": len(order),
        "ratio": round(ratio, 2),
        "defaults": msgspec.to_builtins(options),
        "one_race_of_all_seeds": {"tables": len(together), "races": long},
        "rows": rows,
    }
    wanted.out.mkdir(parents=True, exist_ok=True)
    (wanted.out / "racing.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
