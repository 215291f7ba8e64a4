"""Paths that files from elsewhere name."""

import pytest

from qsearch.paths import stays_within


@pytest.mark.parametrize("location", ["a", "a/b.bin", "./a", "a/./b", "..a/b..", "a b"])
def test_below_the_folder(location: str) -> None:
    assert stays_within(location)


@pytest.mark.parametrize(
    "location", ["", ".", "..", "../a", "a/../b", "/a", "\\a", "..\\a", "a\\..\\b", "C:a", "C:\\a", "//host/a", "a\0b"]
)
def test_elsewhere(location: str) -> None:
    assert not stays_within(location)
