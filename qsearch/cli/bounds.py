"""``qsearch bounds``: the bounds that a search would take from a run, and the fitness in them."""

import json
from dataclasses import asdict
from pathlib import Path

import click
import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.analysis.bounds import Bounds
from qsearch.analysis.results import Results
from qsearch.cli import completion
from qsearch.cli.options import bounds_options, box_option
from qsearch.cli.run_names import find_run, runs_option
from qsearch.errors import InputError
from qsearch.evaluation.objective import NAMES, ObjectiveName
from qsearch.run.building import learned_bounds
from qsearch.run.comparable import check_comparable
from qsearch.run.settings import Box, SearchSettings
from qsearch.space.shapes import ShapeSpace

DEFAULTS = SearchSettings()


@click.command()
@click.argument("run", metavar="RUN...", shell_complete=completion.runs, nargs=-1, required=True)
@box_option
@click.option("--objective", type=click.Choice(NAMES), help="What good is.  [default: RUN's]")
@click.option(
    "--ratio",
    type=click.FloatRange(min=0, min_open=True),
    help="Of a box of shapes: where it is good.  [default: the standard tables' at --around]",
)
@bounds_options
@runs_option
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def bounds(
    run: tuple[str, ...],
    box: Box | None,
    objective: ObjectiveName | None,
    ratio: float | None,
    around: int | None,
    window: tuple[float, float] | None,
    sigma: float | None,
    runs: Path,
    json_: bool,
) -> None:
    """Print the bounds that a search would take from RUN, or from several runs, and the fitness in them."""
    found = [find_run(name, runs) for name in run]
    check_comparable(found)
    wanted = found[0].settings.search
    wanted = msgspec.structs.replace(
        DEFAULTS,
        layout=wanted.layout,
        objective=objective or wanted.objective,
        box=box or "shape",
        around=found[0].like_quality if around is None else around,
        window=window,
        sigma=DEFAULTS.sigma if sigma is None else sigma,
    )
    sources = [each.results() for each in found]
    if wanted.box == "shape":
        ratio = _standard_ratio(sources, wanted.around) if ratio is None else ratio
        wanted = msgspec.structs.replace(wanted, ratio=ratio)
    learned = learned_bounds(wanted, sources)
    click.echo(json.dumps(_as_json(learned), indent=2) if json_ else _as_text(learned))


def _standard_ratio(sources: list[Results], quality: int) -> float:
    for results in sources:
        if quality in results.standard:
            return results.standard[quality].ratio
    raise InputError(f"run {sources[0].name} did not measure standard quality {quality}: give --ratio, or --around.")


def _ends(learned: Bounds) -> dict[str, npt.NDArray[np.float64]]:
    """The box's lower and upper end, [tables, 8, 8]: entries, or what they are to the geometric mean of all."""
    space = learned.space
    ends = {"lower": space.lower, "upper": space.upper}
    if isinstance(space, ShapeSpace):
        return {name: np.exp(space.origin + space.step * (end - 1.0)).reshape(-1, 8, 8) for name, end in ends.items()}
    return {name: end.astype(np.float64).reshape(-1, 8, 8) for name, end in ends.items()}


def _tables(learned: Bounds) -> tuple[str, ...]:
    return {"shared": ("luma",), "luma-chroma": ("luma", "chroma"), "ycbcr": ("luma", "cb", "cr")}[learned.space.layout]


def _as_json(learned: Bounds) -> dict[str, object]:
    fit = {name: value for name, value in asdict(learned.fitness).items() if name != "objective"}
    found = {
        "sources": learned.sources,
        "window": learned.window,
        "sigma": learned.sigma,
        "objective": learned.fitness.objective.name,
        "box": learned.space.box,
        "parabola": None if learned.parabola is None else asdict(learned.parabola),
        "local_fit": fit,
        "layout": learned.space.layout,
        "tables": [seed.label for seed in learned.seeds],
    }
    space = learned.space
    if isinstance(space, ShapeSpace):
        ends = {name: dict(zip(_tables(learned), end.tolist(), strict=True)) for name, end in _ends(learned).items()}
        return {**found, **ends}
    return {**found, "lower": space.to_tables(space.lower).to_dict(), "upper": space.to_tables(space.upper).to_dict()}


def _as_text(learned: Bounds) -> str:
    parabola, fit = learned.parabola, learned.fitness
    shapes = isinstance(learned.space, ShapeSpace)
    what = f"the shapes of {len(learned.seeds) - 1} tables" if shapes else "the frontier"
    lines = [
        f"Bounds from {what} of {', '.join(learned.sources)} at ratios {learned.window[0]:.2f} to "
        f"{learned.window[1]:.2f}, sigma {learned.sigma:g}, by {fit.objective.title}",
        f"near these: fitness(ratio) = {fit.a:.6g} x^2 {fit.b:+.6g} x {fit.c:+.6g}, x = ln(ratio / {fit.center:.6g}), "
        f"from {fit.low:.2f} to {fit.high:.2f}{', of the standard tables' if shapes else ''}; what strategies optimise",
    ]
    if parabola is not None:
        lines.append(
            f"over all:   fitness(ratio) = {parabola.a:.6g} ratio^2 {parabola.b:+.6g} ratio {parabola.c:+.6g}, of top-1"
        )
    if shapes:
        lines.append("entries as multiples of their geometric mean:")
    for end, tables in _ends(learned).items():
        for part, table in zip(_tables(learned), tables, strict=True):
            lines += ["", f"{end}:" if learned.space.layout == "shared" else f"{end}, {part}:"]
            lines += [" ".join(f"{entry:5.2f}" if shapes else f"{entry:3.0f}" for entry in row) for row in table]
    return "\n".join(lines)
