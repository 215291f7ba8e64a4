"""The image cache: built once, shared, healed when damaged, and clear about what it cannot do."""

import errno
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsearch.datasets.base import digest_of
from qsearch.datasets.cache import PreparedImages, cache_folder, cached_pixels
from qsearch.datasets.identity import identity_of
from qsearch.disk import PARTIALS
from qsearch.errors import DiskError, InputError


def prepared(seed: int = 0) -> PreparedImages:
    images = np.random.default_rng(seed).integers(0, 256, (6, 8, 5, 3), dtype=np.uint8)
    names = tuple(f"photo-{index}" for index in range(6))
    return PreparedImages(
        images,
        np.arange(6) % 2,
        ("cat", "dög"),
        names,
        ("one file was skipped.",),
        source_identities=tuple(identity_of(image, f"{index:064x}") for index, image in enumerate(images)),
    )


class CountingBuild:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> PreparedImages:
        self.calls += 1
        return prepared()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same(left: PreparedImages, right: PreparedImages) -> bool:
    rest = ("class_names", "image_names", "notes", "digest", "source_identities")
    return (
        np.array_equal(left.images, right.images)
        and np.array_equal(left.labels, right.labels)
        and all(getattr(left, name) == getattr(right, name) for name in rest)
    )


def pixels_file(cache: Path) -> Path:
    (path,) = cache.rglob("*.npy")
    return path


def description_file(cache: Path) -> Path:
    (path,) = cache.rglob("*.json")
    return path


def test_an_entry_is_built_once_and_comes_back_whole() -> None:
    build = CountingBuild()
    first, second = cached_pixels("key", build), cached_pixels("key", build)
    assert build.calls == 1
    assert same(first, prepared())
    assert same(second, prepared())
    assert first.digest == digest_of(prepared().images, prepared().labels, prepared().class_names)


def test_keys_do_not_share_entries() -> None:
    assert not same(cached_pixels("one", lambda: prepared(1)), cached_pixels("two", lambda: prepared(2)))


def test_pixels_are_a_read_only_map_that_pickles_as_a_file_name() -> None:
    dataset = cached_pixels("key", prepared).named("folder:photos")
    assert isinstance(dataset.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        dataset.images[0] = 0
    assert dataset.images[0].tobytes() not in pickle.dumps(dataset)
    copy = pickle.loads(pickle.dumps(dataset))
    assert isinstance(copy.images, np.memmap)
    assert np.array_equal(copy.images, prepared().images)
    assert (copy.name, copy.digest) == ("folder:photos", dataset.digest)


def truncate_pixels(cache: Path) -> None:
    os.truncate(pixels_file(cache), 300)


def empty_pixels(cache: Path) -> None:
    pixels_file(cache).write_bytes(b"")


def lose_pixels(cache: Path) -> None:
    pixels_file(cache).unlink()


def change_one_pixel(cache: Path) -> None:
    data = bytearray(pixels_file(cache).read_bytes())
    data[-1] ^= 1
    time.sleep(0.01)  # so that the file's time differs
    pixels_file(cache).write_bytes(data)


def other_array(cache: Path) -> None:
    np.save(pixels_file(cache), np.zeros((6, 8, 5, 3)))


def truncate_description(cache: Path) -> None:
    os.truncate(description_file(cache), 40)


def other_json(cache: Path) -> None:
    description_file(cache).write_text("[1, 2]")


def newer_format(cache: Path) -> None:
    text = description_file(cache).read_text(encoding="utf-8")
    description_file(cache).write_text(text.replace('"format": 3', '"format": 99'), encoding="utf-8")


def fewer_labels(cache: Path) -> None:
    text = description_file(cache).read_text(encoding="utf-8")
    description_file(cache).write_text(text.replace("[0, 1, 0, 1, 0, 1]", "[0, 1]"), encoding="utf-8")


def change_one_label(cache: Path) -> None:
    text = description_file(cache).read_text(encoding="utf-8")
    description_file(cache).write_text(text.replace("[0, 1, 0, 1, 0, 1]", "[0, 1, 0, 1, 0, 0]"), encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        truncate_pixels,
        empty_pixels,
        lose_pixels,
        change_one_pixel,
        other_array,
        truncate_description,
        other_json,
        newer_format,
        fewer_labels,
        change_one_label,
    ],
)
def test_a_damaged_entry_is_built_again(cache: Path, damage: Callable[[Path], None]) -> None:
    build = CountingBuild()
    cached_pixels("key", build)
    damage(cache)
    assert same(cached_pixels("key", build), prepared())
    assert build.calls == 2
    assert same(cached_pixels("key", build), prepared())
    assert build.calls == 2


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damage_to_either_file_never_raises_nor_changes_anything(cache: Path, data: st.DataObject) -> None:
    cached_pixels("key", prepared)
    victim = data.draw(st.sampled_from([pixels_file(cache), description_file(cache)]))
    content = bytearray(victim.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] = data.draw(st.integers(0, 255))
    victim.write_bytes(content)
    healed = cached_pixels("key", prepared)
    assert same(healed, prepared())


def test_a_copied_entry_is_accepted_after_a_look_at_its_pixels(cache: Path) -> None:
    build = CountingBuild()
    cached_pixels("key", build)
    os.utime(pixels_file(cache), ns=(1, 1))
    assert same(cached_pixels("key", build), prepared())
    assert build.calls == 1


def test_a_build_that_fails_leaves_nothing_behind(cache: Path) -> None:
    def build() -> PreparedImages:
        raise InputError("the folder is empty.")

    with pytest.raises(InputError, match="the folder is empty"):
        cached_pixels("key", build)
    assert same(cached_pixels("key", prepared), prepared())
    assert not list(cache.rglob(PARTIALS))


def test_a_full_disk_is_one_sentence_and_leaves_no_entry(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: IO[bytes], *_: object, **__: object) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(DiskError, match=r"No space left on device.*QSEARCH_CACHE"):
            cached_pixels("key", prepared)
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert same(cached_pixels("key", prepared), prepared())


def test_a_cache_that_is_no_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(DiskError, match=r"file/images.*QSEARCH_CACHE") as caught:
        cached_pixels("key", prepared)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_read_only_cache_serves_what_it_has_and_refuses_the_rest(cache: Path) -> None:
    cached_pixels("key", prepared)
    (cache / "images").chmod(0o500)
    try:
        assert same(cached_pixels("key", prepared), prepared())
        with pytest.raises(DiskError, match=r"Permission denied.*QSEARCH_CACHE"):
            cached_pixels("other", prepared)
    finally:
        (cache / "images").chmod(0o700)


@pytest.mark.parametrize("key", ["", "../escape", "a/b", "a b", "é", "x" * 200])
def test_a_key_that_is_no_file_name_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="cache key"):
        cached_pixels(key, prepared)


def slow_build_in_a_process(log: Path) -> None:
    def build() -> PreparedImages:
        with log.open("a") as file:
            file.write("built\n")
        time.sleep(0.3)
        return prepared()

    if not same(cached_pixels("key", build), prepared()):
        raise SystemExit(1)


def test_processes_that_ask_at_once_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    log = tmp_path / "log"
    processes = [context.Process(target=slow_build_in_a_process, args=(log,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert log.read_text() == "built\n"


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("QSEARCH_CACHE", "~/pixels")
    assert cache_folder() == Path.home() / "pixels"
    monkeypatch.delenv("QSEARCH_CACHE")
    assert cache_folder().is_absolute()
    assert "qsearch" in str(cache_folder())
