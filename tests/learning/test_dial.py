"""Dials: the bytes of the standard tables at every quality, entries that never get coarser, and their files."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.coefficient import CoefficientCodec
from qsearch.datasets.base import identities
from qsearch.errors import InputError
from qsearch.learning.dial import Dial, Setting, make_dial, read_dial, write_dial
from qsearch.learning.made_on import MadeOn
from qsearch.tables import QuantTables
from tests.learning.images import dataset_of
from tests.learning.test_ladder import spoil
from tests.stored_images import loaded, photographs

FLAT = [QuantTables(np.full((8, 8), step), np.full((8, 8), 2 * step)) for step in (80, 40, 20, 5)]


def made_dial() -> Dial:
    """Standard tables, of which nobody made anything."""
    dataset = dataset_of(2, 9)
    made_on = MadeOn(dataset="waves", digest=dataset.digest, images=2, height=9, width=9)
    settings = tuple(Setting(quality, QuantTables.standard(quality), quality, quality) for quality in range(1, 101))
    images = tuple(identities(dataset))
    return Dial("a dial", ("From nowhere.",), EncoderOptions(optimize=True), made_on, settings, images, "0.1.0", "2026")


@pytest.mark.parametrize(
    "rungs",
    [FLAT, [QuantTables.standard(90), QuantTables.standard(10)], [QuantTables.shared(one.luma) for one in FLAT]],
    ids=["flat", "the wrong way round", "shared"],
)
def test_every_quality_has_the_bytes_of_the_standard_tables(rungs: list[QuantTables]) -> None:
    """Within what whole steps allow on images of 64x64; from all 255 at quality 1 to all 1 at 100."""
    dataset, codec = dataset_of(3, 64), CoefficientCodec(EncoderOptions(subsampling="4:4:4"))
    heard: list[tuple[str, int, int]] = []
    dial = make_dial(
        rungs, dataset, codec, title="flat", workers=2, on_progress=lambda *progress: heard.append(progress)
    )
    assert heard == [("qualities", quality, 100) for quality in range(1, 101)]
    for quality, one in enumerate(dial.settings, start=1):
        assert one.quality == quality
        assert one.standard_bytes == codec.size_bytes(dataset.images, [QuantTables.standard(quality)] * 3).sum()
        assert one.size_bytes == codec.size_bytes(dataset.images, [dial.tables(quality)] * 3).sum()
        assert one.size_bytes == pytest.approx(one.standard_bytes, rel=0.004)
    for coarser, finer in pairwise(dial.settings):
        for name in ("luma", "cb", "cr"):
            assert (getattr(finer.tables, name) <= getattr(coarser.tables, name)).all()
    assert dial.tables(100) == QuantTables.shared(np.ones((8, 8), dtype=int))
    assert dial.tables(50).layout == rungs[0].layout


def test_bytes_are_matched_on_images_as_they_are_stored(tmp_path: Path) -> None:
    dataset, codec = loaded(photographs(tmp_path / "photographs")), CoefficientCodec()
    dial = make_dial(FLAT, dataset, codec, title="flat", workers=2)
    for one in (dial.settings[9], dial.settings[74]):
        for tables, size_bytes in (
            (one.tables, one.size_bytes),
            (QuantTables.standard(one.quality), one.standard_bytes),
        ):
            images = [dataset.compressed(index) for index in range(len(dataset))]
            assert size_bytes == sum(int(codec.size_bytes(image, [tables])[0]) for image in images)
    write_dial(dial, tmp_path / "dial.json")
    assert read_dial(tmp_path / "dial.json").made_on.size == "as stored (1x1 to 101x75 pixels)"


def test_a_dial_follows_its_rungs() -> None:
    """At the bytes of a rung it has nearly that rung's tables; between rungs, steps between theirs."""
    dataset, codec = dataset_of(3, 64), CoefficientCodec()
    dial = make_dial(FLAT, dataset, codec, title="flat")
    middle = FLAT[1]
    wanted = int(codec.size_bytes(dataset.images, [middle] * 3).sum())
    nearest = min(dial.settings, key=lambda one: abs(one.size_bytes - wanted))
    assert abs(nearest.tables.luma.astype(int) - 40).max() <= 3
    assert abs(nearest.tables.chroma.astype(int) - 80).max() <= 6
    between = [one for one in dial.settings if 21 < one.tables.luma.mean() < 39]
    assert between
    for one in between:
        assert np.ptp(one.tables.luma.astype(int)) <= 1


@pytest.mark.parametrize("quality", [0, 101, -5, True, 50.0, "85"])
def test_qualities_that_are_none(quality: Any) -> None:
    with pytest.raises(InputError, match="a quality is an integer from 1 to 100, got"):
        made_dial().tables(quality)


def test_a_dial_needs_two_rungs() -> None:
    with pytest.raises(InputError, match="through two tables or more, got 1"):
        make_dial(FLAT[:1], dataset_of(1, 8), CoefficientCodec(), title="")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    dial, path = made_dial(), tmp_path / "dial.json"
    write_dial(dial, path)
    found = read_dial(path)
    assert len(found.digest) == 64
    for name in ("title", "origin", "encoder", "made_on", "settings", "images", "qsearch", "created"):
        assert getattr(found, name) == getattr(dial, name)
    assert found.tables(85) == QuantTables.standard(85)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda one: one["settings"].pop(), "tables for the qualities 1 to 100"),
        (lambda one: one["settings"].reverse(), "tables for the qualities 1 to 100"),
        (lambda one: one["settings"][3]["tables"]["luma"][0].__setitem__(0, 256), "from 1 to 255"),
        (lambda one: one["settings"][3]["tables"]["luma"].pop(), "8x8 entries"),
        (lambda one: one["settings"][3].update(size_bytes=-1), "`int` >= 0"),
        (lambda one: one["encoder"].update(subsampling="4:1:1"), "Invalid enum value '4:1:1'"),
        (lambda one: one.pop("made_on"), "missing required field `made_on`"),
    ],
)
def test_what_is_no_dial(tmp_path: Path, change: Any, sentence: str) -> None:
    path = tmp_path / "dial.json"
    write_dial(made_dial(), path)
    spoil(change)(path)
    with pytest.raises(InputError, match=sentence) as refused:
        read_dial(path)
    assert "\n" not in str(refused.value)


def test_a_ladder_is_no_dial(tmp_path: Path) -> None:
    path = tmp_path / "dial.json"
    path.write_text(json.dumps({"kind": "ladder", "format": 1, "digest": ""}))
    with pytest.raises(InputError, match="holds a ladder: a dial was expected"):
        read_dial(path)
