"""``qsearch compare``: which tables are meant, what is said of them, and what is not compared."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from qsearch.analysis.comparison import compare
from qsearch.analysis.results import measured
from qsearch.archive.store import Archive
from qsearch.datasets.base import ImageIdentity
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE, Run
from qsearch.run.settings import Change, CodecSettings, Recorded, RunSettings, load_settings, save_settings
from qsearch.tables import QuantTables
from tests.analysis.simulated import simulated_results
from tests.conftest import Finished
from tests.made_up_runs import make_loss_run, make_run

Cli = Callable[..., Finished]
IMAGES = 120


def simulated_run(path: Path, seed: int = 0, gains: Sequence[float] = (0, 10, -10), digest: str = "0") -> Run:
    """A run of three tables on 120 images of 12 classes; trial 1 is the best at the ratio of quality 50."""
    results, _ = simulated_results(seed, IMAGES, list(gains))
    path.mkdir(parents=True)
    recorded = Recorded(
        dataset={"name": "simulated", "digest": digest, "images": IMAGES, "height": 128, "width": 128},
        classifiers=[{"name": "imaginary"}],
        codec={"name": "pillow", "subsampling": "4:2:0"},
        versions={"qsearch": "0.1.0"},
    )
    save_settings(RunSettings(recorded=recorded), path / SETTINGS_FILE)
    images = [ImageIdentity(f"{index}.png", f"class {index % 12}", f"{index:064x}") for index in range(IMAGES)]
    with Archive.create(path / ARCHIVE_FILE, images) as archive:
        for trial in (*results.reference, *results.search):
            archive.add(trial)
        archive.add(Trial("search", 3, "sorted-random", QuantTables.standard(3), "failed", reason="it broke"))
    return Run.open(path)


def compared(cli: Cli, *arguments: str) -> dict[str, Any]:
    finished = cli("compare", *arguments, "--json")
    assert finished.status == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def test_the_numbers_are_those_of_the_records(cli: Cli, tmp_path: Path) -> None:
    run = simulated_run(tmp_path / "runs/demo")
    found = compared(cli, "standard:50", "demo:1", "demo:2", "--resamples", "200", "--seed", "3")
    results = run.results()
    tables = [results.standard[50], *map(measured, results.done[1:])]
    expected = compare(tables[0], tables[1:], list(results.standard.values()), resamples=200, seed=3)
    assert found["baseline"] == {
        "table": "demo:standard:50",
        "trial": "standard:50",
        "ratio": tables[0].ratio,
        "bpp": tables[0].bpp,
        "kb_per_image": tables[0].total_bytes / tables[0].images / 1000,
        "top1": tables[0].top1,
        "loss": None,
        "divergence": None,
    }
    rows = found["comparisons"]
    assert [row["table"] for row in rows] == ["demo:1", "demo:2"]
    assert [row["bpp"] for row in rows] == pytest.approx([table.bpp for table in tables[1:]])
    for row, each in zip(rows, expected, strict=True):
        names = ("ratio", "top1", "difference_points", "byte_ratio", "loss", "divergence", "tests")
        assert {name: row[name] for name in names} == json.loads(msgspec.json.encode(each))


def test_in_words(cli: Cli, tmp_path: Path) -> None:
    simulated_run(tmp_path / "runs/demo")
    printed = cli("compare", "standard:50", "demo:best", "demo:2").stdout
    assert "Baseline demo:standard:50: ratio 20" in printed
    assert "demo:best (trial 1): ratio 2" in printed
    assert "\ndemo:2: ratio 2" in printed
    assert printed.count("corrected for 2 tests (Holm)") == 2
    assert "four times in five" in printed
    assert "The search chose on these images" in printed
    assert "t-test" not in printed
    alone = cli("compare", "demo:standard:50", "demo:standard:70").stdout
    assert "Holm" not in alone
    assert "The search chose" not in alone


def test_losses_are_compared_where_they_were_measured(cli: Cli, tmp_path: Path) -> None:
    make_loss_run(tmp_path / "runs/demo")
    printed = cli("compare", "standard:50", "demo:1", "demo:4").stdout
    assert "  loss      -0.1250 nats, 95 % interval -0.1250 to -0.1250 (lower is better)" in printed
    assert "  loss      +0.2500 nats" in printed
    assert "            at equal loss bytes are 0.852" in printed  # 18.75 / 22
    assert "divergence" not in printed
    found = compared(cli, "standard:50", "demo:1")
    assert (found["baseline"]["loss"], found["baseline"]["divergence"]) == (1, None)
    (row,) = found["comparisons"]
    assert row["loss"]["difference"]["value"] == -0.125
    assert row["loss"]["byte_ratio"]["value"] == pytest.approx(18.75 / 22, abs=1e-3)


@pytest.mark.parametrize("name", ["demo:1", "runs/demo:1", "./runs/demo:1", "demo:best", "demo", "runs/demo"])
def test_ways_to_name_a_table(cli: Cli, tmp_path: Path, name: str) -> None:
    simulated_run(tmp_path / "runs/demo")
    found = compared(cli, "standard:50", name)["comparisons"]
    assert found[0]["trial"] == "1"


def test_a_path_may_have_colons(cli: Cli, tmp_path: Path) -> None:
    simulated_run(tmp_path / "of: today" / "demo")
    found = compared(cli, f"{tmp_path}/of: today/demo:standard:50", f"{tmp_path}/of: today/demo:2")
    assert found["baseline"]["trial"] == "standard:50"


def test_tables_of_two_runs_on_the_same_images(cli: Cli, tmp_path: Path) -> None:
    simulated_run(tmp_path / "runs/one")
    simulated_run(tmp_path / "runs/two", gains=(20, 0, 0))
    found = compared(cli, "standard:50", "one:best", "two:best")["comparisons"]
    assert [(row["table"], row["trial"]) for row in found] == [("one:best", "1"), ("two:best", "0")]


def test_the_papers_test_comes_with_its_warning(cli: Cli, tmp_path: Path) -> None:
    simulated_run(tmp_path / "runs/demo")
    printed = cli("compare", "standard:50", "demo:1", "--paper-ttest").stdout
    assert "over 100 samples of 12 classes x 4 images" in printed
    assert "not a valid test" in printed
    (row,) = compared(cli, "standard:50", "demo:1", "--paper-ttest")["comparisons"]
    assert row["paper_ttest"]["classes"] == 12
    assert row["paper_ttest"]["two_sample_p"] < 0.05
    assert "not a valid test" in row["paper_ttest"]["warning"]


def test_a_run_that_changed_says_so(cli: Cli, tmp_path: Path) -> None:
    run = simulated_run(tmp_path / "runs/demo")
    path = run.path / SETTINGS_FILE
    change = Change(at_trial=1, differences=["codec: libjpeg was 3.0, is 3.1"])
    save_settings(msgspec.structs.replace(load_settings(path), changes=(change,)), path)
    printed = cli("compare", "standard:50", "demo:1").stdout
    assert "Run demo changed at trial 1: codec: libjpeg was 3.0, is 3.1." in printed


def test_other_images_and_other_encoders_are_not_compared(cli: Cli, tmp_path: Path) -> None:
    simulated_run(tmp_path / "runs/one")
    simulated_run(tmp_path / "runs/two", digest="1")
    refused = cli("compare", "one:1", "two:1")
    assert refused.status == 2
    assert "runs one and two cannot be compared: dataset: digest was 0, is 1" in refused.sentence
    make_run(tmp_path / "runs/three")
    make_run(tmp_path / "runs/four", codec=CodecSettings(subsampling="4:4:4"))
    refused = cli("compare", "three:1", "four:1")
    assert refused.status == 2
    assert "codec: subsampling was 4:2:0, is 4:4:4" in refused.sentence


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["standard:50", "standard:70"], "none of standard:50, standard:70 names a run"),
        (["standard:50", "dmo"], "did you mean demo"),
        (["standard:50", "dmo:1"], "is not a run"),
        (["standard:50", "demo:99"], "run demo has no trial '99'"),
        (["standard:51", "demo:1"], "run demo has no trial 'standard:51'"),
        (["standard:50", "demo:3"], "trial 3 failed (it broke)"),
        (["demo:"], "Missing argument 'TABLE...'"),
        (["standard:50", "demo:1", "--resamples", "3"], "3 is not in the range"),
    ],
)
def test_a_name_that_names_nothing_is_one_sentence(cli: Cli, tmp_path: Path, names: list[str], sentence: str) -> None:
    simulated_run(tmp_path / "runs/demo")
    refused = cli("compare", *names)
    assert refused.status == 2
    assert sentence in refused.sentence


def test_two_networks_are_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "runs/fleet"
    path.mkdir(parents=True)
    recorded = Recorded(
        dataset={"name": "d", "digest": "0", "images": 50, "height": 8, "width": 8},
        classifiers=[{"name": "first-net"}, {"name": "second-net"}],
        codec={"name": "pillow", "subsampling": "4:2:0"},
        versions={"qsearch": "0.1.0"},
    )
    save_settings(RunSettings(recorded=recorded), path / SETTINGS_FILE)
    random = np.random.default_rng(0)
    with Archive.create(path / ARCHIVE_FILE) as archive:
        for number in range(2):
            ranks = random.integers(0, 2, (2, 50)).astype(np.int32)
            seen = Measurement.of(random.integers(50, 99, 50), ranks, 64)
            archive.add(Trial("search", number, "any", QuantTables.standard(5 + number), "done", seen))
    printed = cli("compare", "fleet:0", "fleet:1").stdout
    assert "McNemar   first-net: " in printed
    assert "McNemar   second-net: " in printed
    assert printed.count("corrected for 2 tests") == 2
