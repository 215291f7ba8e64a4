"""Images as they are stored: networks are shown what they always were, and the cache keeps both or makes them again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets import DATASETS, files, load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.cache_contents import cache_entries, clear
from qsearch.datasets.identity import identity_of, pixel_digest
from qsearch.datasets.overview import overview
from qsearch.datasets.pixels import read_rgb
from qsearch.datasets.splits import half_of
from qsearch.datasets.stored import StoredImages
from qsearch.errors import DiskError, InputError
from qsearch.finetuning.experiment import encode_all
from qsearch.models.code_length import train_code_length
from qsearch.tables import QuantTables
from qsearch.testing import DatasetContract
from tests import fakes
from tests.conftest import REPOSITORY
from tests.stored_images import SIDES, loaded, photograph, photographs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos")


def stored_of(dataset: Dataset) -> StoredImages:
    assert dataset.stored is not None
    return dataset.stored


class TestContract(DatasetContract):
    @pytest.fixture
    def dataset(self, folder: Path) -> Dataset:
        return loaded(folder)


class TestWhatIsCompressed:
    def test_the_pixels_of_the_files_upright_and_in_colour(self, folder: Path) -> None:
        dataset = loaded(folder)
        for index, path in enumerate(sorted(folder.iterdir())):
            with Image.open(path) as image:
                expected = np.asarray(read_rgb(image))
            np.testing.assert_array_equal(dataset.compressed(index)[0], expected)
        sizes = [(height, width) for width, height in SIDES]
        sizes[3] = SIDES[3]  # turned
        assert stored_of(dataset).sizes.tolist() == [list(size) for size in sizes]

    @pytest.mark.parametrize("fit", ["crop", "stretch"])
    def test_networks_are_shown_what_is_prepared_today(self, tmp_path: Path, fit: str) -> None:
        for index, (width, height) in enumerate(((24, 24), (33, 57), (101, 75), (24, 300))):
            photograph(width, height, index).save(tmp_path / f"{index}.png")
        as_stored, prepared = (loaded(tmp_path, how, fit) for how in ("as-stored", "prepared"))  # type: ignore[arg-type]
        np.testing.assert_array_equal(as_stored.images, prepared.images)
        assert prepared.stored is None
        assert as_stored.digest != prepared.digest
        assert as_stored.source_identities == prepared.source_identities

    def test_other_pixels_and_another_way_to_show_them_are_another_dataset(self, tmp_path: Path) -> None:
        """Also where networks are shown the same: a column that the crop cuts off counts."""
        image = photograph(90, 30, 1)
        image.save(tmp_path / "a.png")
        before = loaded(tmp_path, fit="crop")
        image.putpixel((0, 0), (1, 2, 3))
        image.save(tmp_path / "a.png")
        after = loaded(tmp_path, fit="crop")
        np.testing.assert_array_equal(before.images, after.images)
        assert before.digest != after.digest
        stored = stored_of(after)
        other = StoredImages(stored.pixels, stored.starts, stored.sizes, stored.digests, stored.size, "stretch")
        assert other.digest_with("x") != stored.digest_with("x")

    @settings(derandomize=True, max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=6), st.data())
    def test_any_sizes_lie_side_by_side(self, sides: list[tuple[int, int]], data: st.DataObject) -> None:
        images = [np.asarray(photograph(*side, seed)) for seed, side in enumerate(sides)]
        starts = np.cumsum([0, *(image.size for image in images[:-1])])
        stored = StoredImages(
            np.concatenate([image.ravel() for image in images]),
            starts,
            np.array([image.shape[:2] for image in images]),
            tuple(map(pixel_digest, images)),
            8,
            "stretch",
        )
        chosen = data.draw(st.lists(st.integers(0, len(images) - 1), min_size=1))
        some = stored.at(np.array(chosen))
        assert some.intact()
        for place, index in enumerate(chosen):
            np.testing.assert_array_equal(some.one(place)[0], images[index])
        areas = {images[index][..., 0].size for index in chosen}
        assert some.pixels_of_each == (areas.pop() if len(areas) == 1 else 0)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"starts": np.array([1])}, "lie within their 12 bytes"),
            ({"starts": np.array([-1])}, "lie within their 12 bytes"),
            ({"sizes": np.array([[0, 4]])}, "at least one pixel"),
            ({"sizes": np.array([[2, 2], [1, 1]])}, "as many starts and sizes"),
            ({"digests": ()}, "1 or more"),
            ({"pixels": np.zeros((2, 6), dtype=np.uint8)}, r"uint8 \[M\]"),
        ],
    )
    def test_what_does_not_fit_together(self, changes: dict[str, object], sentence: str) -> None:
        fields = {"pixels": np.zeros(12, dtype=np.uint8), "starts": np.array([0]), "sizes": np.array([[2, 2]])}
        with pytest.raises(InputError, match=sentence):
            StoredImages(**{**fields, "digests": ("x",), "size": 8, "fit": "stretch", **changes})  # type: ignore[arg-type]


class TestDatasets:
    def test_a_second_compression_is_told(self, folder: Path) -> None:
        dataset = loaded(folder)
        assert dataset.notes[-2:] == (
            "Compressed as stored, 1x1 to 101x75 pixels; networks are shown 24x24 of it.",
            "1 of 10 files are JPEG already: they are decoded and compressed a second time, which costs other bytes "
            "and errors than a first time, and their chroma may be subsampled already.",
        )
        found = overview(dataset).sources
        assert found is not None
        assert found.jpeg_unscaled == 1

    def test_halves_lie_in_the_file_of_the_whole(self, tmp_path: Path, cache: Path) -> None:
        for label in "ab":
            for index in range(4):
                (tmp_path / "classes" / label).mkdir(parents=True, exist_ok=True)
                photograph(30 + index, 40, index).save(tmp_path / "classes" / label / f"{index}.png")
        options = DatasetOptions(size=24, encode_size="as-stored")
        whole = load_dataset(f"folder:{tmp_path / 'classes'}", options)
        halves = [half_of(whole, f"images:{number}") for number in (1, 2)]
        for half in halves:
            for index, name in enumerate(half.image_names):
                place = whole.image_names.index(name)
                np.testing.assert_array_equal(half.compressed(index), whole.compressed(place))
                np.testing.assert_array_equal(half.shown(half.compressed(index)[0]), half.images[index])
        assert len({half.digest for half in halves} | {whole.digest}) == 3
        assert len(list(cache.glob("*.stored.npy"))) == 1

    def test_images_of_one_size_need_none_and_are_as_prepared(self, tmp_path: Path) -> None:
        for index in range(2):
            photograph(30, 20, index).save(tmp_path / f"{index}.png")
        found = [
            load_dataset(f"images:{tmp_path}", DatasetOptions(encode_size=how)) for how in ("as-stored", "prepared")
        ]
        assert found[0].digest == found[1].digest
        assert found[0].stored is None

    def test_mixed_sizes_need_one_that_networks_are_shown(self, folder: Path) -> None:
        with pytest.raises(InputError, match="bring them to one size with --size"):
            load_dataset(f"images:{folder}", DatasetOptions(encode_size="as-stored"))

    def test_images_that_are_their_own_source_are_as_prepared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qsearch.datasets.textures.SPLITS", {"test": 24})
        found = load_dataset("textures:test", DatasetOptions(size=128, encode_size="as-stored"))
        assert found.stored is None
        assert found.digest == load_dataset("textures:test").digest

    @pytest.mark.usefixtures("plugins")
    def test_a_loader_that_knows_only_prepared_images_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = fakes.load_dataset("", DatasetOptions())
        known = replace(made, source_identities=tuple(identity_of(image) for image in made.images))
        monkeypatch.setattr(type(DATASETS), "get", lambda registry, name: lambda argument, options: known)
        with pytest.raises(InputError, match="fake has images only as they were prepared: leave --encode-size"):
            load_dataset("fake", DatasetOptions(size=24, encode_size="as-stored"))

    def test_what_no_jpeg_file_can_hold_is_named(self, folder: Path) -> None:
        Image.new("RGB", (65501, 1)).save(folder / "long.png")
        with pytest.raises(InputError, match=r"long.png \(65501x1 pixels, and JPEG has at most 65500 a side\)"):
            loaded(folder)
        assert len(loaded(folder, "prepared")) == len(SIDES) + 1


def test_what_compresses_prepared_images_refuses_others(folder: Path) -> None:
    dataset, tables = loaded(folder), QuantTables.standard(50)
    uses: list[Callable[[], object]] = [
        lambda: train_code_length(dataset, folder / "a.safetensors", steps=1, seed=0),
        lambda: encode_all(PillowCodec(), dataset, tables, 1),
    ]
    for use in uses:
        with pytest.raises(InputError, match="are compressed as stored: leave --encode-size as-stored out"):
            use()


class TestCache:
    def test_nothing_is_read_twice(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = loaded(folder)

        def fail(*arguments: object, **options: object) -> None:
            raise AssertionError("a file was read")

        monkeypatch.setattr(files, "prepared_image", fail)
        second = loaded(folder)
        assert second.digest == first.digest
        assert isinstance(stored_of(second).pixels, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            stored_of(second).pixels[0] = 0

    @pytest.mark.parametrize("damage", ["flip", "cut", "remove", "header", "digests"])
    def test_damage_is_found_and_made_good(self, folder: Path, cache: Path, damage: str) -> None:
        before = loaded(folder)
        digest, pixels = before.digest, stored_of(before).pixels.copy()
        (path,) = cache.glob("*.stored.npy")
        data = bytearray(path.read_bytes())
        if damage == "flip":
            data[-1] ^= 1
        elif damage == "cut":
            del data[-100:]
        elif damage == "header":
            data[:8] = b"\0" * 8
        if damage == "remove":
            path.unlink()
        elif damage == "digests":
            description = path.with_name(path.name.replace(".stored.npy", ".json"))
            content = json.loads(description.read_text())
            content["stored"]["digests"][0] = "0" * 64
            description.write_text(json.dumps(content))
        else:
            path.unlink()  # another file: the one that is mapped stays as it is
            path.write_bytes(data)
        again = loaded(folder)
        assert again.digest == digest
        np.testing.assert_array_equal(stored_of(again).pixels, pixels)
        assert stored_of(again).intact()

    def test_a_file_that_was_only_touched_stays(self, folder: Path, cache: Path) -> None:
        loaded(folder)
        (path,) = cache.glob("*.stored.npy")
        number = path.stat().st_ino
        os.utime(path, (1, 1))
        loaded(folder)
        assert path.stat().st_ino == number

    def test_it_is_one_entry_and_goes_as_one(self, folder: Path, cache: Path) -> None:
        load = "import sys, pathlib, tests.stored_images as photos; photos.loaded(pathlib.Path(sys.argv[1]))"
        # In a process of its own: what this one has read stays in use to its end.
        subprocess.run([sys.executable, "-c", load, str(folder)], check=True, cwd=REPOSITORY)
        (entry,) = cache_entries()
        assert sorted(path.suffixes[-2:] for path in entry.paths) == [[".json"], [".npy"], [".stored", ".npy"]]
        assert clear([entry]).entries == 1
        assert list(cache.iterdir()) == []

    def test_a_full_disk_is_a_sentence(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*arguments: object, **options: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tempfile.TemporaryFile", full)
        with pytest.raises(DiskError, match=r"No space left on device.*QSEARCH_CACHE"):
            loaded(folder)
