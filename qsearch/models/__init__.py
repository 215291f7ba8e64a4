"""A table for every image: models that look at its pixels, found by name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsearch.datasets.base import ImageIdentity
from qsearch.errors import InputError
from qsearch.quantizer import TableModel
from qsearch.registry import Registry, check_options, failures_explained, options_of, split_spec

MODELS: Registry[Callable[..., TableModel]] = Registry(
    "models",
    {
        "constant": "qsearch.models.ladders:Constant.load",
        "per-image-quality": "qsearch.models.quality:PerImageQuality.load",
        "per-image-descent": "qsearch.models.descent:PerImageDescent.load",
        "ladder-choice": "qsearch.models.choice:LadderChoice.load",
        "taqn": "qsearch.models.network:NetworkModel.load",
    },
)
"""What makes a model of the words behind its name, and of options with defaults."""
NETWORK = "taqn"


def load_model(spec: str, options: Mapping[str, Any] | None = None) -> TableModel:
    """The model that a user calls ``spec``: NAME:FILE, or the FILE of a network.

    InputError where there is none, where the file is not what it needs, and for an option that it does not have.
    """
    path = Path(spec)
    name, argument = (NETWORK, spec) if path.is_file() else split_spec(spec)
    make = MODELS.get(name)
    given = dict(options or {})
    check_options(f"model {name}", given, options_of(make, given=tuple(inspect.signature(make).parameters)[:1]))
    with failures_explained(f"the model {name}"):
        model: Any = make(argument, **given)
    if not isinstance(model, TableModel):
        raise InputError(f"{name} is no table model: a qsearch.quantizer.TableModel was expected.")
    return model


def images_of(model: TableModel) -> Sequence[ImageIdentity]:
    """What the images that ``model`` was made from are known again by, where it has an attribute ``images`` of them."""
    found: Sequence[ImageIdentity] = getattr(model, "images", ())
    return found
