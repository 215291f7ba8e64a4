"""How commands name runs: a path, or a name in the folder of runs; and the quality that they are stated at."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click
from click.decorators import FC

from qsearch.analysis.choice import measured_baseline
from qsearch.analysis.results import Results
from qsearch.run.folder import SETTINGS_FILE, Run

DEFAULT_RUNS = "runs"


def runs_option(function: FC) -> FC:
    """``--runs FOLDER``."""
    return click.option(
        "--runs",
        "runs",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_RUNS,
        show_default=True,
        envvar="QSEARCH_RUNS",
        show_envvar=True,
        help="The folder of runs.",
    )(function)


def like_quality_option(help_: str) -> Callable[[FC], FC]:
    """``--like-quality Q``, which ``help_`` says the use of."""
    return click.option("--like-quality", type=click.IntRange(1, 100), metavar="Q", help=help_)


look_option = like_quality_option(
    "State gains and picks against the standard tables at this quality, one of those that the run measured.  "
    "[default: the run's]"
)


def is_run(name: str, runs: Path) -> bool:
    """Whether a user calls a run ``name``: by its path, or as a folder in ``runs``."""
    return bool(name) and any((folder / SETTINGS_FILE).is_file() for folder in (Path(name), runs / name))


def run_names(runs: Path) -> list[str]:
    """The runs in the folder ``runs``."""
    return [path.parent.name for path in sorted(runs.glob(f"[!.]*/{SETTINGS_FILE}"))]


def find_run(name: str, runs: Path, like_quality: int | None = None) -> Run:
    """The run a user calls ``name``: a path, else a folder in ``runs``. InputError where there is none.

    ``like_quality``: the standard quality to look at it at, by default its own; InputError where it did not measure
    that one.
    """
    path = Path(name)
    if len(path.parts) == 1 and not (path / SETTINGS_FILE).is_file():
        path = runs / name
    run = Run.open(path)
    if like_quality is None or like_quality == run.like_quality:
        return run
    run = run.looked_at(like_quality)
    with run.archive() as archive:
        measured_baseline(Results(run.name, archive.trials("reference"), [], like_quality=like_quality))
    return run


def find_runs(names: Sequence[str], runs: Path, like_quality: int | None = None) -> list[Run]:
    """Several, all looked at at one standard quality: that of the first where none is given."""
    first, *others = names
    run = find_run(first, runs, like_quality)
    return [run, *(find_run(each, runs, run.like_quality) for each in others)]
