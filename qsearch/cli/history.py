"""``qsearch history``: the best so far, trial by trial."""

import json
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import numpy as np

from qsearch.analysis.bootstrap import Floats
from qsearch.analysis.history import CLOSE_PERCENT, Against, Axis
from qsearch.cli import completion
from qsearch.cli.pictures import look_of, look_options
from qsearch.cli.run_names import find_run, runs_option
from qsearch.evaluation.objective import Objective, objective_called
from qsearch.report.wording import called, measured_on, saving_with_known_ends
from qsearch.run.histories import Taken, Traced, Traces, traces


@click.command()
@click.argument("run", metavar="RUN...", shell_complete=completion.runs, nargs=-1, required=True)
@runs_option
@click.option(
    "--by",
    type=click.Choice(get_args(Axis)),
    default="trials",
    show_default=True,
    help="What a search is charged: trials, or the images that networks read for them.",
)
@click.option("--validation", metavar="NAME", help="The validation that judges the picks.  [default: a run's only one]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Draw it: a .png, .svg or .pdf file.")
@look_options
@click.option("--csv", "format_", flag_value="csv", help="As comma-separated values, a row per trial.")
@click.option(
    "--json", "format_", flag_value="json", help="As JSON: the picks of each run, and each strategy's quartiles."
)
def history(
    run: tuple[str, ...],
    runs: Path,
    by: Axis,
    validation: str | None,
    out: Path | None,
    size: tuple[float, float] | None,
    title: str | None,
    format_: str | None,
) -> None:
    """Show the best so far of RUN, or of several runs that were measured alike, over its trials.

    After each trial that is the table which the search would pick: the best by its objective at no lower ratio than
    the standard tables at its --around, or at the ratio it is steered to. Bytes it saves against the standard curve at
    equal loss, and points of top-1 at equal ratio, are stated on the images searched, which flatter it, and on those of
    a validation where this measured the table. Runs that differ in the seed alone are one strategy: their median and
    quartiles. Last comes the pick that was confirmed on images kept aside, which is what 'qsearch export' takes.
    """
    look = look_of(out, title, size)
    found = [find_run(name, runs) for name in run]
    traced = traces(found, validation, lambda note: click.echo(note, err=True))
    objective = objective_called(found[0].settings.search.objective)
    if out is not None:
        from qsearch.report.history_plot import plot_history
        from qsearch.report.plots import save_figure

        save_figure(plot_history(traced, measured_on(found[0]), objective, by, look), out)
        click.echo(f"wrote {out}", err=True)
    if format_ == "json":
        click.echo(json.dumps(_as_json(traced, objective, by), indent=1))
    elif format_ == "csv":
        _write_csv(traced)
    else:
        click.echo(_as_text(traced, objective, by, measured_on(found[0])))


def _as_json(found: Sequence[Traces], objective: Objective, by: Axis) -> dict[str, Any]:
    best = _best_percent(found)
    return {
        "objective": objective.name,
        "saving_at_equal": objective.smooth.name,
        "by": by,
        "runs": [_run_as_json(each, one, best, by) for each in found for one in each.runs],
        "strategies": [_strategy_as_json(each, by) for each in found],
    }


def _run_as_json(traces_: Traces, one: Traced, best_percent: float | None, by: Axis) -> dict[str, Any]:
    history = one.history
    picks = [
        {
            "trial": history.labels[row],
            "trials": row + 1,
            "evaluations": int(history.evaluations[row]),
            **_gains(one, row),
        }
        for row in history.changes.tolist()
    ]
    return {
        "run": one.run.name,
        "strategy": traces_.name,
        "seed": one.seed,
        "at_ratio": one.target.ratio,
        "validation": one.validation and one.validation.name,
        "trials": len(history),
        "evaluations": int(history.evaluations[-1]),
        "close_after": None if best_percent is None else history.close_after(best_percent, by),
        "picks": picks,
        "taken": None if one.taken is None else _taken_as_json(one.taken),
    }


def _taken_as_json(taken: Taken) -> dict[str, Any]:
    found, there = taken.confirmed, taken.validation
    return {
        "pick": found.pick.label,
        "confirmation": found.run.name,
        "images": found.images,
        "expected_saving_percent": msgspec.to_builtins(found.pick.saving),
        **(
            {}
            if there is None
            else {
                "validation_saving_percent": _known(there.saving_percent[0]),
                "validation_gain_points": _known(there.gain_points[0]),
            }
        ),
    }


def _gains(one: Traced, row: int) -> dict[str, float | None]:
    """What the pick after trial ``row`` gains."""
    history = one.history
    found = {"": history.searched} | ({} if history.validation is None else {"validation_": history.validation})
    return {
        f"{prefix}{name}": _known(getattr(gains, name)[row])
        for prefix, gains in found.items()
        for name in ("saving_percent", "gain_points")
    }


def _strategy_as_json(each: Traces, by: Axis) -> dict[str, Any]:
    band = each.band(by)
    gains = ("saving_percent", "gain_points", "validation_saving_percent", "validation_gain_points")
    return {
        "strategy": each.name,
        "runs": [one.run.name for one in each.runs],
        by: band.x.tolist(),
        **{
            name: dict(zip(("low", "median", "high"), map(_all_known, getattr(band, name)), strict=True))
            for name in gains
        },
    }


def _write_csv(found: Sequence[Traces]) -> None:
    import pandas as pd

    def columns(each: Traces, one: Traced) -> dict[str, Any]:
        history = one.history
        unknown = np.full(len(history), np.nan)
        validation = history.validation or Against(unknown, unknown)
        return {
            "strategy": each.name,
            "run": one.run.name,
            "seed": one.seed,
            "trials": history.x("trials"),
            "evaluations": history.evaluations,
            "pick": history.labels,
            "saving_percent": history.searched.saving_percent,
            "gain_points": history.searched.gain_points,
            "validation_saving_percent": validation.saving_percent,
            "validation_gain_points": validation.gain_points,
        }

    frames = [pd.DataFrame(columns(each, one)) for each in found for one in each.runs]
    pd.concat(frames).to_csv(sys.stdout, index=False)


def _as_text(found: Sequence[Traces], objective: Objective, by: Axis, images: str) -> str:
    best, everyone = _best_percent(found), [one for each in found for one in each.runs]
    target = everyone[0].target
    where = f"at ratio {target.ratio:.2f}" + (" or more" if math.isinf(target.high) else "")
    judged = any(one.validation is not None for one in everyone)
    titles = ["run", "seed", "trials", "images read", "pick", "found after", "bytes saved", "points"]
    titles += [f"within {CLOSE_PERCENT:g} % after", *(["validation: bytes", "points"] if judged else [])]
    lines = [
        f"Measured on {images}",
        f"The pick after each trial is the best by {objective.title} {where}. Bytes are saved at equal",
        f"{objective.smooth.name}, points of top-1 gained at equal ratio, both against the standard curve; the images",
        "searched flatter them.",
    ]
    if best is not None:
        lines.append(
            f"Found and within {CLOSE_PERCENT:g} % of the best known, {best:+.1f} %: after so many {_counted(by)}."
        )
    rows = [[titles]]
    for each in found:
        rows.append([_cells(one, best, by, judged) for one in each.runs])
    widths = [max(len(row[column]) for group in rows for row in group) for column in range(len(titles))]
    lines += ["", _line(titles, widths)]
    for each, cells in zip(found, rows[1:], strict=True):
        lines += [f"{each.name}", *(_line(row, widths) for row in cells)]
        if len(each.runs) > 1:
            lines.append(_quartiles(each, by, judged))
    lines += _taken_as_lines(everyone)
    notes = [note for one in everyone if (note := _unjudged(one))]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _taken_as_lines(everyone: Sequence[Traced]) -> list[str]:
    """The confirmed picks, a line each; nothing where there are none."""
    lines = []
    for one in everyone:
        if one.taken is None:
            continue
        found, there = one.taken.confirmed, one.taken.validation
        expected = saving_with_known_ends(found.pick.saving)
        line = f"  {one.run.name}: {called(found.pick.label)}, expected to save {expected}"
        if there is not None and not math.isnan(there.gain_points[0]):
            line += (
                f"; validation: {_number(there.saving_percent[0], '+.1f', ' %')}, {there.gain_points[0]:+.2f} points"
            )
        lines.append(line)
    return ["", "Confirmed on images kept aside, which is what 'qsearch export' takes:", *lines] if lines else []


def _counted(by: Axis) -> str:
    return "trials" if by == "trials" else "images read by networks"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (f"{cell:{'<' if column == 0 else '>'}{widths[column]}}" for column, cell in enumerate(cells))
    return "  ".join(["", first, *others])


def _cells(one: Traced, best_percent: float | None, by: Axis, judged: bool) -> list[str]:
    history, changes = one.history, one.history.changes
    last = len(history) - 1
    close = None if best_percent is None else history.close_after(best_percent, by)
    validation = (
        [] if history.validation is None else [history.validation.saving_percent, history.validation.gain_points]
    )
    cells = [
        one.run.name,
        str(one.seed),
        str(len(history)),
        str(history.evaluations[-1]),
        history.labels[last] or "none",
        str(history.x(by)[changes[-1]]) if len(changes) else "",
        _number(history.searched.saving_percent[last], "+.1f", " %"),
        _number(history.searched.gain_points[last], "+.2f"),
        "never" if close is None else str(close),
    ]
    if judged:
        cells += [
            _number(values[last], *form) for values, form in zip(validation, (("+.1f", " %"), ("+.2f",)), strict=False)
        ]
    return cells + [""] * (11 - len(cells) if judged else 0)


def _quartiles(each: Traces, by: Axis, judged: bool) -> str:
    """The last quartiles of several seeds, a line."""
    band = each.band(by)
    parts = [_spread(band.saving_percent, "+.1f", "% of bytes"), _spread(band.gain_points, "+.2f", "points")]
    if judged:
        again = (
            (band.validation_saving_percent, "+.1f", "% of bytes"),
            (band.validation_gain_points, "+.2f", "points"),
        )
        parts.append("validation " + ", ".join(_spread(*one) for one in again))
    return f"  median (quartiles) of {len(each.runs)} seeds after {band.x[-1]} {_counted(by)}: {', '.join(parts)}"


def _spread(quartiles: Floats, form: str, unit: str) -> str:
    low, median, high = quartiles[:, -1]
    if math.isnan(median):
        return f"{unit.removeprefix('% of ')} not known"
    return f"{median:{form}} {unit} ({low:{form}} to {high:{form}})"


def _unjudged(one: Traced) -> str:
    """What of a run's picks its validation did not measure, and how to measure them all."""
    history, run = one.history, one.run.name
    if one.validation is None or history.validation is None:
        return ""
    rows = [row for row in history.changes.tolist() if history.pick[row] >= 0]
    missing = sum(math.isnan(history.validation.gain_points[row]) for row in rows)
    if not missing:
        return ""
    dataset = one.validation.settings.dataset
    images = "--split" if dataset.split else f"--dataset {shlex.quote(dataset.spec)}"
    tables = " ".join(f"--tables {shlex.quote(f'{run}:{history.labels[row]}')}" for row in rows)
    return (
        f"Validation {one.validation.name} does not say what {missing} of the {len(rows)} picks of run {run} gain. To "
        f"judge all: qsearch validate {shlex.quote(run)} {images} --name picks {tables}"
    )


def _best_percent(found: Sequence[Traces]) -> float | None:
    """The most bytes that a run's last pick saves on the images searched."""
    last = [one.history.searched.saving_percent[-1] for each in found for one in each.runs]
    known = [float(value) for value in last if not math.isnan(value)]
    return max(known, default=None)


def _number(value: float, form: str, unit: str = "") -> str:
    return "not known" if math.isnan(value) else f"{value:{form}}{unit}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _all_known(values: Floats) -> list[float | None]:
    return [_known(value) for value in values.tolist()]
