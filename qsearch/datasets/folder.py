"""``folder:PATH``: a folder of class folders.

Classes are the folders, sorted by name; images lie anywhere below them. Hidden files, and files whose suffix is none
that Pillow reads, are left out. Symbolic links are followed.
"""

from pathlib import Path

from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.files import Listing, existing_folder, image_suffixes, load_files, walk
from qsearch.errors import InputError


def load(argument: str, options: DatasetOptions) -> Dataset:
    """folder:PATH, images in a folder for each class.

    They are prepared at ``options.size`` or, without it, as they are. InputError where there are not two classes of
    images, and as :func:`qsearch.datasets.files.load_files` does.
    """
    return load_files("folder", argument, list_class_folders(existing_folder("folder", argument)), options)


def list_class_folders(root: Path) -> Listing:
    """The image files below each folder in ``root``, labelled by it. InputError where there are none."""
    suffixes = image_suffixes()
    try:
        entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{root} cannot be listed ({error.strerror}): give read permission.") from error
    classes = [path for path in entries if path.is_dir()]
    loose = [path for path in entries if path.is_file()]
    found = [(path, label) for label, folder in enumerate(classes) for path in walk(folder)]
    files = tuple(
        (path.relative_to(root).as_posix(), label) for path, label in found if path.suffix.lower() in suffixes
    )
    if not files and any(path.suffix.lower() in suffixes for path in loose):
        raise InputError(
            f"{root} holds images but no class folders: sort them into a folder for each class, or use them without "
            "labels as images:PATH."
        )
    if not files:
        raise InputError(f"{root} holds no images: give a folder of class folders of images.")
    ignored = len(loose) + len(found) - len(files)
    return Listing(root, tuple(folder.name for folder in classes), files, ignored)
