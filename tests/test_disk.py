"""Files are old or new, whole, whatever fails and whenever; and what a killed process left is cleared by the next."""

import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch import disk
from qsearch.disk import (
    append_line,
    check_folder_name,
    keep_in_use,
    locked,
    making_folder,
    partial_path,
    replacing,
    stays_within,
    temporary_folder,
    unused,
    writing,
)
from qsearch.errors import DiskError, InputError, RunError
from tests.faults import Fault, every_fault

OLD, NEW = b"old " * 300, b"new " * 3000
LINES = '{"use": 1}\n{"use": 2}\n'


def replace(folder: Path) -> None:
    with replacing(folder / "result.json") as file:
        file.write(NEW[:5000])
        file.write(NEW[5000:])


def replace_again(folder: Path) -> None:
    """Where a process was killed before."""
    replace(folder)


def append(folder: Path) -> None:
    append_line(folder / "uses.jsonl", '{"use": 3}')


def make(folder: Path) -> None:
    with making_folder(folder / "made") as unfinished:
        (unfinished / "model.xml").write_bytes(NEW)
        (unfinished / "model.bin").write_bytes(NEW)


def nothing(folder: Path) -> None:
    pass


def old_file(folder: Path) -> None:
    (folder / "result.json").write_bytes(OLD)
    (folder / "result.json").chmod(0o640)


def leftovers(folder: Path) -> None:
    old_file(folder)
    partial_path(folder / "result.json").write_bytes(NEW[:7])


def old_lines(folder: Path) -> None:
    (folder / "uses.jsonl").write_text(LINES)


Case = tuple[Callable[[Path], None], Callable[[Path], None]]
CASES: tuple[Case, ...] = (
    (replace, nothing),
    (replace, old_file),
    (replace_again, leftovers),
    (append, old_lines),
    (make, nothing),
)
FAULTS = [
    pytest.param(action, prepare, fault, id=f"{action.__name__} on {prepare.__name__}, {fault}")
    for action, prepare in CASES
    for fault in every_fault(action, prepare)
]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below ``folder``: what it holds and its permissions."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(("action", "prepare", "fault"), FAULTS)
def test_whatever_fails_all_is_old_or_new_and_the_next_call_leaves_nothing_else(
    tmp_path: Path, action: Callable[[Path], None], prepare: Callable[[Path], None], fault: Fault
) -> None:
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    prepare(undisturbed)
    old = {name: found for name, found in contents(undisturbed).items() if "partial" not in name}
    action(undisturbed)
    new = contents(undisturbed)
    folder = tmp_path / "disturbed"
    folder.mkdir()
    prepare(folder)
    fault.strike(lambda: action(folder))
    left = {name: found for name, found in contents(folder).items() if "partial" not in name}
    assert left in (old, new)
    if left == old:
        action(folder)
    assert contents(folder) == new
    assert {path.name for path in folder.iterdir()} == {path.name for path in undisturbed.iterdir()}


def test_an_error_of_the_writer_leaves_what_was_there(tmp_path: Path) -> None:
    old_file(tmp_path)

    def interrupted(name: str) -> None:
        with replacing(tmp_path / name) as file:
            file.write(NEW)
            raise KeyboardInterrupt

    for name in ("result.json", "other.json"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(name)
    assert contents(tmp_path) == {"result.json": (OLD, 0o640)}


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125 + ".json")
    partial_path(path).write_bytes(b"left")
    with replacing(path) as file:
        file.write(NEW)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_leads_to_the_new_file_and_stays_a_link(tmp_path: Path) -> None:
    old_file(tmp_path)
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    link.symlink_to("../result.json")
    with replacing(link) as file:
        file.write(NEW)
    assert link.is_symlink()
    assert contents(tmp_path) == {"result.json": (NEW, 0o640), "elsewhere/link.json": (NEW, 0o640)}


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with replacing(pipe) as file:
        file.write(NEW)
    reader.join(30)
    assert read == [NEW]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r" cannot be written \(Is a directory\): "), replacing(tmp_path) as file:
        file.write(NEW)


def test_writers_of_one_file_wait_for_one_another(tmp_path: Path) -> None:
    """Each finds the lines of all before it: none is lost, and no unfinished file is taken from under its writer."""
    threads = [threading.Thread(target=lambda n=n: append_line(tmp_path / "log", f"line {n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted((tmp_path / "log").read_text().splitlines()) == sorted(f"line {n}" for n in range(12))
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_writer_that_does_not_finish_is_told_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LONGEST_WAIT_S", 0.05)
    path = tmp_path / "a"
    with replacing(path) as file:
        file.write(OLD)
        with pytest.raises(DiskError, match="another process is writing it"), replacing(path) as second:
            second.write(NEW)
    assert path.read_bytes() == OLD


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "uses.jsonl").write_text(LINES + '{"loo')
    append(tmp_path)
    assert (tmp_path / "uses.jsonl").read_text() == LINES + '{"use": 3}\n'


def test_a_folder_that_is_there_already_is_kept(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DiskError, match="made cannot be written"):
        make(tmp_path)
    assert contents(tmp_path) == before


def test_an_error_within_a_new_folder_names_the_folder_it_was_to_be(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskError, match=r"made/missing/x cannot be written"),
        making_folder(tmp_path / "made") as unfinished,
        replacing(unfinished / "missing" / "x"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_went_away_is_no_fault_of_the_disk() -> None:
    with pytest.raises(BrokenPipeError), writing("it"):
        raise BrokenPipeError


def test_a_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError, match="is in use by another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="file cannot be written"), locked(tmp_path / "file"):
        pass


USER = "import sys; from pathlib import Path; from qsearch.disk import keep_in_use; keep_in_use(Path(sys.argv[1])); "


def test_what_another_process_uses_is_not_unused_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "pixels.npy"
    path.write_bytes(OLD)
    user = subprocess.Popen(
        [sys.executable, "-c", USER + "print(flush=True); input()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert user.stdout is not None
    user.stdout.readline()
    with unused(path) as free:
        assert not free
    user.communicate(b"\n", timeout=60)
    with unused(path) as free:
        assert free
        keep_in_use(path)  # too late, and no error
    with unused(tmp_path / "gone") as free:
        assert free


@given(st.text(max_size=12) | st.sampled_from(["a/b", "..", ".", "-x", "a:1", "nul\udcff", "x" * 256, "tab\t", "a "]))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_name_is_refused_or_makes_a_folder_of_that_name(name: str) -> None:
    try:
        check_folder_name(name, "a run")
    except InputError:
        return
    path = Path("/runs") / name
    assert (path.name, path.parent) == (name, Path("/runs"))
    name.encode()
    assert path.match("/runs/[!.]*")


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b", "..", ".hidden", "-x", "", " a", "a:1", "nul\udcff", "a\nb", "ä" * 128]
)
def test_names_that_no_command_finds_again_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="the name of a run "):
        check_folder_name(name, "a run")


@pytest.mark.parametrize("name", ["demo", "näme 2", "a.b-c_d", "ä" * 127])
def test_other_names_are_free(name: str) -> None:
    check_folder_name(name, "a run")


def test_the_sentence_on_refusing_disks_has_one_place() -> None:
    package = Path(disk.__file__).parent
    worded = {path.name for path in package.rglob("*.py") if "cannot be written (" in path.read_text(encoding="utf-8")}
    assert worded == {"disk.py", "main.py"}  # main.py has it for standard output


@pytest.mark.parametrize("location", ["a", "a/b.bin", "./a", "a/./b", "..a/b..", "a b"])
def test_a_location_below_the_folder_stays_within(location: str) -> None:
    assert stays_within(location)


@pytest.mark.parametrize(
    "location", ["", ".", "..", "../a", "a/../b", "/a", "\\a", "..\\a", "a\\..\\b", "C:a", "C:\\a", "//host/a", "a\0b"]
)
def test_a_location_elsewhere_does_not(location: str) -> None:
    assert not stays_within(location)


KILLED = """
import os, signal
from qsearch.disk import temporary_folder
with temporary_folder() as folder:
    (folder / "image.ppm").write_bytes(b"P6")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_temporary_folder_is_gone_when_its_user_ends_however_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    with temporary_folder() as first:
        assert not left.exists()
        with temporary_folder() as second:
            assert first.is_dir()  # its user lives
            assert first != second
        assert not second.exists()
    with pytest.raises(ValueError, match="fails"), temporary_folder():
        raise ValueError("it fails")
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_without_a_place_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(DiskError, match="nowhere cannot be written"), temporary_folder():
        pass
