"""Dataset: labelled images in memory or on disk, and what a dataset loader is given."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.datasets.identity import SourceIdentity, identity_of, pixel_digest
from qsearch.datasets.mapped import arrived, to_travel
from qsearch.datasets.stored import StoredImages
from qsearch.errors import InputError
from qsearch.text import check_utf8

UNLABELLED = "unlabelled"

Fit = Literal["crop", "stretch"]
EncodeSize = Literal["prepared", "as-stored"]
"""Which images are compressed: those that networks are shown, or those of the files, to be brought to these later."""
Truth = Literal["labels", "predicted", "unknown"]
"""What a classifier's answers are compared with: the labels; its own answer on the uncompressed image; nothing."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """N images, labelled or not.

    name: as the user asked for it (``textures:search``, ``folder:photos``).
    images: uint8 [N, H, W, 3] RGB, as networks are shown them uncompressed; a memory map is shared between processes,
        not copied.
    stored: what is compressed where that is not ``images``: they are what networks are shown of these.
    labels: int64 [N], indices into class_names; of images without labels all 0, the one class UNLABELLED.
    image_names: one name per image, unique, for reports.
    digest: SHA-256 of pixels, labels and class names (:func:`digest_of`), stored ones included.
    notes: what the user should know of how it was made, one sentence each (files skipped, ...).
    truth: what the classifiers' answers are compared with.
    sources: the paths of the files that the images were made from, one each, or empty where that is not known.
    source_identities: what they were made from is known again by, one each; empty where they were made from nothing
        else, and are their own sources.
    """

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()
    truth: Truth = "labels"
    sources: tuple[str, ...] = ()
    source_identities: tuple[SourceIdentity, ...] = ()
    stored: StoredImages | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8 or not self.images.size:
            raise InputError(
                f"dataset {self.name}: images are uint8 [N, H, W, 3], N >= 1, "
                f"got {self.images.dtype} {list(self.images.shape)}."
            )
        if self.labels.shape != (len(self.images),) or len(self.image_names) != len(self.images):
            raise InputError(
                f"dataset {self.name}: {len(self.images)} images come with as many labels and names, "
                f"got {len(self.labels)} and {len(self.image_names)}."
            )
        if len(self.source_identities) not in (0, len(self.images)):
            raise InputError(
                f"dataset {self.name}: {len(self.images)} images come with as many source identities or none, "
                f"got {len(self.source_identities)}."
            )
        if self.stored is not None and len(self.stored) != len(self.images):
            raise InputError(
                f"dataset {self.name}: {len(self.images)} images are shown of as many stored ones, got "
                f"{len(self.stored)}."
            )
        if self.labels.min() < 0 or self.labels.max() >= len(self.class_names):
            raise InputError(
                f"dataset {self.name}: labels go from 0 to {len(self.class_names) - 1}, "
                f"got {self.labels.min()}..{self.labels.max()}."
            )
        for what, names in (("class", self.class_names), ("image", self.image_names)):
            for name in names:
                check_utf8(name, f"dataset {self.name}: the {what}")

    @classmethod
    def from_arrays(
        cls,
        images: npt.NDArray[np.uint8],
        labels: npt.ArrayLike,
        class_names: tuple[str, ...] | None = None,
        name: str = "arrays",
    ) -> "Dataset":
        """A dataset of arrays the caller has: images uint8 [N, H, W, 3], labels [N] from 0."""
        label_array = np.asarray(labels, dtype=np.int64)
        if class_names is None:
            class_names = tuple(str(label) for label in range(int(label_array.max(initial=0)) + 1))
        names = tuple(f"{index:06d}" for index in range(len(images)))
        return cls(name, images, label_array, class_names, names, digest_of(images, label_array, class_names))

    def __len__(self) -> int:
        return len(self.images)

    def compressed(self, index: int) -> npt.NDArray[np.uint8]:
        """What is compressed of image ``index``, alone: uint8 [1, H, W, 3]."""
        return self.images[index : index + 1] if self.stored is None else self.stored.one(index)

    def shown(self, decoded: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """What networks are shown of one image uint8 [H, W, 3] that was compressed, or is to be."""
        return decoded if self.stored is None else self.stored.view(decoded)

    @property
    def compressed_size(self) -> str:
        """In words, how large the images are that are compressed."""
        return f"{self.width}x{self.height}" if self.stored is None else f"as stored ({self.stored.extent})"

    @property
    def pixels(self) -> int:
        """Height * width of one image that is compressed; 0 where not all have as many."""
        return self.height * self.width if self.stored is None else self.stored.pixels_of_each

    @property
    def height(self) -> int:
        """Pixels of what networks are shown."""
        return int(self.images.shape[1])

    @property
    def width(self) -> int:
        """Pixels of what networks are shown."""
        return int(self.images.shape[2])

    def __reduce__(self) -> tuple[Any, ...]:
        rest = (self.labels, self.class_names, self.image_names, self.digest, self.notes, self.truth)
        # Without the sources' paths, which no worker needs.
        return (_unpickle, (self.name, to_travel(self.images), (*rest, (), self.source_identities, self.stored)))


def _unpickle(name: str, images: Any, rest: tuple[Any, ...]) -> Dataset:
    return Dataset(name, arrived(images), *rest)


@dataclass(frozen=True)
class ImageIdentity:
    """What tells an image from others: its name, its class, and SHA-256 (hexadecimal) of shape and pixels.

    The others are those of :class:`~qsearch.datasets.identity.SourceIdentity`; empty where an older version did not
    write them down.
    """

    name: str
    class_name: str
    digest: str
    file_digest: str = ""
    source_digest: str = ""
    perceptual_hash: str = ""


def identities(dataset: Dataset) -> list[ImageIdentity]:
    """The identity of each image of ``dataset``, in its order."""
    sources = dataset.source_identities or [identity_of(image) for image in dataset.images]
    return [
        ImageIdentity(name, dataset.class_names[label], pixel_digest(image), *source)
        for name, label, image, source in zip(dataset.image_names, dataset.labels, dataset.images, sources, strict=True)
    ]


def check_prepared(dataset: Dataset, what: str) -> None:
    """InputError where other images are compressed than networks are shown, which ``what`` is not made for."""
    if dataset.stored is not None:
        raise InputError(
            f"{what} compresses the images that networks are shown, and those of {dataset.name} are compressed as "
            "stored: leave --encode-size as-stored out, or give images of their own with --dataset."
        )


def digest_of(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
    stored: StoredImages | None = None,
) -> str:
    """SHA-256 (hexadecimal) of pixels, shape, labels and class names; names of files do not count."""
    state = hashlib.sha256(b"qsearch.Dataset.1")
    state.update(repr((images.shape, class_names)).encode())
    state.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
    for image in images:
        state.update(np.ascontiguousarray(image).tobytes())
    return state.hexdigest() if stored is None else stored.digest_with(state.hexdigest())


class DatasetOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How images become a dataset; what a loader does not use, it ignores. Settings and command line read it here."""

    size: Annotated[
        int | None,
        msgspec.Meta(description="Prepare images as squares of so many pixels.", extra={"default": "as they are"}),
    ] = None
    fit: Annotated[
        Fit, msgspec.Meta(description="Shorter side to 256/224 of the size and centre crop (Li 2020), or all of it.")
    ] = "crop"
    encode_size: Annotated[
        EncodeSize,
        msgspec.Meta(
            description="Compress images as networks are shown them, or as large as their files, and bring to --size "
            "and --fit what comes out; JPEG files are then compressed a second time."
        ),
    ] = "prepared"
    skip_unreadable: Annotated[bool, msgspec.Meta(description="Leave out files that cannot be read.")] = False
    per_class: Annotated[
        int | None,
        msgspec.Meta(
            description="Draw so many images of each class, always the same ones.", extra={"default": "all of them"}
        ),
    ] = None


class DatasetLoader(Protocol):
    """What is registered under a dataset's name; ``argument`` is what follows the colon in ``name:argument``.

    Options of its own are keyword-only parameters with defaults; users set them with ``--dataset-option NAME=VALUE``.
    """

    def __call__(self, argument: str, options: DatasetOptions) -> Dataset: ...
