"""Files and whole folders to JPEG files at given tables: what is to be done, done in parallel, and what came of it."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qsearch.codecs.pillow import PillowCodec
from qsearch.datasets.files import image_suffixes, walk
from qsearch.datasets.pixels import UnusableImageError
from qsearch.disk import writing
from qsearch.encode.image import JPEG_FORMATS, encode_file
from qsearch.errors import DiskError, InputError
from qsearch.export.markers import read_frame
from qsearch.tables import QuantTables

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


@dataclass(frozen=True)
class Outcome:
    """What became of one source.

    status: ``encoded``; ``present`` where the target is there already, encoded like this and no older than its source;
        ``failed``, with a reason that ends a sentence naming the source.
    bytes_before, bytes_after: the files' sizes where it was encoded, else 0.
    recompressed: whether the source was a JPEG file, so that it lost detail a second time.
    """

    source: Path
    target: Path
    status: Literal["encoded", "present", "failed"]
    reason: str = ""
    bytes_before: int = 0
    bytes_after: int = 0
    recompressed: bool = False


@dataclass(frozen=True)
class Plan:
    """Sources with their targets, in a fixed order.

    left_out: how many other files there are, which are no images (in place: no JPEG files).
    in_place: the targets are the sources.
    """

    jobs: tuple[tuple[Path, Path], ...]
    left_out: int = 0
    in_place: bool = False


def plan_files(source: Path, destination: Path) -> Plan:
    """Images of ``source``, a file or a folder, to ``.jpg`` files at the same places in ``destination``.

    For a source that is a file, ``destination`` is the file to write, or a folder that is there. Hidden files are not
    looked at. InputError where there is no image, and where one of the two lies inside the other.
    """
    if source.is_dir():
        _check_apart(source, destination)
        images, left_out = _images(source, image_suffixes(), "images")
        targets = [destination / path.relative_to(source).with_suffix(".jpg") for path in images]
        return Plan(tuple(zip(images, targets, strict=True)), left_out)
    _check_there(source)
    target = destination / f"{source.stem}.jpg" if destination.is_dir() else destination
    if target.suffix.lower() not in JPEG_SUFFIXES:
        raise InputError(f"{target} is to be a JPEG file: call it {target.stem or 'image'}.jpg, or give a folder.")
    if target.resolve() == source.resolve():
        raise InputError(f"{target} is the source itself: choose another destination, or replace it with --in-place.")
    return Plan(((source, target),))


def plan_in_place(source: Path) -> Plan:
    """The JPEG files of ``source``, a file or a folder, each replaced by itself. InputError where there is none.

    Of links the file they lead to is replaced, and only where it lies in ``source`` too.
    """
    if source.is_dir():
        images, left_out = _images(source, set(JPEG_SUFFIXES), "JPEG files")
        jobs = [(path, path.resolve()) for path in images]
        within = tuple(job for job in jobs if job[1].is_relative_to(source.resolve()))
        return Plan(within, left_out + len(jobs) - len(within), in_place=True)
    _check_there(source)
    if source.suffix.lower() not in JPEG_SUFFIXES:
        raise InputError(f"{source} is no JPEG file, and only those are replaced in place: give a destination.")
    return Plan(((source, source.resolve()),), in_place=True)


def compress_files(
    plan: Plan,
    tables: QuantTables,
    codec: PillowCodec | None = None,
    *,
    strip: bool = False,
    overwrite: bool = False,
    workers: int = 1,
) -> Iterator[Outcome]:
    """Carries out ``plan`` with ``workers`` threads and yields an outcome for each job as it is done.

    Every file is written whole or not at all. A target that is there is never replaced without ``overwrite`` (in place:
    is replaced unless it is encoded like this already). What fails is told and the rest goes on; targets that several
    sources share all fail. Encoding is :func:`qsearch.encode.image.encode_image`'s.
    """
    job = _Job(tables, codec or PillowCodec(), strip, overwrite, plan.in_place)
    claims: dict[Path, list[Path]] = {}
    for source, target in plan.jobs:
        claims.setdefault(target, []).append(source)
    alone = [(sources[0], target) for target, sources in claims.items() if len(sources) == 1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of large images and odd metadata, both harmless here
        yield from _clashes(claims)
        yield from _in_threads(job.run, alone, workers)


def _in_threads(
    run: Callable[[Path, Path], Outcome], jobs: Iterable[tuple[Path, Path]], workers: int
) -> Iterator[Outcome]:
    """Outcomes as they come. Whoever stops listening waits for the files that are being written."""
    pending: set[Future[Outcome]] = set()
    # Threads: Pillow decodes, and encodes into a file, without the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        try:
            for job in jobs:
                pending.add(pool.submit(run, *job))
                if len(pending) >= 2 * workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in as_completed(pending))
        finally:
            for future in pending:
                future.cancel()


def _clashes(claims: dict[Path, list[Path]]) -> Iterable[Outcome]:
    for target, sources in claims.items():
        for source in sources if len(sources) > 1 else ():
            others = " and ".join(other.name for other in sources if other != source)
            yield Outcome(source, target, "failed", f"{others} would become {target.name} too: rename one of them")


@dataclass(frozen=True)
class _Job:
    tables: QuantTables
    codec: PillowCodec
    strip: bool
    overwrite: bool
    in_place: bool

    def run(self, source: Path, target: Path) -> Outcome:
        """One source to its target; failures of files and disks are outcomes."""
        try:
            if not self.overwrite and target.exists():
                if self._is_done(source, target):
                    return Outcome(source, target, "present")
                if not self.in_place:
                    reason = f"{target} is there already, encoded otherwise or older: replace it with --overwrite"
                    return Outcome(source, target, "failed", reason)
            with writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            done = encode_file(source, target, self.tables, self.codec, strip=self.strip, only_jpeg=self.in_place)
        except (UnusableImageError, DiskError) as error:
            return Outcome(source, target, "failed", str(error))
        recompressed = done.source_format in JPEG_FORMATS
        return Outcome(source, target, "encoded", "", done.bytes_before, done.bytes_after, recompressed)

    def _is_done(self, source: Path, target: Path) -> bool:
        if not self.in_place and target.stat().st_mtime_ns < source.stat().st_mtime_ns:
            return False
        try:
            frame = read_frame(target.read_bytes())
            tables = frame.tables
        except InputError:
            return False  # not a JPEG file of ours
        if (frame.sof == 2) != self.codec.progressive:
            return False
        if len(frame.components) == 1:
            return tables == QuantTables.shared(self.tables.luma)
        return tables == self.tables and frame.subsampling == self.codec.subsampling


def _images(folder: Path, suffixes: set[str], what: str) -> tuple[list[Path], int]:
    files = list(walk(folder))
    images = [path for path in files if path.suffix.lower() in suffixes]
    if not images:
        raise InputError(f"{folder} holds no {what}: give a folder with some, in it or in its folders.")
    return images, len(files) - len(images)


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
