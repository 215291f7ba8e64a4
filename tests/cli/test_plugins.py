"""Plug-ins that break: each is one sentence, and the others go on working."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FAKE, Finished, forget_entry_points

MODULES = {
    "raises_at_import": "raise RuntimeError('no licence \\x1b[31m')",
    "exits_at_import": "import sys; sys.exit(0)",
    "no_syntax": "def (:",
    "no_parts": """
import numpy as np

from qsearch.classifiers.base import Classifier
from qsearch.strategies.base import Strategy
from qsearch.tables import QuantTables


class Odd(Classifier):
    name, class_names, classes, digest = "odd", None, 5, "0" * 64
    said = {"name": "odd"}

    def logits(self, images):
        return np.zeros((len(images), 5), np.float32)

    def settings(self):
        return self.said


def fails(argument, options):
    raise KeyError("weights")


def returns_nothing(argument, options):
    return None


def says_an_array(argument, options):
    classifier = Odd()
    classifier.said = {"name": "odd", "scale": np.float64(2)}
    return classifier


def says_nothing(argument, options):
    classifier = Odd()
    classifier.said = None
    return classifier


def names_too_few(argument, options):
    classifier = Odd()
    classifier.class_names = ("a", "b")
    return classifier


class Failing(Strategy):
    name = "failing"

    def ask(self, number):
        raise LookupError(f"no tables {number}")


class NoTables(Strategy):
    name = "no-tables"

    def ask(self, number):
        return [[16] * 8] * 8


class Outside(Strategy):
    name = "outside"
    layouts = ("shared",)

    def ask(self, number):
        return QuantTables.standard(50)


class Unmakable(Strategy):
    name = "unmakable"

    def __init__(self, space, seed, *, fitness=None):
        raise RuntimeError("not today")

    def ask(self, number):
        return QuantTables.standard(50)
""",
}
ENTRY_POINTS = """
[qsearch.classifiers]
broken-import = raises_at_import:load
broken-exit = exits_at_import:load
broken-syntax = no_syntax:load
broken-load = no_parts:fails
broken-none = no_parts:returns_nothing
broken-array = no_parts:says_an_array
broken-silent = no_parts:says_nothing
broken-names = no_parts:names_too_few

[qsearch.datasets]
broken-load = no_parts:fails
broken-none = no_parts:returns_nothing

[qsearch.strategies]
broken-ask = no_parts:Failing
broken-tables = no_parts:NoTables
broken-box = no_parts:Outside
broken-init = no_parts:Unmakable
broken-function = no_parts:fails
"""


@pytest.fixture
def broken(tmp_path: Path, cli: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    """The command line where plug-ins are installed that break in every way."""
    folder = tmp_path / "site"
    metadata = folder / "qsearch_broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: qsearch-broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    for name, code in MODULES.items():
        (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    forget_entry_points()
    return cli


def test_the_list_names_what_cannot_be_used(broken: Callable[..., Finished]) -> None:
    finished = broken("list")
    assert finished.status == 0
    assert "sorted-random" in finished.stdout
    assert "RuntimeError: no licence \\x1b[31m" in finished.stdout
    assert "SyntaxError" in finished.stdout
    assert "SystemExit" in finished.stdout


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("import", "cannot be imported (RuntimeError: no licence"),
        ("exit", "cannot be imported (SystemExit: 0)"),
        ("syntax", "cannot be imported (SyntaxError: invalid syntax"),
        ("load", "the classifier broken-load cannot be had, for its code fails (KeyError: 'weights')"),
        ("none", "broken-none is no classifier: its loader returns NoneType"),
        ("array", "settings() of odd gives 'scale' as float64"),
        ("silent", "settings() of odd gives no dictionary with its name"),
        ("names", "the class names of broken-names are no tuple of 5 texts"),
    ],
)
def test_a_classifier_that_breaks(broken: Callable[..., Finished], tmp_path: Path, name: str, sentence: str) -> None:
    finished = broken("run", "--dataset", "fake", "--classifier", f"broken-{name}", "--trials", "2", "--workers", "1")
    assert (finished.status, sentence in finished.sentence) == (2, True), finished.sentence
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("load", "the dataset broken-load cannot be had"), ("none", "broken-none is no dataset")],
)
def test_a_dataset_that_breaks(broken: Callable[..., Finished], name: str, sentence: str) -> None:
    finished = broken("run", "--dataset", f"broken-{name}", "--classifier", "fake", "--trials", "2", "--workers", "1")
    assert (finished.status, sentence in finished.sentence) == (2, True), finished.sentence


@pytest.mark.parametrize(
    ("name", "status", "sentence"),
    [
        ("ask", 1, "strategy failing proposes nothing for trial 0: LookupError: no tables 0"),
        ("tables", 1, "strategy no-tables proposes a list for trial 0, and QuantTables were expected"),
        ("box", 1, "strategy outside proposes tables outside its box for trial 0"),
        ("init", 2, "the strategy broken-init cannot be had, for its code fails (RuntimeError: not today)"),
        ("function", 2, "broken-function is no strategy"),
    ],
)
def test_a_strategy_that_breaks(broken: Callable[..., Finished], name: str, status: int, sentence: str) -> None:
    finished = broken("run", *FAKE, "--strategy", f"broken-{name}", "--trials", "2")
    assert (finished.status, sentence in finished.sentence) == (status, True), finished.sentence
