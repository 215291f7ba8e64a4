"""The public metadata: which photographs make up a test set, and where on Flickr each of them was found."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from qsearch.datasets.cache import CACHE_ADVICE, METADATA_FOLDER, cache_folder
from qsearch.datasets.download import Answer, DamagedError, Downloader, DownloadError
from qsearch.datasets.imagenetv2.manifest import UNREADABLE
from qsearch.datasets.imagenetv2.publication import (
    CLASSES,
    COMMIT,
    IMAGES_PER_CLASS,
    Addresses,
    Progress,
    public_set,
)
from qsearch.disk import keep_in_use, replacing, writing
from qsearch.errors import InputError, RunError

T = TypeVar("T")

DATASETS = "data/datasets"
SEARCH_RESULTS = "data/search_results"


@dataclass(frozen=True)
class Photo:
    """A photograph of a test set.

    candidate: its id in ImageNetV2. address: of its largest size when it was found, in 2018. shape: (width, height)
    in pixels as then recorded, None where it was not.
    """

    candidate: str
    wnid: str
    flickr_id: str
    address: str
    shape: tuple[int, int] | None


class _TestSet(msgspec.Struct):
    image_filenames: list[tuple[str, str]]


class _SearchResult(msgspec.Struct):
    id_ours: str
    id_search_engine: str
    url: str
    width: int | str | None = None
    height: int | str | None = None


class _Listed(msgspec.Struct):
    """A file in a listing of the repository; ``sha`` is git's, of the blob."""

    name: str
    sha: str


def read_photos(folder: Path, sampling: str) -> list[Photo]:
    """The 10,000 photographs of a test set, by class and candidate id, from a clone of the public metadata.

    InputError where files are missing, unreadable or of another revision.
    """
    chosen = _read_test_set(folder, sampling)
    found: dict[str, _SearchResult] = {}
    wanted = {candidate for candidate, _ in chosen}
    for path in _search_result_files(folder):
        for result in _read(path, list[_SearchResult]):
            if result.id_ours in wanted:
                found.setdefault(result.id_ours, result)  # the first counts where one was found twice
    lost = wanted - found.keys()
    if lost:
        raise InputError(
            f"the search results in {folder / SEARCH_RESULTS} lack {len(lost)} of the {len(wanted)} photos of "
            f"{public_set(sampling).revision} ({min(lost)}, for example): give a complete clone of the metadata."
        )
    return [
        _photo(candidate, wnid, found[candidate]) for candidate, wnid in sorted(chosen, key=lambda pair: pair[::-1])
    ]


def _read_test_set(folder: Path, sampling: str) -> list[tuple[str, str]]:
    revision = public_set(sampling).revision
    path = folder / DATASETS / f"{revision}.json"
    if not path.is_file():
        letter = revision.rsplit("-", 1)[0]
        others = sorted(other.stem for other in path.parent.glob(f"{letter}-*.json"))
        instead = f"only other revisions, such as {others[-1]}, are" if others else "it is not"
        raise InputError(
            f"the metadata of {sampling} is {DATASETS}/{revision}.json and {instead} in {folder}: "
            f"give an up-to-date clone of the ImageNetV2 repository."
        )
    chosen = _read(path, _TestSet).image_filenames
    classes = Counter(wnid for _, wnid in chosen)
    per_class = set(classes.values())
    if len(classes) != CLASSES or per_class != {IMAGES_PER_CLASS} or len(dict(chosen)) != len(chosen):
        raise InputError(
            f"{path} lists {len(dict(chosen))} photos of {len(classes)} classes, where {revision} has "
            f"{CLASSES * IMAGES_PER_CLASS} of {CLASSES}, {IMAGES_PER_CLASS} of each: give an unchanged clone."
        )
    return chosen


def _search_result_files(folder: Path) -> list[Path]:
    paths = sorted((folder / SEARCH_RESULTS).glob("*.json"))
    if not paths:
        raise InputError(f"{folder} holds no {SEARCH_RESULTS}/*.json: give a clone of the ImageNetV2 repository.")
    return paths


def _read(path: Path, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except (OSError, *UNREADABLE) as error:
        raise InputError(
            f"{path} cannot be read as ImageNetV2 metadata ({error}): give an unchanged clone of its repository."
        ) from error


def _photo(candidate: str, wnid: str, result: _SearchResult) -> Photo:
    shape = (int(result.width), int(result.height)) if result.width and result.height else None
    return Photo(candidate, wnid, result.id_search_engine, result.url, shape)


def fetch_metadata(
    sampling: str,
    downloader: Downloader,
    addresses: Addresses,
    progress: Progress = lambda stage, done, total: None,
) -> Path:
    """Downloads what :func:`read_photos` needs, once, and returns the folder.

    RunError where that fails, DiskError where the cache cannot be written.
    """
    folder = cache_folder() / METADATA_FOLDER / COMMIT
    test_set = f"{public_set(sampling).revision}.json"
    with writing(folder, CACHE_ADVICE):
        folder.mkdir(parents=True, exist_ok=True)
    keep_in_use(folder)
    try:
        listed = _listing(DATASETS, folder, downloader, addresses)
        _fetch_files(
            DATASETS, [file for file in listed if file.name == test_set], folder, downloader, addresses, progress
        )
        listed = _listing(SEARCH_RESULTS, folder, downloader, addresses)
        _fetch_files(SEARCH_RESULTS, listed, folder, downloader, addresses, progress)
    except DownloadError as error:
        raise RunError(
            f"the ImageNetV2 metadata cannot be downloaded from {addresses.files} ({error}): try again later, or "
            f"clone the repository modestyachts/ImageNetV2 and give it with --metadata PATH."
        ) from error
    return folder


def _listing(name: str, folder: Path, downloader: Downloader, addresses: Addresses) -> list[_Listed]:
    """The JSON files in folder ``name`` of the repository; the server is asked once, for it answers few questions."""
    path = folder / f"{name}.listing.json"
    if not path.exists():
        listed = downloader.get(
            f"{addresses.listing}/{name}", lambda answer: answer.json(list[_Listed]), params={"ref": COMMIT}
        )
        with writing(path, CACHE_ADVICE):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, CACHE_ADVICE) as file:
            file.write(msgspec.json.encode(listed))
    return [file for file in msgspec.json.decode(path.read_bytes(), type=list[_Listed]) if file.name.endswith(".json")]


def _fetch_files(
    name: str,
    listed: Iterable[_Listed],
    folder: Path,
    downloader: Downloader,
    addresses: Addresses,
    progress: Progress,
) -> None:
    with writing(folder / name, CACHE_ADVICE):
        (folder / name).mkdir(parents=True, exist_ok=True)
    missing = [file for file in listed if not (folder / name / file.name).exists()]

    def fetch(file: _Listed) -> None:
        content = downloader.get(f"{addresses.files}/{name}/{file.name}", lambda answer: _blob(answer, file))
        with replacing(folder / name / file.name, CACHE_ADVICE) as target:
            target.write(content)

    with closing(downloader.each(missing, fetch)) as results:
        for done, (_, result) in enumerate(results, start=1):
            result.result()
            progress(f"metadata: {name}", done, len(missing))


def _blob(answer: Answer, file: _Listed) -> bytes:
    # Git names a blob by this digest, so what comes is the file of that commit and whole.
    if hashlib.sha1(b"blob %d\0" % len(answer.content) + answer.content).hexdigest() != file.sha:
        raise DamagedError(f"another {file.name} than the repository lists")
    return answer.content
