"""``qsearch bounds``: the bounds that a search would take from a run, and the fitness in them."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from qsearch.analysis.bounds import Bounds, bounds_of
from qsearch.cli import completion
from qsearch.cli.options import bounds_options
from qsearch.cli.run_names import find_run, runs_option
from qsearch.run.comparable import check_comparable
from qsearch.run.settings import SearchSettings
from qsearch.tables import QuantTables

DEFAULTS = SearchSettings()


@click.command()
@click.argument("run", metavar="RUN...", shell_complete=completion.runs, nargs=-1, required=True)
@bounds_options
@runs_option
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def bounds(
    run: tuple[str, ...],
    around: int | None,
    window: tuple[float, float] | None,
    sigma: float | None,
    runs: Path,
    json_: bool,
) -> None:
    """Print the bounds and the fitness of RUN's frontier, or of the common one of several runs."""
    found = [find_run(name, runs) for name in run]
    check_comparable(found)
    learned = bounds_of(
        [each.results() for each in found],
        found[0].settings.search.layout,
        around=DEFAULTS.around if around is None else around,
        window=window,
        sigma=DEFAULTS.sigma if sigma is None else sigma,
    )
    click.echo(json.dumps(_as_json(learned), indent=2) if json_ else _as_text(learned))


def _ends(learned: Bounds) -> dict[str, QuantTables]:
    space = learned.space
    return {"lower": space.to_tables(space.lower), "upper": space.to_tables(space.upper)}


def _as_json(learned: Bounds) -> dict[str, object]:
    return {
        "sources": learned.sources,
        "window": learned.window,
        "sigma": learned.sigma,
        "parabola": asdict(learned.parabola),
        "local_fit": asdict(learned.fitness),
        "layout": learned.space.layout,
        **{end: tables.to_dict() for end, tables in _ends(learned).items()},
    }


def _as_text(learned: Bounds) -> str:
    parabola, fit = learned.parabola, learned.fitness
    lines = [
        f"Bounds from the frontier of {', '.join(learned.sources)} at ratios {learned.window[0]:.2f} to "
        f"{learned.window[1]:.2f}, sigma {learned.sigma:g}",
        f"near these: fitness(ratio) = {fit.a:.6g} x^2 {fit.b:+.6g} x {fit.c:+.6g}, x = ln(ratio / {fit.center:.6g}), "
        f"from {fit.low:.2f} to {fit.high:.2f}; what strategies optimise",
        f"over all:   fitness(ratio) = {parabola.a:.6g} ratio^2 {parabola.b:+.6g} ratio {parabola.c:+.6g}",
    ]
    for end, tables in _ends(learned).items():
        for part, table in tables.to_dict().items():
            what = "" if learned.space.layout == "shared" else f", {part}"
            if learned.space.layout == "shared" and part != "luma":
                continue
            lines += ["", f"{end}{what}:"]
            lines += [" ".join(f"{entry:3d}" for entry in row) for row in table]
    return "\n".join(lines)
