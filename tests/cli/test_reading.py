"""``show``, ``trials``, ``plot`` and ``list``: what they print is what was measured, and machines can read it."""

import csv
import errno
import importlib.util
import io
import json
import os
import sqlite3
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from qsearch.cli.trials import _texts
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.trials import Trials
from qsearch.quantizer import UNCOMPRESSED
from qsearch.run.folder import Run
from qsearch.tables import QuantTables
from tests.conftest import FAKE, Finished

Cli = Callable[..., Finished]


def parsed(text: str) -> Any:
    """JSON as the standard has it, which knows neither NaN nor Infinity."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_show_prints_the_summary_and_the_same_as_json(cli: Cli, demo: Path) -> None:
    shown = cli("show", "demo")
    assert shown.status == 0
    assert shown.stderr == ""
    assert "Run demo" in shown.stdout
    found = parsed(cli("show", "demo", "--json").stdout)
    run = Run.open(demo)
    assert found["run"] == "demo"
    assert found["summary"]["trials_done"] == len(run.results().done)
    assert found["summary"]["trials_failed"] == 8 - len(run.results().done)
    assert [point["label"] for point in found["summary"]["frontier"]] == [t.label for t in run.results().frontier]
    assert found["settings"]["recorded"]["codec"]["name"] == "coefficient"


def test_trials_as_json_hold_every_trial(cli: Cli, demo: Path) -> None:
    rows = parsed(cli("trials", "demo", "--json").stdout)
    reference, search = Run.open(demo).trials()
    assert len(rows) == len(reference) + len(search) == 28
    for row, trial in zip(rows, [*reference, *search], strict=True):
        assert (row["series"], row["number"], row["status"]) == (trial.series, trial.number, trial.status)
        assert row["digest"] == trial.quantizer.digest
        if trial.quantizer == UNCOMPRESSED:
            assert (row["quantizer"], row["tables"]) == ("uncompressed", None)
        else:
            assert QuantTables.from_dict(row["tables"]) == trial.tables
        if trial.measurement is None:
            assert row["ratio"] is row["top1"] is row["psnr_db"] is None
            assert row["reason"] == trial.reason != ""
        else:
            assert row["ratio"] == trial.measurement.ratio
            assert row["top1"] == trial.measurement.top1
            assert row["total_bytes"] == trial.measurement.total_bytes
            assert row["loss"] == trial.measurement.mean("loss")
            assert row["divergence"] == trial.measurement.mean("divergence")
            assert row["psnr_db"] == (trial.measurement.mean_psnr_db if row["quantizer"] == "tables" else None)


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_trials_that_find_no_room_leave_the_file_before(
    cli: Cli, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "results" / "trials.txt"
    out.parent.mkdir()
    out.write_text("before")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        finished = cli("trials", "demo", f"--{format_}", "--out", str(out))
    assert finished.status == 2
    assert "results/trials.txt cannot be written (No space left on device): check " in finished.sentence
    assert {path.name: path.read_text() for path in out.parent.iterdir()} == {"trials.txt": "before"}


def test_trials_as_csv_are_the_same_table(cli: Cli, demo: Path, tmp_path: Path) -> None:
    plain = cli("trials", "demo")
    assert plain.stdout == cli("trials", "demo", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(plain.stdout)))
    expected = parsed(cli("trials", "demo", "--json").stdout)
    assert len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        assert set(row) == set(other)
        assert row["ratio"] == ("" if other["ratio"] is None else repr(other["ratio"]))
        assert json.loads(row["tables"]) == other["tables"]
        assert row["loss"] == ("" if other["loss"] is None else repr(other["loss"]))
    for format_ in ("csv", "json"):
        assert cli("trials", "demo", f"--{format_}", "--out", f"t.{format_}").status == 0
    assert (tmp_path / "t.csv").read_text() == plain.stdout
    assert parsed((tmp_path / "t.json").read_text()) == expected


def test_trials_are_the_same_text_however_many_rows_are_made_at_once(
    cli: Cli, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {format_: cli("trials", "demo", f"--{format_}").stdout for format_ in ("csv", "json")}
    assert whole["json"] == json.dumps(parsed(whole["json"]), indent=1) + "\n"
    monkeypatch.setattr("qsearch.cli.trials.FRAME_ROWS", 3)
    assert {format_: cli("trials", "demo", f"--{format_}").stdout for format_ in whole} == whole


def test_trials_hold_some_rows_at_once_and_no_images(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qsearch.cli.trials.FRAME_ROWS", 3)
    monkeypatch.delattr("qsearch.archive.arrays.ArrayReader.read")
    alive, most = set[int](), 0

    def counted(trial: Trial) -> Trial:
        nonlocal most
        made = replace(trial)
        alive.add(id(made))
        weakref.finalize(made, alive.discard, id(made))
        most = max(most, len(alive))
        return made

    reference, search = Run.open(demo).trials()
    each = [Trials(part.columns, lambda index, part=part: counted(part[index])) for part in (reference, search)]  # type: ignore[misc]
    for format_ in ("csv", "json"):
        text = "".join(_texts(each, format_))
        assert text.count("\n") > 28
    assert most <= 3


def test_trials_of_a_run_without_any_are_an_empty_table(cli: Cli, demo: Path) -> None:
    with closing(sqlite3.connect(demo / "trials.sqlite")) as archive, archive:
        archive.execute("DELETE FROM trials")
    assert parsed(cli("trials", "demo", "--json").stdout) == []
    assert cli("trials", "demo", "--csv").stdout.strip() == ""


def test_an_infinite_psnr_is_null_in_json(cli: Cli, tmp_path: Path) -> None:
    """A flat image survives the finest tables unchanged."""
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (24, 24), (128, 128, 128)).save(tmp_path / "photos" / name / "1.png")
    data = ("--dataset", "folder:photos", "--classifier", "fake", "--executor", "serial", "--psnr")
    assert cli("run", "--name", "flat", "--trials", "1", *data).status == 0
    rows = parsed(cli("trials", "flat", "--json").stdout)
    assert rows[-2]["number"] == 100
    assert rows[-2]["psnr_db"] is None


def test_parquet_is_written_or_its_package_named(cli: Cli, demo: Path, tmp_path: Path) -> None:
    finished = cli("trials", "demo", "--parquet", "--out", "t.parquet")
    if importlib.util.find_spec("pyarrow") is None:
        assert finished.status == 2
        assert "pip install 'qsearch[parquet]'" in finished.sentence
        return
    import pandas as pd

    assert finished.status == 0
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 28


def test_parquet_needs_a_file(cli: Cli, demo: Path) -> None:
    finished = cli("trials", "demo", "--parquet")
    assert finished.status == 2
    assert "--out FILE" in finished.sentence


@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.pdf", b"%PDF")])
def test_plot_writes_the_format_asked_for(cli: Cli, demo: Path, tmp_path: Path, name: str, magic: bytes) -> None:
    finished = cli("plot", "demo", "--out", name)
    assert finished.stdout == f"wrote {name}\n"
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_plot_draws_into_the_runs_folder_by_default(cli: Cli, demo: Path) -> None:
    assert cli("plot", "demo").status == 0
    assert (demo / "pareto.png").stat().st_size > 10_000


def test_plot_draws_several_runs_measured_alike_and_no_others(cli: Cli, demo: Path, tmp_path: Path) -> None:
    options = [*FAKE, "--classifier", "fake:fail=11", "--trials", "3"]
    assert cli("run", "--name", "alike", *options, "--strategy", "uniform-random", "--psnr").status == 0
    assert cli("plot", "demo", "alike", "--out", "both.svg").status == 0
    drawn = (tmp_path / "both.svg").read_text()
    for name in ("demo", "alike"):
        assert drawn.count(f"{name}: frontier of") == 2  # by top-1 and by loss
    assert cli("run", "--name", "other", *options, "--subsampling", "4:4:4").status == 0
    refused = cli("plot", "demo", "other")
    assert refused.status == 2
    assert "subsampling was 4:2:0, is 4:4:4" in refused.sentence


def test_list_names_what_there_is(cli: Cli, demo: Path) -> None:
    found = parsed(cli("list", "--json").stdout)
    assert found.pop("options")["fake-adaptive"] == {"step": 3, "word": "a"}
    assert {"sorted-random", "uniform-random", "standard", "fake-adaptive"} <= found["strategies"].keys()
    assert {"textures", "folder", "fake"} <= found["datasets"].keys()
    assert {"textures-cnn", "torchvision", "onnx", "pt2", "fake"} <= found["classifiers"].keys()
    assert found["codecs"].keys() >= {"pillow"}
    assert found["runs"] == {"demo": "sorted-random, 8 of 8 trials, fake"}
    assert all(purpose for kind in found.values() for purpose in kind.values())
    assert found["strategies"]["fake-broken"].startswith("unusable: ")
    printed = cli("list")
    assert printed.status == 0
    for kind, entries in found.items():
        assert f"{kind}:" in printed.stdout
        for name, purpose in entries.items():
            assert name in printed.stdout
            assert purpose in printed.stdout


def test_list_runs_says_which_cannot_be_read(cli: Cli, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "run.toml").write_text("format = 99")
    (tmp_path / "runs" / ".half-made").mkdir()
    (tmp_path / "runs" / ".half-made" / "run.toml").touch()
    found = parsed(cli("list", "runs", "--json").stdout)["runs"]
    assert found.keys() == {"demo", "broken"}
    assert found["broken"].startswith("unreadable: ")
    assert "install a newer qsearch" in found["broken"]


def test_list_without_runs_says_so(cli: Cli) -> None:
    finished = cli("list", "runs")
    assert finished.status == 0
    assert finished.stdout == "runs:\n  none in runs\n"
