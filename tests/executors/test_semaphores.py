"""What killed pools left in /dev/shm is removed by the next one; what others hold there, or left, stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qsearch.executors import semaphores
from qsearch.executors.semaphores import FOLDER, clear_abandoned
from tests.conftest import Command

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="named semaphores are not to be seen here")
MARKING = """
import sys
from pathlib import Path
from qsearch.executors import semaphores

semaphores.FOLDER = Path(sys.argv[1])
semaphores.clear_abandoned()
print(flush=True)
input()
"""


def semaphores_of(process: int) -> set[Path]:
    return {*FOLDER.glob(f"sem.loky-{process}-*"), *FOLDER.glob(f"qsearch-*-{process}")}


def test_a_run_killed_with_all_its_processes_leaves_nothing_after_the_next(qsearch: Command, tmp_path: Path) -> None:
    search = ("--dataset", "fake", "--classifier", "fake", "--trials", "60", "--workers", "2")
    killed = qsearch.start("run", "--name", "a", *search, env={"FAKE_SLEEP_S": "0.05"})
    deadline = time.monotonic() + 60
    while len(semaphores_of(killed.pid)) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    assert len(semaphores_of(killed.pid)) >= 8
    following = qsearch.start("run", "--name", "b", *search[:-3], "4", "--workers", "2")
    _, errors = following.communicate(timeout=120)
    assert following.returncode == 0, errors
    assert semaphores_of(killed.pid) == set()
    assert semaphores_of(following.pid) == set()


@contextmanager
def marking_process(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has a pool's mark in ``folder``, where this one looks too."""
    monkeypatch.setattr(semaphores, "FOLDER", folder)
    process = subprocess.Popen(
        [sys.executable, "-c", MARKING, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_those_of_the_living_and_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait(60)
    with marking_process(monkeypatch, tmp_path) as process:
        living, unmarked = tmp_path / f"sem.loky-{process.pid}-abc", tmp_path / f"sem.loky-{dead.pid}-abc"
        for path in (living, unmarked):
            path.touch()
        clear_abandoned()
        assert living.exists()
        assert unmarked.exists()  # of some other program, for it has no mark
    clear_abandoned()
    assert {path.name for path in tmp_path.iterdir()} == {unmarked.name, f"qsearch-{os.getuid()}-{os.getpid()}"}


def test_a_number_that_another_process_has_now_is_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semaphores, "FOLDER", tmp_path)
    (tmp_path / f"qsearch-{os.getuid()}-{os.getppid()}").touch()
    (tmp_path / f"sem.loky-{os.getppid()}-abc").touch()
    clear_abandoned()
    assert (tmp_path / f"sem.loky-{os.getppid()}-abc").exists()
