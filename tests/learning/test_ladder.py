"""Ladders as files: what was written is read, what was changed or spoilt is refused in a sentence."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.datasets.base import identities
from qsearch.errors import DiskError, InputError
from qsearch.learning import files
from qsearch.learning.ladder import (
    Ladder,
    LearnedOn,
    Rung,
    check_fits,
    drawn,
    read_ladder,
    write_ladder,
)
from qsearch.learning.settings import LearningSettings
from qsearch.run.settings import ClassifierSettings
from qsearch.tables import QuantTables
from tests.learning.images import dataset_of


def made_ladder(**settings: Any) -> Ladder:
    """Two rungs of standard tables, of which nobody learned anything."""
    dataset = dataset_of(2, 9)
    rungs = (
        Rung(10, 3.5, 0.25, (QuantTables.standard(10),)),
        Rung(50, 1.1, 1.0, (QuantTables(*np.arange(1, 129).reshape(2, 8, 8)),)),
    )
    learned_on = LearnedOn(dataset="waves", digest=dataset.digest, images=2, height=9, width=9)
    return Ladder(LearningSettings(qualities=(10, 50), **settings), learned_on, rungs, tuple(identities(dataset)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ladder.json"


def test_what_was_written_is_read(path: Path) -> None:
    ladder = replace(
        made_ladder(objective="mix", classifier=ClassifierSettings(spec="net.onnx"), label_free=True, seed=7),
        network_weights=np.arange(192).reshape(3, 8, 8) / 7,
        qsearch="0.1.0",
        created="2026-01-01",
    )
    write_ladder(ladder, path)
    found = read_ladder(path)
    np.testing.assert_array_equal(found.network_weights, ladder.network_weights)
    assert len(found.digest) == 64
    for name in ("settings", "learned_on", "rungs", "images", "qsearch", "created"):
        assert getattr(found, name) == getattr(ladder, name)
    assert list(found.tables) == [rung.tables[0] for rung in ladder.rungs]
    assert found.is_complete
    again = path.with_name("again.json")
    write_ladder(found, again)
    assert again.read_bytes() == path.read_bytes()


def test_a_ladder_per_image_has_no_tables_for_all(path: Path) -> None:
    ladder = made_ladder(per_image=True)
    tables = (QuantTables.standard(10), QuantTables.standard(20))
    whole = replace(ladder, rungs=tuple(replace(rung, tables=tables) for rung in ladder.rungs))
    assert not ladder.is_complete
    assert whole.is_complete
    write_ladder(whole, path)
    found = read_ladder(path)
    assert found.rungs == whole.rungs
    with pytest.raises(InputError, match="learn one without --per-image"):
        _ = found.tables


def test_a_ladder_that_is_cut_short_is_not_complete() -> None:
    ladder = made_ladder()
    assert not replace(ladder, rungs=ladder.rungs[:1]).is_complete


@pytest.mark.parametrize(
    ("subsampling", "layout", "sentence"),
    [
        ("4:4:4", None, "learned for JPEG 4:2:0, and 4:4:4 is wanted: learn one with --subsampling 4:4:4"),
        ("4:2:0", "shared", "the layout luma-chroma, and shared is wanted: learn one with --layout shared"),
    ],
)
def test_a_ladder_for_something_else(subsampling: str, layout: str | None, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_fits(made_ladder(), subsampling, layout)
    check_fits(made_ladder(), "4:2:0", "ycbcr")
    check_fits(made_ladder(), "4:2:0")


def spoil(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A change of the content, with the digest that belongs to it."""

    def spoilt(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        plain = {key: value for key, value in content.items() if key not in ("kind", "format", "digest")}
        content["digest"] = files._digest(plain)
        path.write_text(json.dumps(content))

    return spoilt


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing there": (Path.unlink, "cannot be read \\(No such file"),
    "empty": (lambda path: path.write_text(""), "is no ladder: Input data was truncated"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:999]), "is no ladder"),
    "not text": (lambda path: path.write_bytes(b"\xff\xfe"), "is no ladder"),
    "something else": (lambda path: path.write_text("[]"), "is no ladder: Expected `object`, got `array`"),
    "a dial": (lambda path: path.write_text(path.read_text().replace('"ladder"', '"dial"')), "holds a dial: a ladder"),
    "newer": (lambda path: path.write_text(path.read_text().replace('"format": 1', '"format": 2')), "a newer qsearch"),
    "changed": (lambda path: path.write_text(path.read_text().replace("[[1,2,", "[[1,3,")), "was changed after it was"),
    "a field too many": (spoil(lambda one: one.update(more=1)), "unknown field `more`"),
    "a field too few": (spoil(lambda one: one.pop("rungs")), "missing required field `rungs`"),
    "an entry of 0": (spoil(lambda one: one["rungs"][0]["tables"][0]["luma"][0].__setitem__(0, 0)), "from 1 to 255"),
    "a short row": (spoil(lambda one: one["rungs"][0]["tables"][0]["luma"][0].pop()), "rows of different lengths"),
    "no chroma": (spoil(lambda one: one["rungs"][0]["tables"][0].pop("chroma")), "cb.* is missing"),
    "no tables": (spoil(lambda one: one["rungs"][0].update(tables=[])), "a rung has one table"),
    "a trade-off of 0": (spoil(lambda one: one["rungs"][0].update(trade_off=0)), "`float` > 0"),
    "a quality of 101": (spoil(lambda one: one["rungs"][0].update(quality=101)), "<= 100"),
    "another layout": (spoil(lambda one: one["settings"].update(layout="rgb")), "its layout or subsampling"),
    "weights of another shape": (spoil(lambda one: one.update(network_weights=[[[1.0]]])), r"\[3, 8, 8\]"),
    "uneven weights": (spoil(lambda one: one.update(network_weights=[[[1.0], [1.0, 2.0]]])), "is no ladder"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_no_ladder(path: Path, case: str) -> None:
    write_ladder(made_ladder(), path)
    change, sentence = SPOILT[case]
    change(path)
    with pytest.raises(InputError, match=sentence) as refused:
        read_ladder(path)
    assert "\n" not in str(refused.value)


def test_what_is_too_large_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ladder(made_ladder(), path)
    monkeypatch.setattr(files, "LARGEST_BYTES", 1000)
    with pytest.raises(InputError, match="is larger than"):
        read_ladder(path)


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be written"):
        write_ladder(made_ladder(), tmp_path / "nowhere" / "ladder.json")


def test_the_kind_of_a_file_is_told_by_its_beginning(path: Path) -> None:
    assert files.kind_of(path) is None
    write_ladder(made_ladder(), path)
    assert files.kind_of(path) == "ladder"
    path.write_text(json.dumps(json.loads(path.read_text())))  # written by another program
    assert files.kind_of(path) == "ladder"
    path.write_text('{"luma": 1}')
    assert files.kind_of(path) is None


def test_drawn_images_are_the_seeds() -> None:
    dataset = dataset_of(8, 9)
    some = drawn(dataset, LearningSettings(images=3, seed=1))
    assert len(some) == 3
    assert list(some.image_names) == sorted(some.image_names)
    places = [dataset.image_names.index(name) for name in some.image_names]
    np.testing.assert_array_equal(some.images, dataset.images[places])
    np.testing.assert_array_equal(some.labels, dataset.labels[places])
    assert drawn(dataset, LearningSettings(images=3, seed=1)).digest == some.digest
    assert drawn(dataset, LearningSettings(images=3, seed=2)).image_names != some.image_names
    assert drawn(dataset, LearningSettings(images=8)) is dataset
    with pytest.raises(InputError, match="has 8 images, and 9 were to be drawn: ask for fewer"):
        drawn(dataset, LearningSettings(images=9))
