"""Confirming: where nothing better was chosen, or what was chosen is not better elsewhere, the standard tables stay."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qsearch.codecs.pillow import PillowCodec
from qsearch.evaluation.evaluator import Evaluator
from qsearch.learning.family import Family, Sizes
from qsearch.shrink.candidates import Candidate
from qsearch.shrink.choosing import Chosen, Traced
from qsearch.shrink.confirming import confirm
from qsearch.shrink.measuring import Measured
from qsearch.shrink.settings import ShrinkSettings
from qsearch.tables import QuantTables
from tests.learning.images import dataset_of

QUALITY = 70
SETTINGS = ShrinkSettings(like_quality=QUALITY, by="psnr")


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[Measured]:
    evaluator = Evaluator(dataset_of(8), PillowCodec(), measures=("bytes", "psnr"))
    with closing(
        Measured(evaluator, tmp_path / "a.sqlite", "a", 1, "serial", lambda stage, done, total: None)
    ) as found:
        yield found


@pytest.fixture
def sizes() -> Iterator[Sizes]:
    with Sizes(PillowCodec(), dataset_of(8), 1) as found:
        yield found


def test_without_a_pick_the_standard_tables_are_taken_home(measured: Measured, sizes: Sizes) -> None:
    confirmed = confirm(SETTINGS, Chosen(0.0, {}, (), None), measured, sizes)
    assert confirmed.falls_back
    assert confirmed.tables == QuantTables.standard(QUALITY)
    assert (confirmed.saved.value, confirmed.saved.low, confirmed.saved.high) == (0.0, 0.0, 0.0)


def test_a_pick_that_is_worse_on_other_images_is_not_taken_home(measured: Measured, sizes: Sizes) -> None:
    # The same step for all frequencies of luma, and chroma all but lost: no good at equal bytes.
    worse = Candidate("worse", Family([QuantTables([[9] * 8] * 8, [[255] * 8] * 8)]), ())
    chosen = Chosen(0.0, {}, (), Traced(worse, {}, 0.9))
    confirmed = confirm(SETTINGS, chosen, measured, sizes)
    assert confirmed.falls_back
    assert confirmed.tables == QuantTables.standard(QUALITY)
    assert len(confirmed.family_points) == 7
    saved = confirmed.saved_by["psnr"]
    assert saved.value is None or saved.value <= 0


def test_the_standard_tables_at_other_qualities_save_nothing_at_equal_psnr(measured: Measured, sizes: Sizes) -> None:
    same = Candidate("same", Family([QuantTables.standard(quality) for quality in (50, 60, 70, 80, 90)]), ())
    confirmed = confirm(SETTINGS, Chosen(0.0, {}, (), Traced(same, {}, 0.99)), measured, sizes)
    value = confirmed.saved_by["psnr"].value
    assert value == pytest.approx(0, abs=0.5)
