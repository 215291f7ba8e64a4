"""The public metadata: read whole and of the right revision, or refused; downloaded once."""

import json
from pathlib import Path
from typing import Any

import pytest

from qsearch.datasets.download import Downloader
from qsearch.datasets.imagenetv2.metadata import fetch_metadata, read_photos
from qsearch.errors import InputError, RunError
from tests.datasets.imagenetv2.world import WNIDS, World, candidate, flickr_id
from tests.datasets.web import Page


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


class TestReadPhotos:
    def test_joins_test_set_and_search_results(self, world: World) -> None:
        photos = {photo.candidate: photo for photo in read_photos(world.metadata, "matched-frequency")}
        assert len(photos) == 10_000
        found = photos[candidate(7, 1)]
        assert (found.wnid, found.flickr_id, found.shape) == (WNIDS[7], flickr_id(7, 1), (640, 480))
        assert found.address.endswith(f"/static/{flickr_id(7, 1)}_c.jpg")
        assert photos[candidate(7, 2)].shape is None

    def test_the_first_record_counts_where_a_photo_was_found_twice(self, world: World) -> None:
        photos = {photo.candidate: photo for photo in read_photos(world.metadata, "matched-frequency")}
        assert "another-address" not in photos[candidate(0, 0)].address

    def test_another_revision(self, world: World) -> None:
        path = world.metadata / "data/datasets/imagenetv2-b-33.json"
        path.rename(path.with_name("imagenetv2-b-31.json"))
        with pytest.raises(InputError, match=r"b-33\.json and only other revisions, such as imagenetv2-b-31, are in"):
            read_photos(world.metadata, "matched-frequency")

    def test_no_metadata_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"is data/datasets/imagenetv2-a-44\.json and it is not in"):
            read_photos(tmp_path, "threshold-0.7")

    def test_no_search_results(self, world: World) -> None:
        for path in (world.metadata / "data/search_results").iterdir():
            path.unlink()
        with pytest.raises(InputError, match=r"holds no data/search_results/\*\.json"):
            read_photos(world.metadata, "matched-frequency")

    def test_some_search_results_missing(self, world: World) -> None:
        (world.metadata / "data/search_results/2018-09-01_b.json").unlink()
        with pytest.raises(InputError, match="lack 4000 of the 10000 photos of imagenetv2-b-33"):
            read_photos(world.metadata, "matched-frequency")

    def test_other_counts(self, world: World) -> None:
        path = world.metadata / "data/datasets/imagenetv2-b-33.json"
        change(path, image_filenames=json.loads(path.read_text())["image_filenames"][:-1])
        with pytest.raises(InputError, match=r"lists 9999 photos of 1000 classes, where imagenetv2-b-33 has 10000"):
            read_photos(world.metadata, "matched-frequency")

    @pytest.mark.parametrize("text", ["", "[1", '{"image_filenames": [["a"]]}', "version https://git-lfs"])
    def test_no_metadata_in_the_file(self, world: World, text: str) -> None:
        path = world.metadata / "data/datasets/imagenetv2-b-33.json"
        path.write_text(text)
        with pytest.raises(InputError, match=r"b-33\.json cannot be read as ImageNetV2 metadata"):
            read_photos(world.metadata, "matched-frequency")

    def test_unknown_sampling(self, world: World) -> None:
        with pytest.raises(InputError, match=r"unknown sampling 'top-image': did you mean top-images\?"):
            read_photos(world.metadata, "top-image")


class TestFetchMetadata:
    def test_downloads_what_is_needed_once(self, world: World, downloader: Downloader) -> None:
        world.host_metadata()
        extra = "/files/data/datasets/imagenetv2-b-31.json"
        folder = fetch_metadata("matched-frequency", downloader, world.addresses)
        assert read_photos(folder, "matched-frequency") == world.photos()
        assert world.web.times_asked(extra) == 0
        asked = len(world.web.asked)
        assert fetch_metadata("matched-frequency", downloader, world.addresses) == folder
        assert len(world.web.asked) == asked

    def test_goes_on_where_it_failed(self, world: World, downloader: Downloader) -> None:
        world.host_metadata()
        path = "/files/data/search_results/2018-09-01_b.json"
        page = world.web.pages[path]
        world.web.pages[path] = Page(status=503)
        with pytest.raises(RunError, match=r"cannot be downloaded from .* give it with --metadata PATH"):
            fetch_metadata("matched-frequency", downloader, world.addresses)
        world.web.pages[path] = page
        again = Downloader(downloader.politeness)
        assert read_photos(fetch_metadata("matched-frequency", again, world.addresses), "matched-frequency")
        assert world.web.times_asked("/files/data/datasets/imagenetv2-b-33.json") == 1

    def test_refuses_a_file_that_is_not_that_of_the_commit(self, world: World, downloader: Downloader) -> None:
        world.host_metadata()
        world.web.pages["/files/data/datasets/imagenetv2-b-33.json"] = Page(b'{"image_filenames": []}')
        with pytest.raises(RunError, match=r"another imagenetv2-b-33\.json than the repository lists"):
            fetch_metadata("matched-frequency", downloader, world.addresses)
