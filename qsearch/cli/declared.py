"""Command-line options made from declared options objects, so that each option is written down once."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import inspect as kinds

Struct = type[msgspec.Struct]


class Number(click.FloatRange):
    """A number in a range: neither infinite nor none, which compare with no end of it."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As :class:`click.FloatRange`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


def options_for(declared: Struct, *, only: tuple[str, ...] | None = None, **texts: str) -> Callable[[Any], Any]:
    """A decorator that adds an option for each field of ``declared``, or for those in ``only``.

    What the user does not give is None. ``texts`` are help texts in place of the declared ones.
    """

    def decorate(function: Any) -> Any:
        for field in reversed(msgspec.structs.fields(declared)):
            if only is None or field.name in only:
                function = _option(field, texts.get(field.name))(function)
        return function

    return decorate


def field_names(declared: Struct, mark: str | None = None) -> tuple[str, ...]:
    """The fields of ``declared``, or those that are marked so in their ``extra``."""
    fields = msgspec.structs.fields(declared)
    return tuple(field.name for field in fields if mark is None or _extra(field).get(mark))


def given_fields(declared: Struct, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``declared`` that the user gave, paths made absolute, so that a run resumes from any folder."""
    found = {}
    for field in msgspec.structs.fields(declared):
        value = given.get(field.name)
        if value is not None:
            path = _extra(field).get("path") and Path(value).exists()
            found[field.name] = str(Path(value).resolve()) if path else value
    return found


def defaults_said(options: Callable[[Any], Any], words: Callable[[str, str], str]) -> Callable[[Any], Any]:
    """``options`` whose help says ``words(name, default)`` in place of each default, which may be empty."""

    def decorate(function: Any) -> Any:
        before = len(getattr(function, "__click_params__", ()))
        function = options(function)
        for option in function.__click_params__[before:]:
            text, found, default = (option.help or "").partition("  [default: ")
            said = words(option.name, default.removesuffix("]")) if found else ""
            option.help = f"{text}  [default: {said}]" if said else text
        return function

    return decorate


def assignment(option: str) -> Callable[[str], tuple[str, Any]]:
    """A reader of NAME=VALUE given to ``option``: the value as JSON where it is, else as text."""

    def read(text: str) -> tuple[str, Any]:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"{option} takes NAME=VALUE, got {text!r}.")
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or numbers and nesting beyond what Python reads
            parsed = value
        if parsed is None:
            raise click.UsageError(f"{option} {text} gives no value: leave it out for the default.")
        return name.replace("-", "_"), parsed

    return read


def _extra(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    found = kinds.type_info(field.type)
    return dict(found.extra or {}) if isinstance(found, kinds.Metadata) else {}


def _option(field: msgspec.structs.FieldInfo, text: str | None) -> Callable[[Any], Any]:
    found = kinds.type_info(field.type)
    schema = (found.extra_json_schema or {}) if isinstance(found, kinds.Metadata) else {}
    kind = found.type if isinstance(found, kinds.Metadata) else found
    if isinstance(kind, kinds.UnionType):
        kind = next(each for each in kind.types if not isinstance(each, kinds.NoneType))
    name = f"--{field.name.replace('_', '-')}"
    default = _extra(field).get("default", _shown(field.default))
    text = text or str(schema.get("description", ""))
    if default:
        text = f"{text}  [default: {default}]"
    if isinstance(kind, kinds.BoolType):
        return click.option(f"{name}/--no-{name[2:]}", field.name, default=None, help=text)
    if isinstance(kind, kinds.LiteralType):
        return click.option(name, field.name, type=click.Choice(list(kind.values)), help=text)
    if isinstance(kind, kinds.TupleType):
        numbers = len(kind.item_types)
        return click.option(name, field.name, nargs=numbers, type=float, metavar=" ".join("X" * numbers), help=text)
    if isinstance(kind, kinds.IntType):
        bounded = kind.ge is not None or kind.le is not None
        whole = click.IntRange(kind.ge, kind.le) if bounded else click.INT
        return click.option(name, field.name, type=whole, help=text)
    return click.option(name, field.name, type=float if isinstance(kind, kinds.FloatType) else str, help=text)


def _shown(default: Any) -> str:
    if default is None or default is msgspec.NODEFAULT:
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return str(default)
