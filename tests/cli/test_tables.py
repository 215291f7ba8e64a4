"""How commands name tables."""

from pathlib import Path

import pytest

from qsearch.cli.tables import resolve_tables
from qsearch.errors import InputError
from qsearch.export.formats import export_tables
from qsearch.run.settings import CodecSettings
from qsearch.tables import QuantTables
from qsearch.tables.published import published_tables
from tests.made_up_runs import make_run, tables


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    make_run(tmp_path / "runs" / "demo", codec=CodecSettings(subsampling="4:4:4", progressive=True))
    return tmp_path / "runs"


def test_every_way_to_name_tables(runs: Path, tmp_path: Path) -> None:
    export_tables(resolve_tables("standard:30", runs), "cjpeg", tmp_path / "a:7")
    expected = {
        "standard:50": QuantTables.standard(50),
        "published:luo-2021": published_tables("luo-2021"),
        "published:luo-2021:80": published_tables("luo-2021", 80),
        "demo:3": tables(3),
        "demo": tables(3),
        "demo:best": tables(3),
        str(runs / "demo"): tables(3),
        f"{runs / 'demo'}:3": tables(3),
        "demo:standard:75": QuantTables.standard(75),
        str(tmp_path / "a:7"): QuantTables.standard(30),  # a file before a run
    }
    assert {spec: resolve_tables(spec, runs).tables for spec in expected} == expected


def test_tables_of_a_run_come_with_its_settings_and_its_story(runs: Path) -> None:
    sheet = resolve_tables("demo:3", runs)
    assert (sheet.encoder.subsampling, sheet.encoder.progressive) == ("4:4:4", True)
    story = " ".join(sheet.origin)
    for said in (
        "sorted-random, seed 0",
        "200 images 128x128",
        "textures-cnn",
        "ratio 22.0",
        "75.00 %",
        "flatters",
        f"classes: {'0' * 64}",
    ):
        assert said in story
    assert "photos" in story
    assert "/home/ann" not in story


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("standard", "got ''"),
        ("standard:0", "got '0'"),
        ("standard:fifty", "got 'fifty'"),
        ("published:luo", "did you mean luo-2021"),
        ("published:luo-2021:200", "got '200'"),
        ("demmo", "did you mean demo"),
        ("demo:17", "no trial '17'"),
        ("demo:2", "it broke"),
        ("dmeo:3", "did you mean demo"),
        ("missing.json", "none of these"),
    ],
)
def test_what_names_no_tables_is_told_what_would(runs: Path, spec: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        resolve_tables(spec, runs)
