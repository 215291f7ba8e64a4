"""``qsearch export``: the table that was asked for, explained, in a file that says where it comes from."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qsearch.export.reading import read_tables
from qsearch.run.folder import Run
from qsearch.tables import QuantTables
from tests.cli.conftest import Call
from tests.conftest import Finished
from tests.made_up_runs import make_loss_run, make_run, tables


@pytest.mark.parametrize(
    ("selector", "trial", "reason"),
    [
        ((), 3, "standard quality 50's 20.0"),
        (("--ratio", "18.5"), 3, "ratio of 18.5 or more"),
        (("--top1", "82%"), 1, "82.00 % or more"),
        (("--like-quality", "75"), 1, "quality 75"),
        (("--trial", "4"), 4, "named by you"),
    ],
)
def test_the_choice_is_explained_in_one_line(
    call: Call, tmp_path: Path, selector: tuple[str, ...], trial: int, reason: str
) -> None:
    make_run(tmp_path / "runs" / "demo")
    finished = call("export", "demo", *selector, "--out", "tables.txt")
    assert finished.returncode == 0, finished.stderr
    explained, wrote = finished.stderr.splitlines()
    assert f"demo:{trial}" in explained
    assert reason in explained
    assert wrote == "wrote tables.txt"
    assert read_tables(tmp_path / "tables.txt").tables == tables(trial)
    assert f"trial {trial} of run demo" in (tmp_path / "tables.txt").read_text()


def test_a_run_searched_by_loss_says_so_with_the_loss(call: Call, tmp_path: Path) -> None:
    make_loss_run(tmp_path / "runs" / "demo")
    finished = call("export", "demo", "--out", "tables.txt")
    assert finished.returncode == 0, finished.stderr
    reason = "the best table of the frontier by cross-entropy at no lower ratio than standard quality 50's 20.00"
    assert f"demo:3, {reason}" in finished.stderr
    assert "top-1 68.00 %, loss 0.7500 on the images of the search, which flatter it" in finished.stderr
    header = (tmp_path / "tables.txt").read_text()
    assert f"Chosen: {reason}" in " ".join(header.replace("#", " ").split())
    assert "top-1 68.00 %, loss 0.7500; standard quality 50:" in " ".join(header.replace("#", " ").split())
    assert "top-1 70.00 %, loss 1.0000." in " ".join(header.replace("#", " ").split())
    call("export", "demo", "--loss", "1.25", "--out", "other.txt")
    assert "trial 4 of run demo" in (tmp_path / "other.txt").read_text()


def test_tables_of_others_and_conversion(call: Call, tmp_path: Path) -> None:
    call("export", "--published", "luo-2021:80", "--out", "luo.npz")
    converted = call("export", "luo.npz", "--format", "json")
    assert converted == call("export", "published:luo-2021:80", "--format", "json")
    assert '"luma"' in converted.stdout
    call("export", "standard:50", "--format", "json", "--out", "odd.name")
    assert read_tables(tmp_path / "odd.name").tables == QuantTables.standard(50)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("demo", "--ratio", "99", "--format", "json"), "from ratio 10.00 to 30.01"),
        (("demo", "--ratio", "20", "--top1", "0.5", "--format", "json"), "--ratio and --top1"),
        (("demo", "--top1", "57", "--format", "json"), "0.57 or 57%, got '57'"),
        (("demo", "--top1", "0.5", "--loss", "1", "--format", "json"), "--top1 and --loss choose differently"),
        (("demo", "--loss", "1", "--format", "json"), "cross-entropy was not measured"),
        (("standard:50", "--divergence", "1", "--format", "json"), "--divergence chooses a table of a run"),
        (("demo",), "--format"),
        (("demo", "--out", "tables"), "does not tell its format"),
        (("standard:50", "--ratio", "20", "--format", "json"), "is not one"),
        (("dmeo", "--format", "json"), "did you mean demo"),
        (("--format", "json"), "say what to export"),
        (("demo", "--published", "luo-2021", "--format", "json"), "say what to export"),
        (("demo", "--out", "no/folder/x.json"), "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(call: Call, tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    make_run(tmp_path / "runs" / "demo")
    finished = call("export", *arguments)
    assert finished.returncode == 2
    assert sentence in finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("qsearch: ")
    assert finished.stdout == ""


def test_a_table_that_leaves_its_run_is_confirmed_by_real_files(
    cli: Callable[..., Finished], demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = json.loads((demo / "pillow-checked.json").read_text()).values()  # the picks, which the run has named
    label, another = [trial.label for trial in Run.open(demo).results().done if trial.label not in checked][:2]
    first = cli("export", f"demo:{label}", "--format", "json")
    assert first.status == 0
    assert f"checked with Pillow's files: trial {label}" in first.stderr
    assert "checked" not in cli("export", "demo", "--trial", label, "--format", "json").stderr  # it is known by now
    monkeypatch.setenv("FAKE_DATASET_SEED", "1")
    other = cli("export", f"demo:{another}", "--format", "json")
    assert other.status == 0
    assert (
        "not checked with Pillow's files: the images of fake are not those that were measured any more." in other.stderr
    )
