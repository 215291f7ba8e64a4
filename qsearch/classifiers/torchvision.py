"""``torchvision:NAME``: torchvision's ImageNet networks with any of their weight sets, or with weights of a file.

The weights are those of the paper (``IMAGENET1K_V1``; Li 2020) unless said otherwise, and each weight set brings its
own resize, crop and normalisation.
"""

import re
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import class_names_of
from qsearch.classifiers.network import NetworkInput, TorchNetwork, file_digest, normalised
from qsearch.classifiers.openvino_models import last_line
from qsearch.errors import InputError
from qsearch.registry import nearest_names

if TYPE_CHECKING:
    import torch

PAPER_WEIGHTS = "IMAGENET1K_V1"
AUXILIARY = re.compile(r"(aux\d|AuxLogits)\.")
"""Weights that only the training of GoogLeNet and Inception uses."""


def load(argument: str, options: ClassifierOptions) -> Classifier:
    """torchvision:NAME, an ImageNet network with one of its weight sets or a file of weights.

    ``options.weights`` is the name of a weight set, a file, or None. InputError where there is no such network or
    weight set, where weights can neither be found nor downloaded, and where a file does not hold weights of this
    network or is not what its name says.
    """
    options.refuse(f"torchvision:{argument}", "mean", "std", "input_range")
    weight_set, file = _weights(argument, options.weights)
    digest = _checked_digest(file)
    state = _state(file)
    takes, mean, std = preprocessing_of(weight_set)
    (crop,) = weight_set.transforms().crop_size
    _network(argument, state, crop, file.name)  # what does not fit is the user's to know now, not in a worker
    classes = _classes(state)
    network = TorchNetwork(
        f"torchvision:{argument}",
        digest,
        classes,
        takes,
        partial(build, argument, file, crop, mean, std),
        file,
    )
    names, of_names = class_names_of(network.name, classes, options.class_names)
    details = {
        **of_names,
        "weights": file.name,
        "mean": " ".join(map(str, mean)),
        "std": " ".join(map(str, std)),
        "torchvision_version": version("torchvision"),
    }
    return InferenceClassifier(network, options, names, details)


def build(name: str, file: Path, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> "torch.nn.Module":
    """The network ``name`` for images of ``size`` pixels, weights from ``file``, behind its normalisation."""
    return normalised(_network(name, _state(file), size, file.name), mean, std)


def weight_sets() -> dict[str, tuple[str, ...]]:
    """The names of the weight sets of every network, those that only give features left out."""
    from torchvision import models

    return {
        name: tuple(one.name for one in models.get_model_weights(name) if one.meta.get("categories"))
        for name in models.list_models(module=models)
    }


def preprocessing_of(weight_set: Any) -> tuple[NetworkInput, tuple[float, ...], tuple[float, ...]]:
    """What a network with this weight set takes, and mean and standard deviation of its channels."""
    transforms = weight_set.transforms()
    (crop,), (resize,) = transforms.crop_size, transforms.resize_size
    takes = NetworkInput(crop, crop, resize, transforms.interpolation.value, enlarge=True)
    return takes, tuple(transforms.mean), tuple(transforms.std)


def _weights(name: str, wanted: str | None) -> tuple[Any, Path]:
    """The weight set to use, for its preprocessing, and the file with the weights."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise InputError(f"unknown torchvision network {name!r}: {nearest_names(name, known)}")
    weight_sets = {weight_set.name: weight_set for weight_set in models.get_model_weights(name)}
    default = weight_sets.get(PAPER_WEIGHTS, next(iter(weight_sets.values())))
    if wanted is not None and wanted not in weight_sets:
        file = Path(wanted).expanduser().absolute()
        if not file.is_file():
            raise InputError(f"{wanted!r} is no weight set of {name} ({', '.join(weight_sets)}) and no file.")
        published = {_file_name(weight_set): weight_set for weight_set in weight_sets.values()}
        return published.get(file.name, default), file
    weight_set = weight_sets[wanted] if wanted else default
    if not weight_set.meta.get("categories"):
        raise InputError(f"the weight set {weight_set.name} of {name} holds features without a classifier.")
    return weight_set, _downloaded(name, weight_set)


def _file_name(weight_set: Any) -> str:
    return str(weight_set.url).rsplit("/", 1)[-1]


def _downloaded(name: str, weight_set: Any) -> Path:
    """The file of a weight set where torch keeps such files; downloaded where it is missing."""
    from torch import hub

    folder = Path(hub.get_dir()) / "checkpoints"
    file = folder / _file_name(weight_set)
    if file.is_file():
        return file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(
            weight_set.url, str(file), hash_prefix=_hash_in_name(file), progress=sys.stderr.isatty()
        )
    except (OSError, RuntimeError) as error:  # no network, a full disk; a file that is not what its name says
        raise InputError(
            f"the weights {file.name} of {name} cannot be downloaded ({last_line(error)}): put the file from "
            f"{weight_set.url} into {folder}, or give its path with --weights."
        ) from error
    return file


def _hash_in_name(file: Path) -> str | None:
    found = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", file.name)
    return found[1] if found else None


def _checked_digest(file: Path) -> str:
    digest = file_digest(file)
    expected = _hash_in_name(file)
    if expected is not None and not digest.startswith(expected):
        raise InputError(
            f"{file} is damaged or another file: its SHA-256 begins with {digest[: len(expected)]}, not as its name "
            f"says; download it again, or rename it if it is your own."
        )
    return digest


def _state(file: Path) -> Mapping[str, "torch.Tensor"]:
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its reader stumbled over
        raise InputError(f"{file} holds no weights that torch can read ({last_line(error)}).") from error
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{file} is not a state_dict of tensors: save it with torch.save(network.state_dict(), FILE).")
    # In place, for the dictionary also carries the version of each layer, which MNASNet needs.
    for key in [key for key in state if AUXILIARY.match(key)]:
        del state[key]
    return state


def _classes(state: Mapping[str, "torch.Tensor"]) -> int:
    """All of torchvision's networks end in their classifier, and so do their weights."""
    *_, last = state.values()
    return len(last)


def _network(name: str, state: Mapping[str, "torch.Tensor"], size: int, source: str) -> "torch.nn.Module":
    import torch
    from torchvision import models

    # As torchvision sets them for its own weights.
    extra: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        extra = {"aux_logits": False, "transform_input": True, "init_weights": False}
    elif name.startswith("vit_"):
        extra = {"image_size": size}
    with torch.random.fork_rng(devices=[]):  # the weights it begins with are drawn at random, from the global stream
        network: torch.nn.Module = models.get_model(name, weights=None, num_classes=_classes(state), **extra)
    try:
        network.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{source} does not hold weights of {name} ({last_line(error)}).") from error
    return network.eval()
