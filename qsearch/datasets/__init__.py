"""Images, labelled or not, found by name: ``name`` or ``name:argument``."""

from collections import Counter

from qsearch.datasets.base import Dataset, DatasetLoader, DatasetOptions
from qsearch.errors import InputError
from qsearch.registry import Registry, split_spec

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


def load_dataset(spec: str, options: DatasetOptions | None = None) -> Dataset:
    """The dataset ``spec`` names (``textures:search``, ``folder:PATH``). InputError where it cannot be had."""
    name, argument = split_spec(spec)
    options = options or DatasetOptions()
    dataset = DATASETS.get(name)(argument, options)
    most = max(Counter(dataset.labels.tolist()).values())
    if options.per_class is not None and most > options.per_class:
        raise InputError(f"{name} draws no images of a class, and {spec} has {most} of one: leave --per-class out.")
    return dataset
