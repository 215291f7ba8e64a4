"""What is searched and where, on the command line: objective, box, ratio and seeds, their defaults and refusals."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qsearch.export.formats import TableSheet
from qsearch.learning.dial import write_dial
from qsearch.learning.ladder import write_ladder
from qsearch.run.folder import Run
from qsearch.space.shapes import ShapeSpace
from qsearch.tables import QuantTables
from tests.conftest import FAKE, Finished
from tests.fakes import fake_images
from tests.learning.test_dial import made_dial
from tests.learning.test_ladder import made_ladder

Cli = Callable[..., Finished]
LEARNING = ("--strategy", "bounded-random", "--warm-up", "14", "--trials", "20")


def search_settings(name: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(Path("runs", name, "run.toml").read_text())["search"]
    return found


def succeed(cli: Cli, *arguments: str) -> Finished:
    finished = cli("run", *arguments)
    assert finished.status == 0, finished.stderr
    return finished


def test_without_a_choice_the_loss_is_searched_for_and_shapes_are_searched(cli: Cli) -> None:
    succeed(cli, "--name", "a", *LEARNING, *FAKE)
    found = search_settings("a")
    assert (found["objective"], found["box"], found["bounds"]["box"]) == ("loss", "shape", "shape")
    assert found["ratio"] == Run.open("runs/a").results().standard[50].ratio
    succeed(cli, "--name", "b", "--trials", "3", *FAKE)
    found = search_settings("b")
    assert (found["objective"], found["box"], "ratio" in found) == ("loss", "paper", False)


def test_where_labels_are_predicted_the_divergence_is_searched_for_and_a_loss_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for index, pixels in enumerate(fake_images()):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    unlabelled = ("--dataset", "images:photos", "--labels", "predicted", *FAKE[2:])
    succeed(cli, "--name", "a", *LEARNING, *unlabelled)
    assert search_settings("a")["objective"] == "divergence"
    assert search_settings("a")["bounds"]["objective"] == "divergence"
    refused = cli("run", "--name", "b", "--objective", "loss", "--trials", "3", *unlabelled)
    assert refused.status == 2
    assert "the loss needs labels, and those of images:" in refused.sentence
    assert "use --objective divergence" in refused.sentence
    assert not Path("runs/b").exists()


def test_around_another_quality_the_ratio_is_another(cli: Cli) -> None:
    succeed(cli, "--name", "a", "--around", "30", *LEARNING, *FAKE)
    succeed(cli, "--name", "b", "--around", "30", "--ratio", "2.2", *LEARNING, *FAKE)
    assert search_settings("a")["ratio"] == Run.open("runs/a").results().standard[30].ratio
    assert search_settings("b")["ratio"] == 2.2
    config = ("--config", "runs/b/run.toml", *FAKE[4:])
    succeed(cli, "--name", "again", *config)
    assert Run.open("runs/again").results().search == Run.open("runs/b").results().search
    succeed(cli, "--name", "c", *config, "--around", "70")
    assert search_settings("c")["ratio"] == Run.open("runs/c").results().standard[70].ratio


def test_a_config_of_an_older_version_is_searched_as_it_was(cli: Cli) -> None:
    search = "[search]\nstrategy = 'bounded-random'\nseed = 2\nwarm_up = 40\ntrials = 43\n"
    Path("old.toml").write_text(f"format = 2\n{search}")
    wide = ("--window", "1", "9")
    succeed(cli, "--name", "old", "--config", "old.toml", *wide, *FAKE)
    found = search_settings("old")
    assert (found["objective"], found["box"], "ratio" in found) == ("top1", "paper", False)
    Path("mine.toml").write_text("[search]\nstrategy = 'bounded-random'\nwarm_up = 14\ntrials = 17\n")
    succeed(cli, "--name", "new", "--config", "mine.toml", *FAKE)
    assert (search_settings("new")["objective"], search_settings("new")["box"]) == ("loss", "shape")
    succeed(cli, "--name", "other", "--config", "old.toml", "--box", "shape", "--objective", "divergence", *FAKE)
    assert (search_settings("other")["objective"], search_settings("other")["box"]) == ("divergence", "shape")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((*LEARNING, "--ratio-window", "2", "3"), "give --ratio in place of --ratio-window, or --box paper"),
        (("--box", "shape"), "sorted-random searches without bounds, so it has no box"),
        ((*LEARNING, "--ratio", "99"), "99 lies outside: choose another --ratio"),
        (("--seeds", "published:flat"), "sorted-random begins without seeds: leave --seeds out"),
        (
            (*LEARNING, "--box", "paper", "--seeds", "published:flat"),
            "bounded-random begins without seeds: leave --seeds out",
        ),
        (("--strategy", "local-search", "--seeds", "published:flt"), "no published tables are called 'flt'"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(cli: Cli, options: tuple[str, ...], sentence: str) -> None:
    finished = cli("run", "--name", "a", *options, *FAKE)
    assert finished.status == 2
    assert sentence in finished.sentence
    assert not Path("runs/a").exists()


def test_a_whole_ladder_is_measured_as_it_is_or_begun_with_or_searched_around(cli: Cli) -> None:
    write_ladder(made_ladder(), Path("ladder.json"))
    rungs = list(made_ladder().tables)
    names = [f"ladder.json:{rung}" for rung in range(len(rungs))]
    succeed(cli, "--name", "listed", "--strategy", "listed", "--seeds", "ladder.json", "--seeds", "standard:75", *FAKE)
    listed = Run.open("runs/listed").results().search
    assert [trial.tables for trial in listed] == [*rungs, QuantTables.standard(75)]
    assert [trial.origin for trial in listed] == [*names, "standard:75"]

    for strategy in ("local-search", "bounded-random"):
        seeded = ("--strategy", strategy, "--seeds", "ladder.json", "--layout", "luma-chroma")
        succeed(cli, "--name", strategy, *seeded, "--warm-up", "14", "--trials", "20", *FAKE)
        settings = search_settings(strategy)
        assert [(seed["label"], seed["tables"]) for seed in settings["seeds"]] == [
            (name, tables.to_bytes().hex()) for name, tables in zip(names, rungs, strict=True)
        ]
        bounds = settings["bounds"]
        lower, upper = np.array(bounds["lower"]), np.array(bounds["upper"])
        space = ShapeSpace("luma-chroma", lower, upper, bounds["origin"], bounds["step"])
        for tables in rungs:
            np.testing.assert_array_equal(
                space.to_vector(tables), np.clip(space.to_vector(tables), space.lower, space.upper)
            )
    other = ("--name", "a", "--subsampling", "4:4:4", *FAKE)
    finished = cli("run", "--strategy", "local-search", "--seeds", "ladder.json", "--trials", "20", *other)
    assert finished.status == 2
    assert "learned for JPEG 4:2:0, and 4:4:4 is wanted" in finished.sentence
    write_dial(made_dial(), Path("dial.json"))
    finished = cli(
        "run", "--name", "a", "--strategy", "listed", "--seeds", "dial.json", "--subsampling", "4:4:4", *FAKE
    )
    assert finished.status == 2
    assert "is a dial for JPEG 4:2:0, and 4:4:4 is wanted" in finished.sentence


def test_sources_of_different_objectives_are_refused(cli: Cli) -> None:
    for objective in ("loss", "top1"):
        succeed(cli, "--name", objective, "--objective", objective, "--trials", "14", *FAKE)
    both = ("--from", "loss", "--from", "top1")
    finished = cli("run", "--name", "a", "--strategy", "bayesian", *both, "--trials", "3", *FAKE)
    assert finished.status == 2
    assert "searched for different objectives (loss of loss, top1 of top1): take one kind" in finished.sentence
    one = ("--from", "loss", "--set", "initial=1", "--set", "candidates=50")
    succeed(cli, "--name", "a", "--strategy", "bayesian", *one, "--trials", "4", *FAKE)
    np.testing.assert_allclose(Run.open("runs/a").results().ratio, search_settings("a")["ratio"], rtol=0.005)


def test_local_search_begins_with_published_tables_or_those_that_are_named(cli: Cli) -> None:
    local = ("--strategy", "local-search", "--warm-up", "14", "--trials", "30")
    succeed(cli, "--name", "a", *local, *FAKE)
    labels = [seed["label"] for seed in search_settings("a")["seeds"]]
    assert {"published:flat", "published:robidoux", "published:luo-2021, as shared"} < set(labels)
    assert labels[-1] == "learned:distortion, as shared"
    origins = [trial.origin for trial in Run.open("runs/a").results().search[14:]]
    assert origins[: 1 + len(labels)] == ["mean of the 12 best", *labels]

    sheet = TableSheet(QuantTables.shared(np.arange(1, 65).reshape(8, 8)), "mine", ())
    Path("mine.json").write_text(json.dumps(sheet.tables.to_dict()))
    succeed(cli, "--name", "b", *local, "--seeds", "mine.json", "--seeds", "standard:75", *FAKE)
    named = [(seed["label"], seed["tables"]) for seed in search_settings("b")["seeds"]]
    luma = QuantTables.shared(QuantTables.standard(75).luma)
    assert named == [
        ("mine.json", sheet.tables.to_bytes().hex()),
        ("standard:75, as shared", luma.to_bytes().hex()),
    ]
    Path("mine.json").unlink()
    succeed(cli, "--name", "again", "--config", "runs/b/run.toml", *FAKE[4:])
    assert Run.open("runs/again").results().search == Run.open("runs/b").results().search


def test_a_config_learns_its_seeds_of_its_own_images(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    local = ("--strategy", "local-search", "--warm-up", "14", "--trials", "20")
    succeed(cli, "--name", "a", *local, *FAKE)
    monkeypatch.setenv("FAKE_DATASET_IMAGES", "31")
    succeed(cli, "--name", "b", "--config", "runs/a/run.toml", *FAKE[4:])
    before, after = (search_settings(name)["seeds"] for name in "ab")
    assert [seed["label"] for seed in before] == [seed["label"] for seed in after]
    assert before[:-1] == after[:-1]
    assert before[-1]["tables"] != after[-1]["tables"]


def test_bounds_of_shapes_are_printed_as_a_search_would_take_them(cli: Cli) -> None:
    succeed(cli, "--name", "source", "--trials", "14", "--ratio", "2.2", *FAKE)
    found = json.loads(cli("bounds", "source", "--ratio", "2.2", "--json").stdout)
    assert (found["box"], found["objective"], found["parabola"]) == ("shape", "loss", None)
    source = ("--from", "source", "--ratio", "2.2")
    succeed(cli, "--name", "a", "--strategy", "bounded-random", *source, "--trials", "3", *FAKE)
    kept = search_settings("a")["bounds"]
    for end in ("lower", "upper"):
        shape = kept["origin"] + kept["step"] * (np.array(kept[end]) - 1)
        np.testing.assert_allclose(np.ravel(found[end]["luma"]), np.exp(shape))
    text = cli("bounds", "source", "--ratio", "2.2").stdout
    assert "Bounds from the shapes of 12 tables of source at ratios 1.69 to 2.86" in text
    assert "entries as multiples of their geometric mean" in text
