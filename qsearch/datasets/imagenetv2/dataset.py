"""``imagenetv2:PATH``: a rebuilt ImageNetV2, checked against its manifest."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.cache import PreparedImages, cached_pixels, stored_builder
from qsearch.datasets.files import notes_on_stored
from qsearch.datasets.identity import SourceIdentity, identity_of
from qsearch.datasets.imagenetv2.manifest import MANIFEST_FILE, Entry, read_manifest, read_settings
from qsearch.datasets.pixels import PreparedImage, open_image, prepared_image
from qsearch.errors import InputError


def load(argument: str, options: DatasetOptions) -> Dataset:
    """imagenetv2:PATH, ImageNetV2 rebuilt by 'qsearch dataset build imagenetv2'.

    Classes go by WordNet id. Images are named by candidate id and are as they were prepared, 224x224. InputError where
    the folder holds no finished build, where files are missing or changed, where another size is asked for, and where
    images are to be compressed as stored and the build kept no photographs.
    """
    folder = Path(argument).expanduser().absolute()
    if not argument:
        raise InputError(
            "imagenetv2 alone does not say where its images lie: give the folder of the build as imagenetv2:PATH."
        )
    size = read_settings(folder).size
    if options.size not in (None, size):
        raise InputError(f"{argument} was prepared at {size} pixels, got --size {options.size}: leave --size out.")
    entries = read_manifest(folder)
    _check_files(folder, entries)
    manifest_sha256 = hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()
    as_stored = options.encode_size == "as-stored"
    key = f"imagenetv2-{manifest_sha256[:32]}{'-as-stored' if as_stored else ''}"
    prepared = cached_pixels(key, lambda: _prepare(folder, entries, size, as_stored=as_stored))
    originals = [str(folder / entry.original) for entry in entries if entry.original is not None]
    sources = tuple(originals) if len(originals) == len(entries) else ()
    return replace(prepared.named(f"imagenetv2:{argument}"), sources=sources)


def _check_files(folder: Path, entries: Sequence[Entry]) -> None:
    lost = [entry.prepared for entry in entries if not entry.is_prepared(folder)]
    if lost:
        raise InputError(
            f"{len(lost)} of the {len(entries)} images in the manifest of {folder} are missing or changed "
            f"({', '.join(lost[:3])}): give the build command again, which restores them."
        )


def _prepare(folder: Path, entries: Sequence[Entry], size: int, *, as_stored: bool) -> PreparedImages:
    wnids = sorted({entry.wnid for entry in entries})
    labels = np.array([wnids.index(entry.wnid) for entry in entries], dtype=np.int64)
    images = np.empty((len(entries), size, size, 3), dtype=np.uint8)
    source_identities = []
    builder, compressed = stored_builder(size, "crop") if as_stored else None, 0
    for image, entry in zip(images, entries, strict=True):
        path = folder / entry.prepared
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry.prepared_sha256:
            raise InputError(f"{path} is not the file in the manifest: remove it and give the build command again.")
        with open_image(path) as prepared:
            image[...] = np.asarray(prepared)
        source_identities.append(_source_identity(folder, entry, image))
        if builder is not None:
            photograph = _photograph(folder, entry, image, size)
            assert photograph.stored is not None  # it was asked for
            builder.add(photograph.stored)
            compressed += photograph.compressed
    names = tuple(entry.candidate for entry in entries)
    stored = None if builder is None else builder.built()
    return PreparedImages(
        images,
        labels,
        tuple(wnids),
        names,
        (*_notes(entries), *(() if stored is None else notes_on_stored(stored, compressed))),
        source_identities=tuple(source_identities),
        stored=stored,
    )


def _photograph(folder: Path, entry: Entry, image: npt.NDArray[np.uint8], size: int) -> PreparedImage:
    """The photograph that ``image`` was prepared of, with its pixels as stored."""
    if entry.original is None:
        raise InputError(f"{folder} was built without its photographs: leave --encode-size as-stored out.")
    found = prepared_image(folder / entry.original, size, "crop", as_stored=True)
    if isinstance(found, str):
        raise InputError(f"{folder / entry.original} cannot be used ({found}): give the build command again.")
    if not np.array_equal(found.pixels, image):
        raise InputError(
            f"{folder / entry.original} does not give the image that was prepared of it any more, with this Pillow: "
            "build the dataset again, or leave --encode-size as-stored out."
        )
    return found


def _source_identity(folder: Path, entry: Entry, image: npt.NDArray[np.uint8]) -> SourceIdentity:
    """Of the photograph where the build kept it, else of the image that was prepared of it."""
    original = "not kept" if entry.original is None else prepared_image(folder / entry.original, None, "crop")
    return identity_of(image, entry.prepared_sha256) if isinstance(original, str) else original.identity


def _notes(entries: Sequence[Entry]) -> tuple[str, ...]:
    public = sum(entry.origin == "public" for entry in entries)
    return (
        f"{len(entries) - public} of {len(entries)} images are made from the original photographs, {public} from the "
        f"public copies of at most 500 pixels.",
    )
