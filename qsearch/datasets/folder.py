"""``folder:PATH``: a folder of class folders, prepared once and kept in the cache.

Classes are the folders, sorted by name; images lie anywhere below them. Hidden files, and files whose suffix is none
that Pillow reads, are left out. Symbolic links are followed.
"""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.cache import PreparedImages, cached_pixels
from qsearch.datasets.pixels import prepared_pixels
from qsearch.errors import InputError

FORMAT = 1
FITS = ("crop", "stretch")
LARGEST_SIDE = 65500
"""Pixels; libjpeg encodes no more."""
ONLY_IDENTIFIED = frozenset({"BUFR", "GRIB", "HDF5", "MPEG"})
"""Formats that Pillow knows by name and cannot read."""
NAMED = 10
"""How many files a sentence names before it counts the rest."""


def load(argument: str, options: DatasetOptions) -> Dataset:
    """The images below the folder ``argument``, at ``options.size`` or, without it, as they are.

    InputError where there are not two classes of images, where files cannot be read (unless these are to be skipped),
    and where images as they are differ in size.
    """
    _check(options)
    try:
        listing = _list(argument)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be listed ({error.strerror}): give read permission.") from error
    prepared = cached_pixels(_key(listing, options), lambda: _prepare(listing, options))
    return prepared.named(f"folder:{argument}")


def _check(options: DatasetOptions) -> None:
    if options.size is not None and not 1 <= options.size <= LARGEST_SIDE:
        raise InputError(f"--size is a number of pixels from 1 to {LARGEST_SIDE}, got {options.size}.")
    if options.fit not in FITS:
        raise InputError(f"--fit is {' or '.join(FITS)}, got {options.fit!r}.")


@dataclass(frozen=True)
class _Listing:
    """What lies in the folder: files as (name relative to the folder, label), in the order of the dataset."""

    root: Path
    class_names: tuple[str, ...]
    files: tuple[tuple[str, int], ...]
    ignored: int


def _list(argument: str) -> _Listing:
    root = Path(argument).expanduser().absolute()
    if not argument or not root.is_dir():
        what = "is missing" if argument and not root.exists() else "is no folder"
        raise InputError(f"the dataset folder {argument or '(none given)'} {what}: give folder:PATH.")
    suffixes = image_suffixes()
    classes = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [(path, label) for label, name in enumerate(classes) for path in walk(root / name)]
    files = tuple((path.relative_to(root).as_posix(), label) for path, label in found if _suffix(path) in suffixes)
    loose = [path for path in root.iterdir() if path.is_file() and not path.name.startswith(".")]
    if not files and any(_suffix(path) in suffixes for path in loose):
        raise InputError(f"{argument} holds images but no class folders: sort them into a folder for each class.")
    if not files:
        raise InputError(f"{argument} holds no images: give a folder of class folders of images.")
    listing = _Listing(root, tuple(classes), files, len(loose) + len(found) - len(files))
    _check_classes(listing, {label for _, label in files})
    return listing


def _check_classes(listing: _Listing, labels: set[int]) -> None:
    if len(labels) < 2:
        only = listing.class_names[next(iter(labels))]
        raise InputError(f"all images of {listing.root} are of one class, {only}: accuracy needs two or more.")


def walk(folder: Path) -> Iterator[Path]:
    """The files below ``folder``, sorted, hidden ones left out; a folder that links lead to twice counts once."""

    def fail(error: OSError) -> None:
        raise error  # os.walk would pass over what it may not list

    seen = set()
    for parent, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def image_suffixes() -> set[str]:
    """The suffixes, in lower case, of the files whose pixels Pillow can read."""
    from PIL import Image

    known = Image.registered_extensions().items()
    return {suffix for suffix, name in known if name in Image.OPEN and name not in ONLY_IDENTIFIED}


def _key(listing: _Listing, options: DatasetOptions) -> str:
    """A name for the prepared images that changes with all they depend on."""
    from PIL import __version__ as pillow_version
    from PIL import features

    state = hashlib.sha256()
    state.update(repr((FORMAT, str(listing.root), listing.class_names, listing.ignored, options)).encode())
    state.update(repr((pillow_version, features.version("libjpeg_turbo"))).encode())
    for name, label in listing.files:
        try:
            status = (listing.root / name).stat()
            stamp = (status.st_size, status.st_mtime_ns)
        except OSError:  # a dangling link, say; reading it will tell
            stamp = (-1, -1)
        state.update(repr((name, label, stamp)).encode())
    return f"folder-{state.hexdigest()[:32]}"


def _prepare(listing: _Listing, options: DatasetOptions) -> PreparedImages:
    images: npt.NDArray[np.uint8] | None = None
    kept: list[tuple[str, int]] = []
    unreadable: list[str] = []
    sizes: Counter[str] = Counter()
    for (name, label), result in zip(listing.files, _read_all(listing, options), strict=True):
        if isinstance(result, str):
            unreadable.append(f"{name} ({result})")
            continue
        sizes[_size(result)] += 1
        if images is None:
            images = _room_for(listing, result)
        if len(sizes) == 1:
            images[len(kept)] = result
            kept.append((name, label))
    if unreadable and not options.skip_unreadable:
        raise InputError(
            f"{len(unreadable)} of {_count(len(listing.files), 'image file')} of {listing.root} cannot be used: "
            f"{_some(unreadable)}; repair or remove them, or leave them out with --skip-unreadable."
        )
    if len(sizes) > 1:
        raise InputError(
            f"the images of {listing.root} differ in size ({_some([size for size, _ in sizes.most_common()])}): "
            f"bring them to one size with --size, 224 for example."
        )
    if images is None:
        raise InputError(f"none of {_count(len(listing.files), 'image file')} of {listing.root} can be used.")
    _check_classes(listing, {label for _, label in kept})
    images = images[: len(kept)]
    labels = np.array([label for _, label in kept], dtype=np.int64)
    names = tuple(name for name, _ in kept)
    return PreparedImages(images, labels, listing.class_names, names, _notes(listing, unreadable, images))


def _room_for(listing: _Listing, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Memory for as many images as there are files, all of the size of ``image``."""
    try:
        return np.empty((len(listing.files), *image.shape), dtype=np.uint8)
    except MemoryError as error:
        raise InputError(
            f"{len(listing.files)} images of {_size(image)} pixels take {len(listing.files) * image.nbytes / 1e9:.0f} "
            f"GB, more memory than there is: prepare them smaller with --size, 224 for example."
        ) from error


def _read_all(listing: _Listing, options: DatasetOptions) -> Iterator[npt.NDArray[np.uint8] | str]:
    """Per file its pixels [H, W, 3], or why there are none."""
    from joblib import Parallel, cpu_count, delayed

    # Threads: Pillow decodes and resizes without the interpreter's lock.
    parallel = Parallel(n_jobs=cpu_count(), prefer="threads", return_as="generator")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of large images and odd metadata, both harmless here
        yield from parallel(
            delayed(prepared_pixels)(listing.root / name, options.size, options.fit) for name, _ in listing.files
        )


def _notes(listing: _Listing, unreadable: list[str], images: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    notes = []
    if unreadable:
        notes.append(
            f"{len(unreadable)} of {_count(len(listing.files), 'image file')} cannot be used and are left out: "
            f"{_some(unreadable)}."
        )
    if listing.ignored:
        notes.append(f"{_count(listing.ignored, 'file')} of other kinds, or outside the class folders, are left out.")
    copies = len(images) - len(Counter(hashlib.sha256(image).digest() for image in images))
    if copies:
        notes.append(f"There are copies: without them {_count(len(images) - copies, 'image')} of {len(images)} remain.")
    return tuple(notes)


def _size(image: npt.NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _some(items: list[str]) -> str:
    return ", ".join(items[:NAMED]) + (f" and {len(items) - NAMED} more" if len(items) > NAMED else "")
