"""``timm:NAME``: timm's networks with their pretrained weights or those of a file (extra ``timm``).

A name may carry the tag of a weight set (``resnet50.a1_in1k``); each brings its own resize, crop and normalisation.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import class_names_of
from qsearch.classifiers.network import NetworkInput, TorchNetwork, file_digest, normalised
from qsearch.classifiers.openvino_models import last_line
from qsearch.errors import InputError, MissingDependencyError
from qsearch.registry import nearest_names

if TYPE_CHECKING:
    import torch

HUB_FILE = "model.safetensors"
"""What timm calls the weights in the folders of its hub, unless a weight set says otherwise."""


def load(argument: str, options: ClassifierOptions) -> Classifier:
    """timm:NAME, a network with its published weights or a file of them; needs the extra timm.

    ``options.weights`` is a file of weights, or None for the published ones. MissingDependencyError without timm.
    InputError where there is no such network, where weights can neither be found nor downloaded, and where a file does
    not hold weights of this network.
    """
    name = f"timm:{argument}"
    options.refuse(name, "mean", "std", "input_range")
    timm = import_timm()
    config = _pretrained_config(timm, argument)
    file = _downloaded(argument, config) if options.weights is None else _local(name, options.weights)
    module: Any = _network(argument, file)
    preprocessing = timm.data.resolve_data_config({}, model=module)
    mean, std = tuple(preprocessing["mean"]), tuple(preprocessing["std"])
    classes = int(module.num_classes)
    network = TorchNetwork(
        name,
        file_digest(file),
        classes,
        _network_input(name, preprocessing),
        partial(build, argument, file, mean, std),
        file,
    )
    names, of_names = class_names_of(name, classes, options.class_names)
    details = {
        **of_names,
        "weights": file.name,
        "mean": " ".join(map(str, mean)),
        "std": " ".join(map(str, std)),
        "timm_version": version("timm"),
    }
    return InferenceClassifier(network, options, names, details)


def build(name: str, file: Path, mean: tuple[float, ...], std: tuple[float, ...]) -> "torch.nn.Module":
    """The network ``name`` with weights from ``file``, behind its normalisation."""
    return normalised(_network(name, file), mean, std)


def import_timm() -> Any:
    """The ``timm`` module. MissingDependencyError where it is not installed."""
    try:
        import timm
        import timm.data
    except ModuleNotFoundError as error:
        raise MissingDependencyError("timm:NAME needs timm: pip install 'qsearch[timm]'.") from error
    return timm


def weight_sets() -> dict[str, tuple[str, ...]]:
    """The tags of the weight sets of every network that has some: ``NAME.TAG`` asks for one."""
    found: dict[str, list[str]] = {}
    for name in import_timm().list_pretrained():
        architecture, _, tag = name.partition(".")
        found.setdefault(architecture, []).append(tag)
    return {name: tuple(tags) for name, tags in found.items()}


def _pretrained_config(timm: Any, name: str) -> Any:
    """What timm knows of the weights of ``name``: where they are, how many classes they have."""
    architecture, _, tag = name.partition(".")
    weight_sets = timm.list_pretrained(f"{architecture}.*") if timm.is_model(architecture) else []
    if not timm.is_model(architecture) or (tag and name not in weight_sets):
        known = weight_sets or timm.list_models()
        raise InputError(f"unknown timm network {name!r}: {nearest_names(name, known)}")
    return timm.get_pretrained_cfg(name, allow_unregistered=False)


def _local(name: str, wanted: str) -> Path:
    file = Path(wanted).expanduser().absolute()
    if not file.is_file():
        raise InputError(f"{wanted!r} is no file: --weights of {name} takes a file, and a weight set goes by its name.")
    return file


def _downloaded(name: str, config: Any) -> Path:
    """The published weights where huggingface_hub keeps such files; downloaded where they are missing."""
    import huggingface_hub

    hub_id = getattr(config, "hf_hub_id", None)
    if not hub_id:
        raise InputError(f"timm publishes no weights of {name}: give a file of them with --weights.")
    file_name = config.hf_hub_filename or HUB_FILE
    cached = huggingface_hub.try_to_load_from_cache(hub_id, file_name)
    if isinstance(cached, str):
        return Path(cached)
    try:
        with _without_warnings(huggingface_hub.utils.logging):  # of each attempt, where the last one's error says it
            return Path(huggingface_hub.hf_hub_download(hub_id, file_name))
    except (OSError, huggingface_hub.errors.HfHubHTTPError) as error:
        raise InputError(
            f"the weights {hub_id}/{file_name} of {name} cannot be downloaded ({_first_sentence(error)}): get them "
            f"from https://huggingface.co/{hub_id} and give its path with --weights FILE."
        ) from error


@contextmanager
def _without_warnings(logging: Any) -> Iterator[None]:
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _first_sentence(error: Exception) -> str:
    return last_line(error).partition(". ")[0]


def _network(name: str, file: Path) -> "torch.nn.Module":
    """The network with the weights of ``file``, as many classes as they have, in eval mode."""
    import torch

    timm = import_timm()
    config = timm.get_pretrained_cfg(name)
    overlay: dict[str, Any] = {"file": str(file), "custom_load": False}
    options: dict[str, Any] = {}
    classes = _classes_of_another_task(config, file)
    if classes is not None:
        options["num_classes"] = overlay["num_classes"] = classes
    with torch.random.fork_rng(devices=[]):  # the weights it begins with are drawn at random, from the global stream
        try:
            network: torch.nn.Module = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay, **options
            )
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file.name} does not hold weights of timm:{name} ({last_line(error)}).") from error
    if int(getattr(network, "num_classes", 0)) < 2:
        raise InputError(f"timm:{name} gives features without a classifier: choose a weight set that has one.")
    return network.eval()


def _classes_of_another_task(config: Any, file: Path) -> int | None:
    """How many classes the weights of ``file`` have where they are not those of the published ones, else None."""
    from timm.models import load_state_dict

    try:
        state = load_state_dict(str(file), weights_only=True)  # what is read so once is harmless to read again
    except Exception as error:  # torch and safetensors raise whatever their readers stumbled over
        raise InputError(f"{file} holds no weights that timm can read ({last_line(error)}).") from error
    head = getattr(config, "classifier", None)
    last = state.get(f"{head}.weight") if isinstance(head, str) else None
    published = 0 if config is None else config.num_classes + (config.label_offset or 0)
    return None if last is None or len(last) == published else len(last)


def _network_input(name: str, preprocessing: dict[str, Any]) -> NetworkInput:
    """timm's own preprocessing. Where it does not crop the centre of squares, images have to come at its size."""
    channels, height, width = preprocessing["input_size"]
    if channels != 3:
        raise InputError(f"{name} takes images of {channels} channels: choose a network for RGB images.")
    cropped = preprocessing.get("crop_mode", "center") == "center" and height == width
    resize = math.floor(height / preprocessing["crop_pct"]) if cropped else None
    return NetworkInput(height, width, resize, preprocessing["interpolation"], enlarge=True)
