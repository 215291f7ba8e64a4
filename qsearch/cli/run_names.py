"""How commands name runs: a path, or a name in the folder of runs."""

from pathlib import Path

import click

from qsearch.run.folder import SETTINGS_FILE, Run

DEFAULT_RUNS = "runs"


def runs_option(function: click.decorators.FC) -> click.decorators.FC:
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


def is_run(name: str, runs: Path) -> bool:
    """Whether a user calls a run ``name``: by its path, or as a folder in ``runs``."""
    return bool(name) and any((folder / SETTINGS_FILE).is_file() for folder in (Path(name), runs / name))


def run_names(runs: Path) -> list[str]:
    """The runs in the folder ``runs``."""
    return [path.parent.name for path in sorted(runs.glob(f"[!.]*/{SETTINGS_FILE}"))]


def find_run(name: str, runs: Path) -> Run:
    """The run a user calls ``name``: a path, else a folder in ``runs``. InputError where there is none."""
    path = Path(name)
    if len(path.parts) == 1 and not (path / SETTINGS_FILE).is_file():
        path = runs / name
    return Run.open(path)
