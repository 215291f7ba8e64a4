"""Semaphores that killed pools leave behind: removed by the next pool, and by nobody else until the next reboot."""

import atexit
import os
from contextlib import suppress
from pathlib import Path

from qsearch.disk import keep_in_use, unused

FOLDER = Path("/dev/shm")
"""Where Linux shows named semaphores; loky calls those of process 123 ``sem.loky-123-...``."""


def clear_abandoned() -> None:
    """Removes the semaphores of pools that were killed together with the process that would have freed them.

    Each process with a pool leaves a mark beside its semaphores and holds it while it lives, so that only those of dead
    pools of this package and this user are touched. What cannot be removed stays.
    """
    if not FOLDER.is_dir():
        return
    user = os.getuid()
    with suppress(OSError):
        for mark in FOLDER.glob(f"qsearch-{user}-*"):
            process = mark.name.rpartition("-")[2]
            with unused(mark) as dead:
                if dead and process.isdigit() and not _lives(int(process)):
                    for abandoned in (*FOLDER.glob(f"sem.loky-{process}-*"), mark):
                        if abandoned.lstat().st_uid == user:
                            abandoned.unlink()
    own = FOLDER / f"qsearch-{user}-{os.getpid()}"
    with suppress(OSError):
        if not own.exists():
            own.touch(mode=0o600)
            atexit.register(_forget, own, os.getpid())
        keep_in_use(own)


def _lives(process: int) -> bool:
    """Whether there is a process of that number, another one perhaps than it was."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _forget(mark: Path, process: int) -> None:
    if os.getpid() == process:  # else a fork of it ends
        with suppress(OSError):
            mark.unlink()
