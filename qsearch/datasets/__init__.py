"""Labelled images, found by name: ``name`` or ``name:argument``."""

from qsearch.datasets.base import Dataset, DatasetLoader, DatasetOptions
from qsearch.registry import Registry, split_spec

DATASETS: Registry[DatasetLoader] = Registry(
    "datasets",
    {
        "textures": "qsearch.datasets.textures:load",
        "folder": "qsearch.datasets.folder:load",
        "imagenetv2": "qsearch.datasets.imagenetv2.dataset:load",
    },
)


def load_dataset(spec: str, options: DatasetOptions | None = None) -> Dataset:
    """The dataset ``spec`` names (``textures:search``, ``folder:PATH``). InputError where it cannot be had."""
    name, argument = split_spec(spec)
    return DATASETS.get(name)(argument, options or DatasetOptions())
