"""``imagenet:PATH``: the ILSVRC2012 validation set, in class folders or flat with a list of its classes."""

from pathlib import Path

from qsearch.datasets.base import Dataset, DatasetOptions
from qsearch.datasets.files import Listing, existing_folder, image_suffixes, load_files
from qsearch.datasets.folder import list_class_folders
from qsearch.datasets.imagenet_classes import LISTS, META, WNID, find_truth, wnids_of
from qsearch.errors import InputError


def load(argument: str, options: DatasetOptions) -> Dataset:
    """imagenet:PATH, the ILSVRC2012 validation set in any of its usual shapes.

    The images are those of the folder, or of its folder ``val``; classes are WordNet ids (``n01440764``), sorted. They
    lie in class folders named by WordNet id, or side by side as ``ILSVRC2012_val_00000001.JPEG`` and so on; then a list
    that tells their classes lies beside them or one folder up, see :mod:`qsearch.datasets.imagenet_classes`. All shapes
    give the same dataset. InputError where a folder is neither, where list and images do not fit, and as
    :func:`qsearch.datasets.files.load_files` does.
    """
    root = existing_folder("imagenet", argument)
    if (root / "val").is_dir():
        root /= "val"
    return load_files("imagenet", argument, _list(root), options)


def _list(root: Path) -> Listing:
    try:
        entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{root} cannot be listed ({error.strerror}): give read permission.") from error
    folders = [path.name for path in entries if path.is_dir()]
    if not any(map(WNID.fullmatch, folders)):
        return _list_flat(root, [path.name for path in entries if path.is_file()])
    strange = [name for name in folders if not WNID.fullmatch(name)]
    if strange:
        raise InputError(
            f"{root} holds the folder {strange[0]}, which is no WordNet id such as n01440764: take it out, or use "
            "folder:PATH."
        )
    return list_class_folders(root)


def _list_flat(root: Path, files: list[str]) -> Listing:
    suffixes = image_suffixes()
    images = [name for name in files if Path(name).suffix.lower() in suffixes]
    if not images:
        raise InputError(f"{root} holds no images: give the folder of the ILSVRC2012 validation images.")
    wnids = wnids_of(images, find_truth(root), root)
    class_names = tuple(sorted(set(wnids.values())))
    places = {wnid: place for place, wnid in enumerate(class_names)}
    labelled = sorted((places[wnid], name) for name, wnid in wnids.items())
    ignored = len(set(files) - set(images) - {*LISTS, META})
    return Listing(root, class_names, tuple((name, label) for label, name in labelled), ignored)
