"""The embedded classifier: a small convolutional network for the textures, with weights in this package."""

from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import NetworkInput, TorchNetwork, file_digest
from qsearch.datasets.textures import CLASS_NAMES
from qsearch.errors import InputError

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(str(resources.files("qsearch.classifiers"))) / "textures_cnn.npz"


def load(argument: str, options: ClassifierOptions) -> InferenceClassifier:
    """textures-cnn, the embedded network for the textures.

    Its weights are those of this package, or what the training script wrote. InputError for an argument, which it does
    not take, and for a file that does not hold weights of this network.
    """
    if argument:
        raise InputError(f"textures-cnn takes nothing after a colon, got {argument!r}: leave it out.")
    options.refuse("textures-cnn", "mean", "std", "input_range", "class_names")
    path = Path(options.weights) if options.weights else WEIGHTS
    weights = read_weights(path)
    if options.weights:
        trained_network(weights)  # refuses weights that do not fit now, and not in the middle of a run
    network = TorchNetwork(
        "textures-cnn", file_digest(path), len(CLASS_NAMES), NetworkInput(None, None), partial(trained_network, weights)
    )
    return InferenceClassifier(network, options, CLASS_NAMES)


def build_network() -> "nn.Sequential":
    """The network without its weights: float32 [N, 3, H, W] RGB in 0..1 to logits [N, 12].

    The first layers are dense, because the evidence is in detail of a few pixels; the later ones are depthwise
    separable.
    """
    from torch import nn

    def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        return [layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    def separable(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        return [depthwise, nn.BatchNorm2d(inputs), *convolution(inputs, outputs, 1)]

    return nn.Sequential(
        nn.BatchNorm2d(3, affine=False),  # the normalisation of the input
        *convolution(3, 16, 5, 2),
        *convolution(16, 32, 3, 2),
        *convolution(32, 40, 3),
        *convolution(40, 48, 3, 2),
        *separable(48, 96),
        *separable(96, 128, 2),
        *separable(128, 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, len(CLASS_NAMES)),
    )


Weights = dict[str, npt.NDArray[np.float16]]


def write_weights(path: Path, network: "nn.Module") -> None:
    """Keeps the weights of ``network``, rounded to float16, as arrays in a ``.npz`` file; no pickle."""
    state = network.state_dict()
    weights = {name: tensor.numpy().astype(np.float16) for name, tensor in state.items() if tensor.is_floating_point()}
    np.savez_compressed(path, **weights)


def read_weights(path: Path) -> Weights:
    """Arrays by name. InputError where the file is missing or is something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"there is no weights file {path}: train one, or leave --weights out.") from error
    except (OSError, ValueError, EOFError, AttributeError, TypeError, BadZipFile) as error:
        raise InputError(f"{path} is not a .npz file of weights, as the training of textures-cnn writes it.") from error


def trained_network(weights: Weights) -> "nn.Sequential":
    """The network with ``weights``, in eval mode. InputError where they are of another network."""
    import torch

    network = build_network()
    expected = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    if {name: tuple(tensor.shape) for name, tensor in expected.items()} != {
        name: array.shape for name, array in weights.items()
    }:
        raise InputError("the weights are of another network than textures-cnn: train them anew.")
    state = {name: torch.from_numpy(array.astype(np.float32)) for name, array in weights.items()}
    network.load_state_dict(state, strict=False)  # what is missing are the counters of the batch normalisations
    return network.eval()
