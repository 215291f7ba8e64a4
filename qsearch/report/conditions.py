"""Conditions: every setting, digest and version of a run, to be listed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from qsearch.report.wording import without_folders
from qsearch.run.folder import Run

LONGEST = 400
"""Characters of a value; what is longer (the tables of a validation, say) stays in the run's folder."""


@dataclass(frozen=True)
class Conditions:
    """The settings of ``run`` as (name, value), and what changed while it ran, a sentence each."""

    run: str
    settings: tuple[tuple[str, str], ...]
    changes: tuple[str, ...]


def conditions(run: Run) -> Conditions:
    """Those of ``run``; folders are left out of paths."""
    data = msgspec.to_builtins(run.settings)
    changes = tuple(f"At trial {each.at_trial}: {'; '.join(each.differences)}." for each in run.settings.changes)
    return Conditions(run.name, tuple(_flat("", data)), changes)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _flat(f"{name}[{index}]", item)
    elif value is not None and value not in ((), [], ""):
        yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        text = ", ".join(map(_text, value))
        return text if len(text) <= LONGEST else f"{len(value)} values, {text[:40]} ... (all are in run.toml)"
    return without_folders(str(value))
