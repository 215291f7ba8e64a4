"""Published tables are those that were published."""

import json
from pathlib import Path

import numpy as np
import pytest

from qsearch.errors import InputError
from qsearch.tables.published import published_names, published_source, published_tables


def test_luo_2021_as_printed() -> None:
    tables = published_tables("luo-2021")
    assert tables.luma[0].tolist() == [16, 15, 14, 15, 16, 18, 19, 20]
    assert tables.chroma[7].tolist() == [22, 21, 21, 21, 20, 20, 20, 20]
    assert "Luo et al. 2021" in published_source("luo-2021")


def test_quality_scales_the_unrounded_numbers() -> None:
    # 14.9 at quality 25 (200 %) is 29.8, so 30; 15 doubled would be 30 too, but 14.5 is 29 and 15 doubled is not.
    assert published_tables("luo-2021", 25).luma[1, :3].tolist() == [30, 29, 29]
    assert published_tables("luo-2021", 100).luma.max() == 1


@pytest.mark.parametrize("name", published_names())
def test_every_entry_says_its_source_and_gives_tables(name: str) -> None:
    assert published_source(name).strip()
    assert published_tables(name, 50).layout in ("luma-chroma", "shared")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean luo-2021"):
        published_tables("luo2021")


def test_the_entries_are_those_of_the_shared_file(shared: Path) -> None:
    path = shared / "published-tables.json"
    for name, entry in json.loads(path.read_text()).items():
        expected = np.clip(np.floor(np.array(entry["luma"]) + 0.5), 1, 255)
        assert np.array_equal(published_tables(name).luma, expected)
