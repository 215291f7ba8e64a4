"""Completion in a shell: names of runs, tables and trials, and of what is registered, plug-ins included."""

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from qsearch.cli.main import cli
from tests.made_up_runs import make_run


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins: None) -> "Offered":
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QSEARCH_RUNS", raising=False)
    make_run(tmp_path / "runs" / "demo")
    make_run(tmp_path / "runs" / "other")
    make_run(tmp_path / "elsewhere" / "third")
    return Offered()


class Offered:
    """What a shell offers behind some words."""

    def __call__(self, *words: str) -> list[str]:
        *before, incomplete = words
        shell = ShellComplete(cli, {}, "qsearch", "_QSEARCH_COMPLETE")
        return [item.value for item in shell.get_completions(before, incomplete)]


@pytest.mark.parametrize("command", ["show", "plot", "report", "trials", "resume", "validate", "export", "finetune"])
def test_runs(offered: Offered, command: str) -> None:
    assert offered(command, "de") == ["demo"]


def test_runs_of_another_folder(offered: Offered, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("show", "--runs", "elsewhere", "") == ["third"]
    monkeypatch.setenv("QSEARCH_RUNS", "elsewhere")
    assert offered("show", "") == ["third"]


@pytest.mark.parametrize(
    "before",
    [("compare",), ("compare", "standard:50"), ("encode", "--tables"), ("curve", "--tables"), ("export",)],
)
def test_tables_of_a_run_are_its_frontier(offered: Offered, before: tuple[str, ...]) -> None:
    assert offered(*before, "demo:") == ["demo:best", "demo:0", "demo:1", "demo:3", "demo:5"]
    assert offered(*before, "dem") == ["demo"]
    assert "published:luo-2021" in offered(*before, "publ")


def test_trials_of_the_run_that_is_named(offered: Offered) -> None:
    assert offered("export", "demo", "--trial", "") == ["0", "1", "3", "5"]
    assert offered("export", "nothing", "--trial", "") == []


@pytest.mark.parametrize("command", ["run", "show", "report", "validate", "plot", "compare", "export", "finetune"])
def test_options_and_what_stands_behind_them(offered: Offered, command: str) -> None:
    assert offered(command, "--like") == ["--like-quality"]
    if command != "run":
        assert offered(command, "--like-quality", "75", "de") == ["demo"]


def test_kinds_of_axes(offered: Offered) -> None:
    assert offered("plot", "demo", "--x", "b") == ["bpp", "bytes"]
    assert offered("show", "demo", "--fr") == ["--frontier"]
    assert offered("bounds", "de") == offered("history", "--by", "trials", "de") == ["demo"]


def test_what_is_registered_plug_ins_included(offered: Offered) -> None:
    assert offered("run", "--strategy", "sorted") == ["sorted-random"]
    assert "textures" in offered("run", "--dataset", "")
    assert "fake" in offered("run", "--dataset", "")
    assert "fake" in offered("validate", "demo", "--classifier", "f")
    assert offered("run", "--codec", "pil") == ["pillow"]
