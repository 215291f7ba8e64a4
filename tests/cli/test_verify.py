"""``qsearch verify``: damage anywhere in a run's folder is told, and none is imagined."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from qsearch.run.folder import Run
from tests.conftest import Finished

Cli = Callable[..., Finished]


def change(archive: Path, statement: str) -> None:
    with sqlite3.connect(archive) as connection:
        assert connection.execute(statement).rowcount >= 1


def test_a_sound_run_has_no_problem(cli: Cli, demo: Path) -> None:
    assert cli("validate", "demo", "--dataset", "fake:7", "--executor", "serial", "--classifier", "fake").status == 0
    finished = cli("verify", "demo")
    assert (finished.status, finished.stdout) == (0, "no problem found\n")
    found = json.loads(cli("verify", "demo", "--json").stdout)
    assert found == {"run": "demo", "problems": []}


@pytest.mark.parametrize(
    ("statement", "phrase"),
    [
        ("UPDATE trials SET total_bytes = total_bytes + 1 WHERE series = 'search' AND number = 2", "search trial 2"),
        ("UPDATE trials SET reason = 'none' WHERE series = 'search' AND number = 3", "search trial 3"),
        ("UPDATE arrays SET data = x'00' WHERE series = 'reference' AND number = 50", "reference trial 50"),
        ("DELETE FROM arrays WHERE series = 'search' AND number = 1 AND measure = 'bytes'", "search trial 1"),
        ("DELETE FROM trials WHERE series = 'search' AND number = 1", "arrays of search trial 1, which is not there"),
        ("UPDATE quantizers SET data = zeroblob(192) WHERE id = 5", "damaged"),
        ("UPDATE images SET name = 'other' WHERE position = 4", "image 4 of generation 0"),
        ("DELETE FROM images WHERE position > 5", "it lists 6 images, and run.toml was recorded on 15"),
    ],
)
def test_damage_is_one_line_each(cli: Cli, demo: Path, statement: str, phrase: str) -> None:
    change(demo / "trials.sqlite", statement)
    finished = cli("verify", "demo")
    assert finished.status == 1
    assert phrase in finished.stdout
    assert all(line.startswith(str(demo.relative_to(Path.cwd()))) for line in finished.stdout.splitlines())


def test_several_problems_are_all_told(cli: Cli, demo: Path) -> None:
    for number in (1, 4):
        change(
            demo / "trials.sqlite", f"UPDATE trials SET strategy = 'x' WHERE series = 'search' AND number = {number}"
        )
    found = json.loads(cli("verify", "demo", "--json").stdout)["problems"]
    assert [f"search trial {number}" in problem for number, problem in zip((1, 4), found, strict=True)] == [True] * 2


def test_a_damaged_validation_is_told(cli: Cli, demo: Path) -> None:
    assert cli("validate", "demo", "--dataset", "fake:7", "--executor", "serial", "--name", "v").status == 0
    settings = Run.open(demo).path / "validations" / "v" / "run.toml"
    settings.write_text(settings.read_text()[:100])
    finished = cli("verify", "demo")
    assert finished.status == 1
    assert "validations/v/run.toml" in finished.stdout
