"""The coefficients' cache: made once, shared, healed when damaged, and clear about what it cannot do."""

import errno
import json
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.coefficients import arrays
from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.cache import cached_coefficients, cached_stored_coefficients
from qsearch.datasets.identity import pixel_digest
from qsearch.datasets.stored import StoredImages
from qsearch.errors import DiskError, InputError
from tests.coefficients.matrix import made_up_image

IMAGES = np.stack([made_up_image("waves", 20, 30, seed) for seed in range(7)])
DIGEST = "a" * 64


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass of the forward transform was of."""
    calls: list[int] = []
    of = Coefficients.of

    def counted(images: Any, subsampling: str) -> Coefficients:
        calls.append(len(images))
        return of(images, subsampling)

    monkeypatch.setattr(Coefficients, "of", counted)
    return calls


def only(cache: Path, pattern: str) -> Path:
    (path,) = cache.rglob(pattern)
    return path


def test_they_are_made_once_and_are_a_read_only_map(made: list[int]) -> None:
    first, second = (cached_coefficients(IMAGES, DIGEST, "4:2:0") for _ in range(2))
    assert made == [7]
    expected = Coefficients.of(IMAGES, "4:2:0")
    for found in (first, second):
        assert isinstance(found.values, np.memmap)
        np.testing.assert_array_equal(found.values, expected.values)
        assert (found.height, found.width, found.subsampling) == (20, 30, "4:2:0")
    with pytest.raises(ValueError, match="read-only"):
        first.values[0] = 0
    assert len(pickle.dumps(first)) < 1000


def test_they_are_made_in_parts_of_bounded_size(made: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 128 * arrays.block_count(20, 30, "4:2:0") * 3)
    found = cached_coefficients(IMAGES, DIGEST, "4:2:0")
    assert made == [3, 3, 1]
    np.testing.assert_array_equal(found.values, Coefficients.of(IMAGES, "4:2:0").values)


def test_what_they_depend_on_tells_entries_apart(made: list[int]) -> None:
    turned = IMAGES.transpose(0, 2, 1, 3)
    others = [
        cached_coefficients(IMAGES, DIGEST, "4:2:0"),
        cached_coefficients(IMAGES, DIGEST, "4:4:4"),
        cached_coefficients(IMAGES[::-1], "b" * 64, "4:2:0"),
        cached_coefficients(turned, DIGEST, "4:2:0"),
    ]
    assert made == [7] * 4
    assert len({found.values.tobytes() for found in others}) == 4


def test_of_several_that_ask_at_once_one_makes_them(made: list[int]) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: cached_coefficients(IMAGES, DIGEST, "4:2:0"), range(8)))
    assert made == [7]
    assert len({found.values.tobytes() for found in results}) == 1


def truncate(cache: Path) -> None:
    os.truncate(only(cache, "*.npy"), 400)


def empty(cache: Path) -> None:
    only(cache, "*.npy").write_bytes(b"")


def lose(cache: Path) -> None:
    only(cache, "*.npy").unlink()


def change_one_value(cache: Path) -> None:
    data = bytearray(only(cache, "*.npy").read_bytes())
    data[-1] ^= 1
    time.sleep(0.01)  # so that the file's time differs
    only(cache, "*.npy").write_bytes(data)


def other_type(cache: Path) -> None:
    np.save(only(cache, "*.npy"), np.zeros((7, 12, 64)))


def lose_description(cache: Path) -> None:
    only(cache, "*.json").unlink()


def truncate_description(cache: Path) -> None:
    os.truncate(only(cache, "*.json"), 10)


def other_json(cache: Path) -> None:
    only(cache, "*.json").write_text("[1]")


DAMAGES = [truncate, empty, lose, change_one_value, other_type, lose_description, truncate_description, other_json]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_again(cache: Path, made: list[int], damage: Callable[[Path], None]) -> None:
    cached_coefficients(IMAGES, DIGEST, "4:2:0")
    damage(cache)
    found = cached_coefficients(IMAGES, DIGEST, "4:2:0")
    assert made == [7, 7]
    np.testing.assert_array_equal(found.values, Coefficients.of(IMAGES, "4:2:0").values)
    cached_coefficients(IMAGES, DIGEST, "4:2:0")
    assert len(made) == 3  # the one of the line above, none for the last


def test_a_file_that_was_only_touched_is_read_and_kept(cache: Path, made: list[int]) -> None:
    cached_coefficients(IMAGES, DIGEST, "4:2:0")
    os.utime(only(cache, "*.npy"), ns=(1, 1))
    cached_coefficients(IMAGES, DIGEST, "4:2:0")
    assert made == [7]


def test_the_description_vouches_for_the_values(cache: Path) -> None:
    cached_coefficients(IMAGES, DIGEST, "4:2:0")
    described = json.loads(only(cache, "*.json").read_text())
    assert described["stamp"][0] == only(cache, "*.npy").stat().st_size


def test_a_cache_that_cannot_be_written_is_explained(cache: Path) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(DiskError, match=r"coefficients cannot be written .*set QSEARCH_CACHE"):
        cached_coefficients(IMAGES, DIGEST, "4:2:0")


def test_a_full_disk_leaves_nothing_behind(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("qsearch.coefficients.cache.np.lib.format.write_array_header_1_0", full)
        with pytest.raises(DiskError, match="No space left on device"):
            cached_coefficients(IMAGES, DIGEST, "4:2:0")
    assert not list(cache.rglob("*.npy*"))
    assert not list(cache.rglob("*.json"))
    assert len(cached_coefficients(IMAGES, DIGEST, "4:2:0")) == 7


def test_values_that_do_not_read_back_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qsearch.coefficients.cache.file_stamp", lambda path: time.perf_counter_ns())
    monkeypatch.setattr("qsearch.coefficients.cache._digest", lambda values: "")
    with pytest.raises(InputError, match="do not read back as they were: check that disk"):
        cached_coefficients(IMAGES, DIGEST, "4:2:0")


class TestStored:
    """Of images of sizes of their own."""

    SIDES = ((20, 30), (1, 1), (33, 17), (8, 64))

    def images(self) -> StoredImages:
        images = [made_up_image("waves", height, width, height) for height, width in self.SIDES]
        starts = np.cumsum([0, *(image.size for image in images[:-1])])
        pixels = np.concatenate([image.ravel() for image in images])
        return StoredImages(pixels, starts, np.array(self.SIDES), tuple(map(pixel_digest, images)), 16, "stretch")

    @pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
    def test_each_is_as_alone(self, made: list[int], subsampling: str) -> None:
        images = self.images()
        first, second = (cached_stored_coefficients(images, subsampling) for _ in range(2))
        assert made == [1] * len(images)
        for index in range(len(images)):
            expected = Coefficients.of(images.one(index), subsampling)
            for found in (first, second):
                one = found.one(index)
                np.testing.assert_array_equal(one.values, expected.values)
                assert (one.height, one.width, one.subsampling) == (*self.SIDES[index], subsampling)

    def test_some_of_them_are_others(self, made: list[int]) -> None:
        some = cached_stored_coefficients(self.images().at(np.array([2, 0])), "4:2:0")
        cached_stored_coefficients(self.images(), "4:2:0")
        assert len(made) == 6
        np.testing.assert_array_equal(
            some.one(0).values, Coefficients.of(self.images().one(2), "4:2:0").values, strict=True
        )

    def test_a_damaged_entry_is_made_again(self, cache: Path, made: list[int]) -> None:
        expected = np.array(cached_stored_coefficients(self.images(), "4:2:0").values)
        path = only(cache, "*.npy")
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.unlink()
        path.write_bytes(data)
        np.testing.assert_array_equal(cached_stored_coefficients(self.images(), "4:2:0").values, expected)
        assert len(made) == 8
