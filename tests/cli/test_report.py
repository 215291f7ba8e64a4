"""``qsearch report`` and the kinds of ``qsearch plot``: where they write, and what they refuse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qsearch.run.settings import CodecSettings
from tests.conftest import Finished
from tests.made_up_runs import make_run


def test_it_writes_into_the_first_run_unless_told(tmp_path: Path, succeed: Callable[..., str]) -> None:
    for name in ("one", "two"):
        make_run(tmp_path / "runs" / name)
    assert "report.html" in succeed("report", "one", "two")
    page = (tmp_path / "runs" / "one" / "report.html").read_text(encoding="utf-8")
    assert "<title>Quantization tables: one, two</title>" in page
    succeed("report", "two", "--out", "elsewhere.html")
    assert (tmp_path / "elsewhere.html").is_file()


def test_runs_measured_otherwise_share_no_report(tmp_path: Path, cli: Callable[..., Finished]) -> None:
    make_run(tmp_path / "runs" / "one")
    make_run(tmp_path / "runs" / "two", codec=CodecSettings(subsampling="4:4:4"))
    refused = cli("report", "one", "two")
    assert refused.status == 2
    assert "cannot be compared" in refused.stderr
    assert not list(tmp_path.rglob("*.html"))


def test_a_histogram_is_drawn_of_a_window(tmp_path: Path, succeed: Callable[..., str]) -> None:
    make_run(tmp_path / "runs" / "one")
    succeed("plot", "one", "--kind", "distribution", "--window", "15", "25")
    assert (tmp_path / "runs" / "one" / "distribution.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--kind", "psnr"), "did not measure PSNR: make one with 'qsearch run --psnr'"),
        (("--kind", "validation"), "no validation is kept with these runs: make one with 'qsearch validate'"),
        (("--kind", "validation", "--validation", "other"), "has no validation 'other'"),
        (("--validation", "other"), "--validation goes with --kind validation"),
        (("--kind", "distribution", "--window", "40", "50"), "has no trial with a ratio from 40 to 50"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    tmp_path: Path, cli: Callable[..., Finished], arguments: tuple[str, ...], sentence: str
) -> None:
    make_run(tmp_path / "runs" / "one")
    refused = cli("plot", "one", *arguments)
    assert refused.status == 2
    assert sentence in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.png"))
