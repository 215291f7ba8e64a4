"""Which strategy takes home the better table for the same work, judged on images that no search saw.

    python -m benchmarks.methods --data textures
    python -m benchmarks.methods --data photos --ratios 22 16 10 --seeds 3

Every search has the same number of evaluations of images by the network: so many trials' worth of all its images, its
confirmation included; the standard tables, which all need, are not counted. All search by cross-entropy, steered to
the ratio; those that need bounds begin with sorted random trials, a tenth of the budget at most. What is judged is
what ``qsearch export`` takes by default, the pick confirmed on images kept aside; beside it the one that would be
picked among what the search itself found, the best table by loss on the images searched, and the average of all tables
and of the best ones. Beside them stand published tables, and what ``qsearch run`` learns beside every search: for
distortion, and for accuracy, with what asking the network took, which counts as the search's. Published tables, and
those learned for distortion, ask no network: they are the controls.

A search is a run in runs/methods, so that an interrupted comparison goes on where it was. Writes NAME.csv, NAME.md and
NAME.png into --out.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from benchmarks.judge import Judge, problem
from benchmarks.methods import best_known
from benchmarks.methods.picture import draw
from qsearch.analysis.candidates import LEARNED, PUBLISHED, gaps
from qsearch.analysis.comparison import compare
from qsearch.analysis.gains import bootstrap_gains
from qsearch.analysis.results import Results, measured
from qsearch.archive.store import Archive
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import LOSS
from qsearch.learning.contenders import contenders, images_asked
from qsearch.learning.sensitivity import QUESTIONS
from qsearch.run.building import build_evaluator, seed_settings, usable_cores
from qsearch.run.confirmation import FOLDER as CONFIRMATIONS
from qsearch.run.confirmation import confirmed, kept_aside, open_confirmation
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE, Run
from qsearch.run.settings import RunSettings, SearchSettings, SeedSettings
from qsearch.search.racing import RaceOptions
from qsearch.search.steering import Steering
from qsearch.space.shapes import in_layout
from qsearch.strategies import STRATEGIES
from qsearch.strategies.base import Seed
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names, published_tables

HERE = Path(__file__).parent
NOT_A_SEARCH = ("standard", "listed")
RACING = "sorted-random, racing"
OPTIONS: dict[str, dict[str, Any]] = {"bayesian": {"initial": 0}, "bayesian-grid": {"initial": 0}}
"""They begin with random trials of their own, but here the warm-up is what they learn from first."""
CONFIRM_SHARE = 0.25
CONFIRMED_TABLES = 38
"""About as many tables are measured on the images kept aside."""
RATIOS = {"textures": (19.0,), "photos": (22.0, 16.0, 10.0)}


def trials_for(budget: int, images: int, searched: int) -> int:
    """Of a search of ``searched`` of the ``images``, where ``budget`` trials on all of them pay for all that is asked.

    That is the confirmation, and what is asked of the network to learn tables beside the search.
    """
    left = budget * images - CONFIRMED_TABLES * (images - searched)
    fitting = (
        trials
        for trials in range(left // searched, 0, -1)
        if trials * searched + QUESTIONS * images_asked(searched, trials) <= left
    )
    return next(fitting)


def search(
    name: str,
    seed: int,
    ratio: float,
    trials: int,
    learned: Sequence[Seed],
    settings: RunSettings,
    searching: Evaluator,
    folder: Path,
) -> Run:
    """The confirmed run of a strategy with as many evaluations of images as ``trials`` on all of them take.

    ``learned`` are tables learned beside it.
    """
    racing = name == RACING
    strategy = STRATEGIES.get("sorted-random" if racing else name)
    evaluations = trials * len(searching.dataset)
    wanted = SearchSettings(
        strategy=strategy.name,
        options=OPTIONS.get(name, {}),
        trials=trials,
        seed=seed,
        layout=strategy.layouts[0],
        ratio=ratio,
        objective="loss",
        box="shape" if strategy.needs_bounds else "paper",
        warm_up=trials // 10 if strategy.needs_bounds else 0,
        seeds=seeds_of(learned, strategy.layouts[0]) if strategy.seeded else (),
        race=RaceOptions() if racing else None,
    )
    path = folder / f"{name.replace(', ', '-')}-{ratio:g}-{seed}"
    run = (
        Run.open(path)
        if (path / SETTINGS_FILE).exists()
        else Run.create(path, msgspec.structs.replace(settings, search=wanted), searching)
    )
    carry_standard(run, folder.glob(f"*/{SETTINGS_FILE}"))
    run.resume(evaluator=searching)
    while racing and spent(run) < 0.97 * evaluations:  # tables that were stopped leave work for more
        more = max(1, round(len(run.results().search) * (evaluations / spent(run) - 1)))
        run.resume(evaluator=searching, trials=len(run.results().search) + more)
    confirmation, measuring = open_confirmation(run, searching, lambda ratio: learned)
    carry_standard(confirmation, folder.glob(f"*/{CONFIRMATIONS}/*/{SETTINGS_FILE}"))
    confirmation.resume(evaluator=measuring)
    return run


def carry_standard(run: Run, others: Iterable[Path]) -> None:
    """The standard tables, which all runs need and none pays for, from one of ``others`` that measured them.

    All are on the same images, read by the same network.
    """
    wanted = len(run.settings.search.qualities) + 1  # and the uncompressed images
    with Archive.open(run.path / ARCHIVE_FILE) as archive:
        if archive.count("reference"):
            return
        for other in map(Run.open, sorted(path.parent for path in others)):
            known, _ = other.trials()
            if len(known) == wanted and other.settings.search.qualities == run.settings.search.qualities:
                archive.add_all(known)
                return


def seeds_of(learned: Sequence[Seed], layout: str) -> tuple[SeedSettings, ...]:
    """The published and the ``learned`` tables, as far as ``layout`` can express them."""
    published = [Seed(f"{PUBLISHED}{name}", published_tables(name)) for name in published_names()]
    return tuple(seed_settings(Seed(one.label, in_layout(one.tables, layout))) for one in (*published, *learned))


def spent(run: Run) -> int:
    """Evaluations of images by the network in the search trials of ``run``."""
    columns = run.results().search.columns
    return int(columns.images[columns.statuses != "screened"].sum())  # of those that were screened it saw none


def choices(run: Run, ratio: float) -> dict[str, QuantTables]:
    """What could be taken home of ``run``.

    The confirmed pick, the one that would be picked among the search's own tables and their averages, the best on the
    images searched, and the averages.
    """
    found, results = confirmed(run), run.results()
    assert found is not None  # it was just measured
    own = next(each.tables for each in found.considered if each.kind in ("searched", "average"))
    averages = {each.label: each.tables for each in found.considered if each.kind == "average"}
    best = results.done[int(np.argmax(gaps(results, ratio)))]
    return {"pick": found.pick.tables, "pick of its own": own, "best on the images searched": best.tables, **averages}


def rows_of(run: Run, judge: Judge, name: str, seed: int, ratio: float) -> Iterator[dict[str, Any]]:
    """What each choice of ``run`` gains on the unseen images."""
    found = confirmed(run)
    assert found is not None
    chosen = choices(run, ratio)
    trials = judge.results(list(chosen.values()))
    results = Results("unseen", judge.reference, trials, LOSS)
    for what, trial in zip(chosen, trials, strict=True):
        yield {
            "strategy": name,
            "seed": seed,
            "ratio": ratio,
            "choice": what,
            "label": found.pick.label if what == "pick" else what,
            "trials": len(run.results().search) - run.results().search.count("screened"),
            "evaluations": spent(run),
            **gained(results, trial),
        }


def gained(results: Results, trial: Trial) -> dict[str, Any]:
    """What ``trial`` gains on the images of ``results``, with the interval of the bytes that it saves."""
    gains = bootstrap_gains(results, trial)
    saving = gains.saving_at(LOSS)
    assert saving is not None
    return {
        "saving_at_loss_percent": saving.value,
        "low": saving.low,
        "high": saving.high,
        "gain_points": gains.gain_points.value,
        "digest": trial.quantizer.digest,
    }


def controls(
    evaluator: Evaluator, judge: Judge, ratio: float, learned: Sequence[Seed], asked: int
) -> list[dict[str, Any]]:
    """Published and ``learned`` tables, scaled to ``ratio`` on the images of ``evaluator``, on the unseen ones.

    asked: how many evaluations of images learning for accuracy took.
    """
    steering, tables = Steering(evaluator, ratio), {}
    shapes = {f"{PUBLISHED}{name}": published_tables(name) for name in published_names()}
    shapes |= {one.label: one.tables for one in learned}
    for name, shape in shapes.items():
        admission = steering.admit(shape)
        if not admission.reason:
            tables[name] = admission.tables
    trials = judge.results(list(tables.values()))
    results = Results("unseen", judge.reference, trials, LOSS)
    rows = []
    for name, trial in zip(tables, trials, strict=True):
        of_network = name == f"{LEARNED}accuracy"
        rows.append(
            {
                "strategy": name,
                "seed": None,
                "ratio": ratio,
                "choice": "learned" if of_network else "control",
                "label": name,
                "trials": 0,
                "evaluations": asked if of_network else 0,
                **gained(results, trial),
            }
        )
    return rows


def against_best_control(frame: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    """``frame`` with the bytes that each pick saves beyond the best control at its ratio, at equal loss, paired."""
    frame = frame.assign(control="", over_control_percent=np.nan, over_control_low=np.nan, over_control_high=np.nan)
    known = judge.known
    standard = [measured(trial) for trial in judge.reference]
    for _, group in frame.groupby("ratio"):
        # Where some resamples lie beyond the standard curve there is no interval, and nothing to be compared with.
        known_ends = group[(group["choice"] == "control") & group["low"].notna()]
        control = known_ends.sort_values("saving_at_loss_percent").iloc[-1]
        baseline = measured(known[control["digest"]])
        for row in group[group["choice"] != "control"].index:
            smooth = compare(baseline, [measured(known[frame.loc[row, "digest"]])], standard)[0].loss
            assert smooth is not None
            byte_ratio = smooth.byte_ratio
            assert byte_ratio is not None
            frame.loc[row, "control"] = control["label"]
            ends = {"percent": byte_ratio.value, "high": byte_ratio.low, "low": byte_ratio.high}
            for end, value in ends.items():
                frame.loc[row, f"over_control_{end}"] = np.nan if value is None else 100 * (1 - value)
    return frame


def summary_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Per ratio, strategy and choice the median over the seeds, and the smallest and largest value."""

    def spread(values: "pd.Series[float]") -> str:
        if values.isna().all():
            return ""
        ends = f" ({values.min():+.1f} to {values.max():+.1f})" if len(values) > 1 else ""
        return f"{values.median():+.1f}{ends}"

    rows = [
        {
            "ratio": ratio,
            "what": name if choice in ("control", "learned") else f"{name}: {choice}",
            "seeds": len(group),
            "bytes saved at equal loss, %": spread(group["saving_at_loss_percent"]),
            "median interval (95 %)": ""
            if group["low"].isna().all()
            else f"{group['low'].median():+.1f} to {group['high'].median():+.1f}",
            "over the best control, %": spread(group["over_control_percent"]),
            "not told below it": ""
            if choice == "control"
            else f"{int((group['over_control_high'] >= 0).sum())} of {group['over_control_high'].count()}",
            "best known beyond it, %": "" if choice == "control" else spread(group[best_known.COLUMN]),
            "points": spread(group["gain_points"]),
            "_order": -group["saving_at_loss_percent"].median(),
        }
        for (ratio, name, choice), group in frame.groupby(["ratio", "strategy", "choice"], dropna=False)
    ]
    ordered = pd.DataFrame(rows).sort_values(["ratio", "_order"], ascending=[False, True])
    return ordered.drop(columns="_order").reset_index(drop=True)


def as_markdown(table: pd.DataFrame) -> str:
    """A table that Markdown readers lay out."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in table.to_numpy())])


def main() -> None:
    """Reads the arguments, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["textures", "photos"], default="textures")
    parser.add_argument("--network", default="mobilenet_v2", help="of ../shared/models, for photos")
    parser.add_argument("--budget", type=int, default=100, help="evaluations, in trials' worth of all images")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ratios", type=float, nargs="+")
    parser.add_argument("--strategies", nargs="+", help="by default all, and sorted random with racing")
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"))
    parser.add_argument("--out", type=Path, default=HERE)
    wanted = parser.parse_args()
    if wanted.budget < 20:
        parser.error(f"a search and its confirmation take 20 trials' worth or more, got {wanted.budget}")
    names = wanted.strategies or [*(name for name in STRATEGIES.names() if name not in NOT_A_SEARCH), RACING]
    posed = problem(wanted.data, wanted.network)
    what = wanted.data if wanted.data == "textures" else f"{wanted.data}-{wanted.network}"
    folder = wanted.runs / f"{what}-{wanted.budget}"
    stem = what if wanted.budget == parser.get_default("budget") else folder.name
    folder.mkdir(parents=True, exist_ok=True)
    wanted.out.mkdir(parents=True, exist_ok=True)
    evaluator = build_evaluator(posed.searched, usable_cores())
    judge = Judge(build_evaluator(posed.unseen, usable_cores()), folder / "unseen.sqlite")
    rows: list[dict[str, Any]] = []
    settings, searching = kept_aside(posed.searched, evaluator, CONFIRM_SHARE)
    searched = len(searching.dataset)
    trials = trials_for(wanted.budget, len(evaluator.dataset), searched)
    asked = QUESTIONS * images_asked(searched, trials)
    for ratio in wanted.ratios or RATIOS[wanted.data]:
        learned = list(contenders(searching, ratio, trials))
        rows += controls(evaluator, judge, ratio, learned, asked)
        for seed in range(wanted.seeds):
            for name in names:
                run = search(name, seed, ratio, trials, learned, settings, searching, folder)
                rows += rows_of(run, judge, name, seed, ratio)
                pick = next(row for row in reversed(rows) if row["choice"] == "pick")
                print(f"ratio {ratio:g}, seed {seed}, {name}: {json.dumps(pick, default=str)}", flush=True)
    frame = against_best_control(pd.DataFrame(rows), judge)
    standard = [measured(trial) for trial in judge.reference]
    judged = {digest: measured(trial) for digest, trial in judge.known.items()}
    frame[best_known.COLUMN] = best_known.against_best_known(frame, judged, standard)
    frame.to_csv(wanted.out / f"{stem}.csv", index=False, float_format="%.6g")
    table = summary_table(frame)
    command = " ".join(
        ["python -m benchmarks.methods", f"--data {wanted.data}"]
        + ([f"--network {wanted.network}"] if wanted.data == "photos" else [])
        + [f"--budget {wanted.budget} --seeds {wanted.seeds}"]
        + ([f"--ratios {' '.join(f'{ratio:g}' for ratio in wanted.ratios)}"] if wanted.ratios else [])
        + ([f"--strategies {' '.join(repr(name) for name in names)}"] if wanted.strategies else [])
    )
    (wanted.out / f"{stem}.md").write_text(
        f"# {what}: what each strategy takes home\n\n"
        f"Made by `{command}`: {wanted.seeds} seeds, {wanted.budget} trials' worth of evaluations of the "
        f"{len(evaluator.dataset)} images searched, a quarter of which are kept aside for the confirmation; judged on "
        f"{measured(judge.reference[0]).images} other images. Given are the median over the seeds and the smallest and "
        "largest value; an interval is that of the paired bootstrap over images, of the median seed. The best known is "
        "named on half of these images, and what it saves beyond a choice is measured on the other half, the mean over "
        f"{best_known.SPLITS} random halves.\n\n" + as_markdown(table) + "\n",
        encoding="utf-8",
    )
    draw(frame, wanted.out / f"{stem}.png")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
