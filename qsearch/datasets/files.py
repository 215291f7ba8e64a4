"""Image files to a dataset: which files a folder holds, which are drawn, and their pixels, prepared once and cached."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset, DatasetOptions, Truth
from qsearch.datasets.cache import PreparedImages, cached_pixels, stored_builder
from qsearch.datasets.identity import SourceIdentity
from qsearch.datasets.pixels import LARGEST_SIDE, PreparedImage, image_formats, prepared_image
from qsearch.datasets.stored import StoredBuilder, StoredImages
from qsearch.errors import InputError
from qsearch.text import check_utf8

FORMAT = 3
FITS = ("crop", "stretch")
NAMED = 10
"""How many files a sentence names before it counts the rest."""


@dataclass(frozen=True)
class Listing:
    """Image files of one folder: (name relative to ``root``, label) each, in the order of the dataset.

    ignored: how many other files lie there and are left out.
    """

    root: Path
    class_names: tuple[str, ...]
    files: tuple[tuple[str, int], ...]
    ignored: int = 0
    truth: Truth = "labels"


@dataclass(frozen=True)
class _Draw:
    """``count`` images of one class: the first of ``candidates`` (file names) that can be used."""

    label: int
    candidates: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class _Drawn:
    """Files that can be used, with what they give, and others that were tried before, each with the reason."""

    usable: list[tuple[str, PreparedImage]]
    unusable: list[str]


def existing_folder(kind: str, argument: str) -> Path:
    """The folder that ``kind:argument`` names, absolute. InputError where there is none."""
    root = Path(argument).expanduser().absolute()
    if not argument:
        raise InputError(f"{kind} alone does not say where its images lie: give their folder as {kind}:PATH.")
    if not root.is_dir():
        what = "is no folder" if root.exists() else "is missing"
        raise InputError(f"the dataset folder {argument} {what}: give {kind}:PATH.")
    return root


def walk(folder: Path) -> Iterator[Path]:
    """The files below ``folder``, sorted, hidden ones left out; a folder that links lead to twice counts once.

    InputError where a folder may not be listed.
    """

    def fail(error: OSError) -> None:  # os.walk would pass over what it may not list
        raise InputError(f"{error.filename} cannot be listed ({error.strerror}): give read permission.") from error

    seen = set()
    for parent, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def image_suffixes() -> set[str]:
    """The suffixes, in lower case, of the files that are read as images."""
    from PIL import Image

    formats = {*image_formats(), "MPO"}
    return {suffix for suffix, name in Image.registered_extensions().items() if name in formats}


def load_files(kind: str, argument: str, listing: Listing, options: DatasetOptions) -> Dataset:
    """The images of ``listing``, or those drawn of each class, at ``options.size`` or, without it, as they are.

    Of each class the files whose names' SHA-256 come first are drawn, so that neither the folders they lie in nor the
    number asked for changes which come first. Where unreadable files are skipped, the next of their class take their
    places. InputError where a class has too few files, where files cannot be read (unless these are to be skipped),
    where all are of one class although they are labelled, and where images as they are differ in size.
    """
    _check_options(options)
    check_utf8(argument, f"the folder of {kind}:PATH,")
    for name in (*listing.class_names, *(name for name, _ in listing.files)):
        check_utf8(name, f"a name in {listing.root},")
    _check_classes(listing, (label for _, label in listing.files))
    draws = _draws(listing, options)
    prepared = cached_pixels(_key(kind, listing, draws, options), lambda: _prepare(listing, draws, options))
    sources = tuple(str(listing.root / name) for name in prepared.image_names)
    return replace(prepared.named(f"{kind}:{argument}"), truth=listing.truth, sources=sources)


def _check_options(options: DatasetOptions) -> None:
    if options.size is not None and not 1 <= options.size <= LARGEST_SIDE:
        raise InputError(f"--size is a number of pixels from 1 to {LARGEST_SIDE}, got {options.size}.")
    if options.fit not in FITS:
        raise InputError(f"--fit is {' or '.join(FITS)}, got {options.fit!r}.")
    if options.per_class is not None and options.per_class < 1:
        raise InputError(f"--per-class is a number of images, at least 1, got {options.per_class}.")


def _check_classes(listing: Listing, labels: Iterable[int]) -> None:
    found = set(labels)
    if listing.truth == "labels" and len(found) < 2:
        only = listing.class_names[next(iter(found))]
        raise InputError(f"all images of {listing.root} are of one class, {only}: accuracy needs two or more.")


def _draws(listing: Listing, options: DatasetOptions) -> list[_Draw]:
    wanted = options.per_class
    if wanted is None:
        return [_Draw(label, (name,), 1) for name, label in listing.files]
    by_class: list[list[str]] = [[] for _ in listing.class_names]
    for name, label in sorted(listing.files, key=lambda file: _drawn_by(file[0])):
        by_class[label].append(name)
    _refuse_short(listing, [len(names) for names in by_class], wanted)
    tried = None if options.skip_unreadable else wanted
    return [_Draw(label, tuple(names[:tried]), wanted) for label, names in enumerate(by_class)]


def _refuse_short(listing: Listing, counts: list[int], wanted: int) -> None:
    short = [f"{name} has {count}" for name, count in zip(listing.class_names, counts, strict=True) if count < wanted]
    if short:
        raise InputError(
            f"{listing.root} has classes of fewer than {_count(wanted, 'usable image')} ({_some(short)}): ask for "
            "fewer with --per-class, or remove those classes."
        )


def _drawn_by(name: str) -> tuple[bytes, str]:
    """What a class's files are sorted by to draw from: the folders count only between files of one name."""
    return hashlib.sha256(name.rpartition("/")[2].encode(errors="surrogateescape")).digest(), name


def _key(kind: str, listing: Listing, draws: list[_Draw], options: DatasetOptions) -> str:
    """A name for the prepared images that changes with all they depend on."""
    from PIL import __version__ as pillow_version
    from PIL import features

    state = hashlib.sha256()
    state.update(repr((FORMAT, str(listing.root), listing.class_names, listing.ignored, options)).encode())
    state.update(repr((listing.truth, len(listing.files), pillow_version)).encode())
    state.update(repr(features.version("libjpeg_turbo")).encode())
    for draw in draws:
        for name in draw.candidates:
            try:
                status = (listing.root / name).stat()
                stamp = (status.st_size, status.st_mtime_ns)
            except OSError:  # a dangling link, say; reading it will tell
                stamp = (-1, -1)
            state.update(repr((name, draw.label, stamp)).encode())
    return f"{kind}-{state.hexdigest()[:32]}"


def _prepare(listing: Listing, draws: list[_Draw], options: DatasetOptions) -> PreparedImages:
    images: npt.NDArray[np.uint8] | None = None
    kept: list[tuple[str, int]] = []
    source_identities: list[SourceIdentity] = []
    unusable: list[str] = []
    sizes: Counter[str] = Counter()
    compressed = 0
    builder = _stored_builder(options)
    for draw, drawn in zip(draws, _draw_all(listing, draws, options), strict=True):
        unusable += drawn.unusable
        for name, found in drawn.usable:
            sizes[_size(found.pixels)] += 1
            if images is None:
                images = _room_for(sum(each.count for each in draws), found.pixels)
            if len(sizes) == 1:
                images[len(kept)] = found.pixels
            kept.append((name, draw.label))
            source_identities.append(found.identity)
            compressed += found.compressed
            if builder is not None and found.stored is not None:
                builder.add(found.stored)
    tried = _count(len(kept) + len(unusable), "image file")
    if unusable and not options.skip_unreadable:
        raise InputError(
            f"{len(unusable)} of {tried} of {listing.root} cannot be used: {_some(unusable)}; repair or remove them, "
            "or leave them out with --skip-unreadable."
        )
    if images is None:
        raise InputError(f"none of {tried} of {listing.root} can be used.")
    if len(sizes) > 1:
        raise InputError(
            f"the images of {listing.root} differ in size ({_some([size for size, _ in sizes.most_common()])}): "
            f"bring them to one size with --size, 224 for example."
        )
    labels = np.array([label for _, label in kept], dtype=np.int64)
    _check_classes(listing, labels.tolist())
    if options.per_class is not None:
        counts = np.bincount(labels, minlength=len(listing.class_names))
        _refuse_short(listing, counts.tolist(), options.per_class)
    images = images[: len(kept)]
    stored = None if builder is None else builder.built()
    notes = (
        *_notes_on_files(listing, len(kept), unusable, options),
        *_notes_on_images(images),
        *(() if stored is None else notes_on_stored(stored, compressed)),
    )
    names = tuple(name for name, _ in kept)
    return PreparedImages(
        images,
        labels,
        listing.class_names,
        names,
        notes,
        source_identities=tuple(source_identities),
        stored=stored,
    )


def _stored_builder(options: DatasetOptions) -> StoredBuilder | None:
    """Where the images are prepared but encoded as they are in their files; else these are one."""
    if options.encode_size == "prepared" or options.size is None:
        return None
    return stored_builder(options.size, options.fit)


def _room_for(count: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Memory for ``count`` images of the size of ``image``."""
    try:
        return np.empty((count, *image.shape), dtype=np.uint8)
    except MemoryError as error:
        raise InputError(
            f"{count} images of {_size(image)} pixels take {count * image.nbytes / 1e9:.0f} GB, more memory than there "
            "is: prepare them smaller with --size, 224 for example."
        ) from error


def _draw_all(listing: Listing, draws: list[_Draw], options: DatasetOptions) -> Iterator[_Drawn]:
    """What comes of each draw, in order."""
    from joblib import Parallel, cpu_count, delayed

    # Threads: Pillow decodes and resizes without the interpreter's lock.
    parallel = Parallel(n_jobs=cpu_count(), prefer="threads", return_as="generator")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of large images and odd metadata, both harmless here
        yield from parallel(delayed(_drawn)(listing.root, draw, options) for draw in draws)


def _drawn(root: Path, draw: _Draw, options: DatasetOptions) -> _Drawn:
    found = _Drawn([], [])
    for name in draw.candidates:
        result = prepared_image(root / name, options.size, options.fit, as_stored=options.encode_size == "as-stored")
        if isinstance(result, str):
            found.unusable.append(f"{name} ({result})")
            continue
        found.usable.append((name, result))
        if len(found.usable) == draw.count:
            break
    found.usable.sort(key=lambda file: file[0])
    return found


def _notes_on_files(listing: Listing, kept: int, unusable: list[str], options: DatasetOptions) -> Iterator[str]:
    if options.per_class is not None:
        drawn_from = _count(len(listing.files), "image file")
        yield f"{options.per_class} of each class are drawn, {_count(kept, 'image')} of {drawn_from}."
    if unusable:
        tried = _count(kept + len(unusable), "image file")
        yield f"{len(unusable)} of {tried} cannot be used and are left out: {_some(unusable)}."
    if listing.ignored:
        elsewhere = ", or outside the class folders," if listing.truth == "labels" else ""
        yield f"{_count(listing.ignored, 'file')} of other kinds{elsewhere} left out."


def _notes_on_images(images: npt.NDArray[np.uint8]) -> Iterator[str]:
    copies = len(images) - len(Counter(hashlib.sha256(image).digest() for image in images))
    if copies:
        yield f"There are copies: without them {_count(len(images) - copies, 'image')} of {len(images)} remain."


def notes_on_stored(stored: StoredImages, compressed: int) -> Iterator[str]:
    """What is compressed, and how many of the files a JPEG encoder had written before."""
    yield f"Compressed as stored, {stored.extent}; networks are shown {stored.size}x{stored.size} of it."
    if compressed:
        yield (
            f"{compressed} of {_count(len(stored), 'file')} are JPEG already: they are decoded and compressed a second "
            "time, which costs other bytes and errors than a first time, and their chroma may be subsampled already."
        )


def _size(image: npt.NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _some(items: list[str]) -> str:
    return ", ".join(items[:NAMED]) + (f" and {len(items) - NAMED} more" if len(items) > NAMED else "")
