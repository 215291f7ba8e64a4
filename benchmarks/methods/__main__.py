"""Which strategy finds the better tables, and after how many trials: gains on the images searched and on others.

    python -m benchmarks.methods [--trials 500] [--warm-up 50] [--seeds 5]

Each seed's sorted random search is the warm-up of all strategies that need one: their first trials are its first, and
all spend the same number of trials in total. A warm-up is a tenth of them at most, for what strategies have in common
tells nothing of how they differ. After every twentieth of the trials the question is what each search would have taken
home.

The trials are kept in runs/methods, so that an interrupted benchmark goes on where it was. Writes results.csv,
results.md and methods.png into --out.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.methods.picture import draw
from qsearch.analysis.bounds import bounds_of
from qsearch.analysis.choice import QUALITY
from qsearch.analysis.results import Results
from qsearch.analysis.summary import gain_points, summarize
from qsearch.archive.store import Archive
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.evaluation.task import Task
from qsearch.executors.base import Executor, Outcome
from qsearch.executors.processes import ProcessExecutor
from qsearch.pareto.hypervolume import REFERENCE_POINT
from qsearch.run.building import build_evaluator, usable_cores
from qsearch.run.settings import DatasetSettings, RunSettings
from qsearch.search import run_search
from qsearch.space import SearchSpace
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Strategy
from qsearch.strategies.sorted_random import SortedRandom
from qsearch.strategies.standard import REFERENCE_QUALITIES
from qsearch.tables import QuantTables

HERE = Path(__file__).parent
WARM_UP = SortedRandom.name
NOT_A_SEARCH = ("standard", "listed")
OPTIONS: dict[str, dict[str, Any]] = {"bayesian": {"initial": 20}, "bayesian-grid": {"initial": 20}}
"""The Bayesian strategies begin with 100 random trials; of a small budget that would leave little to learn with."""
CHECKPOINTS = 20
WINDOW = 1.15
"""Bounds are taken from ratios within this factor of quality 50's: the frontier of a short warm-up has few tables."""


class RememberingExecutor(Executor):
    """Answers at once what it has measured before, in this search or another one."""

    def __init__(self, executor: Executor) -> None:  # another executor in place of an evaluator and its workers
        self.capacity = executor.capacity
        self._executor = executor
        self._known: dict[Task, Measurement] = {}
        self._ready: list[Outcome] = []

    def remember(self, trials: Sequence[Trial]) -> None:
        """What an archive holds."""
        done = [trial for trial in trials if trial.status == "done"]
        self._known |= {Task(trial.quantizer): trial.measurement for trial in done if trial.measurement is not None}

    def submit(self, task: Task) -> None:
        """See :meth:`Executor.submit`."""
        if task in self._known:
            self._ready.append(Outcome(task, self._known[task], "", 0.0))
        else:
            self._executor.submit(task)

    def collect(self, patience_s: float | None = None) -> list[Outcome]:
        """See :meth:`Executor.collect`."""
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        outcomes = self._executor.collect(patience_s)
        for outcome in outcomes:
            if outcome.measurement is not None:
                self._known[outcome.task] = outcome.measurement
        return outcomes

    def close(self) -> None:
        """See :meth:`Executor.close`."""
        self._executor.close()


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive at ``path``, made where there is none."""
    archive = Archive.open(path) if path.exists() else Archive.create(path)
    with archive:
        yield archive


def results_of(name: str, archive: Archive) -> Results:
    """What is in it."""
    return Results(name, archive.trials("reference"), archive.trials("search"))


def sorted_search(path: Path, executor: RememberingExecutor, seed: int, trials: int) -> Results:
    """The sorted random search of a seed."""
    with opened(path) as archive:
        run_search(SortedRandom(SearchSpace.full(), seed), executor, archive, trials=trials)
        found = results_of(WARM_UP, archive)
    executor.remember([*found.reference, *found.search])
    return found


def other_search(
    strategy: type[Strategy], path: Path, executor: RememberingExecutor, seed: int, trials: int, warm_up: Results
) -> Results:
    """The search of another strategy; one that needs bounds takes them from ``warm_up`` and begins with its trials."""
    options = OPTIONS.get(strategy.name, {})
    with opened(path) as archive:
        if not strategy.informed:
            run_search(strategy(SearchSpace.full(), seed, **options), executor, archive, trials=trials)
            return results_of(strategy.name, archive)
        recorded = {trial.number for trial in archive.trials("search")}
        for trial in warm_up.search:
            if trial.number not in recorded:
                archive.add(trial)
        ratio = warm_up.standard[QUALITY].ratio
        learned = bounds_of([warm_up], "shared", window=(ratio / WINDOW, ratio * WINDOW))
        searching = strategy(learned.space, seed, fitness=learned.fitness, **options)
        run_search(searching, executor, archive, trials=trials, first=len(warm_up.search))
        return results_of(strategy.name, archive)


class Unseen:
    """Other images: what a table gains there, each measured once."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._reference = reference_trials(evaluator)
        self._gains: dict[str, float | None] = {}

    def gain_points(self, pick: Trial) -> float | None:
        """Top-1 of the tables of ``pick`` above the standard curve there, in percentage points."""
        digest = pick.quantizer.digest
        if digest not in self._gains:
            again = Trial(
                "search", 0, pick.strategy, pick.quantizer, "done", self._evaluator.evaluate(Task(pick.tables))
            )
            self._gains[digest] = gain_points(Results("unseen", self._reference, [again]), again)
        return self._gains[digest]


def rows_of(found: Results, seed: int, unseen: Unseen) -> Iterator[dict[str, Any]]:
    """One search after each twentieth of its trials; its pick at quality 50's ratio is measured on other images too."""
    for trials in checkpoints(len(found.search)):
        so_far = Results(found.name, found.reference, found.search[:trials])
        summary = summarize(so_far, REFERENCE_POINT)
        pick = summary.best_at_ratio and found.trial(summary.best_at_ratio.label)
        decisions_s = [trial.decision_s for trial in so_far.search if trial.strategy == found.name]
        yield {
            "strategy": found.name,
            "seed": seed,
            "trials": trials,
            "gain_points": summary.gain_points,
            "unseen_gain_points": pick and unseen.gain_points(pick),
            "mean_gain_points": summary.mean_gain_points,
            "decision_ms": 1000 * float(np.mean(decisions_s)) if decisions_s else None,
        }


def checkpoints(trials: int) -> list[int]:
    """After how many of ``trials`` to look: each twentieth, the last included."""
    return sorted({max(1, round(trials * part / CHECKPOINTS)) for part in range(1, CHECKPOINTS + 1)})


def reference_trials(evaluator: Evaluator) -> list[Trial]:
    """The standard curve on the images of ``evaluator``."""
    tables = {quality: QuantTables.standard(quality) for quality in REFERENCE_QUALITIES}
    return [
        Trial("reference", quality, "standard", one, "done", evaluator.evaluate(Task(one)))
        for quality, one in tables.items()
    ]


def summary_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Per strategy, after all trials, the median over the seeds, and the smallest and largest value."""

    def spread(values: "pd.Series[float]", form: str) -> str:
        return f"{values.median():{form}} ({values.min():{form}} to {values.max():{form}})"

    rows = [
        {
            "strategy": name,
            "gain in points, other images": spread(group["unseen_gain_points"], "+.2f"),
            "gain in points, images searched": spread(group["gain_points"], "+.2f"),
            "mean gain of the frontier": spread(group["mean_gain_points"], "+.2f"),
            "decision in ms": f"{group['decision_ms'].median():.1f}",
            "_order": -group["unseen_gain_points"].median(),
        }
        for name, group in frame[frame["trials"] == frame["trials"].max()].groupby("strategy")
    ]
    return pd.DataFrame(rows).sort_values("_order").drop(columns="_order")


def as_markdown(table: pd.DataFrame) -> str:
    """A table that Markdown readers lay out."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in table.to_numpy())])


def main() -> None:
    """Reads the arguments, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500, help="of each search, warm-up included")
    parser.add_argument("--warm-up", type=int, default=50, help="a tenth of the trials at most")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"))
    parser.add_argument("--out", type=Path, default=HERE)
    wanted = parser.parse_args()
    if not 0 < wanted.warm_up <= wanted.trials / 10:
        parser.error(f"a warm-up is at most a tenth of the {wanted.trials} trials, got {wanted.warm_up}")
    folder = wanted.runs / f"{wanted.trials}-{wanted.warm_up}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted.out.mkdir(parents=True, exist_ok=True)
    unseen = Unseen(build_evaluator(RunSettings(dataset=DatasetSettings(spec="textures:validate")), workers=1))
    evaluator = build_evaluator(RunSettings(), workers=usable_cores())
    names = [name for name in STRATEGIES.names() if name not in (*NOT_A_SEARCH, WARM_UP)]
    rows: list[dict[str, Any]] = []
    with RememberingExecutor(ProcessExecutor(evaluator, usable_cores())) as executor:
        for seed in range(wanted.seeds):
            found = sorted_search(folder / f"{WARM_UP}-{seed}.sqlite", executor, seed, wanted.trials)
            rows += rows_of(found, seed, unseen)
            warm_up = Results(WARM_UP, found.reference, found.search[: wanted.warm_up])
            for name in names:
                path = folder / f"{name}-{seed}.sqlite"
                other = other_search(STRATEGIES.get(name), path, executor, seed, wanted.trials, warm_up)
                rows += rows_of(other, seed, unseen)
                print(f"seed {seed}: {name}: {rows[-1]['gain_points']} points", flush=True)
    frame = pd.DataFrame(rows)
    frame.to_csv(wanted.out / "results.csv", index=False, float_format="%.6g")
    table = summary_table(frame)
    command = f"python -m benchmarks.methods --trials {wanted.trials} --warm-up {wanted.warm_up} --seeds {wanted.seeds}"
    (wanted.out / "results.md").write_text(
        "# Every strategy with the same budget\n\n"
        f"Made by `{command}`: {wanted.seeds} seeds of {wanted.trials} trials on the 600 images of textures:search. "
        f"Strategies that need an earlier search begin with the same {wanted.warm_up} sorted random trials. Gains are "
        "those of the table picked at the ratio of standard quality 50, against the standard curve, in percentage "
        "points of top-1; the other images are the 600 of textures:validate. The mean gain of the frontier is over the "
        "ratios that it shares with the standard curve. Given are the median over the seeds and the smallest and "
        "largest value"
        + (", which hold the true median with 93.75 % probability.\n\n" if wanted.seeds == 5 else ".\n\n")
        + as_markdown(table)
        + "\n",
        encoding="utf-8",
    )
    draw(frame, wanted.warm_up, wanted.out / "methods.png")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
