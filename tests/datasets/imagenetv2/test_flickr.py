"""Flickr's API: the largest photo, its licence, and what each refusal means."""

import json

import pytest

from qsearch.datasets.download import Downloader, UnavailableError, UnreachableError
from qsearch.datasets.imagenetv2.flickr import FlickrAPI
from qsearch.errors import InputError
from tests.datasets.imagenetv2.world import KEY, World
from tests.datasets.web import Asked, Page


@pytest.fixture
def api(world: World, downloader: Downloader) -> FlickrAPI:
    return FlickrAPI(downloader, world.addresses.flickr_api, KEY)


def test_the_largest_size_that_is_a_photo(world: World, api: FlickrAPI) -> None:
    location = api.largest_size("8000000001")
    assert location.address == f"{world.web.address}/static/8000000001_o.jpg"
    assert location.shape == (640, 480)


def test_the_licence_by_name_from_one_list(world: World, api: FlickrAPI) -> None:
    assert [api.licence(photo) for photo in ("8000000001", "8000000002")] == ["Attribution License"] * 2
    methods = [asked.query["method"] for asked in world.web.asked]
    assert methods.count("flickr.photos.licenses.getInfo") == 1


def test_a_licence_that_is_not_in_the_list(world: World, api: FlickrAPI) -> None:
    api.licences()
    world.web.pages["/rest/"] = Page(b'{"stat": "ok", "photo": {"license": 17}}')
    assert api.licence("8000000001") == "Flickr licence 17"


def test_a_photo_that_is_gone(world: World, api: FlickrAPI) -> None:
    world.gone_from_api.add("8000000001")
    with pytest.raises(UnavailableError, match="not on Flickr any more"):
        api.largest_size("8000000001")


def test_a_refused_key(world: World, downloader: Downloader) -> None:
    api = FlickrAPI(downloader, world.addresses.flickr_api, "wrong-key")
    with pytest.raises(InputError, match="Flickr refuses the API key") as caught:
        api.licences()
    assert "wrong-key" not in str(caught.value) + repr(api)


@pytest.mark.parametrize(
    "first",
    [b'{"stat": "fail", "code": 105, "message": "Service currently unavailable"}', b"<html>busy</html>", b""],
)
def test_a_passing_trouble_is_waited_for(world: World, api: FlickrAPI, first: bytes) -> None:
    answers = [
        Page(first),
        Page(json.dumps({"stat": "ok", "licenses": {"license": [{"id": 4, "name": "BY"}]}}).encode()),
    ]
    world.web.pages["/rest/"] = answers
    assert api.licences() == {"4": "BY"}


def test_any_other_refusal_is_told(world: World, api: FlickrAPI) -> None:
    world.web.pages["/rest/"] = Page(b'{"stat": "fail", "code": 116, "message": "Bad URL found"}')
    with pytest.raises(UnreachableError, match="Flickr's API answers: Bad URL found"):
        api.largest_size("8000000001")


def test_a_photo_without_sizes(world: World, api: FlickrAPI) -> None:
    def answer(asked: Asked) -> Page:
        return Page(b'{"stat": "ok", "sizes": {"size": []}}')

    world.web.pages["/rest/"] = answer
    with pytest.raises(UnavailableError, match="offers no size"):
        api.largest_size("8000000001")
