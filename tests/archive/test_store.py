"""The archive: what is added is read back, after kills and by readers, and a file that is not one is refused."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qsearch.archive import rows
from qsearch.archive.database import FORMAT
from qsearch.archive.store import Archive
from qsearch.datasets.base import ImageIdentity
from qsearch.errors import DiskError, InputError, QSearchError, RunError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.tables import QuantTables
from tests.tables.test_quant import ANY_TABLES


def done(number: int = 0, images: int = 30, **changes: Any) -> Trial:
    draw = np.random.RandomState(number)
    measurement = Measurement.of(
        draw.randint(100, 9000, images), draw.randint(0, 9, (2, images)).astype(np.int32), 64, draw.rand(images) * 50
    )
    tables = QuantTables.from_bytes(draw.randint(1, 256, 192).astype(np.uint8).tobytes())
    return Trial(**{
        **{"series": "search", "number": number, "strategy": "s", "quantizer": tables},
        **{"status": "done", "measurement": measurement, "origin": "arm", "decision_s": 0.25, "evaluation_s": 1.5},
        **changes,
    })  # fmt: skip


def failed(number: int = 1) -> Trial:
    return done(number, status="failed", measurement=None, reason='the network said "no"\nünd ended')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive of twenty-one closed trials."""
    images = [ImageIdentity(f"{number}.png", "cat", f"{number:064x}") for number in range(30)]
    with Archive.create(tmp_path / "trials.sqlite", images) as archive:
        archive.add(done(50, series="reference", strategy="standard"))
        for number in range(19):
            archive.add(done(number))
        archive.add(failed(19))
    return tmp_path / "trials.sqlite"


def read(path: Path) -> list[Trial]:
    with Archive.open(path, read_only=True) as archive:
        return read_whole([*archive.trials("reference"), *archive.trials("search")])


def read_all(path: Path, read_only: bool) -> None:
    with Archive.open(path, read_only=read_only) as archive:
        archive.images()
        read_whole(archive.trials("search"))


def read_whole(trials: Sequence[Trial]) -> list[Trial]:
    """``trials``, the arrays of their measurements read."""
    found = list(trials)
    for trial in found:
        if trial.measurement is not None:
            for measure in trial.measurement.measures:
                assert trial.measurement[measure].shape[-1] == trial.measurement.images
    return found


def test_what_is_added_is_read_back_by_number(tmp_path: Path) -> None:
    trials = [done(3), failed(1), done(0), done(2, series="reference")]
    with Archive.create(tmp_path / "a.sqlite") as archive:
        for trial in trials:
            archive.add(trial)
        assert archive.count("search") == 3
        assert archive.count("reference") == 1
    found = read(tmp_path / "a.sqlite")
    assert found == [trials[3], trials[2], trials[1], trials[0]]
    assert [(trial.decision_s, trial.evaluation_s) for trial in found] == [(0.25, 1.5)] * 4


SIZES = arrays(np.int64, 5, elements=st.integers(1, 2**31 - 1))
RANKS = st.integers(0, 3).flatmap(lambda k: arrays(np.int32, (k, 5), elements=st.integers(0, 2**31 - 1)))
PSNR = st.none() | arrays(np.float32, 5, elements=st.floats(0, allow_nan=False, allow_infinity=True, width=32))


@given(ANY_TABLES, SIZES, RANKS, PSNR, st.text(), st.text())
def test_every_measurement_is_read_back_as_it_was(
    tables: QuantTables, sizes: Any, ranks: Any, psnr_db: Any, strategy: str, origin: str
) -> None:
    trial = Trial("search", 7, strategy, tables, "done", Measurement.of(sizes, ranks, 99, psnr_db), origin=origin)
    with Archive.in_memory() as archive:
        archive.add(trial)
        assert archive.trials("search") == [trial]


def test_a_trial_is_recorded_once(path: Path) -> None:
    with Archive.open(path) as archive:
        with pytest.raises(RunError, match="search trial 3 is recorded already"):
            archive.add(done(3, decision_s=9))
        archive.add(done(3, series="reference"))
    assert len(read(path)) == 22


def test_readers_see_each_trial_as_soon_as_it_is_added(path: Path) -> None:
    with Archive.open(path) as writer, Archive.open(path, read_only=True) as reader:
        for number in range(20, 25):
            writer.add(done(number))
            assert reader.count("search") == number + 1
            assert reader.trials("search")[-1] == done(number)


def test_a_reader_cannot_write(path: Path) -> None:
    with Archive.open(path, read_only=True) as reader, pytest.raises(DiskError, match="cannot be read or written"):
        reader.add(done(99))


def test_the_file_is_of_this_format_and_keeps_a_write_ahead_log(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_killed_writer_loses_no_finished_trial(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tests.archive.test_store import *\n"
        "archive = Archive.create(Path(sys.argv[2]))\n"
        "for number in range(40): archive.add(done(number)); print(number, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "killed.sqlite"
    repository = str(Path(__file__).parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", script, repository, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "killed.sqlite-wal").exists()
    assert read(path) == [done(number) for number in range(40)]
    with Archive.open(path) as archive:
        archive.add(done(40))
    assert len(read(path)) == 41


def test_an_archive_is_not_made_over_a_file(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        Archive.create(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_hold_an_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/trials\.sqlite cannot be opened"):
        Archive.create(tmp_path / "nowhere" / "trials.sqlite")
    with pytest.raises(InputError, match=r"trials\.sqlite is not there"):
        Archive.open(tmp_path / "trials.sqlite")


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()


def make_foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE trials (number INTEGER)")
    connection.close()


def drop_table(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE trials")
    connection.commit()
    connection.close()


def spoil_row(table: str, column: str, value: object, where: str = "number = 7") -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        connection = sqlite3.connect(path)
        changed = connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))
        assert changed.rowcount > 0
        connection.commit()
        connection.close()

    return spoil


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "newer": (make_newer, f"has format {FORMAT + 1}, this qsearch reads up to {FORMAT}: install a newer"),
    "another database": (make_foreign, "is not an archive of trials"),
    "empty": (lambda path: path.write_bytes(b""), "is not an archive of trials"),
    "text": (lambda path: path.write_text("number,ratio\n" * 500), "is damaged"),
    "half of it": (lambda path: os.truncate(path, path.stat().st_size // 2), "is damaged"),
    "first page only": (lambda path: os.truncate(path, 4096), "is damaged"),
    "table dropped": (drop_table, "is damaged"),
    "tables cut short": (spoil_row("quantizers", "data", b"\1" * 100, "id = 3"), "is damaged"),
    "tables of zeros": (spoil_row("quantizers", "data", b"\0" * 192, "id = 3"), "is damaged"),
    "other tables": (spoil_row("quantizers", "data", b"\7" * 192, "id = 3"), "is damaged"),
    "another quantizer": (spoil_row("trials", "quantizer", 2), "is damaged"),
    "sizes are no zlib": (spoil_row("arrays", "data", b"12345"), "is damaged"),
    "ranks of another trial": (
        spoil_row("arrays", "data", rows.pack("rank", np.zeros((2, 30))), "number = 7 AND measure = 'rank'"),
        "is damaged",
    ),
    "images of another number": (spoil_row("trials", "images", 29), "is damaged"),
    "another total": (spoil_row("trials", "total_bytes", 7.0), "is damaged"),
    "a total that is missing": (spoil_row("trials", "top1_1", None), "is damaged"),
    "another status": (spoil_row("trials", "status", "failed"), "is damaged"),
    "a measure nobody knows": (spoil_row("trials", "measures", "bytes rank blur"), "is damaged"),
    "pixels are a word": (spoil_row("trials", "pixels", "many"), "is damaged"),
    "another class": (spoil_row("images", "class", "dog", "position = 1"), "is damaged"),
}


@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_is_no_archive_is_refused_with_its_name(path: Path, name: str, read_only: bool) -> None:
    spoil, sentence = SPOILT[name]
    spoil(path)
    with pytest.raises(InputError) as error:
        read_all(path, read_only)
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)


def test_any_damage_is_told_or_harmless(path: Path, tmp_path: Path) -> None:
    """Bytes changed and pieces cut out at random: an archive is read, or refused in a sentence, and never else."""
    whole, draw = path.read_bytes(), random.Random(5)
    sentences = []
    for number in range(150):
        data = bytearray(whole)
        start = draw.randrange(len(data))
        if number % 3 == 0:
            del data[start : start + draw.randrange(1, 5000)]
        else:
            for position in range(start, min(start + draw.choice([1, 16, 300]), len(data))):
                data[position] = draw.randrange(256)
        copy = tmp_path / f"{number}.sqlite"
        copy.write_bytes(data)
        try:
            trials = read(copy)
        except QSearchError as error:
            sentences.append((str(copy), str(error)))
        else:
            assert all(isinstance(trial, Trial) for trial in trials)
    assert len(sentences) > 50
    assert all(name in sentence for name, sentence in sentences)


def test_a_copied_archive_is_the_archive(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "copy.sqlite")
    assert read(tmp_path / "copy.sqlite") == read(path)
