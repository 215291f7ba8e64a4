"""The stages of a build: photographs fetched and verified, impostors found out, public images in their place."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from qsearch.datasets.download import KEPT_ADVICE, DamagedError, Downloader, UnavailableError, UnreachableError
from qsearch.datasets.imagenetv2.flickr import FlickrAPI, Location
from qsearch.datasets.imagenetv2.manifest import (
    MANIFEST_FILE,
    ORIGINALS_FOLDER,
    Entry,
    Journal,
    Missing,
    read_manifest,
)
from qsearch.datasets.imagenetv2.metadata import Photo
from qsearch.datasets.imagenetv2.photograph import Photograph, photograph_from, photograph_of
from qsearch.datasets.imagenetv2.public_images import public_images
from qsearch.datasets.imagenetv2.publication import Progress
from qsearch.disk import PARTIALS, replacing
from qsearch.errors import InputError, RunError

FAILURES_IN_A_ROW = 10
"""So many photographs that no server answered for mean that there is no network, not that they are gone."""


@dataclass(frozen=True)
class Stages:
    """The stages of a build in their order; each leaves in the journal what it found."""

    folder: Path
    keep_originals: bool
    photos: Mapping[str, Photo]
    journal: Journal
    downloader: Downloader
    api: FlickrAPI | None
    unreachable_as_missing: bool
    progress: Progress

    def take_over(self) -> None:
        """What an earlier build left counts, but for files that are not there any more."""
        if (self.folder / MANIFEST_FILE).exists():
            for entry in read_manifest(self.folder):
                self.journal.add(entry)
        for record in list(self.journal.records.values()):
            if isinstance(record, Entry) and not record.is_kept(self.folder):
                if record.missing is None:
                    self.journal.forget(record.candidate)
                else:
                    self.journal.add(Missing(candidate=record.candidate, reason=record.missing))
        for partial in self.folder.rglob(PARTIALS):
            partial.unlink()

    def entries(self) -> list[Entry]:
        """All images by class and candidate id, once all are there."""
        records = [self.journal.records[candidate] for candidate in self.photos]
        entries = [record for record in records if isinstance(record, Entry)]
        return sorted(entries, key=lambda entry: (entry.wnid, entry.candidate))

    def fetch_photographs(self) -> None:
        """Every photograph that nothing is known of: from Flickr, or a note that it is gone."""
        todo = [photo for photo in self.photos.values() if photo.candidate not in self.journal.records]
        done, unreachable, in_a_row = len(self.photos) - len(todo), {}, 0
        with closing(self.downloader.each(todo, self._fetch)) as results:
            for photo, result in results:
                try:
                    self.journal.add(result.result())
                    in_a_row = 0
                except UnreachableError as error:
                    unreachable[photo.candidate] = str(error)
                    in_a_row += 1
                if in_a_row == FAILURES_IN_A_ROW and not self.unreachable_as_missing:
                    raise self._not_reached(unreachable)
                done += 1
                self.progress("photographs", done, len(self.photos))
        if unreachable and not self.unreachable_as_missing:
            raise self._not_reached(unreachable)
        for candidate, reason in unreachable.items():
            self.journal.add(Missing(candidate=candidate, reason=reason))

    def _not_reached(self, unreachable: dict[str, str]) -> RunError:
        candidate, reason = next(reversed(unreachable.items()))
        return RunError(
            f"{len(unreachable)} of {len(self.photos)} photographs could not be fetched ({candidate}: {reason}): what "
            f"was fetched is kept, so give the same command again, or add --unreachable-as-missing to take the public "
            f"images for them."
        )

    def _fetch(self, photo: Photo) -> Entry | Missing:
        try:
            location = Location(photo.address, photo.shape)
            licence = None
            if self.api is not None:
                location = self.api.largest_size(photo.flickr_id)
                licence = self.api.licence(photo.flickr_id)
            found = self.downloader.get(location.address, lambda answer: photograph_of(answer, location.shape))
        except UnavailableError as error:
            return Missing(candidate=photo.candidate, reason=str(error))
        return self._keep(photo, found, location.address, licence=licence)

    def _keep(
        self, photo: Photo, found: Photograph, address: str, *, licence: str | None = None, missing: str | None = None
    ) -> Entry:
        prepared = f"{photo.wnid}/{photo.candidate}.png"
        original = f"{ORIGINALS_FOLDER}/{photo.wnid}/{photo.candidate}{found.suffix}" if self.keep_originals else None
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
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, KEPT_ADVICE) as file:
            file.write(content)

    def distrust_equal_files(self) -> None:
        """The same file for two photographs is neither of them: the test sets were cleared of duplicates."""
        photos_of_file = defaultdict(list)
        for entry in list(self.journal.records.values()):
            if isinstance(entry, Entry) and entry.origin == "original":
                photos_of_file[entry.sha256].append(entry)
        for entries in photos_of_file.values():
            if len({entry.flickr_id for entry in entries}) > 1:
                for entry in entries:
                    self._discard(entry)
                    self.journal.add(Missing(candidate=entry.candidate, reason="replaced by a picture others have too"))

    def _discard(self, entry: Entry) -> None:
        for name in (entry.original, entry.prepared):
            if name is not None:
                (self.folder / name).unlink(missing_ok=True)

    def missing(self) -> dict[str, Missing]:
        """The photographs that are gone and have no public image yet."""
        return {key: record for key, record in self.journal.records.items() if isinstance(record, Missing)}

    def fill_in_public_images(self, path: Path) -> None:
        """The public image, from the tarball or folder ``path``, for every photograph that is gone."""
        missing = self.missing()
        done = set()
        for candidate, content, where in public_images(path, missing.keys()):
            self.journal.add(self._stand_in(missing[candidate], content, where))
            done.add(candidate)
            self.progress("public images", len(done), len(missing))
        lost = missing.keys() - done
        if lost:
            raise InputError(
                f"{path} lacks {len(lost)} of the {len(missing)} public images that are needed ({min(lost)}, for "
                f"example): give the tarball of the same test set, or a folder it was unpacked to."
            )

    def _stand_in(self, missing: Missing, content: bytes, where: str) -> Entry:
        try:
            found = photograph_from(content)
        except DamagedError as error:
            raise InputError(f"{where} is {error}: get the tarball again with 'qsearch dataset fetch'.") from error
        return self._keep(self.photos[missing.candidate], found, where, missing=missing.reason)
