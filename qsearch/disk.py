"""Files whole or not at all, one process a folder, and names from elsewhere that lead out of none."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EWOULDBLOCK
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from filelock import FileLock, Timeout

from qsearch.errors import DiskError, InputError, RunError

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove a file that another process has open
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = "lock"
PARTIALS = ".*.qsearch-partial"
"""The pattern of the names that unfinished files and folders have."""
ADVICE = "check that its folder is there, that the disk has room, and that you may write to it."
TEMPORARY = "qsearch-temporary-"
"""What the names of folders begin with that are gone when their user ends."""
LONGEST_NAME_BYTES = 255
LONGEST_WAIT_S = 60.0
"""For another process that writes the same file now."""

_held_until_the_end: dict[Path, int] = {}


@contextmanager
def writing(what: Path | str, advice: str = ADVICE) -> Iterator[None]:
    """DiskError, in a sentence about ``what`` that ends in ``advice``, for every OSError of the block.

    A BrokenPipeError passes: whoever read went away and is not to be told.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DiskError(f"{what} cannot be written ({str(error.strerror or error).rstrip('.')}): {advice}") from error


@contextmanager
def replacing(path: Path, advice: str = ADVICE) -> Iterator[BinaryIO]:
    """A new file, open for reading and writing, that becomes ``path`` when the block ends without an error.

    Until then, and where the block or the disk fails, whatever is at ``path`` stays as it is. What a killed process
    left unfinished is removed by the next one that writes the same file. A link leads to the new file afterwards, a
    file that is replaced passes its permissions on, and a device or a pipe is written to as it is.
    DiskError where the disk refuses, or another process does not finish writing the same file.
    """
    with writing(path, advice):
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                yield device
            return
        target = path.resolve()
        partial = partial_path(target)
        claim = _claim(partial, _make_file)
        try:
            with partial.open("rb+") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, partial)
            partial.replace(target)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        finally:
            os.close(claim)


@contextmanager
def making_folder(path: Path, advice: str = ADVICE) -> Iterator[Path]:
    """A new folder that becomes ``path`` when the block ends without an error; as :func:`replacing`.

    DiskError also where there is something at ``path`` by then.
    """
    with writing(path, advice):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_path(path)
        claim = _claim(partial, Path.mkdir)
        try:
            yield partial
            partial.rename(path)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, DiskError):
                raise DiskError(str(error).replace(str(partial), str(path))) from error
            raise
        finally:
            os.close(claim)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for this user alone, where the system keeps such, gone when the block ends.

    What killed processes left behind goes when the next one is made. DiskError where the disk refuses.
    """
    place = Path(tempfile.gettempdir())
    with writing(place):
        _remove_abandoned(place)
        claim = None
        while claim is None:  # another process may take it for abandoned before it is held
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY))
            claim = _hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(claim)


def _remove_abandoned(place: Path) -> None:
    """Removes this user's temporary folders of processes that have ended."""
    if fcntl is None:
        return  # who lives cannot be told there
    with os.scandir(place) as entries:
        for entry in entries:
            if not entry.name.startswith(TEMPORARY):
                continue
            with suppress(OSError):  # gone by now
                if entry.stat(follow_symlinks=False).st_uid == os.getuid() and entry.is_dir(follow_symlinks=False):
                    held = _hold(Path(entry.path))
                    if held is not None:
                        shutil.rmtree(entry.path, ignore_errors=True)
                        os.close(held)


def append_line(path: Path, line: str, advice: str = ADVICE) -> None:
    """Adds ``line`` to the text file ``path``, or leaves the file as it is; the end of a line cut short is dropped."""
    with replacing(path, advice) as file:
        if path.exists():
            content = path.read_bytes()
            file.write(content[: content.rfind(b"\n") + 1])
        file.write(f"{line}\n".encode())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds ``folder``'s lock. RunError where another process holds it, DiskError where the folder cannot be written.

    The operating system frees it when its holder ends, however it ends; the file stays and means nothing.
    """
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    with writing(folder):
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(f"{folder} is in use by another process: wait for it to end, or stop it.") from error
    try:
        yield
    finally:
        lock.release()


def keep_in_use(path: Path) -> None:
    """Marks the file ``path`` as used by this process until it ends; :func:`unused` then refuses it to others."""
    with suppress(OSError):  # where files cannot be locked, nobody is kept from removing them
        descriptor = os.open(path, os.O_RDONLY)
        if path in _held_until_the_end:
            os.close(_held_until_the_end[path])
        _held_until_the_end[path] = descriptor
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def unused(path: Path) -> Iterator[bool]:
    """Whether no process has marked ``path`` with :func:`keep_in_use`; none can while the block lasts."""
    try:
        claim = _hold(path)
    except OSError:
        claim = None
    try:
        yield claim is not None or not path.exists()
    finally:
        if claim is not None:
            os.close(claim)


def check_folder_name(name: str, what: str) -> None:
    """InputError where ``name``, which the user gave to ``what``, cannot be the name of a folder that is found again.

    Dots and dashes at the beginning hide a folder and look like an option; a colon divides RUN:TRIAL.
    """
    fault = None
    if not name or name != name.strip() or name[0] in ".-":
        fault = "begins with no dot, dash or space and ends with no space"
    elif any(letter in "/\\:" or not letter.isprintable() for letter in name):
        fault = "has no slash, backslash, colon or control character in it"
    elif len(os.fsencode(name)) > LONGEST_NAME_BYTES:
        fault = f"has at most {LONGEST_NAME_BYTES} bytes"
    if fault is not None:
        raise InputError(f"the name of {what} {fault}, got {name!r}.")


def stays_within(location: str) -> bool:
    """Whether ``location``, relative to a folder, names something below it, on every system; links are followed."""
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    parts = {*posix.parts, *windows.parts}
    return bool(parts) and ".." not in parts and not posix.anchor and not windows.anchor and "\0" not in location


def partial_path(path: Path) -> Path:
    """Where ``path`` is kept until it is whole: hidden, beside it, one name for all who write it."""
    name = path.name
    if len(os.fsencode(name)) > LONGEST_NAME_BYTES - len(PARTIALS):
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return path.with_name(PARTIALS.replace("*", name))


def _make_file(partial: Path) -> None:
    # Not tempfile: its files are private to the user, these get the permissions that any new file would.
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def _claim(partial: Path, make: Callable[[Path], None]) -> int:
    """Makes ``partial``, a file or a folder, and holds it: others see by the descriptor's lock that its writer lives.

    What a killed process left there is removed first, a living one is waited for.
    """
    give_up_at = time.monotonic() + LONGEST_WAIT_S
    while True:
        made = False
        with suppress(FileExistsError):
            make(partial)
            made = True
        held = _hold(partial)
        if held is not None and made:
            return held
        if held is not None:
            try:
                _remove(partial)
            finally:
                os.close(held)
        elif time.monotonic() > give_up_at:
            raise BlockingIOError(EWOULDBLOCK, "another process is writing it and does not finish")
        elif not made:
            time.sleep(0.01)


def _hold(path: Path) -> int | None:
    """A descriptor that locks ``path`` until it is closed; None where another one does, or there is nothing."""
    if fcntl is None:
        return os.open(os.devnull, os.O_RDONLY)
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        with suppress(BlockingIOError, FileNotFoundError):
            _lock(descriptor)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> None:
    """BlockingIOError where another descriptor locks the same file; on disks without locks all have it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def _remove(partial: Path) -> None:
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial)
    else:
        partial.unlink()
