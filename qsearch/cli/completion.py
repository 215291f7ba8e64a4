"""Completion: what a shell offers for runs, their tables, and what is registered, plug-ins included."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from qsearch.errors import QSearchError

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of runs; paths where a folder is being typed."""
    from qsearch.cli.run_names import run_names

    if os.sep in incomplete:
        return [CompletionItem(incomplete, type="dir")]
    return _beginning(run_names(_folder(ctx)), incomplete)


def tables(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Standard and published tables, runs and, behind a run's name, its frontier; else files."""
    from qsearch.cli.run_names import is_run, run_names
    from qsearch.cli.tables import BEST
    from qsearch.tables.published import published_names

    folder = _folder(ctx)
    name, colon, _ = incomplete.rpartition(":")
    if colon and is_run(name, folder):
        return _beginning((f"{name}:{label}" for label in [BEST, *_frontier(folder, name)]), incomplete)
    known = [*run_names(folder), "standard:50", *(f"published:{one}" for one in published_names())]
    return _beginning(known, incomplete) or [CompletionItem(incomplete, type="file")]


def trials(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The frontier of the run that is named before."""
    # While its last option has no value yet, click leaves the arguments unparsed.
    named = [*(ctx.params.get(name) for name in ("run_", "source")), *ctx.args]
    run = next((value for value in named if isinstance(value, str)), "")
    return _beginning(_frontier(_folder(ctx), run), incomplete)


def registered(kind: str) -> Complete:
    """What is registered as ``kind``: strategies, datasets, classifiers or codecs; files where none begins so."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _beginning(_names(kind), incomplete) or [CompletionItem(incomplete, type="file")]

    return complete


def _names(kind: str) -> list[str]:
    from qsearch.classifiers import CLASSIFIERS
    from qsearch.codecs import CODECS
    from qsearch.datasets import DATASETS
    from qsearch.strategies import STRATEGIES

    return next(registry.names() for registry in (STRATEGIES, DATASETS, CLASSIFIERS, CODECS) if registry.kind == kind)


def _folder(ctx: click.Context) -> Path:
    from qsearch.cli.run_names import DEFAULT_RUNS

    return Path(ctx.params.get("runs") or os.environ.get("QSEARCH_RUNS") or DEFAULT_RUNS)


def _frontier(folder: Path, name: str) -> list[str]:
    """The labels of a run's frontier; none where it cannot be read, for a shell has no place to say so."""
    from qsearch.cli.run_names import find_run

    try:
        return [trial.label for trial in find_run(name, folder).results().frontier]
    except QSearchError:
        return []


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
