"""Templates: what the report and the board have in common of how an HTML page is made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from qsearch.errors import InputError
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.run.folder import Run

if TYPE_CHECKING:
    from jinja2 import Environment

ASSETS = resources.files("qsearch.report") / "assets"
DRAWING = ("svg.js", "view.js", "heat_map.js", "sharing.js", "tables.js", "panel.js", "chart_input.js", "chart.js")


def environment() -> "Environment":
    """What renders the assets that are templates; names in them never become markup."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def as_script_data(data: Mapping[str, Any]) -> str:
    """``data`` as JSON that cannot end the script element it stands in."""
    text = json.dumps(data, default=_builtins, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _builtins(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is no part of a page's data")


def asset(name: str) -> str:
    """A file of the page."""
    return ASSETS.joinpath(name).read_text(encoding="utf-8")


def check_names(runs: Sequence[Run]) -> None:
    """InputError where two runs have one name, for names tell them apart in the page."""
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{names.count(name)} of the runs are called {name}: name each once, or rename a folder.")


def chart_id(name: str, objective: Objective) -> str:
    """What the page calls the chart ``name`` in ``objective``."""
    return name if objective is TOP1 else f"{name}/{objective.name}"
