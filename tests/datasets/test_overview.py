"""What 'dataset show' tells is counted right: classes, copies, and what the files were."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.overview import Copies, Spread, overview
from qsearch.datasets.splits import half_of


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


FILES: Mapping[str, tuple[int, int, int]] = {
    "cat/a.png": (1, 64, 48),
    "cat/b.png": (2, 64, 48),
    "cat/b-again.bmp": (2, 64, 48),
    "dog/a.png": (1, 64, 48),
    "dog/c.jpg": (3, 64, 64),
    "dog/d.jpg": (4, 90, 80),
    "dog/e.JPEG": (5, 120, 70),
}
"""Seeds and sizes of what :func:`root` holds."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes with copies inside and across them, a class without images, PNG and JPEG files of several sizes."""
    for name, (seed, width, height) in FILES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    (tmp_path / "photos" / "fox").mkdir()
    return tmp_path / "photos"


def load(root: Path) -> Dataset:
    return load_dataset(f"folder:{root}", DatasetOptions(size=64, fit="stretch"))


def test_images_and_classes(root: Path) -> None:
    found = overview(load(root))
    assert (found.images, found.width, found.height) == (7, 64, 64)
    assert found.images_per_class == {"cat": 3, "dog": 4, "fox": 0}
    assert found.truth == "labels"


def test_copies_by_pixels_within_and_across_classes(root: Path) -> None:
    assert overview(load(root)).copies == (
        Copies(("cat/a.png", "dog/a.png"), ("cat", "dog")),
        Copies(("cat/b-again.bmp", "cat/b.png"), ("cat",)),
    )


def test_what_the_files_were(root: Path) -> None:
    sources = overview(load(root)).sources
    assert sources is not None
    assert sources.formats == {"BMP": 1, "JPEG": 3, "PNG": 3}
    assert (sources.files, sources.jpeg, sources.jpeg_unscaled, sources.unreadable) == (7, 3, 1, 0)
    assert sources.width == Spread(64, 64, 120)
    assert sources.height == Spread(48, 48, 80)
    assert sources.size_bytes == sum((root / name).stat().st_size for name in FILES)


def test_files_on_their_side_count_upright(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 10)).save(root / "dog" / "f.jpg", exif=exif)
    sources = overview(load(root)).sources
    assert sources is not None
    assert sources.width.smallest == 10
    assert sources.height.largest == 200


def test_files_that_are_gone_are_counted(root: Path) -> None:
    dataset = load(root)
    (root / "cat" / "a.png").unlink()
    (root / "dog" / "c.jpg").write_bytes(b"")
    sources = overview(dataset).sources
    assert sources is not None
    assert (sources.files, sources.jpeg, sources.unreadable) == (5, 2, 2)


def test_a_half_tells_of_its_own_files(root: Path) -> None:
    dataset = load(root)
    halves = [overview(half_of(dataset, f"images:{number}")).sources for number in (1, 2)]
    assert [half and half.files for half in halves] == [4, 3]
    assert sum(half.jpeg for half in halves if half) == 3


def test_of_arrays_the_files_are_not_known() -> None:
    dataset = Dataset.from_arrays(np.zeros((2, 8, 8, 3), dtype=np.uint8), [0, 1])
    found = overview(dataset)
    assert found.sources is None
    assert found.copies == (Copies(("000000", "000001"), ("0", "1")),)


def test_the_median_of_an_even_count_is_one_of_them() -> None:
    assert Spread.of([7, 1, 3, 900]) == Spread(1, 3, 900)
