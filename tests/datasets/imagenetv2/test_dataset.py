"""A finished build as a dataset: what it holds, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.download import Downloader
from qsearch.datasets.imagenetv2.manifest import BuildSettings, read_manifest
from qsearch.errors import InputError
from qsearch.testing import DatasetContract
from tests.datasets.imagenetv2.builds import drawn, files, run
from tests.datasets.imagenetv2.world import World


def built(world: World, downloader: Downloader, tmp_path: Path) -> Path:
    world.publish(drawn(world))
    run(world, tmp_path / "out", downloader)
    return tmp_path / "out"


def test_holds_what_was_prepared(world: World, downloader: Downloader, tmp_path: Path) -> None:
    folder = built(world, downloader, tmp_path)
    dataset = load_dataset(f"imagenetv2:{folder}", DatasetOptions(size=224))
    photos = drawn(world)
    assert dataset.image_names == tuple(photo.candidate for photo in photos)
    assert dataset.class_names == tuple(sorted({photo.wnid for photo in photos}))
    assert [dataset.class_names[label] for label in dataset.labels] == [photo.wnid for photo in photos]
    with Image.open(folder / photos[7].wnid / f"{photos[7].candidate}.png") as image:
        assert np.array_equal(dataset.images[7], np.asarray(image))


def test_another_size(world: World, downloader: Downloader, tmp_path: Path) -> None:
    folder = built(world, downloader, tmp_path)
    with pytest.raises(InputError, match=r"was prepared at 224 pixels, got --size 299: leave --size out"):
        load_dataset(f"imagenetv2:{folder}", DatasetOptions(size=299))


class TestAsStored:
    def test_photographs_are_compressed_and_what_was_prepared_is_shown(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        folder = built(world, downloader, tmp_path)
        prepared = load_dataset(f"imagenetv2:{folder}")
        found = load_dataset(f"imagenetv2:{folder}", DatasetOptions(encode_size="as-stored"))
        assert np.array_equal(found.images, prepared.images)
        assert found.stored is not None
        for index, (entry, size) in enumerate(zip(read_manifest(folder), found.stored.sizes.tolist(), strict=True)):
            assert size == [entry.height, entry.width]
            assert np.array_equal(found.shown(found.compressed(index)[0]), prepared.images[index])
        assert "12 of 12 files are JPEG already" in found.notes[-1]

    def test_a_build_without_its_photographs_is_refused(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        world.publish(drawn(world))
        run(world, tmp_path / "out", downloader, BuildSettings(classes=4, per_class=3, seed=3, originals=False))
        with pytest.raises(InputError, match="built without its photographs: leave --encode-size as-stored out"):
            load_dataset(f"imagenetv2:{tmp_path / 'out'}", DatasetOptions(encode_size="as-stored"))

    def test_another_photograph_in_its_place_is_refused(
        self, world: World, downloader: Downloader, tmp_path: Path
    ) -> None:
        folder = built(world, downloader, tmp_path)
        first, second = (entry.original for entry in list(read_manifest(folder))[:2])
        assert first is not None
        assert second is not None
        (folder / first).write_bytes((folder / second).read_bytes())
        with pytest.raises(InputError, match=f"{first} does not give the image that was prepared of it any more"):
            load_dataset(f"imagenetv2:{folder}", DatasetOptions(encode_size="as-stored"))


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_no_build(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"as imagenetv2:PATH|is no rebuilt ImageNetV2: make one with"):
        load_dataset(f"imagenetv2:{tmp_path / name if name else ''}")


def test_a_lost_file_is_named_and_restored(world: World, downloader: Downloader, tmp_path: Path) -> None:
    folder = built(world, downloader, tmp_path)
    before = files(folder)
    lost = drawn(world)[2]
    (folder / lost.wnid / f"{lost.candidate}.png").unlink()
    with pytest.raises(InputError, match=rf"1 of the 12 images .* missing or changed \({lost.wnid}/"):
        load_dataset(f"imagenetv2:{folder}")
    run(world, folder, downloader)
    assert files(folder) == before


def test_a_changed_file_of_the_same_size_is_refused(world: World, downloader: Downloader, tmp_path: Path) -> None:
    folder = built(world, downloader, tmp_path)
    path = next(folder.glob("n*/*.png"))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not the file in the manifest"):
        load_dataset(f"imagenetv2:{folder}")


def test_originals_may_be_removed(world: World, downloader: Downloader, tmp_path: Path) -> None:
    folder = built(world, downloader, tmp_path)
    for path in (folder / "originals").rglob("*.jpeg"):
        path.unlink()
    assert len(load_dataset(f"imagenetv2:{folder}")) == 12


def test_a_newer_format(world: World, downloader: Downloader, tmp_path: Path) -> None:
    folder = built(world, downloader, tmp_path)
    settings = json.loads((folder / "build.json").read_text())
    (folder / "build.json").write_text(json.dumps({**settings, "format": 2}))
    with pytest.raises(InputError, match="has format 2, this qsearch reads 1: install a newer qsearch"):
        load_dataset(f"imagenetv2:{folder}")


class TestContract(DatasetContract):
    @pytest.fixture
    def dataset(self, world: World, downloader: Downloader, tmp_path: Path) -> Dataset:
        return load_dataset(f"imagenetv2:{built(world, downloader, tmp_path)}")


@pytest.mark.parametrize("field", ["original", "prepared"])
def test_a_manifest_that_names_files_elsewhere_is_refused(
    world: World, downloader: Downloader, tmp_path: Path, field: str
) -> None:
    folder = built(world, downloader, tmp_path)
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    lines[0][field] = "../diary.txt"
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=r"manifest\.jsonl cannot be read \('\.\./diary\.txt' lies outside the build"):
        load_dataset(f"imagenetv2:{folder}")
