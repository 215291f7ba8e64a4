"""The rebuild: every photograph fetched, verified, prepared and accounted for, resumable at any point (Li 2020)."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from qsearch.datasets.download import KEPT_ADVICE, Downloader, DownloadError
from qsearch.datasets.imagenetv2.flickr import FlickrAPI
from qsearch.datasets.imagenetv2.manifest import (
    SETTINGS_FILE,
    BuildSettings,
    Entry,
    Journal,
    read_settings,
    write_manifest,
    write_settings,
)
from qsearch.datasets.imagenetv2.metadata import fetch_metadata, read_photos
from qsearch.datasets.imagenetv2.photograph import PREPARED_SIZE
from qsearch.datasets.imagenetv2.public_images import check_public_images, downloads_folder, fetch_tarball
from qsearch.datasets.imagenetv2.publication import Addresses, Progress, public_set
from qsearch.datasets.imagenetv2.selection import select
from qsearch.datasets.imagenetv2.stages import Stages
from qsearch.disk import writing
from qsearch.errors import InputError, RunError

WORKING_FOLDER = ".building"


@dataclass(frozen=True)
class Sources:
    """Where things come from.

    metadata: a clone of the public metadata, None to download it. flickr_key: for Flickr's API, None to use the
    addresses of 2018. public_images: a tarball of the public images or a folder of them, None to download it where it
    is needed. unreachable_as_missing: whether a photograph whose server does not answer counts as one that is gone.
    """

    addresses: Addresses = field(default_factory=Addresses)
    metadata: Path | None = None
    flickr_key: str | None = field(default=None, repr=False)
    public_images: Path | None = None
    unreachable_as_missing: bool = False


@dataclass(frozen=True)
class Built:
    """A finished build. missing: why public images stand in for photographs, reason to number of images."""

    folder: Path
    originals: int
    public: int
    missing: dict[str, int]


def build(
    folder: Path,
    settings: BuildSettings,
    sources: Sources,
    downloader: Downloader,
    progress: Progress = lambda stage, done, total: None,
) -> Built:
    """Rebuilds a part of ImageNetV2 in ``folder``: ``<wnid>/<candidate id>.png``, originals and a manifest.

    Given again after it was interrupted or killed, it goes on and ends in the same folder as a build that never was.
    InputError where the settings do not fit the folder, the metadata or the public images, or Flickr refuses the key;
    RunError where servers do not answer, DiskError where the disk is full. What was fetched by then is kept.
    """
    settings = msgspec.structs.replace(settings, revision=public_set(settings.sampling).revision, size=PREPARED_SIZE)
    _check_folder(folder, settings)
    if sources.public_images is not None:
        check_public_images(sources.public_images)
    metadata = sources.metadata or fetch_metadata(settings.sampling, downloader, sources.addresses, progress)
    photos = select(
        read_photos(metadata, settings.sampling),
        settings.classes,
        settings.per_class,
        settings.seed,
        settings.other_classes,
    )
    api = _flickr(sources, downloader)
    with writing(folder, KEPT_ADVICE), _working_in(folder, settings) as journal:
        stages = Stages(
            folder=folder,
            keep_originals=settings.originals,
            photos={photo.candidate: photo for photo in photos},
            journal=journal,
            downloader=downloader,
            api=api,
            unreachable_as_missing=sources.unreachable_as_missing,
            progress=progress,
        )
        stages.take_over()
        stages.fetch_photographs()
        stages.distrust_equal_files()
        if stages.missing():
            stages.fill_in_public_images(
                sources.public_images
                or fetch_tarball(settings.sampling, downloads_folder(), downloader, sources.addresses, progress)
            )
        entries = stages.entries()
        write_manifest(folder, entries)
    return _built(folder, entries)


def _check_folder(folder: Path, settings: BuildSettings) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder to build in.")
    if (folder / SETTINGS_FILE).exists():
        begun = msgspec.to_builtins(read_settings(folder))
        wanted = msgspec.to_builtins(settings)
        differences = [f"{key} {begun[key]}, not {wanted[key]}" for key in wanted if begun[key] != wanted[key]]
        if differences:
            raise InputError(
                f"{folder} was begun with {', '.join(differences)}: use the same settings, or another folder."
            )
    elif folder.exists() and any(path.name != WORKING_FOLDER for path in folder.iterdir()):
        raise InputError(f"{folder} is not empty and no rebuilt ImageNetV2: give a new folder to build in.")


def _flickr(sources: Sources, downloader: Downloader) -> FlickrAPI | None:
    """Flickr's API where there is a key, which is tried before anything is written."""
    if sources.flickr_key is None:
        return None
    api = FlickrAPI(downloader, sources.addresses.flickr_api, sources.flickr_key)
    try:
        api.licences()
    except DownloadError as error:
        raise RunError(f"Flickr's API cannot be used ({error}): try again later, or without a key.") from error
    return api


@contextmanager
def _working_in(folder: Path, settings: BuildSettings) -> Iterator[Journal]:
    """The journal of the build, which no other process writes; gone with the end of the build."""
    from filelock import FileLock, Timeout

    working = folder / WORKING_FOLDER
    working.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(working / "lock", timeout=0):
            write_settings(folder, settings)
            journal = Journal(working / "journal.jsonl")
            try:
                yield journal
            finally:
                journal.close()
            shutil.rmtree(working)
    except Timeout as error:
        raise InputError(f"another process is building in {folder}: wait for it, or give another folder.") from error


def _built(folder: Path, entries: Sequence[Entry]) -> Built:
    missing = Counter(entry.missing for entry in entries if entry.missing is not None)
    public = sum(entry.origin == "public" for entry in entries)
    return Built(folder, len(entries) - public, public, dict(missing.most_common()))
