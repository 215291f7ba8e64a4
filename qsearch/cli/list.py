"""``qsearch list``: what there is to choose from, and the runs there are."""

import json
import re
from pathlib import Path
from typing import Any

import click

from qsearch.cli.run_names import run_names, runs_option
from qsearch.errors import QSearchError
from qsearch.registry import Registry
from qsearch.run.folder import Run
from qsearch.text import one_line


@click.command("list")
@click.argument(
    "what",
    type=click.Choice(["all", "runs", "strategies", "datasets", "classifiers", "codecs", "models"]),
    default="all",
)
@runs_option
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def list_(what: str, runs: Path, json_: bool) -> None:
    """List runs, strategies, datasets, classifiers, codecs and table models, those of installed plug-ins included."""
    from qsearch.classifiers import CLASSIFIERS
    from qsearch.codecs import CODECS
    from qsearch.datasets import DATASETS
    from qsearch.models import MODELS
    from qsearch.strategies import STRATEGIES

    registries: dict[str, Registry[Any]] = {
        registry.kind: registry for registry in (STRATEGIES, DATASETS, CLASSIFIERS, CODECS, MODELS)
    }
    found: dict[str, dict[str, str]] = {
        kind: {name: _purpose(registry, name) for name in registry.names()}
        for kind, registry in registries.items()
        if what in ("all", kind)
    }
    options = {name: taken for name in found.get("strategies", ()) if (taken := _options(name))}
    if what in ("all", "runs"):
        found["runs"] = {name: _state(runs / name) for name in run_names(runs)}
    if json_:
        click.echo(json.dumps({**found, **({"options": options} if options else {})}, indent=2, default=str))
        return
    for kind, entries in found.items():
        click.echo(f"{kind}:")
        width = max(map(len, entries), default=0)
        for name, purpose in entries.items():
            click.echo(f"  {name:{width}}  {purpose}".rstrip())
            if kind == "strategies" and name in options:
                defaults = " ".join(f"{option}={_as_set(default)}" for option, default in options[name].items())
                click.echo(f"  {'':{width}}    --set {defaults}")
        if not entries:
            click.echo(f"  none in {runs}" if kind == "runs" else "  none")


def _purpose(registry: Registry[Any], name: str) -> str:
    """The first line of its docstring, without the markup."""
    try:
        described = str(registry.get(name).__doc__ or "").strip().split("\n")[0]
    except QSearchError as error:
        return f"unusable: {error}"
    return one_line(re.sub(r":\w+:`([^`]*)`|``([^`]*)``", r"\1\2", described))


def _options(strategy: str) -> dict[str, Any]:
    """What ``--set`` takes, and the defaults; nothing where it cannot be had."""
    from qsearch.run.building import strategy_class
    from qsearch.strategies.base import strategy_options

    try:
        return strategy_options(strategy_class(strategy))
    except QSearchError:
        return {}


def _as_set(default: Any) -> str:
    """As a user would write it after NAME=."""
    return one_line(default if isinstance(default, str) else json.dumps(default, default=str))


def _state(path: Path) -> str:
    try:
        run = Run.open(path)
        with run.archive() as archive:
            count = archive.count("search")
    except QSearchError as error:
        return f"unreadable: {error}"
    search = run.settings.search
    return f"{search.strategy}, {count} of {search.trials} trials, {run.settings.dataset.spec}"
