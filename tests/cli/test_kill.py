"""Runs that end otherwise: killed, interrupted, without workers, without room on the disk; none loses what it had."""

import fcntl
import os
import pty
import random
import re
import resource
import shutil
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from qsearch.archive.store import Archive
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.run.folder import Run
from tests.conftest import Command, Finished

TRIALS = 50
SEARCH = (
    *("--dataset", "fake", "--classifier", "fake:fail=15", "--trials", str(TRIALS), "--seed", "3"),
    *("--strategy", "fake-adaptive", "--look-ahead", "3"),
)
"""A search in which every proposal depends on all trials before it, and some trials fail."""
SLOWLY = {"FAKE_SLEEP_S": "0.03"}
"""The environment of a search that is to be caught in the middle."""

linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's process table")


def trials(path: Path) -> list[Trial]:
    reference, search = Run.open(path).trials()
    return [*reference, *search]


def recorded(path: Path) -> int:
    """How many trials are there by now."""
    try:
        with Archive.open(path / "trials.sqlite", read_only=True) as archive:
            return archive.count("reference") + archive.count("search")
    except InputError:
        return 0


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def members(group: int) -> dict[int, str]:
    """The living processes of a session, by their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == group and state != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return found


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def nothing_left_of(process: subprocess.Popen[str]) -> None:
    """Waits until no process of its session lives; a worker sees within half a second that its parent is gone."""
    wait_until(lambda: not members(process.pid), "all processes to end", timeout_s=20)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> list[Trial]:
    """The trials of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("unbroken")
    finished = Command(folder, plugin_folder)("run", "--name", "unbroken", *SEARCH, "--executor", "serial")
    assert finished.returncode == 0, finished.stderr
    found = trials(folder / "runs" / "unbroken")
    assert len(found) == TRIALS + 20
    assert {trial.status for trial in found} == {"done", "failed"}
    return found


@linux_only
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_killed_again_and_again_ends_as_one_that_never_was(
    qsearch: Command, succeed: Callable[..., str], tmp_path: Path, unbroken: list[Trial], workers: str
) -> None:
    draw, path = random.Random(int(workers)), tmp_path / "runs" / "killed"
    arguments: tuple[str, ...] = ("run", "--name", "killed", *SEARCH)
    for kill in range(3):
        before = recorded(path)
        process = qsearch.start(*arguments, "--workers", workers, env=SLOWLY)
        wait_until(lambda: recorded(path) > before or process.poll() is not None, "a trial")  # noqa: B023
        time.sleep(draw.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        status, _, errors = finish(process)
        assert status == -signal.SIGKILL, errors
        kept = recorded(path)
        assert before < kept < TRIALS + 20, f"kill {kill} came at {kept} trials"
        for trial in trials(path):
            assert trial in unbroken
        nothing_left_of(process)
        arguments = ("resume", "killed")
    summary = succeed(*arguments, "--workers", workers)
    assert f"of {TRIALS} trials done" in summary
    assert trials(path) == unbroken


@linux_only
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_a_run_with_its_summary(
    qsearch: Command, succeed: Callable[..., str], tmp_path: Path, unbroken: list[Trial], workers: str
) -> None:
    path = tmp_path / "runs" / "stopped"
    process = qsearch.start("run", "--name", "stopped", *SEARCH, "--workers", workers, env=SLOWLY)
    wait_until(lambda: recorded(path) >= 25, "25 trials")
    os.killpg(process.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the workers too
    status, output, errors = finish(process)
    assert status == 130
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors
    assert "interrupted; go on with: qsearch resume runs/stopped" in errors.splitlines()[-1]
    assert "Run stopped: fake-adaptive" in output
    assert f"of {TRIALS} trials done" in output
    nothing_left_of(process)
    kept = recorded(path)
    assert 25 <= kept < TRIALS + 20
    succeed("resume", "stopped", "--workers", workers)
    assert trials(path) == unbroken


def become_leader_of_terminal() -> None:
    """For a child process whose standard error is a terminal: Ctrl-C typed there is its own."""
    fcntl.ioctl(2, termios.TIOCSCTTY, 0)


def read_all(descriptor: int, into: bytearray) -> None:
    with suppress(OSError):  # how a terminal ends whose last process has gone
        while part := os.read(descriptor, 65536):
            into += part


@linux_only
def test_on_a_terminal_there_is_a_bar_and_ctrl_c_can_be_typed(qsearch: Command, tmp_path: Path) -> None:
    path, (keyboard, terminal) = tmp_path / "runs" / "typed", pty.openpty()
    process = qsearch.start(
        *("run", "--name", "typed", *SEARCH, "--workers", "2"),
        env=SLOWLY,
        stderr=terminal,
        preexec_fn=become_leader_of_terminal,
    )
    os.close(terminal)
    shown = bytearray()
    reader = threading.Thread(target=read_all, args=(keyboard, shown))
    reader.start()
    wait_until(lambda: recorded(path) >= 25, "25 trials")
    os.write(keyboard, b"\x03")
    output, _ = process.communicate(timeout=60)
    reader.join(timeout=60)
    os.close(keyboard)
    assert process.returncode == 130
    assert "Run typed: fake-adaptive" in output
    screen = shown.decode()
    assert re.search(r"\d+/70.*trials/s", screen)
    assert "interrupted; go on with: qsearch resume runs/typed" in screen
    assert "Traceback" not in screen
    nothing_left_of(process)


@linux_only
def test_being_terminated_is_being_interrupted(qsearch: Command, tmp_path: Path) -> None:
    """A scheduler's SIGTERM goes to the one process."""
    process = qsearch.start("run", "--name", "a", *SEARCH, "--workers", "2", env=SLOWLY)
    wait_until(lambda: recorded(tmp_path / "runs" / "a") >= 22, "22 trials")
    process.terminate()
    status, output, errors = finish(process)
    assert status == 130
    assert "Run a: fake-adaptive" in output
    assert "Traceback" not in errors
    nothing_left_of(process)


@linux_only
def test_ctrl_c_while_it_prepares_is_one_line(qsearch: Command) -> None:
    process = qsearch.start("run", "--name", "a", *SEARCH, env=SLOWLY)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("preparing")
    os.killpg(process.pid, signal.SIGINT)
    status, _, errors = finish(process)
    assert status == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors


@linux_only
def test_a_run_outlives_its_workers(qsearch: Command, tmp_path: Path, unbroken: list[Trial]) -> None:
    path = tmp_path / "runs" / "orphaned"
    process = qsearch.start("run", "--name", "orphaned", *SEARCH, "--workers", "2", env=SLOWLY)
    for at in (5, 30):
        wait_until(lambda: recorded(path) >= at, f"{at} trials")  # noqa: B023
        workers = [pid for pid, command in members(process.pid).items() if "popen_loky" in command]
        assert workers
        os.kill(workers[0], signal.SIGKILL)
    status, _, errors = finish(process)
    assert status == 0, errors
    assert "Traceback" not in errors
    assert trials(path) == unbroken
    nothing_left_of(process)


def test_what_workers_held_when_they_ended_is_no_news(qsearch: Command) -> None:
    network = ("--dataset", "fake", "--classifier", "fake:semaphore=1")
    finished = qsearch("run", "--name", "a", *network, "--trials", "2", "--workers", "2")
    assert finished.returncode == 0
    assert "leaked" not in finished.stderr


@linux_only
def test_two_processes_on_one_run(
    qsearch: Command, cli: Callable[..., Finished], tmp_path: Path, unbroken: list[Trial]
) -> None:
    path = tmp_path / "runs" / "shared"
    first = qsearch.start("run", "--name", "shared", *SEARCH, "--workers", "1", env=SLOWLY)
    wait_until(lambda: recorded(path) >= 3, "3 trials")
    os.kill(first.pid, signal.SIGSTOP)
    second = cli("resume", "shared", "--workers", "1")
    reader = cli("show", "shared")
    os.kill(first.pid, signal.SIGCONT)
    assert second.status == 1
    last = second.stderr.splitlines()[-1]
    assert last == "qsearch: runs/shared is in use by another process: wait for it to end, or stop it."
    assert reader.status == 0
    status, _, errors = finish(first)
    assert status == 0, errors
    assert trials(path) == unbroken


def limited(size_bytes: int) -> Callable[[], None]:
    """For a child process in which no file grows beyond ``size_bytes``, as on a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def test_a_disk_that_fills_up_keeps_what_was_recorded(
    qsearch: Command, succeed: Callable[..., str], tmp_path: Path, unbroken: list[Trial]
) -> None:
    path = tmp_path / "runs" / "full"
    finished = qsearch("run", "--name", "full", *SEARCH, "--workers", "1", preexec_fn=limited(110_000))
    assert finished.returncode == 2
    *_, last = finished.stderr.splitlines()
    assert last.startswith("qsearch: runs/full/trials.sqlite cannot be read or written (")
    assert "is the disk full or read-only?" in last
    assert "All trials recorded so far are kept" in last
    assert "Traceback" not in finished.stderr
    assert 0 < recorded(path) < TRIALS
    succeed("resume", "full", "--executor", "serial")
    assert trials(path) == unbroken


def test_a_disk_that_is_full_takes_no_run(qsearch: Command, tmp_path: Path) -> None:
    for size_bytes in (0, 500, 10_000):
        finished = qsearch("run", "--name", "full", *SEARCH, "--workers", "1", preexec_fn=limited(size_bytes))
        assert finished.returncode == 2
        *_, last = finished.stderr.splitlines()
        assert last.startswith("qsearch: ")
        assert "cannot be" in last
        assert "Traceback" not in finished.stderr
        assert list((tmp_path / "runs").iterdir()) == []


@linux_only
def test_a_folder_that_cannot_be_written(qsearch: Command, succeed: Callable[..., str], tmp_path: Path) -> None:
    succeed("run", "--name", "a", *SEARCH, "--trials", "2", "--executor", "serial")
    before = {path.name: path.read_bytes() for path in (tmp_path / "runs" / "a").iterdir()}
    for path in (tmp_path / "runs", tmp_path / "runs" / "a"):
        path.chmod(0o555)
    for path in (tmp_path / "runs" / "a").iterdir():
        path.chmod(0o444)
    try:
        assert qsearch("show", "a", preexec_fn=obey_permissions).returncode == 0
        for arguments in (("run", "--name", "b", *SEARCH), ("resume", "a", "--trials", "5"), ("plot", "a")):
            finished = qsearch(*arguments, preexec_fn=obey_permissions)
            assert finished.returncode == 2, finished.stderr
            *_, last = finished.stderr.splitlines()
            assert last.startswith("qsearch: ")
            assert "Permission denied" in last
            assert "Traceback" not in finished.stderr
        assert {path.name: path.read_bytes() for path in (tmp_path / "runs" / "a").iterdir()} == before
    finally:
        for path in (tmp_path / "runs", tmp_path / "runs" / "a"):
            path.chmod(0o755)


@linux_only
def test_a_killed_run_in_a_folder_that_cannot_be_written_is_read_whole_or_not_at_all(
    qsearch: Command, tmp_path: Path
) -> None:
    path = tmp_path / "runs" / "a"
    process = qsearch.start("run", "--name", "a", *SEARCH, "--workers", "1", env=SLOWLY)
    wait_until(lambda: recorded(path) >= 25, "25 trials")
    process.kill()
    finish(process)
    searched = len(Run.open(path).trials()[1])
    (path / "trials.sqlite-wal").chmod(0o444)
    path.chmod(0o555)
    try:
        finished = qsearch("list", "runs", preexec_fn=obey_permissions)
        assert f"fake-adaptive, {searched} of {TRIALS} trials" in finished.stdout
        path.chmod(0o755)
        (path / "trials.sqlite-shm").unlink()  # without it, what the log holds cannot be read there
        path.chmod(0o555)
        finished = qsearch("show", "a", preexec_fn=obey_permissions)
        assert finished.returncode == 2
        *_, last = finished.stderr.splitlines()
        assert last.startswith(
            "qsearch: runs/a/trials.sqlite was not closed, its latest trials are in trials.sqlite-wal"
        )
        assert last.endswith("copy the run's whole folder to a disk you can write to, and open the copy.")
        assert "disk full" not in last
        path.chmod(0o755)
        shutil.copytree(path, tmp_path / "copy")
        assert len(Run.open(tmp_path / "copy").trials()[1]) == searched
        (path / "trials.sqlite-wal").unlink()
        (path / "trials.sqlite-wal").touch(mode=0o444)  # a log without anything in it
        path.chmod(0o555)
        assert "was not closed" not in qsearch("show", "a", preexec_fn=obey_permissions).stderr
    finally:
        path.chmod(0o755)


def obey_permissions() -> None:
    """Takes from a child process of root what lets root write where it may not."""
    import ctypes

    drop_from_bounding_set, override, read_search = 24, 1, 2
    if os.geteuid() == 0:
        for capability in (override, read_search):
            if ctypes.CDLL(None, use_errno=True).prctl(drop_from_bounding_set, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "cannot drop a capability")
