"""The coefficients of a dataset on disk: made once, then opened as a memory map by every process."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import FORMAT, Coefficients, block_count, check_images, chunks_of
from qsearch.coefficients.stored import StoredCoefficients, blocks_of
from qsearch.datasets.cache import CACHE_ADVICE, UNREADABLE, cache_folder, file_stamp
from qsearch.datasets.stored import StoredImages
from qsearch.disk import replacing, writing
from qsearch.errors import InputError

WHAT = "DCT coefficients"


def cached_coefficients(images: npt.NDArray[np.uint8], digest: str, subsampling: str) -> Coefficients:
    """The coefficients of ``images`` uint8 [N, H, W, 3] as a read-only memory map, 128 bytes a block.

    ``digest`` stands for the images, as :func:`~qsearch.datasets.base.digest_of` makes it. They are made where the
    cache lacks them; of several processes that ask at once one makes them and the others wait. A damaged entry is made
    again. InputError where the cache cannot be written.
    """
    check_images(images)
    height, width = images.shape[1:3]
    shape = (len(images), block_count(height, width, subsampling), 64)
    identity = hashlib.sha256(repr((FORMAT, digest, subsampling, images.shape)).encode()).hexdigest()
    values = _cached(identity, shape, (part for _, part in chunks_of(images, subsampling)))
    return Coefficients(values, height, width, subsampling)


def cached_stored_coefficients(images: StoredImages, subsampling: str) -> StoredCoefficients:
    """As :func:`cached_coefficients`, of images of sizes of their own."""
    blocks = blocks_of(images.sizes, subsampling)
    shape = (1, int(blocks.sum()), 64)
    identity = hashlib.sha256(repr((FORMAT, images.digest, subsampling, "stored")).encode()).hexdigest()
    parts = (Coefficients.of(images.one(index), subsampling) for index in range(len(images)))
    return StoredCoefficients(_cached(identity, shape, parts)[0], images.sizes, blocks, subsampling)


def _cached(identity: str, shape: tuple[int, int, int], parts: Iterator[Coefficients]) -> npt.NDArray[np.int16]:
    """The values of the entry ``identity``, which ``parts`` have one after the other where it is to be made."""
    from filelock import FileLock

    entry = _Entry(cache_folder() / "coefficients", identity, shape)
    values = entry.read()
    if values is None:
        with writing(entry.folder, CACHE_ADVICE):
            entry.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(entry.folder / f"{identity}.lock"):
                values = entry.read()
                if values is None:
                    entry.write(parts)
                    values = entry.read()
    if values is None:
        raise InputError(
            f"{WHAT} were written to the cache folder {entry.folder} but do not read back as they were: "
            f"check that disk, or set QSEARCH_CACHE to another folder."
        )
    return values


@dataclass(frozen=True)
class _Entry:
    """Two files: the values as ``.npy`` and their SHA-256 as ``.json``, which is written last and vouches for them."""

    folder: Path
    identity: str
    shape: tuple[int, int, int]

    @property
    def array(self) -> Path:
        return self.folder / f"{self.identity}.npy"

    @property
    def description(self) -> Path:
        return self.folder / f"{self.identity}.json"

    def read(self) -> npt.NDArray[np.int16] | None:
        """The values, or None where there are none or they are damaged."""
        try:
            description = json.loads(self.description.read_text(encoding="utf-8"))
            values = np.lib.format.open_memmap(self.array, mode="r")
            if values.dtype != np.dtype("<i2") or values.shape != self.shape or np.isfortran(values):
                return None
            # As for the pixels: a file that nobody wrote to since is not read through at every start.
            if description["stamp"] == file_stamp(self.array) or description["digest"] == _digest(values):
                return values
        except UNREADABLE:
            pass
        return None

    def write(self, parts: Iterator[Coefficients]) -> None:
        state = hashlib.sha256()
        with replacing(self.array, CACHE_ADVICE) as file:
            header = {"descr": "<i2", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for part in parts:
                data = part.values.astype("<i2", copy=False).data
                file.write(data)
                state.update(data)
        with replacing(self.description, CACHE_ADVICE) as file:
            file.write(json.dumps({"digest": state.hexdigest(), "stamp": file_stamp(self.array)}).encode())


def _digest(values: npt.NDArray[np.int16]) -> str:
    state = hashlib.sha256()
    for image in values:
        state.update(image.data)
    return state.hexdigest()
