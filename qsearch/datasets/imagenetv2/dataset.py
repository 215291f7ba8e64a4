"""``imagenetv2:PATH``: a rebuilt ImageNetV2, checked against its manifest."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.cache import PreparedImages, cached_pixels
from qsearch.datasets.identity import SourceIdentity, identity_of
from qsearch.datasets.imagenetv2.manifest import MANIFEST_FILE, Entry, read_manifest, read_settings
from qsearch.datasets.pixels import open_image, prepared_image
from qsearch.errors import InputError


def load(argument: str, options: DatasetOptions) -> Dataset:
    """imagenetv2:PATH, ImageNetV2 rebuilt by 'qsearch dataset build imagenetv2'.

    Classes go by WordNet id. Images are named by candidate id and are as they were prepared, 224x224. InputError where
    the folder holds no finished build, where files are missing or changed, and where another size is asked for.
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
    prepared = cached_pixels(f"imagenetv2-{manifest_sha256[:32]}", lambda: _prepare(folder, entries, size))
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


def _prepare(folder: Path, entries: Sequence[Entry], size: int) -> PreparedImages:
    wnids = sorted({entry.wnid for entry in entries})
    labels = np.array([wnids.index(entry.wnid) for entry in entries], dtype=np.int64)
    images = np.empty((len(entries), size, size, 3), dtype=np.uint8)
    source_identities = []
    for image, entry in zip(images, entries, strict=True):
        path = folder / entry.prepared
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry.prepared_sha256:
            raise InputError(f"{path} is not the file in the manifest: remove it and give the build command again.")
        with open_image(path) as prepared:
            image[...] = np.asarray(prepared)
        source_identities.append(_source_identity(folder, entry, image))
    names = tuple(entry.candidate for entry in entries)
    return PreparedImages(
        images, labels, tuple(wnids), names, _notes(entries), source_identities=tuple(source_identities)
    )


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
