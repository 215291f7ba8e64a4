"""The rebuild: every photograph fetched, verified, prepared and accounted for, resumable at any point (Li 2020)."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from qsearch.datasets.atomic import replacing
from qsearch.datasets.download import DamagedError, Downloader, DownloadError, UnavailableError, UnreachableError
from qsearch.datasets.imagenetv2.flickr import FlickrAPI, Location
from qsearch.datasets.imagenetv2.manifest import (
    MANIFEST_FILE,
    ORIGINALS_FOLDER,
    SETTINGS_FILE,
    BuildSettings,
    Entry,
    Journal,
    Missing,
    read_manifest,
    read_settings,
    write_manifest,
    write_settings,
)
from qsearch.datasets.imagenetv2.metadata import Photo, fetch_metadata, read_photos
from qsearch.datasets.imagenetv2.photograph import PREPARED_SIZE, Photograph, photograph_from, photograph_of
from qsearch.datasets.imagenetv2.public_images import (
    Progress,
    check_public_images,
    downloads_folder,
    fetch_tarball,
    public_images,
)
from qsearch.datasets.imagenetv2.publication import Addresses, public_set
from qsearch.datasets.imagenetv2.selection import select
from qsearch.errors import InputError, RunError

FAILURES_IN_A_ROW = 10
"""So many photographs that no server answered for mean that there is no network, not that they are gone."""

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
    RunError where servers do not answer or the disk is full. What was fetched by then is kept.
    """
    settings = msgspec.structs.replace(settings, revision=public_set(settings.sampling).revision, size=PREPARED_SIZE)
    _check_folder(folder, settings)
    if sources.public_images is not None:
        check_public_images(sources.public_images)
    progress("metadata", 0, 0)
    metadata = sources.metadata or fetch_metadata(settings.sampling, downloader, sources.addresses)
    photos = select(
        read_photos(metadata, settings.sampling),
        settings.classes,
        settings.per_class,
        settings.seed,
        settings.other_classes,
    )
    api = _flickr(sources, downloader)
    with _disk_errors_explained(folder), _working_in(folder, settings) as journal:
        work = _Build(folder, settings, sources, downloader, progress, photos, journal, api)
        work.fetch_photographs()
        work.distrust_equal_files()
        work.fill_in_public_images()
        entries = work.entries()
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


@contextmanager
def _disk_errors_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written ({error.strerror or error}): make room there and give the same command again, "
            f"what was fetched is kept."
        ) from error


def _built(folder: Path, entries: Sequence[Entry]) -> Built:
    missing = Counter(entry.missing for entry in entries if entry.missing is not None)
    public = sum(entry.origin == "public" for entry in entries)
    return Built(folder, len(entries) - public, public, dict(missing.most_common()))


class _Build:
    """The stages of a build; each leaves in the journal what it found."""

    def __init__(
        self,
        folder: Path,
        settings: BuildSettings,
        sources: Sources,
        downloader: Downloader,
        progress: Progress,
        photos: Sequence[Photo],
        journal: Journal,
        api: FlickrAPI | None,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._sources = sources
        self._downloader = downloader
        self._progress = progress
        self._photos = {photo.candidate: photo for photo in photos}
        self._journal = journal
        self._api = api
        self._clean_up()

    def _clean_up(self) -> None:
        """Takes over what an earlier build left, and forgets what is not there any more."""
        if (self._folder / MANIFEST_FILE).exists():
            for entry in read_manifest(self._folder):
                self._journal.add(entry)
        for record in list(self._journal.records.values()):
            if isinstance(record, Entry) and not record.is_kept(self._folder):
                self._journal.forget(record.candidate)
        for partial in self._folder.rglob(".*.partial"):
            partial.unlink()

    def entries(self) -> list[Entry]:
        """All images by class and candidate id, once all are there."""
        records = [self._journal.records[candidate] for candidate in self._photos]
        entries = [record for record in records if isinstance(record, Entry)]
        return sorted(entries, key=lambda entry: (entry.wnid, entry.candidate))

    def fetch_photographs(self) -> None:
        """Every photograph that nothing is known of: from Flickr, or a note that it is gone."""
        todo = [photo for photo in self._photos.values() if photo.candidate not in self._journal.records]
        done, unreachable, in_a_row = len(self._photos) - len(todo), {}, 0
        with closing(self._downloader.each(todo, self._fetch)) as results:
            for photo, result in results:
                try:
                    self._journal.add(result.result())
                    in_a_row = 0
                except UnreachableError as error:
                    unreachable[photo.candidate] = str(error)
                    in_a_row += 1
                if in_a_row == FAILURES_IN_A_ROW:
                    raise self._not_reached(unreachable)
                done += 1
                self._progress("photographs", done, len(self._photos))
        if unreachable and not self._sources.unreachable_as_missing:
            raise self._not_reached(unreachable)
        for candidate, reason in unreachable.items():
            self._journal.add(Missing(candidate=candidate, reason=reason))

    def _not_reached(self, unreachable: dict[str, str]) -> RunError:
        candidate, reason = next(reversed(unreachable.items()))
        return RunError(
            f"{len(unreachable)} of {len(self._photos)} photographs could not be fetched ({candidate}: {reason}): what "
            f"was fetched is kept, so give the same command again, or add --unreachable-as-missing to take the public "
            f"images for them."
        )

    def _fetch(self, photo: Photo) -> Entry | Missing:
        try:
            location = Location(photo.address, photo.shape)
            licence = None
            if self._api is not None:
                location = self._api.largest_size(photo.flickr_id)
                licence = self._api.licence(photo.flickr_id)
            found = self._downloader.get(location.address, lambda answer: photograph_of(answer, location.shape))
        except UnavailableError as error:
            return Missing(candidate=photo.candidate, reason=str(error))
        return self._keep(photo, found, location.address, licence=licence)

    def _keep(
        self, photo: Photo, found: Photograph, address: str, *, licence: str | None = None, missing: str | None = None
    ) -> Entry:
        prepared = f"{photo.wnid}/{photo.candidate}.png"
        original = (
            f"{ORIGINALS_FOLDER}/{photo.wnid}/{photo.candidate}{found.suffix}" if self._settings.originals else None
        )
        if original is not None:
            self._write(original, found.content)
        self._write(prepared, found.prepared)
        return Entry(
            candidate=photo.candidate,
            wnid=photo.wnid,
            flickr_id=photo.flickr_id,
            origin="original" if missing is None else "public",
            missing=missing,
            address=address,
            licence=licence,
            width=found.width,
            height=found.height,
            size_bytes=len(found.content),
            sha256=found.sha256,
            original=original,
            prepared=prepared,
            prepared_bytes=len(found.prepared),
            prepared_sha256=found.prepared_sha256,
        )

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content)

    def distrust_equal_files(self) -> None:
        """The same file for two photographs is neither of them: the test sets were cleared of duplicates."""
        photos_of_file = defaultdict(list)
        for entry in list(self._journal.records.values()):
            if isinstance(entry, Entry) and entry.origin == "original":
                photos_of_file[entry.sha256].append(entry)
        for entries in photos_of_file.values():
            if len({entry.flickr_id for entry in entries}) > 1:
                for entry in entries:
                    self._journal.add(
                        Missing(candidate=entry.candidate, reason="replaced by a picture others have too")
                    )
                    for name in (entry.original, entry.prepared):
                        (self._folder / name).unlink() if name is not None else None

    def fill_in_public_images(self) -> None:
        """The public image for every photograph that is gone."""
        missing = {key: record for key, record in self._journal.records.items() if isinstance(record, Missing)}
        if not missing:
            return
        path = self._sources.public_images or fetch_tarball(
            self._settings.sampling, downloads_folder(), self._downloader, self._sources.addresses, self._progress
        )
        done = set()
        for candidate, content, where in public_images(path, missing.keys()):
            self._journal.add(self._stand_in(missing[candidate], content, where))
            done.add(candidate)
            self._progress("public images", len(done), len(missing))
        lost = missing.keys() - done
        if lost:
            raise InputError(
                f"{path} lacks {len(lost)} of the {len(missing)} public images that are needed ({min(lost)}, for "
                f"example): give {public_set(self._settings.sampling).tarball}, or a folder it was unpacked to."
            )

    def _stand_in(self, missing: Missing, content: bytes, where: str) -> Entry:
        try:
            found = photograph_from(content)
        except DamagedError as error:
            raise InputError(f"{where} is {error}: get the tarball again with 'qsearch dataset fetch'.") from error
        return self._keep(self._photos[missing.candidate], found, where, missing=missing.reason)
