"""``folder:PATH``: which files are read, what becomes of their pixels, and what is said of those that cannot be."""

import errno
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets import files, load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions, Fit
from qsearch.errors import InputError
from qsearch.testing import DatasetContract


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, ``cat`` and ``dog``, of three 40x30 images each."""
    for label, name in enumerate(("dog", "cat")):
        for index in range(3):
            save(tmp_path / "photos" / name / f"{index}.png", noise(40, 30, seed=10 * label + index))
    return tmp_path / "photos"


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def save(path: Path, image: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def load(root: Path, size: int | None = None, fit: Fit = "crop", skip_unreadable: bool = False) -> Dataset:
    return load_dataset(f"folder:{root}", DatasetOptions(size=size, fit=fit, skip_unreadable=skip_unreadable))


class TestContract(DatasetContract):
    @pytest.fixture
    def dataset(self, root: Path) -> Dataset:
        return load(root, 16)


class TestWhichFiles:
    def test_classes_are_the_folders_in_order(self, root: Path) -> None:
        dataset = load(root)
        assert dataset.class_names == ("cat", "dog")
        assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert dataset.image_names[:2] == ("cat/0.png", "cat/1.png")
        np.testing.assert_array_equal(dataset.images[3], noise(40, 30, seed=0))

    def test_images_lie_anywhere_below_their_class(self, root: Path) -> None:
        save(root / "cat" / "more" / "deep" / "x.PNG", noise(40, 30, seed=99))
        dataset = load(root)
        assert dataset.image_names[3] == "cat/more/deep/x.PNG"
        assert dataset.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]

    def test_other_files_are_counted_and_hidden_ones_passed_over(self, root: Path) -> None:
        (root / "cat" / "Thumbs.db").write_text("x")
        (root / "README.txt").write_text("x")
        (root / "cat" / ".hidden.png").write_text("x")
        (root / ".git").mkdir()
        dataset = load(root)
        assert len(dataset) == 6
        assert [note.split()[0] for note in dataset.notes] == ["2"]

    def test_links_are_followed_but_not_round_in_circles(self, root: Path) -> None:
        (root / "cat" / "loop").symlink_to(root / "cat", target_is_directory=True)
        save(root.parent / "elsewhere" / "y.png", noise(40, 30, seed=98))
        (root / "dog" / "linked").symlink_to(root.parent / "elsewhere", target_is_directory=True)
        dataset = load(root)
        assert dataset.image_names[-1] == "dog/linked/y.png"
        assert len(dataset) == 7

    def test_a_class_without_images_keeps_its_place(self, root: Path) -> None:
        (root / "bird").mkdir()
        assert load(root).labels.tolist() == [1, 1, 1, 2, 2, 2]

    def test_copies_are_noted(self, root: Path) -> None:
        save(root / "dog" / "again.bmp", noise(40, 30, seed=0))
        assert any("6 images of 7" in note for note in load(root).notes)


class TestSize:
    def test_crops_to_the_size(self, root: Path) -> None:
        assert load(root, 28).images.shape == (6, 28, 28, 3)

    def test_stretch_shows_the_whole_image(self, root: Path) -> None:
        whole = noise(40, 30, seed=10).resize((20, 20), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(load(root, 20, fit="stretch").images[0], whole)

    def test_without_size_images_stay_as_they_are(self, root: Path) -> None:
        assert load(root).images.shape == (6, 30, 40, 3)

    def test_without_size_they_must_be_of_one_size(self, root: Path) -> None:
        save(root / "dog" / "other.png", noise(41, 30))
        with pytest.raises(InputError, match=r"differ in size \(40x30, 41x30\).*--size"):
            load(root)
        assert len(load(root, 16)) == 7


class TestDrawing:
    def draw(self, root: Path, per_class: int, skip_unreadable: bool = False) -> Dataset:
        return load_dataset(
            f"folder:{root}", DatasetOptions(size=16, skip_unreadable=skip_unreadable, per_class=per_class)
        )

    def test_as_many_of_each_class(self, root: Path) -> None:
        one, two = self.draw(root, 1), self.draw(root, 2)
        assert (one.labels.tolist(), two.labels.tolist()) == ([0, 1], [0, 0, 1, 1])
        assert set(one.image_names) < set(two.image_names)
        assert self.draw(root, 2).digest == two.digest

    def test_other_files_change_little(self, root: Path) -> None:
        """What was drawn stays drawn but for those that a new file comes before."""
        before = set(self.draw(root, 2).image_names)
        save(root / "cat" / "new.png", noise(40, 30, seed=77))
        assert len(before & set(self.draw(root, 2).image_names)) >= 3

    def test_what_was_drawn_from_is_told_as_it_is_now(self, root: Path) -> None:
        assert "2 images of 6 image files" in self.draw(root, 1).notes[0]
        first = sorted(self.draw(root, 2).image_names[:2])
        new = next(f"cat/{index}.png" for index in range(3, 99) if drawn_after(f"cat/{index}.png", first))
        save(root / new, noise(40, 30, seed=77))
        assert sorted(self.draw(root, 2).image_names[:2]) == first
        assert "4 images of 7 image files" in self.draw(root, 2).notes[0]

    def test_too_few(self, root: Path) -> None:
        (root / "cat" / "0.png").unlink()
        with pytest.raises(InputError, match=r"classes of fewer than 3 usable images \(cat has 2\)"):
            self.draw(root, 3)
        with pytest.raises(InputError, match=r"at least 1, got 0"):
            self.draw(root, 0)


class TestCache:
    def test_files_are_read_once(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = load(root, 16)
        monkeypatch.setattr(files, "prepared_image", refuse)
        again = load(root, 16)
        assert isinstance(again.images, np.memmap)
        assert (again.digest, again.notes) == (first.digest, first.notes)

    def test_a_changed_file_is_read_again(self, root: Path) -> None:
        first = load(root, 16)
        path = save(root / "cat" / "0.png", noise(40, 30, seed=77))
        os.utime(path, ns=(1, 1))
        assert load(root, 16).digest != first.digest

    def test_options_have_entries_of_their_own(self, root: Path) -> None:
        shapes = {load(root, size, fit).digest for size in (16, 20) for fit in ("crop", "stretch")}
        assert len(shapes) == 4


class TestUnusableFiles:
    @pytest.fixture
    def damaged(self, root: Path) -> Path:
        (root / "cat" / "empty.jpg").touch()
        (root / "cat" / "text.png").write_text("no picture at all")
        whole = save(root / "whole.png", noise(40, 30)).read_bytes()
        (root / "whole.png").unlink()
        (root / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
        (root / "dog" / "dangling.png").symlink_to(root / "nowhere.png")
        return root

    def test_they_are_named_and_stop_the_run(self, damaged: Path) -> None:
        with pytest.raises(InputError, match="--skip-unreadable") as error:
            load(damaged, 16)
        sentence = str(error.value)
        assert sentence.startswith("4 of 10 image files")
        for expected in ("cat/empty.jpg (empty)", "cat/text.png (not an image)", "dog/cut.png (", "dog/dangling.png ("):
            assert expected in sentence

    def test_they_are_left_out_on_request_and_noted(self, damaged: Path) -> None:
        dataset = load(damaged, 16, skip_unreadable=True)
        assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert dataset.digest == load_without_damage(damaged).digest
        assert "4 of 10 image files" in dataset.notes[0]
        assert "cat/text.png" in dataset.notes[0]

    def test_images_smaller_than_the_crop_are_among_them(self, root: Path) -> None:
        with pytest.raises(InputError, match=r"cat/0.png \(40x30 pixels, smaller than the crop of 31\)"):
            load(root, 31)
        assert load(root, 31, fit="stretch").images.shape == (6, 31, 31, 3)

    def test_decompression_bombs_are_among_them(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        save(root / "dog" / "huge.png", Image.new("L", (300, 300)))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
        with pytest.raises(InputError, match=r"^1 of 7 image files.*dog/huge.png \(.*decompression bomb"):
            load(root, 16)

    def test_two_classes_must_remain(self, root: Path) -> None:
        for path in (root / "dog").iterdir():
            path.write_bytes(b"")
        with pytest.raises(InputError, match="one class, cat"):
            load(root, 16, skip_unreadable=True)


class TestBadFolders:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nowhere is missing"):
            load(tmp_path / "nowhere")

    def test_no_path(self) -> None:
        with pytest.raises(InputError, match="as folder:PATH"):
            load_dataset("folder")

    @pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
    @pytest.mark.parametrize("place", ["root", "class", "image"])
    def test_names_that_are_not_utf8(self, root: Path, place: str) -> None:
        odd = os.fsdecode(b"odd\xff")
        old, new = {
            "root": (root, root.with_name(odd)),
            "class": (root / "dog", root / odd),
            "image": (root / "dog" / "1.png", root / "dog" / f"{odd}.png"),
        }[place]
        old.rename(new)
        with pytest.raises(InputError, match=r"odd\\xff.* is not UTF-8: rename it"):
            load(new if place == "root" else root)

    def test_a_file(self, root: Path) -> None:
        with pytest.raises(InputError, match="is no folder"):
            load(root / "cat" / "0.png")

    def test_a_folder_that_may_not_be_listed(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scandir = os.scandir

        def guarded(path: str) -> object:
            if Path(path) == root / "cat":
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", guarded)
        with pytest.raises(InputError, match=r"photos/cat cannot be listed \(Permission denied\)"):
            load(root)

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no images"):
            load(tmp_path)

    def test_images_without_class_folders(self, root: Path) -> None:
        with pytest.raises(InputError, match="no class folders"):
            load(root / "cat")

    def test_one_class(self, root: Path) -> None:
        for path in (root / "dog").iterdir():
            path.unlink()
        with pytest.raises(InputError, match="one class, cat"):
            load(root)

    @pytest.mark.parametrize(("size", "fit"), [(0, "crop"), (-4, "crop"), (70_000, "crop"), (16, "squeeze")])
    def test_options_out_of_range(self, root: Path, size: int, fit: Fit) -> None:
        with pytest.raises(InputError, match="--size" if fit == "crop" else "--fit"):
            load(root, size, fit)


def refuse(path: Path, size: int | None, fit: Fit) -> str:
    raise AssertionError(f"{path} was read again")


def load_without_damage(root: Path) -> Dataset:
    for name in ("cat/empty.jpg", "cat/text.png", "dog/cut.png", "dog/dangling.png"):
        (root / name).unlink()
    return load(root, 16)


def drawn_after(name: str, others: list[str]) -> bool:
    """Whether a file comes after all ``others`` in the order in which files of a class are drawn."""
    order = [hashlib.sha256(each.rpartition("/")[2].encode()).digest() for each in [name, *others]]
    return order[0] == max(order)
