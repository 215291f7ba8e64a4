"""A table for every image: models that look at its pixels, found by name."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

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
    },
)
"""What makes a model of the words behind its name, and of options with defaults."""


def load_model(spec: str, options: Mapping[str, Any] | None = None) -> TableModel:
    """The model that a user calls ``spec``, NAME:FILE.

    InputError where there is none, where the file is not what it needs, and for an option that it does not have.
    """
    name, argument = split_spec(spec)
    make = MODELS.get(name)
    given = dict(options or {})
    check_options(f"model {name}", given, options_of(make, given=tuple(inspect.signature(make).parameters)[:1]))
    with failures_explained(f"the model {name}"):
        model: Any = make(argument, **given)
    if not isinstance(model, TableModel):
        raise InputError(f"{name} is no table model: a qsearch.quantizer.TableModel was expected.")
    return model
