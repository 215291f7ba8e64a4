"""Faults on purpose: the n-th operation on a disk fails, or the process dies there, for every n.

A list of all faults of an action, and what one of them leaves::

    def add_two_trials(folder: Path) -> None:
        with Archive.open(folder / "trials.sqlite") as archive:
            archive.add(first)
            archive.add(second)

    FAULTS = every_fault(add_two_trials, prepare=new_archive)  # runs it once, undisturbed, and counts

    @pytest.mark.parametrize("fault", FAULTS, ids=str)  # "3 of 8: commit dies", ...
    def test_a_fault_loses_no_trial(tmp_path: Path, fault: Fault) -> None:
        new_archive(tmp_path)
        fault.strike(lambda: add_two_trials(tmp_path))
        ...  # resume, then compare with an archive that was never disturbed

Counted are, in the order in which they happen: open (to write), write, flush, close, fsync, mkdir, rename, unlink,
copymode, and of every SQLite connection made meanwhile each statement and each commit. A write that fails or dies
leaves the first half of its bytes. ``how`` is ``fails`` (once, as where a disk hiccups), ``fails for good`` (it and all
that follow, as where it is full) or ``dies`` (the process ends at once, in a child of this one).
"""

import errno
import io
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import pytest

from qsearch.errors import QSearchError

How = Literal["fails", "fails for good", "dies"]
WAYS: tuple[How, ...] = ("fails", "fails for good", "dies")
DIED = 86
"""The exit status of a process that died of a fault."""
NOTHING = 0
"""For :attr:`Injector.at`: no fault, operations are counted only."""


@dataclass(frozen=True)
class Fault:
    """The ``at``-th of ``of`` operations, an ``operation``, goes wrong."""

    at: int
    of: int
    operation: str
    how: How

    def __str__(self) -> str:
        return f"{self.at} of {self.of}: {self.operation} {self.how}"

    def strike(self, action: Callable[[], object]) -> None:
        """Does ``action`` with this fault; its errors of this package are what was to be expected, others are raised.

        AssertionError where the fault did not happen.
        """
        injector = Injector(self.at, self.how)
        if self.how == "dies":
            status = in_a_process(lambda: _disturbed(injector, action))
            assert status == DIED, f"{self}: the process ended with {status}"
            return
        with suppress(QSearchError):
            _disturbed(injector, action)
        assert len(injector.done) >= self.at, f"{self}: only {injector.done} happened"


def every_fault(
    action: Callable[[Path], object], prepare: Callable[[Path], object] = lambda folder: None
) -> list[Fault]:
    """Every fault that ``action`` can meet in a folder that ``prepare`` made ready, from a run of it undisturbed."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        injector = Injector()
        with injector.active():
            action(Path(name))
    return [
        Fault(at, len(injector.done), operation, how)
        for at, operation in enumerate(injector.done, start=1)
        for how in WAYS
    ]


@dataclass
class Injector:
    """Counts operations while it is :meth:`active`, and makes number ``at`` (from 1) go wrong.

    done: the operations so far, by name.
    """

    at: int = NOTHING
    how: How = "fails"
    done: list[str] = field(default_factory=list)

    @contextmanager
    def active(self) -> Iterator[None]:
        """This process's file and SQLite operations are counted, and disturbed."""
        functions = {
            (os, "fsync"): "fsync",
            (os, "mkdir"): "mkdir",
            (os, "rename"): "rename",
            (os, "replace"): "rename",
            (os, "unlink"): "unlink",
            (shutil, "copymode"): "copymode",
        }
        patches = [patch.object(*where, self._counted(name, *where)) for where, name in functions.items()]
        patches += [
            patch.object(os, "open", self._opening(os.open)),
            patch.object(io, "open", self._opening_file(io.open)),
            patch.object(sqlite3, "connect", self._connecting(sqlite3.connect)),
        ]
        for each in patches:
            each.start()
        try:
            yield
        finally:
            for each in patches:
                each.stop()

    @property
    def strikes_next(self) -> bool:
        """Whether the next operation goes wrong."""
        number = len(self.done) + 1
        return self.at != NOTHING and (number == self.at or (number > self.at and self.how == "fails for good"))

    def before(self, operation: str, error: Callable[[], Exception] | None = None) -> None:
        """Counts ``operation``, which is about to happen; raises ``error`` (default: a full disk's), or ends it all."""
        strikes = self.strikes_next
        self.done.append(operation)
        if strikes and self.how == "dies":
            os._exit(DIED)
        if strikes:
            raise error() if error is not None else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _counted(self, operation: str, module: Any, name: str) -> Callable[..., Any]:
        function = getattr(module, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self.before(operation)
            return function(*arguments, **options)

        return counted

    def _opening(self, function: Callable[..., int]) -> Callable[..., int]:
        def opening(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                self.before("open")
            return function(path, flags, *arguments, **options)

        return opening

    def _opening_file(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def opening(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not set(mode) & set("wax+"):
                return function(path, mode, *arguments, **options)
            self.before("open")
            return _File(function(path, mode, *arguments, **options), self)

        return opening

    def _connecting(self, function: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        def connecting(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return function(*arguments, **{"factory": connection_class(self), **options})

        return connecting


class _File:
    """A file open for writing whose operations are counted."""

    def __init__(self, file: Any, injector: Injector) -> None:
        self._file = file
        self._injector = injector

    def write(self, data: Any) -> int:
        if self._injector.strikes_next:
            self._file.write(data[: len(data) // 2])
            self._file.flush()
        self._injector.before("write")
        return int(self._file.write(data))

    def flush(self) -> None:
        self._injector.before("flush")
        self._file.flush()

    def close(self) -> None:
        try:
            self._injector.before("close")
        finally:
            self._file.close()

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def connection_class(injector: Injector) -> type[sqlite3.Connection]:
    """Connections, as ``sqlite3.connect(..., factory=...)`` takes, whose statements and commits are counted."""

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *arguments: Any) -> "Cursor":
            injector.before(_verb(sql), _full)
            super().execute(sql, *arguments)
            return self

        def executemany(self, sql: str, *arguments: Any) -> "Cursor":
            injector.before(_verb(sql), _full)
            super().executemany(sql, *arguments)
            return self

        def executescript(self, script: str) -> "Cursor":
            injector.before("script", _full)
            super().executescript(script)
            return self

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            return Cursor(self).execute(sql, *arguments)

        def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            return Cursor(self).executemany(sql, *arguments)

        def executescript(self, script: str) -> sqlite3.Cursor:
            return Cursor(self).executescript(script)

        def commit(self) -> None:
            injector.before("commit", _full)
            super().commit()

        def __exit__(self, kind: Any, error: Any, trace: Any) -> Literal[False]:
            if kind is None and self.in_transaction:
                try:
                    injector.before("commit", _full)
                except sqlite3.OperationalError:
                    self.rollback()
                    raise
            return super().__exit__(kind, error, trace)

    return Connection


def _verb(sql: str) -> str:
    return sql.split(maxsplit=1)[0].lower()


def _full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_FULL, "SQLITE_FULL"
    return error


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """The system refuses to write files larger than that, as a full disk would."""
    resource = pytest.importorskip("resource")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def _disturbed(injector: Injector, action: Callable[[], object]) -> None:
    with injector.active():
        action()


def in_a_process(action: Callable[[], object]) -> int:
    """The exit status of a child of this process that does ``action``: 0, 1 where it raises, or where it ended."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
