"""Networks in files: ``FILE.onnx`` (ONNX) and ``FILE.pt2`` (torch.export), from pixels to logits [N, classes].

Normalisation is inside the file unless the user gives it. Classes are taken for ImageNet's, in the usual order, where
there are 1000 of them and no names are given.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.labels import class_names_of
from qsearch.classifiers.network import BATCH, Network, NetworkInput, Normalisation, check_unchanged, file_digest
from qsearch.classifiers.onnx_weights import external_files
from qsearch.classifiers.openvino_models import converted, import_openvino, last_line
from qsearch.classifiers.pt2_archive import checked_copy
from qsearch.datasets.preparation import shorter_side
from qsearch.errors import InputError

if TYPE_CHECKING:
    import torch

PIXEL_TYPES = ("float32", "float16", "uint8")


class _Port(NamedTuple):
    """An input or output of a network; a dimension is None where it is free."""

    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"


def load_onnx(argument: str, options: ClassifierOptions) -> Classifier:
    """FILE.onnx, a network in ONNX; it runs on the CPU.

    InputError where the file is not a classifier.
    """
    path = _file(argument, options)
    if options.device.startswith("cuda"):
        raise InputError(f"{argument}: ONNX files run on the CPU only; for a GPU export the network as .pt2.")
    digest = _onnx_digest(path)  # first: it refuses weights that lie elsewhere
    model = _read_onnx(path)
    takes = _normalised(argument, _network_input(argument, [_onnx_port(port) for port in model.inputs]), options)
    batch = takes.batch
    if takes.height is not None and takes.width is not None:
        # What comes out is often known only once it is settled what goes in.
        batch = batch or BATCH["cpu"]
        _reshape(argument, model, takes.shape(batch, takes.height, takes.width))
    classes = _classes(argument, [_onnx_port(port) for port in model.outputs], batch)
    network = OnnxNetwork(argument, digest, classes, takes, path)
    names, details = class_names_of(argument, classes, options.class_names)
    return InferenceClassifier(network, msgspec.structs.replace(options, device="cpu"), names, details)


def load_pt2(argument: str, options: ClassifierOptions) -> Classifier:
    """FILE.pt2, a network saved by torch.export.

    InputError where the file is not a classifier.
    """
    path = _file(argument, options)
    program = _read_pt2(path, options.trust_pickle)
    signature = program.graph_signature
    takes = _normalised(argument, _network_input(argument, _pt2_ports(program, signature.user_inputs)), options)
    classes = _classes(argument, _pt2_ports(program, signature.user_outputs), takes.batch)
    network = Pt2Network(argument, file_digest(path), classes, takes, path, options.trust_pickle)
    return InferenceClassifier(network, options, *class_names_of(argument, classes, options.class_names))


@dataclass(frozen=True)
class OnnxNetwork(Network):
    """The network in an ONNX file, which OpenVINO reads as it is."""

    name: str
    digest: str
    classes: int
    input: NetworkInput
    path: Path
    in_torch: ClassVar[bool] = False

    def openvino_model(self, shape: tuple[int, ...]) -> Any:
        check_unchanged(self, _onnx_digest(self.path))
        model = _read_onnx(self.path)
        _reshape(self.name, model, shape)
        return model

    def torch_module(self, device: str) -> "torch.nn.Module":
        raise InputError(f"{self.name}: ONNX files run on the CPU only; for a GPU export the network as .pt2.")


@dataclass(frozen=True)
class Pt2Network(Network):
    """The network in a torch.export file. trusted: whether torch may act on what it says in loading it."""

    name: str
    digest: str
    classes: int
    input: NetworkInput
    path: Path
    trusted: bool = False
    libraries: ClassVar[tuple[str, ...]] = ("torch",)

    def openvino_model(self, shape: tuple[int, ...]) -> Any:
        return converted(self.name, self.digest, shape, self._program)

    def torch_module(self, device: str) -> "torch.nn.Module":
        from torch.export.passes import move_to_device_pass

        # Moving the module would leave behind what the program itself creates on the CPU.
        return move_to_device_pass(self._program(), device).module()

    def _program(self) -> Any:
        check_unchanged(self, file_digest(self.path))
        return _read_pt2(self.path, self.trusted)


def _file(argument: str, options: ClassifierOptions) -> Path:
    if options.weights is not None:
        raise InputError(f"{argument} holds its own weights: leave --weights out.")
    path = Path(argument).expanduser().absolute()
    if not path.is_file():
        raise InputError(f"the classifier {argument} is {'a folder' if path.is_dir() else 'missing'}: give a file.")
    return path


def _read_onnx(path: Path) -> Any:
    import_openvino()
    from openvino.frontend import FrontEndManager

    # Not Core.read_model: what is no ONNX it hands to the readers of all other formats, which write to stderr.
    front_end = FrontEndManager().load_by_framework("onnx")
    try:
        return front_end.convert(front_end.load(str(path)))
    except Exception as error:  # the front end's errors have no base class of their own
        raise InputError(f"{path.name} is not an ONNX network that OpenVINO can read ({last_line(error)}).") from error


def _onnx_digest(path: Path) -> str:
    """Of the file and of those beside it that it keeps weights in."""
    digests = [file_digest(file) for file in (path, *external_files(path))]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _onnx_port(port: Any) -> _Port:
    names = {"f32": "float32", "f16": "float16", "u8": "uint8"}
    element_type = port.get_element_type().get_type_name()
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(size.get_length() if size.is_static else None for size in shape)
    return _Port(sizes, names.get(element_type, element_type))


def _reshape(name: str, model: Any, shape: tuple[int, ...]) -> None:
    try:
        model.reshape(list(shape))
    except RuntimeError as error:
        raise InputError(f"{name} does not take images as {list(shape)} ({last_line(error)}).") from error


def _read_pt2(path: Path, trusted: bool) -> Any:
    import torch

    logger = logging.getLogger("torch.export")
    before = logger.disabled
    logger.disabled = True  # it would write pages to stderr about what it cannot read
    try:
        with path.open("rb") if trusted else checked_copy(path) as file:
            return torch.export.load(file)
    except InputError:
        raise
    except Exception as error:  # torch raises whatever its reader stumbled over
        raise InputError(f"torch {torch.__version__} cannot read {path.name} ({last_line(error)}).") from error
    finally:
        logger.disabled = before


def _pt2_ports(program: Any, names: Sequence[str]) -> list[_Port]:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    ports = []
    for name in names:
        value = values.get(name)
        sizes = tuple(size if type(size) is int else None for size in getattr(value, "shape", ()))
        ports.append(_Port(sizes, str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")))
    return ports


def _network_input(name: str, inputs: list[_Port]) -> NetworkInput:
    shape, dtype = inputs[0] if len(inputs) == 1 else ((), "")
    layout = _layout(shape)
    if layout is None or dtype not in PIXEL_TYPES:
        raise InputError(
            f"{name} takes {' and '.join(map(str, inputs)) or 'nothing'}: a classifier takes one batch of RGB images, "
            f"float32 or uint8, [N, 3, height, width] or [N, height, width, 3]."
        )
    height, width = shape[2:4] if layout == "NCHW" else shape[1:3]
    if height is None or width is None:
        return NetworkInput(None, None, batch=shape[0], layout=layout, dtype=dtype)
    resize = shorter_side(height) if height == width else None
    return NetworkInput(height, width, resize, batch=shape[0], layout=layout, dtype=dtype)


def _normalised(name: str, takes: NetworkInput, options: ClassifierOptions) -> NetworkInput:
    """``takes`` with the normalisation the user gives. InputError for a network of bytes, which has it inside."""
    if takes.dtype == "uint8":
        options.refuse(f"{name}, which reads bytes,", "mean", "std", "input_range")
    default = Normalisation()
    low, high = options.input_range or (default.low, default.high)
    given = Normalisation(options.mean or default.mean, options.std or default.std, low, high)
    return replace(takes, normalisation=given)


def _layout(shape: tuple[int | None, ...]) -> str | None:
    """Where the three channels are: NCHW where both places could be meant, None where neither."""
    if len(shape) != 4:
        return None
    if shape[1] == 3 or (shape[1] is None and shape[3] != 3):
        return "NCHW"
    return "NHWC" if shape[3] == 3 else None


def _classes(name: str, outputs: list[_Port], batch: int | None) -> int:
    if len(outputs) == 1 and len(outputs[0].shape) == 2:
        images, classes = outputs[0].shape
        if classes is not None and classes > 1 and (batch is None or images in (batch, None)):
            return classes
    raise InputError(
        f"{name} answers {' and '.join(map(str, outputs)) or 'nothing'}: a classifier answers logits "
        f"[{'N' if batch is None else batch}, classes], two classes or more."
    )
