"""``images:PATH`` and ``kodak:PATH``: images without labels, which nothing takes for labelled ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import UNLABELLED, Dataset, DatasetOptions
from qsearch.datasets.splits import half_of
from qsearch.errors import InputError
from qsearch.testing import DatasetContract


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def write(path: Path, size: tuple[int, int] = (30, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(path.name.encode(), "little") % 2**32
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images, one of them deeper, and a file that is none."""
    for name in ("b.png", "a.png", "deep/er/c.bmp"):
        write(tmp_path / "photos" / name)
    (tmp_path / "photos" / "readme.txt").write_text("x")
    return tmp_path / "photos"


@pytest.fixture
def kodak(tmp_path: Path) -> Path:
    """Twenty-four small images with the names and proportions of Kodak's."""
    for number in range(1, 25):
        write(tmp_path / "kodak" / f"kodim{number:02d}.png", (20, 30) if number in (4, 9, 10, 17, 18, 19) else (30, 20))
    return tmp_path / "kodak"


class TestContract(DatasetContract):
    @pytest.fixture(params=["images", "kodak"])
    def dataset(self, request: pytest.FixtureRequest, root: Path, kodak: Path) -> Dataset:
        folder = {"images": root, "kodak": kodak}[request.param]
        return load_dataset(f"{request.param}:{folder}", DatasetOptions(size=16))


def test_all_images_below_the_folder_without_a_class(root: Path) -> None:
    dataset = load_dataset(f"images:{root}")
    assert dataset.image_names == ("a.png", "b.png", "deep/er/c.bmp")
    assert (dataset.truth, dataset.class_names) == ("unknown", (UNLABELLED,))
    assert dataset.sources == tuple(str(root / name) for name in dataset.image_names)
    assert [note.split()[:2] for note in dataset.notes] == [["1", "file"]]


def test_halves_stay_without_labels(root: Path) -> None:
    halves = [half_of(load_dataset(f"images:{root}"), f"images:{number}") for number in (1, 2)]
    assert [half.truth for half in halves] == ["unknown", "unknown"]
    assert sorted(sum((half.image_names for half in halves), ())) == ["a.png", "b.png", "deep/er/c.bmp"]
    with pytest.raises(InputError, match="cannot be split by classes"):
        half_of(load_dataset(f"images:{root}"), "classes:1")


def test_there_are_no_classes_to_draw_from(root: Path) -> None:
    with pytest.raises(InputError, match=r"images has no classes to draw from: leave --per-class out"):
        load_dataset(f"images:{root}", DatasetOptions(per_class=2))


def test_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no images"):
        load_dataset(f"images:{tmp_path}")
    with pytest.raises(InputError, match=r"nowhere is missing: give images:PATH"):
        load_dataset("images:nowhere")


class TestKodak:
    def test_upright_images_need_a_size(self, kodak: Path) -> None:
        with pytest.raises(InputError, match=r"differ in size \(30x20, 20x30\).*--size"):
            load_dataset(f"kodak:{kodak}")
        assert load_dataset(f"kodak:{kodak}", DatasetOptions(size=16)).images.shape == (24, 16, 16, 3)

    def test_all_of_them_or_none(self, kodak: Path) -> None:
        (kodak / "kodim07.png").rename(kodak / "kodim25.png")
        with pytest.raises(InputError, match=r"holds 24 images.*see kodim07.*images:PATH"):
            load_dataset(f"kodak:{kodak}", DatasetOptions(size=16))

    def test_nothing_else(self, kodak: Path) -> None:
        write(kodak / "lena.png")
        with pytest.raises(InputError, match=r"holds 25 images.*see lena"):
            load_dataset(f"kodak:{kodak}", DatasetOptions(size=16))

    def test_none_twice(self, kodak: Path) -> None:
        write(kodak / "kodim03.bmp")
        with pytest.raises(InputError, match=r"holds 25 images.*see kodim03"):
            load_dataset(f"kodak:{kodak}", DatasetOptions(size=16))

    def test_the_real_ones(self, shared: Path) -> None:
        dataset = load_dataset(f"kodak:{shared / 'data' / 'kodak'}", DatasetOptions(size=64))
        assert len(dataset) == 24
        assert dataset.notes == ()
