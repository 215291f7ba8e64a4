"""What lies in the cache is told and can be cleared, but for what is in use, and for what is nobody's business here."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from qsearch.datasets.cache import PreparedImages, cached_pixels
from qsearch.datasets.cache_contents import DAY_S, KINDS, cache_entries, clear
from qsearch.disk import partial_path, replacing
from tests.conftest import Finished

USING = "from tests.datasets.test_cache_contents import *; cached_pixels('textures-1', prepared)"
NETWORK, COMMIT = "a" * 64, "b" * 40


def prepared() -> PreparedImages:
    return PreparedImages(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2), ("cat", "dog"), ("x", "y"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of prepared images that another process has used and left; nobody changes it."""
    folder = tmp_path_factory.mktemp("images") / "cache"
    subprocess.run(
        [sys.executable, "-c", USING],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "QSEARCH_CACHE": str(folder)},
        check=True,
    )
    return folder


@pytest.fixture
def cache(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One entry of each kind, 100 bytes each but for the images, and files of others."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("QSEARCH_CACHE", str(folder))
    shutil.copytree(images, folder)
    for name in (
        f"networks/{NETWORK}/model.xml",
        "downloads/imagenetv2-top-images.tar.gz",
        f"imagenetv2/{COMMIT}/data/x.json",
        *others(),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 100)
    return folder


def others() -> set[str]:
    return {"mine.txt", "images/holiday.jpg", "networks/mine/model.xml", "downloads/thesis.pdf", "imagenetv2/notes/a"}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_kind_is_found_with_its_size(cache: Path) -> None:
    found = {entry.kind: (entry.name, entry.size_bytes) for entry in cache_entries()}
    images = sum((cache / "images" / f"textures-1.{suffix}").stat().st_size for suffix in ("npy", "json"))
    assert found == {
        "images": ("textures-1", images),
        "networks": (NETWORK, 100),
        "downloads": ("imagenetv2-top-images.tar.gz", 100),
        "imagenetv2": (COMMIT, 100),
    }
    assert set(found) == set(KINDS)


def test_clearing_removes_all_of_it_and_nothing_else(cache: Path) -> None:
    size_bytes = sum(entry.size_bytes for entry in cache_entries())
    done = clear(cache_entries())
    assert (done.entries, done.size_bytes, done.in_use) == (4, size_bytes, 0)
    assert files(cache) == others()
    assert len(cached_pixels("textures-1", prepared).images) == 2


def test_what_killed_processes_left_unfinished_goes_too(cache: Path) -> None:
    for target in ("images/key-2.npy", f"networks/{'c' * 64}", "downloads/imagenetv2-b.tar.gz"):
        partial_path(cache / target).write_bytes(b"half")
    clear(cache_entries())
    assert files(cache) == others()


def age(cache: Path, name: str, days: float) -> None:
    then = time.time() - days * DAY_S
    for path in (cache / name).rglob("*"):
        os.utime(path, (then, then))


def test_what_was_used_lately_stays(cache: Path) -> None:
    age(cache, "images", 40)
    age(cache, "networks", 20)
    clear(cache_entries(), unused_days=30)
    assert {entry.kind for entry in cache_entries()} == {"networks", "downloads", "imagenetv2"}


def test_what_a_process_uses_stays_until_it_ends(cache: Path) -> None:
    user = subprocess.Popen(
        [sys.executable, "-c", USING + "; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert user.stdout is not None
    user.stdout.readline()
    assert clear(cache_entries()).in_use == 1
    assert [entry.kind for entry in cache_entries()] == ["images"]
    user.communicate(b"\n", timeout=60)
    assert clear(cache_entries()).in_use == 0
    assert cache_entries() == []


def test_what_is_being_written_stays(cache: Path) -> None:
    with (
        FileLock(cache / "images" / "textures-1.lock"),
        FileLock(cache / "downloads" / ".imagenetv2-top-images.tar.gz.lock"),
    ):
        assert clear(cache_entries()).in_use == 2
    with replacing(cache / "images" / "key-2.npy") as file:
        file.write(b"pixels")
        clear(cache_entries())
    assert (cache / "images" / "key-2.npy").read_bytes() == b"pixels"


def test_the_command_shows_and_clears(
    cache: Path, cli: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(cache))
    shown = cli("cache", "show")
    assert (shown.status, shown.stderr) == (0, "")
    assert f"Cache {cache}" in shown.stdout
    assert "  networks         1 entry     0.1 KB  networks converted" in shown.stdout
    assert json.loads(cli("cache", "show", "--json").stdout)["kinds"]["downloads"] == {"entries": 1, "bytes": 100}
    assert cli("cache", "clear", "--older-than", "1").stdout == "removed 0 entries, 0.0 KB\n"
    assert cli("cache", "clear", "--kind", "networks", "--kind", "downloads").stdout == "removed 2 entries, 0.2 KB\n"
    assert {entry.kind for entry in cache_entries()} == {"images", "imagenetv2"}
    assert cli("cache", "clear", "--older-than", "-1").status == 2


def test_no_cache_is_an_empty_one(cli: Callable[..., Finished]) -> None:
    assert "In all 0.0 KB" in cli("cache", "show").stdout
    assert cli("cache", "clear").stdout == "removed 0 entries, 0.0 KB\n"
