"""Names to implementations: the built-in ones plus those that installed packages add through entry points."""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from qsearch.errors import InputError, QSearchError
from qsearch.text import one_line, reason_of

T = TypeVar("T")

NAMED = 20
"""How many known names a sentence lists before it counts the rest."""


def nearest_names(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown ``name``: the nearest known names, or the first of all."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return f"known: {', '.join(known[:NAMED])}{more}." if known else "none is known."


class Registry(Generic[T]):
    """The implementations of one kind, imported only when asked for.

    ``builtin`` maps a name to ``module:attribute``, the notation of entry points. A package adds its own under
    ``[project.entry-points."qsearch.<kind>"]``; a built-in name cannot be taken over.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = f"qsearch.{kind}"
        self._builtin = builtin

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        known = {entry.name: entry for entry in entry_points(group=self.group)}
        known.update({name: EntryPoint(name, value, self.group) for name, value in self._builtin.items()})
        return known

    @cached_property
    def _loaded(self) -> dict[str, T]:
        """What was imported already: finding an entry point takes longer than many of its uses."""
        return {}

    def names(self) -> list[str]:
        """The built-in names as declared, then those of plug-ins, sorted."""
        return [*self._builtin, *sorted(set(self._entry_points) - set(self._builtin))]

    def __contains__(self, name: object) -> bool:
        return name in self._entry_points

    def get(self, name: str) -> T:
        """The implementation called ``name``.

        Raises InputError with the nearest names where there is none, or where a plug-in cannot be imported.
        """
        entry = self._entry_points.get(name)
        if entry is None:
            singular = {"strategies": "strategy"}.get(self.kind, self.kind.rstrip("s"))
            raise InputError(
                f"unknown {singular} {one_line(repr(name), 200)}: {nearest_names(name, self._entry_points)}"
            )
        try:
            if name not in self._loaded:
                self._loaded[name] = cast(T, entry.load())
            return self._loaded[name]
        except QSearchError:
            raise
        except (Exception, SystemExit) as error:  # importing a plug-in runs it, and it may do anything
            raise InputError(
                f"{name!r} of {self.group} is registered as {entry.value} but cannot be imported "
                f"({reason_of(error)}): repair or uninstall that package."
            ) from error


def options_of(part: Callable[..., Any], given: Collection[str] = ()) -> dict[str, Any]:
    """The options a part takes, name to default, read from its signature; ``given`` are no options of users."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(part).parameters.items()
        if name not in given and parameter.default is not inspect.Parameter.empty
    }


def check_options(what: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """InputError where ``options`` has a name that is not ``known``, or a value of another kind than the default there.

    A whole number may stand for any number. ``what`` begins the sentence.
    """
    for option, value in options.items():
        if option not in known:
            raise InputError(f"{what} has no option {option!r}: {nearest_names(option, known)}")
        wanted = _KINDS.get(type(known[option]))
        if wanted is None or (isinstance(value, wanted) and isinstance(value, bool) == isinstance(known[option], bool)):
            continue
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        takes = names.get(type(known[option]), "a list")
        raise InputError(f"the option {option} takes {takes}, got {one_line(repr(value), 60)}.")


_KINDS: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str,),
    tuple: (list, tuple),
    list: (list, tuple),
}


@contextmanager
def failures_explained(what: str) -> Iterator[None]:
    """InputError, naming ``what``, for anything a plug-in raises in this block; errors of this package pass."""
    try:
        yield
    except QSearchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{what} cannot be had, for its code fails ({reason_of(error)}).") from error


def split_spec(spec: str) -> tuple[str, str]:
    """Splits ``name:argument`` at the first colon; the argument is empty where there is no colon."""
    name, _, argument = spec.partition(":")
    return name, argument
