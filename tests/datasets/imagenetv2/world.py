"""ImageNetV2 in small: metadata of 10,000 made-up photographs, and a web that has those a test asks for."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from qsearch.datasets.imagenetv2.metadata import Photo, read_photos
from qsearch.datasets.imagenetv2.publication import Addresses
from tests.datasets.web import Asked, Page, Web

WNIDS = tuple(f"n{number:08d}" for number in range(1_000_000, 1_001_000))
KEY = "0123456789abcdef-the-key"
TARBALL = "imagenetv2-matched-frequency.tar.gz"
ADDRESS = "http://address-of-the-web"
LICENCES = [{"id": 0, "name": "All Rights Reserved"}, {"id": 4, "name": "Attribution License"}]


def flickr_id(class_: int, number: int) -> str:
    return str(8_000_000_000 + 10 * class_ + number)


def candidate(class_: int, number: int) -> str:
    return hashlib.sha1(f"{flickr_id(class_, number)}flickr".encode()).hexdigest()


@cache
def jpeg(seed: str, width: int, height: int) -> bytes:
    """A photograph that belongs to ``seed``: patches of colour, which PNG is quick to pack."""
    random = np.random.default_rng(int(hashlib.sha1(seed.encode()).hexdigest()[:8], 16))
    patches = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    file = io.BytesIO()
    patches.resize((width, height), Image.Resampling.NEAREST).save(file, "JPEG", quality=90, comment=b"a comment")
    return file.getvalue()


@cache
def metadata() -> dict[str, str]:
    """The files of the metadata; :data:`ADDRESS` stands for the web's."""
    pairs = [(candidate(class_, number), wnid) for class_, wnid in enumerate(WNIDS) for number in range(10)]
    order = np.random.RandomState(1).permutation(len(pairs))
    chosen = [pairs[index] for index in order]
    records = [record(class_, number) for class_ in range(1000) for number in range(10)]
    records += [{**records[0], "id_ours": "f" * 40}]  # a candidate of no test set
    again = [{**records[0], "url": f"{ADDRESS}/another-address"}]  # found twice: the first counts
    return {
        "datasets/imagenetv2-b-33.json": json.dumps({"seed": 1, "target_size": 10000, "image_filenames": chosen}),
        "search_results/2018-08-01_a.json": json.dumps(records[:6000], indent=1),
        "search_results/2018-09-01_b.json": json.dumps(records[6000:] + again, indent=1),
    }


def record(class_: int, number: int) -> dict[str, Any]:
    shapes: list[tuple[Any, Any]] = [(640, 480), ("640", "480"), (None, None)]
    width, height = shapes[number % 3]
    id_ = flickr_id(class_, number)
    return {
        "id_ours": candidate(class_, number),
        "id_search_engine": id_,
        "url": f"{ADDRESS}/static/{id_}_c.jpg",
        "url_type": "url_c",
        "wnid": WNIDS[class_],
        "width": width,
        "height": height,
        "search_engine": "flickr",
    }


class World:
    """A clone of the metadata in ``folder``, and the sites of Flickr and of the publication in ``web``."""

    def __init__(self, folder: Path, web: Web) -> None:
        self.web = web
        self.metadata = folder / "clone"
        self.write_metadata()
        self.addresses = Addresses(
            flickr_api=f"{web.address}/rest/",
            hub=f"{web.address}/hub",
            files=f"{web.address}/files",
            listing=f"{web.address}/listing",
            sha256={},
        )
        self.gone_from_api: set[str] = set()
        web.pages["/rest/"] = self._api

    def write_metadata(self) -> None:
        for name, text in metadata().items():
            path = self.metadata / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(ADDRESS, self.web.address))

    def photos(self) -> list[Photo]:
        return read_photos(self.metadata, "matched-frequency")

    def publish(self, photos: Iterable[Photo]) -> None:
        """Puts photographs on Flickr: 320x240 at their recorded addresses, and 640x480 originals that its API knows."""
        for photo in photos:
            self.web.pages[f"/static/{photo.flickr_id}_c.jpg"] = self.recorded(photo)
            self.web.pages[f"/static/{photo.flickr_id}_o.jpg"] = self.original(photo)

    def recorded(self, photo: Photo) -> Page:
        return Page(jpeg(photo.flickr_id, 320, 240), content_type="image/jpeg")

    def original(self, photo: Photo) -> Page:
        return Page(jpeg(photo.flickr_id, 640, 480), content_type="image/jpeg")

    def tarball(self, photos: Iterable[Photo]) -> bytes:
        """A public tarball with the images, of at most 160 pixels here, of ``photos``."""
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tarball:
            for photo in photos:
                content = jpeg(f"public {photo.flickr_id}", 160, 120)
                folder = f"imagenetv2-matched-frequency-format-val/{WNIDS.index(photo.wnid)}"
                member = tarfile.TarInfo(f"{folder}/{photo.candidate}.jpeg")
                member.size = len(content)
                tarball.addfile(member, io.BytesIO(content))
        return gzip.compress(file.getvalue(), mtime=0)

    def host_tarball(self, photos: Iterable[Photo]) -> None:
        content = self.tarball(photos)
        self.addresses = replace(self.addresses, sha256={TARBALL: hashlib.sha256(content).hexdigest()})
        self.web.pages[f"/hub/{TARBALL}"] = Page(content, headers={"ETag": '"t"'}, ranges=True)

    def host_metadata(self) -> None:
        """Serves the clone as the repository's site does: folder listings, and files."""
        for name in ("data/datasets", "data/search_results"):
            listing = []
            for path in sorted((self.metadata / name).iterdir()):
                content = path.read_bytes()
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                listing.append({"name": path.name, "sha": blob, "size": len(content), "type": "file"})
                self.web.pages[f"/files/{name}/{path.name}"] = Page(content)
            listing.append({"name": "README.md", "sha": "0" * 40, "size": 1, "type": "file"})
            self.web.pages[f"/listing/{name}"] = Page(json.dumps(listing).encode())

    def _api(self, asked: Asked) -> Page:
        query = asked.query
        if query.get("api_key") != KEY:
            return self._json(stat="fail", code=100, message="Invalid API Key (Key has invalid format)")
        if query["method"] == "flickr.photos.licenses.getInfo":
            return self._json(stat="ok", licenses={"license": LICENCES})
        if query["photo_id"] in self.gone_from_api:
            return self._json(stat="fail", code=1, message="Photo not found")
        if query["method"] == "flickr.photos.getInfo":
            return self._json(stat="ok", photo={"id": query["photo_id"], "license": "4"})
        assert query["method"] == "flickr.photos.getSizes"
        return self._json(stat="ok", sizes={"candownload": 1, "size": self._sizes(query["photo_id"])})

    def _sizes(self, id_: str) -> list[dict[str, Any]]:
        static = f"{self.web.address}/static/{id_}"
        return [
            {"label": "Square", "width": 75, "height": 75, "source": f"{static}_s.jpg", "media": "photo"},
            {"label": "Medium", "width": "320", "height": "240", "source": f"{static}_c.jpg", "media": "photo"},
            {"label": "Original", "width": "640", "height": "480", "source": f"{static}_o.jpg", "media": "photo"},
            {"label": "HD", "width": 1920, "height": 1080, "source": f"{static}.mp4", "media": "video"},
        ]

    @staticmethod
    def _json(**content: Any) -> Page:
        return Page(json.dumps(content).encode(), content_type="application/json")
