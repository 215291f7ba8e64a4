"""Images, labelled or not, found by name: ``name`` or ``name:argument``."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from qsearch.datasets.base import Dataset, DatasetLoader, DatasetOptions
from qsearch.errors import InputError
from qsearch.registry import Registry, check_options, failures_explained, options_of, split_spec

DATASETS: Registry[DatasetLoader] = Registry(
    "datasets",
    {
        "textures": "qsearch.datasets.textures:load",
        "folder": "qsearch.datasets.folder:load",
        "imagenet": "qsearch.datasets.imagenet:load",
        "imagenetv2": "qsearch.datasets.imagenetv2.dataset:load",
        "images": "qsearch.datasets.images:load",
        "kodak": "qsearch.datasets.images:load_kodak",
    },
)


def load_dataset(
    spec: str, options: DatasetOptions | None = None, own: Mapping[str, Any] = MappingProxyType({})
) -> Dataset:
    """The dataset ``spec`` names (``textures:search``, ``folder:PATH``); ``own`` are options of this dataset alone.

    InputError where it cannot be had, or has no such option.
    """
    name, argument = split_spec(spec)
    options = options or DatasetOptions()
    loader = DATASETS.get(name)
    check_options(f"dataset {name}", own, options_of(loader, given=("argument", "options")))
    with failures_explained(f"the dataset {spec}"):
        dataset = loader(argument, options, **own)
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"{spec} is no dataset: its loader returns {type(dataset).__name__}, and a "
            "qsearch.datasets.base.Dataset was expected."
        )
    only_prepared = options.size is not None and dataset.stored is None and dataset.source_identities
    if options.encode_size == "as-stored" and only_prepared:
        raise InputError(f"{name} has images only as they were prepared: leave --encode-size as-stored out.")
    most = max(Counter(dataset.labels.tolist()).values())
    if options.per_class is not None and most > options.per_class:
        raise InputError(f"{name} draws no images of a class, and {spec} has {most} of one: leave --per-class out.")
    return dataset
