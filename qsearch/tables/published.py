"""Tables that others published, to compare with."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from qsearch.errors import InputError
from qsearch.registry import nearest_names
from qsearch.tables.quant import QuantTables, scale_table

AS_PUBLISHED = 50
"""The quality at which libjpeg's formula leaves tables as they are."""


def published_names() -> list[str]:
    """The names that :func:`published_tables` knows."""
    return list(_published())


def published_source(name: str) -> str:
    """Where the tables ``name`` were published. InputError for an unknown name."""
    return str(_entry(name)["source"])


def published_tables(name: str, quality: int = AS_PUBLISHED) -> QuantTables:
    """The published tables ``name`` at ``quality`` 1..100 by libjpeg's formula; 50 is as published, rounded.

    InputError for an unknown name, with the nearest ones.
    """
    entry = _entry(name)
    return QuantTables(scale_table(entry["luma"], quality), scale_table(entry["chroma"], quality))


def _entry(name: str) -> dict[str, Any]:
    if name not in _published():
        raise InputError(f"no published tables are called {name!r}: {nearest_names(name, _published())}")
    return _published()[name]


@cache
def _published() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads(
        files("qsearch.tables").joinpath("published_tables.json").read_text(encoding="utf-8")
    )
    return entries
