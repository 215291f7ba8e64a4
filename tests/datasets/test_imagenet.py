"""``imagenet:PATH``: the shapes in which the validation set goes round give one dataset; what does not fit is said."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.imagenet_classes import imagenet_synsets
from qsearch.errors import InputError
from qsearch.testing import DatasetContract

SYNSETS = imagenet_synsets()
PLACES = (7, 0, 999, 0, 7, 7, 0, 999)
"""Of each image its class's place among the sorted WordNet ids."""
WNIDS = tuple(SYNSETS[place] for place in PLACES)
KIT_NUMBERS = {SYNSETS[0]: 900, SYNSETS[7]: 3, SYNSETS[999]: 41}
"""What the development kit calls the classes: another order than theirs."""
NAMES = tuple(f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, len(PLACES) + 1))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def write_image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((48, 40), Image.Resampling.NEAREST).save(path, "JPEG", quality=95)


def write_flat(folder: Path) -> Path:
    for number, name in enumerate(NAMES):
        write_image(folder / name, number)
    return folder


def write_kit(folder: Path, numbers: dict[str, int] = KIT_NUMBERS) -> None:
    """The two files of the development kit that count, of three classes and an inner node of the hierarchy."""
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    fields = ["ILSVRC2012_ID", "WNID", "words", "num_children"]
    synsets = np.zeros((len(numbers) + 1, 1), dtype=[(field, "O") for field in fields])
    for row, (wnid, number) in enumerate([*numbers.items(), ("n00001740", 1001)]):
        synsets[row, 0] = (np.array([[number]], dtype=np.uint16), wnid, "words", np.array([[int(number > 1000)]]))
    savemat(folder / "meta.mat", {"synsets": synsets})
    truth = "".join(f"{KIT_NUMBERS[wnid]}\n" for wnid in WNIDS)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)


def class_folders(root: Path) -> Path:
    for number, (name, wnid) in enumerate(zip(NAMES, WNIDS, strict=True)):
        write_image(root / wnid / name, number)
    return root


def class_folders_in_val(root: Path) -> Path:
    class_folders(root / "val")
    return root


def kit_beside_the_images(root: Path) -> Path:
    write_kit(root)
    return write_flat(root)


def kit_in_the_images_folder(root: Path) -> Path:
    write_kit(root / "ILSVRC2012_devkit_t12" / "data")
    return write_flat(root)


def kit_one_folder_up(root: Path) -> Path:
    write_kit(root / "ILSVRC2012_devkit_t12" / "data")
    return write_flat(root / "ILSVRC2012_img_val")


def kit_and_val(root: Path) -> Path:
    write_kit(root / "ILSVRC2012_devkit_t12" / "data")
    write_flat(root / "val")
    return root


def names_and_places(root: Path) -> Path:
    lines = [f"{name} {place}" for name, place in zip(NAMES, PLACES, strict=True)]
    write_flat(root)
    (root / "val.txt").write_text("\n".join(reversed(lines)) + "\n\n")
    return root


def names_and_wnids(root: Path) -> Path:
    write_flat(root / "images")
    (root / "val.txt").write_text("".join(f"{name} {wnid}\n" for name, wnid in zip(NAMES, WNIDS, strict=True)))
    return root / "images"


def wnids_in_order(root: Path) -> Path:
    (write_flat(root) / "synset_labels.txt").write_text("\n".join(WNIDS))
    return root


def kaggle(root: Path) -> Path:
    rows = [f"{name[:-5]},{wnid} 1 2 3 4 {wnid} 5 6 7 8 \n" for name, wnid in zip(NAMES, WNIDS, strict=True)]
    (write_flat(root) / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "".join(rows[::-1]))
    return root


SHAPES: tuple[Callable[[Path], Path], ...] = (
    class_folders,
    class_folders_in_val,
    kit_beside_the_images,
    kit_in_the_images_folder,
    kit_one_folder_up,
    kit_and_val,
    names_and_places,
    names_and_wnids,
    wnids_in_order,
    kaggle,
)


def load(root: Path, per_class: int | None = None, skip_unreadable: bool = False) -> Dataset:
    return load_dataset(
        f"imagenet:{root}", DatasetOptions(size=32, skip_unreadable=skip_unreadable, per_class=per_class)
    )


class TestContract(DatasetContract):
    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        return load(kit_beside_the_images(tmp_path / "imagenet"))


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: str(make.__name__))
@pytest.mark.parametrize("per_class", [None, 2])
def test_every_shape_gives_the_same_dataset(
    make: Callable[[Path], Path], per_class: int | None, tmp_path: Path
) -> None:
    dataset, expected = load(make(tmp_path / "a"), per_class), load(class_folders(tmp_path / "b"), per_class)
    assert dataset.class_names == tuple(SYNSETS[place] for place in (0, 7, 999))
    assert dataset.digest == expected.digest
    names = [name.rpartition("/")[2] for name in dataset.image_names]
    assert names == [name.rpartition("/")[2] for name in expected.image_names]
    for name, label in zip(names, dataset.labels.tolist(), strict=True):
        assert dataset.class_names[label] == WNIDS[NAMES.index(name)]
    assert dataset.notes == expected.notes


class TestDrawing:
    def test_smaller_draws_are_part_of_larger_ones(self, tmp_path: Path) -> None:
        root = class_folders(tmp_path / "imagenet")
        one, two = load(root, 1), load(root, 2)
        assert np.bincount(one.labels).tolist() == [1, 1, 1]
        assert np.bincount(two.labels).tolist() == [2, 2, 2]
        assert set(one.image_names) < set(two.image_names)
        assert two.notes[0] == "2 of each class are drawn, 6 images of 8 image files."

    def test_others_take_the_places_of_skipped_files(self, tmp_path: Path) -> None:
        root = class_folders(tmp_path / "imagenet")
        (first,) = (name for name in load(root, 1).image_names if name.startswith(SYNSETS[7]))
        (root / first).write_bytes(b"no image")
        with pytest.raises(InputError, match=r"^1 of 3 image files .*--skip-unreadable"):
            load(root, 1)
        redrawn = load(root, 1, skip_unreadable=True)
        assert np.bincount(redrawn.labels).tolist() == [1, 1, 1]
        assert first not in redrawn.image_names
        assert any(first in note for note in redrawn.notes)

    def test_classes_of_too_few_images_are_named(self, tmp_path: Path) -> None:
        root = class_folders(tmp_path / "imagenet")
        with pytest.raises(InputError, match=rf"fewer than 3 usable images \({SYNSETS[999]} has 2\).*--per-class"):
            load(root, 3)
        for name in ("a.JPEG", "b.JPEG"):
            (root / SYNSETS[999] / name).write_bytes(b"no image")
        with pytest.raises(InputError, match=rf"fewer than 3 usable images \({SYNSETS[999]} has 2\)"):
            load(root, 3, skip_unreadable=True)


class TestBadInput:
    def test_a_list_of_another_length(self, tmp_path: Path) -> None:
        root = kit_beside_the_images(tmp_path)
        (root / NAMES[3]).unlink()
        with pytest.raises(InputError, match="tells the classes of 8 images and there are 7"):
            load(root)

    def test_images_without_a_line(self, tmp_path: Path) -> None:
        for make in (kit_beside_the_images, names_and_wnids):
            root = make(tmp_path / make.__name__)
            (root / NAMES[3]).rename(root / "ILSVRC2012_val_00000009.JPEG")
            with pytest.raises(InputError, match=r"does not tell the class of ILSVRC2012_val_00000009.JPEG"):
                load(root)

    def test_no_list(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no list tells their classes: put ILSVRC2012_validation_ground_truth"):
            load(write_flat(tmp_path / "somewhere" / "images"))

    def test_no_meta(self, tmp_path: Path) -> None:
        root = kit_beside_the_images(tmp_path)
        (root / "meta.mat").unlink()
        with pytest.raises(InputError, match=r"meta.mat is missing"):
            load(root)

    @pytest.mark.parametrize("content", [b"", b"not MATLAB" * 30])
    def test_a_damaged_meta(self, content: bytes, tmp_path: Path) -> None:
        root = kit_beside_the_images(tmp_path)
        (root / "meta.mat").write_bytes(content)
        with pytest.raises(InputError, match=r"meta.mat cannot be read"):
            load(root)

    def test_a_number_that_the_kit_does_not_know(self, tmp_path: Path) -> None:
        root = write_flat(tmp_path)
        write_kit(root, {wnid: number + 1 for wnid, number in KIT_NUMBERS.items()})
        with pytest.raises(InputError, match=r"expected a number that meta.mat knows"):
            load(root)

    @pytest.mark.parametrize(
        ("line", "expected"),
        [("1000", "from 0 to 999"), ("-1", "from 0 to 999"), ("cat", "from 0 to 999"), ("n0", "from 0 to 999")],
    )
    def test_classes_that_are_none(self, line: str, expected: str, tmp_path: Path) -> None:
        root = write_flat(tmp_path)
        (root / "val.txt").write_text("".join(f"{name} {line}\n" for name in NAMES))
        with pytest.raises(InputError, match=f"calls a class '{line}': expected .*{expected}"):
            load(root)

    def test_wnids_and_numbers_mixed(self, tmp_path: Path) -> None:
        root = wnids_in_order(tmp_path)
        (root / "synset_labels.txt").write_text("\n".join([*WNIDS[:-1], "999"]))
        with pytest.raises(InputError, match="calls a class '999': expected a WordNet id"):
            load(root)

    def test_an_empty_list(self, tmp_path: Path) -> None:
        (write_flat(tmp_path) / "val.txt").write_text("\n\n")
        with pytest.raises(InputError, match=r"val.txt is empty"):
            load(tmp_path)

    def test_a_list_that_is_no_text(self, tmp_path: Path) -> None:
        (write_flat(tmp_path) / "val.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InputError, match=r"val.txt cannot be read as text"):
            load(tmp_path)

    def test_folders_that_are_no_classes(self, tmp_path: Path) -> None:
        (class_folders(tmp_path) / "misc").mkdir()
        with pytest.raises(InputError, match="the folder misc, which is no WordNet id"):
            load(tmp_path)

    def test_no_images(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no images"):
            load(tmp_path)
        with pytest.raises(InputError, match=r"nowhere is missing: give imagenet:PATH"):
            load(tmp_path / "nowhere")
