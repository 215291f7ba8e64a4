"""``qsearch efficiency``: what strategies cost and how soon they are good."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from qsearch.analysis.efficiency import GOOD_POINTS, Efficiency, efficiencies
from qsearch.cli import completion
from qsearch.cli.run_names import find_run, runs_option
from qsearch.pareto.fitness import GOOD_GAP, Parabola
from qsearch.run.comparable import check_comparable, one_parabola, one_reference_point


@click.command()
@click.argument("run", metavar="RUN...", shell_complete=completion.runs, nargs=-1, required=True)
@runs_option
@click.option("--csv", "format_", flag_value="csv", help="As comma-separated values.")
@click.option("--json", "format_", flag_value="json", help="As JSON.")
def efficiency(run: tuple[str, ...], runs: Path, format_: str | None) -> None:
    """Compare the strategies of runs (Li 2020, Table 2): decision time, trials until ten good tables, best gap.

    Gaps are to a parabola through the frontier of the sorted-random runs given; without one, to the parabola that a
    run has its bounds from, else to that of the first run's own frontier.
    """
    found = [find_run(name, runs) for name in run]
    check_comparable(found)
    reference_point = one_reference_point(found)
    results = [each.results() for each in found]
    parabola, source = one_parabola(found, results)
    strategies = [each.settings.search.strategy for each in found]
    rows = efficiencies(list(zip(results, strategies, strict=True)), parabola, reference_point)
    if format_ == "json":
        click.echo(
            json.dumps(
                {"parabola": {**asdict(parabola), "source": source}, "runs": [asdict(row) for row in rows]}, indent=2
            )
        )
    elif format_ == "csv":
        import pandas as pd

        pd.DataFrame([asdict(row) for row in rows]).to_csv(sys.stdout, index=False)
    else:
        click.echo(_as_text(rows, parabola, source))


def _as_text(rows: Sequence[Efficiency], parabola: Parabola, source: str) -> str:
    equal = rows[0].equal_trials
    titles = (
        "run",
        "strategy",
        "trials",
        "decision",
        f"trials to {GOOD_POINTS} good",
        "good",
        "best gap",
        f"hypervolume at {equal}",
        "at its end",
    )
    cells = [titles, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    lines = [
        f"fitness(ratio) = {parabola.a:.6g} ratio^2 {parabola.b:+.6g} ratio {parabola.c:+.6g}, {source}",
        f"A table is good where its top-1 - fitness(ratio) is above {100 * GOOD_GAP:.1f} points.",
        _window(rows[0].hypervolume_window),
        "",
    ]
    for row in cells:
        named = "  ".join(cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True))
        numbers = "  ".join(cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True))
        lines.append(f"{named}  {numbers}")
    lines += [
        f"{row.run}: {row.warm_up_trials} trials of its warm-up before these are not counted."
        for row in rows
        if row.warm_up_trials
    ]
    return "\n".join(lines)


def _window(window: tuple[float, float] | None) -> str:
    if window is None:
        return "The runs' frontiers have no ratios in common, so there is no hypervolume to compare."
    return f"Hypervolume is over the ratios {window[0]:.2f} to {window[1]:.2f}, which every run's frontier covers."


def _cells(row: Efficiency) -> tuple[str, ...]:
    gap = "none" if row.best_gap_points is None else f"{row.best_gap_points:+.2f} (trial {row.best_gap_trial})"
    return (
        row.run,
        row.strategy,
        f"{row.trials}" + (f" ({row.failed} failed)" if row.failed else ""),
        _duration(row.decision_s),
        "never" if row.trials_to_good is None else str(row.trials_to_good),
        str(row.good_points),
        gap,
        _area(row.equal_hypervolume),
        _area(row.hypervolume),
    )


def _area(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.2f} ms"
