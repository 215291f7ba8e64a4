"""Bounds on the command line, and runs that take them from others or from a warm-up of their own."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qsearch.run.folder import Run
from qsearch.tables import QuantTables
from tests.conftest import FAKE, Finished

Cli = Callable[..., Finished]
PAPER = ("--box", "paper", "--objective", "top1")
WIDE = ("--window", "1", "9", *PAPER)


@pytest.fixture
def source(cli: Cli, tmp_path: Path) -> Path:
    made = cli("run", "--name", "source", "--trials", "40", "--seed", "2", "--objective", "top1", *FAKE)
    assert made.status == 0, made.stderr
    return tmp_path / "runs" / "source"


def test_they_are_those_of_the_frontier(cli: Cli, source: Path) -> None:
    found = json.loads(cli("bounds", "source", *WIDE, "--sigma", "0", "--json").stdout)
    frontier = [trial.tables for trial in Run.open(source).results().frontier]
    entries = np.array([tables.luma for one in frontier for tables in (one, one.transposed())])
    assert QuantTables.from_dict(found["lower"]).luma.tolist() == entries.min(axis=0).tolist()
    assert QuantTables.from_dict(found["upper"]).luma.tolist() == entries.max(axis=0).tolist()
    assert set(found["parabola"]) == {"a", "b", "c"}
    assert set(found["local_fit"]) == {"center", "low", "high", "a", "b", "c"}


def test_in_words_they_are_two_matrices(cli: Cli, source: Path) -> None:
    text = cli("bounds", "source", *WIDE).stdout
    assert text.count("\n ") + text.count("\n1") >= 16
    assert "near these: fitness(ratio) =" in text
    assert "over all:   fitness(ratio) =" in text
    assert "lower:" in text
    assert "upper:" in text


def test_a_run_keeps_those_it_took(cli: Cli, source: Path) -> None:
    made = cli(
        "run", "--name", "bounded", "--strategy", "bounded-random", "--from", "source", *WIDE, "--trials", "6", *FAKE
    )
    assert made.status == 0, made.stderr
    kept = tomllib.loads(Path("runs/bounded/run.toml").read_text())["search"]["bounds"]
    found = json.loads(cli("bounds", "source", *WIDE, "--json").stdout)
    assert kept["sources"] == ["source"]
    assert kept["local_fit"] == list(found["local_fit"].values())
    assert kept["parabola"] == list(found["parabola"].values())
    assert kept["lower"] == np.array(found["lower"]["luma"]).ravel().tolist()
    for trial in Run.open("runs/bounded").results().search:
        entries = trial.tables.luma.ravel()
        assert (entries >= kept["lower"]).all()
        assert (entries <= kept["upper"]).all()


def test_a_warm_up_is_the_sorted_random_search_of_the_seed(cli: Cli, source: Path) -> None:
    arguments = ("--strategy", "bounded-random", "--warm-up", "40", "--trials", "45", "--seed", "2", *WIDE, *FAKE)
    made = cli("run", "--name", "warm", *arguments)
    assert made.status == 0, made.stderr
    assert "first 40 trials are sorted random" in made.stderr
    warm, cold = (Run.open(f"runs/{name}").results().search for name in ("warm", "source"))
    assert [trial.tables for trial in warm[:40]] == [trial.tables for trial in cold]
    assert {trial.strategy for trial in warm[40:]} == {"bounded-random"}
    assert (
        cli(
            "run",
            "--name",
            "again",
            "--strategy",
            "bounded-random",
            "--from",
            "source",
            "--seed",
            "2",
            "--trials",
            "5",
            *WIDE,
            *FAKE,
        ).status
        == 0
    )
    assert [trial.tables for trial in warm[40:]] == [t.tables for t in Run.open("runs/again").results().search]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--dataset", "fake:7", "--classifier", "fake"), "dataset: digest was"),
        ((*FAKE, "--subsampling", "4:4:4"), "codec: subsampling was 4:2:0, is 4:4:4"),
        ((*FAKE, "--layout", "ycbcr"), "table layout was shared, is ycbcr"),
        ((*FAKE, "--window", "90", "91"), "would hold"),
    ],
)
def test_a_source_that_does_not_fit_is_refused(
    cli: Cli, source: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    finished = cli(
        "run", "--name", "new", "--strategy", "bounded-random", "--from", "source", "--trials", "5", *PAPER, *arguments
    )
    assert finished.status == 2
    assert sentence in finished.sentence
    assert not Path("runs/new").exists()


def test_a_strategy_that_needs_no_bounds_refuses_them(cli: Cli, source: Path) -> None:
    finished = cli("run", "--strategy", "sorted-random", "--from", "source", *FAKE)
    assert finished.status == 2
    assert "searches without bounds" in finished.sentence
