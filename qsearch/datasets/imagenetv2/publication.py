"""What was published as ImageNetV2, and where: test sets, metadata and downsized images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qsearch.errors import InputError
from qsearch.registry import nearest_names

COMMIT = "b14e00d85f3065a18486d1a43181990a538e0122"
"""Of the metadata's repository: the files are read as they were there."""

Progress = Callable[[str, int, int], None]
"""Hears of a stage by name, how much of it is done, and how much there is, 0 where that is not known."""


@dataclass(frozen=True)
class PublicSet:
    """One of the three test sets, 10 images of each of 1000 classes.

    revision: names its metadata file. tarball: file name of its images, downsized to at most 500 pixels. sha256: of the
    tarball, as published.
    """

    revision: str
    tarball: str
    sha256: str


PUBLIC_SETS = {
    "matched-frequency": PublicSet(
        "imagenetv2-b-33",
        "imagenetv2-matched-frequency.tar.gz",
        "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
    ),
    "threshold-0.7": PublicSet(
        "imagenetv2-a-44",
        "imagenetv2-threshold0.7.tar.gz",
        "32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2",
    ),
    "top-images": PublicSet(
        "imagenetv2-c-12",
        "imagenetv2-top-images.tar.gz",
        "85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b",
    ),
}
CLASSES = 1000
IMAGES_PER_CLASS = 10


def public_set(sampling: str) -> PublicSet:
    """The test set called ``sampling``. InputError where there is none."""
    if sampling not in PUBLIC_SETS:
        raise InputError(f"unknown sampling {sampling!r}: {nearest_names(sampling, PUBLIC_SETS)}")
    return PUBLIC_SETS[sampling]


@dataclass(frozen=True)
class Addresses:
    """Where everything lies; others where there is a mirror.

    flickr_api: the REST endpoint. hub: the folder of the tarballs. sha256: theirs, by file name. files: the folder of
    the metadata's repository at COMMIT. listing: the folder whose entries answer with a list of the repository's files
    (GitHub's contents API).
    """

    flickr_api: str = "https://api.flickr.com/services/rest/"
    hub: str = "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main"
    files: str = f"https://raw.githubusercontent.com/modestyachts/ImageNetV2/{COMMIT}"
    listing: str = "https://api.github.com/repos/modestyachts/ImageNetV2/contents"
    sha256: Mapping[str, str] = field(
        default_factory=lambda: {each.tarball: each.sha256 for each in PUBLIC_SETS.values()}
    )
