"""The two questions asked of Flickr's API: the largest size of a photo, and its licence."""

import threading
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from qsearch.datasets.download import Answer, DamagedError, Downloader, UnavailableError, UnreachableError
from qsearch.errors import InputError

T = TypeVar("T")

INTERVAL_S = 1.0
"""Between two questions: Flickr allows a key 3600 an hour."""

_NOT_THERE = (1, 2)  # not found, not permitted
_INVALID_KEY = 100
_BUSY = (105, 106)


@dataclass(frozen=True)
class Location:
    """Where a photo lies, and its (width, height) in pixels, None where unknown."""

    address: str
    shape: tuple[int, int] | None


class _Status(msgspec.Struct):
    stat: str
    code: int = 0
    message: str = ""


class _Size(msgspec.Struct):
    source: str
    width: int | str
    height: int | str
    media: str = "photo"


class _SizeList(msgspec.Struct):
    size: list[_Size]


class _Sizes(msgspec.Struct):
    sizes: _SizeList


class _PhotoInfo(msgspec.Struct):
    license: int | str


class _Info(msgspec.Struct):
    photo: _PhotoInfo


class _Licence(msgspec.Struct):
    id: int | str
    name: str


class _LicenceList(msgspec.Struct):
    license: list[_Licence]


class _Licences(msgspec.Struct):
    licenses: _LicenceList


@dataclass
class FlickrAPI:
    """Flickr's REST API at ``address``. Errors as :meth:`Downloader.get`; InputError where the key is refused."""

    downloader: Downloader
    address: str
    key: str = field(repr=False)
    interval_s: float = INTERVAL_S

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._licences: dict[str, str] | None = None

    def largest_size(self, photo_id: str) -> Location:
        """Of the sizes open to everybody the one with most pixels, which is the original where its owner allows it."""
        sizes = self._ask("flickr.photos.getSizes", _Sizes, photo_id=photo_id).sizes.size
        photos = [size for size in sizes if size.media == "photo"]
        if not photos:
            raise UnavailableError("Flickr offers no size of it")
        largest = max(photos, key=lambda size: int(size.width) * int(size.height))
        return Location(largest.source, (int(largest.width), int(largest.height)))

    def licence(self, photo_id: str) -> str:
        """The name of the licence under which the photo is shown now."""
        number = str(self._ask("flickr.photos.getInfo", _Info, photo_id=photo_id).photo.license)
        return self.licences().get(number, f"Flickr licence {number}")

    def licences(self) -> dict[str, str]:
        """Flickr's licences, number to name."""
        with self._lock:
            if self._licences is None:
                listed = self._ask("flickr.photos.licenses.getInfo", _Licences).licenses.license
                self._licences = {str(licence.id): licence.name for licence in listed}
            return self._licences

    def _ask(self, method: str, shape: type[T], **arguments: str) -> T:
        asked = {"method": method, "api_key": self.key, "format": "json", "nojsoncallback": "1", **arguments}

        def read(answer: Answer) -> T:
            _judge(answer.json(_Status))
            return answer.json(shape)

        return self.downloader.get(self.address, read, params=asked, interval_s=self.interval_s)


def _judge(status: _Status) -> None:
    if status.stat == "ok":
        return
    if status.code in _NOT_THERE:
        raise UnavailableError("not on Flickr any more")
    if status.code == _INVALID_KEY:
        raise InputError("Flickr refuses the API key: give a valid one with --flickr-key, or none.")
    if status.code in _BUSY:
        raise DamagedError("Flickr's API says that it is unavailable")
    raise UnreachableError(f"Flickr's API answers: {status.message or status.code}")
