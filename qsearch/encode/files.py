"""Files and whole folders to JPEG files at given tables: what is to be done, done in parallel, and what came of it."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from qsearch.codecs.files import FileCodec
from qsearch.codecs.markers import Frame, read_frame
from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.files import image_suffixes
from qsearch.datasets.pixels import UnusableImageError
from qsearch.disk import writing
from qsearch.encode.image import JPEG_FORMATS, Tables, encode_file, tables_of_file
from qsearch.encode.listing import Contents, listing, same_stem, stem
from qsearch.errors import DiskError, EvaluationError, InputError
from qsearch.tables import QuantTables

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
HEADER_BYTES = 1 << 16
"""So much of a JPEG file is read first to see its tables; with large profiles or EXIF data they come later."""


@dataclass(frozen=True)
class Outcome:
    """What became of one source.

    status: ``encoded``; ``present`` where the target is there already, encoded like this and no older than its source;
        ``kept`` where a file that was to be replaced by itself would not have become smaller; ``failed``. The latter
        two have a reason, which ends a sentence naming the source.
    bytes_before, bytes_after: the files' sizes where it was encoded, else 0.
    recompressed: whether the source was a JPEG file, so that it lost detail a second time.
    """

    source: Path
    target: Path
    status: Literal["encoded", "present", "kept", "failed"]
    reason: str = ""
    bytes_before: int = 0
    bytes_after: int = 0
    recompressed: bool = False


@dataclass(frozen=True)
class Job:
    """One source and its target; ``rivals`` are the names of other sources that would become the same file."""

    source: Path
    target: Path
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Sources with their targets, in a fixed order: listed while they are done, for there may be millions.

    jobs: starts the list from its beginning. count: how many there were when the plan was made.
    left_out: how many other files there are, which are no images (in place: no JPEG files, or links).
    in_place: the targets are the sources.
    """

    jobs: Callable[[], Iterator[Job]]
    count: int = 1
    left_out: int = 0
    in_place: bool = False


def plan_files(source: Path, destination: Path) -> Plan:
    """Images of ``source``, a file or a folder, to ``.jpg`` files at the same places in ``destination``.

    For a source that is a file, ``destination`` is the file to write, or a folder that is there. Hidden files are not
    looked at. InputError where there is no image, and where one of the two lies inside the other.
    """
    if source.is_dir():
        _check_apart(source, destination)
        suffixes = image_suffixes()

        def contents() -> Iterator[Contents]:
            return listing(source, suffixes, without=destination)

        def jobs() -> Iterator[Job]:
            for each in contents():
                yield from _jobs(each, destination / each.folder.relative_to(source))

        return Plan(jobs, *_count(contents(), f"{source} holds no images"))
    _check_there(source)
    target = destination / f"{source.stem}.jpg" if destination.is_dir() else destination
    if target.suffix.lower() not in JPEG_SUFFIXES:
        raise InputError(f"{target} is to be a JPEG file: call it {target.stem or 'image'}.jpg, or give a folder.")
    if target.resolve() == source.resolve():
        raise InputError(f"{target} is the source itself: choose another destination, or replace it with --in-place.")
    return Plan(lambda: iter([Job(source, target)]))


def plan_in_place(source: Path) -> Plan:
    """The JPEG files of ``source``, a file or a folder, each replaced by itself. InputError where there is none.

    Links in a folder are left out: what they lead to is replaced where it lies there itself. A link given as ``source``
    stands for its file.
    """
    if source.is_dir():

        def contents() -> Iterator[Contents]:
            return listing(source, JPEG_SUFFIXES, links=False)

        def jobs() -> Iterator[Job]:
            for each in contents():
                yield from (Job(each.folder / name, each.folder / name) for name in each.images)

        return Plan(jobs, *_count(contents(), f"{source} holds no JPEG files"), in_place=True)
    _check_there(source)
    if source.suffix.lower() not in JPEG_SUFFIXES:
        raise InputError(f"{source} is no JPEG file, and only those are replaced in place: give a destination.")
    return Plan(lambda: iter([Job(source, source.resolve())]), in_place=True)


def _jobs(contents: Contents, destination: Path) -> Iterator[Job]:
    rivals = same_stem(contents.images)
    for name in contents.images:
        others = tuple(other for other in rivals.get(stem(name), ()) if other != name)
        yield Job(contents.folder / name, destination / f"{stem(name)}.jpg", others)


def _count(listed: Iterable[Contents], none: str) -> tuple[int, int]:
    """How many images and other files there are. InputError, a sentence that begins with ``none``, for no image."""
    images = others = 0
    for each in listed:
        images += len(each.images)
        others += each.others
    if not images:
        raise InputError(f"{none}: give a folder with some, in it or in its folders.")
    return images, others


def compress_files(
    plan: Plan,
    tables: Tables,
    codec: FileCodec | None = None,
    *,
    strip: bool = False,
    overwrite: bool = False,
    workers: int = 1,
) -> Iterator[Outcome]:
    """Carries out ``plan`` with ``workers`` threads and yields an outcome for each job as it is done.

    Every file is written whole or not at all, so that what was done by an interrupted or killed call is seen from the
    files, and not done again; what chooses tables of each image's own looks at the source once more for that. A target
    that is there is never replaced without ``overwrite`` (in place: is replaced unless it is encoded like this already,
    or, without ``strip``, would not become smaller). What fails is told and the rest goes on; targets that several
    sources share all fail. Encoding is :func:`qsearch.encode.image.encode_image`'s. InputError for tables of each
    image's own in place.
    """
    if plan.in_place and not isinstance(tables, QuantTables):
        raise InputError(
            "files are replaced in place at one table for all: what was done is not seen from tables of each image's "
            "own; give a destination."
        )
    work = _Work(tables, codec or PillowCodec(), strip, overwrite, plan.in_place)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of large images and odd metadata, both harmless here
        yield from _in_threads(work.do, plan.jobs(), workers)


def _in_threads(do: Callable[[Job], Outcome], jobs: Iterator[Job], workers: int) -> Iterator[Outcome]:
    """Outcomes as they come. Whoever stops listening waits for the files that are being written."""
    pending: set[Future[Outcome]] = set()
    done: SimpleQueue[Future[Outcome]] = SimpleQueue()

    def next_outcome() -> Outcome:
        pending.remove(future := done.get())
        return future.result()

    # Threads: Pillow decodes, and encodes into a file, without the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        try:
            for job in jobs:
                pending.add(future := pool.submit(do, job))
                future.add_done_callback(done.put)
                if len(pending) >= 2 * workers:
                    yield next_outcome()
            while pending:
                yield next_outcome()
        finally:
            for future in pending:
                future.cancel()


@dataclass(frozen=True)
class _Work:
    tables: Tables
    codec: FileCodec
    strip: bool
    overwrite: bool
    in_place: bool

    def do(self, job: Job) -> Outcome:
        """One source to its target; failures of files and disks are outcomes."""
        source, target = job.source, job.target
        if job.rivals:
            reason = f"{' and '.join(job.rivals)} would become {target.name} too: rename one of them"
            return Outcome(source, target, "failed", reason)
        try:
            with writing(target):
                if not self.overwrite and target.exists():
                    if self._is_done(source, target):
                        return Outcome(source, target, "present")
                    if not self.in_place:
                        reason = f"{target} is there already, encoded otherwise or older: replace it with --overwrite"
                        return Outcome(source, target, "failed", reason)
                target.parent.mkdir(parents=True, exist_ok=True)
            done = encode_file(source, target, self.tables, self.codec, strip=self.strip, in_place=self.in_place)
        except (UnusableImageError, DiskError, EvaluationError) as error:
            return Outcome(source, target, "failed", str(error))
        if not done.written:
            reason = f"it would not become smaller: {done.bytes_after:,} bytes for {done.bytes_before:,}"
            return Outcome(source, target, "kept", reason)
        recompressed = done.source_format in JPEG_FORMATS
        return Outcome(source, target, "encoded", "", done.bytes_before, done.bytes_after, recompressed)

    def _is_done(self, source: Path, target: Path) -> bool:
        try:
            if not self.in_place and target.stat().st_mtime_ns < source.stat().st_mtime_ns:
                return False
            frame = _frame(target)
            there = frame.tables
        except (OSError, InputError):
            return False  # not a JPEG file of ours; what cannot be read tells so when it is to be encoded
        if (frame.sof == 2) != self.codec.encoder.progressive:
            return False
        tables = tables_of_file(source, self.tables, strip=self.strip)
        if len(frame.components) == 1:
            return there == QuantTables.shared(tables.luma)
        return there == tables and frame.subsampling == self.codec.encoder.subsampling


def _frame(path: Path) -> Frame:
    with path.open("rb") as file:
        start = file.read(HEADER_BYTES)
        try:
            return read_frame(start)
        except InputError:
            return read_frame(start + file.read())


def _check_there(source: Path) -> None:
    if not source.is_file():
        raise InputError(f"{source} is not there: an image or a folder of images was expected.")


def _check_apart(source: Path, destination: Path) -> None:
    if destination.exists() and not destination.is_dir():
        raise InputError(f"{destination} is a file: a folder of images needs a folder as its destination.")
    inner, outer = destination.resolve(), source.resolve()
    if inner == outer:
        raise InputError(
            f"{destination} is the source itself: choose another folder, or replace files with --in-place."
        )
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InputError(f"{source} and {destination} lie one inside the other: choose a destination apart from it.")
