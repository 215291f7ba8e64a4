"""Engines: a network compiled for the processor it runs on, from uint8 images to logits."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Precision
from qsearch.classifiers.network import BATCH, Network
from qsearch.classifiers.openvino_models import core, import_openvino
from qsearch.codecs.base import Images, as_array
from qsearch.errors import InputError

if TYPE_CHECKING:
    import torch

Logits = npt.NDArray[np.float32]


class Engine(Protocol):
    """Logits float32 [N, classes] of images uint8 [N, H, W, 3], an array or a tensor, of the network's size."""

    def __call__(self, images: "Images | torch.Tensor") -> Logits: ...


class OpenVinoEngine:
    """Runs on the CPU with so many threads.

    float32 is the reference; ``bfloat16`` takes about half the time and flips some answers. Calls from several threads
    are safe once one has returned; where the first ones of a process meet, OpenVINO 2026.4 may wait for ever.
    """

    def __init__(self, network: Network, height: int, width: int, threads: int, precision: str = "float32") -> None:
        self.batch = network.input.batch or BATCH["cpu"]
        self.classes = network.classes
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": "1",
            "ENABLE_CPU_PINNING": False,  # else the workers of a search may all sit on one core
        }
        self._compiled = core().compile_model(pixel_model(network, self.batch, height, width), "CPU", settings)

    def __call__(self, images: "Images | torch.Tensor") -> Logits:
        request = self._compiled.create_infer_request()

        def run(part: Images) -> Logits:
            part = np.ascontiguousarray(part)
            if len(part) < self.batch:
                part = np.concatenate([part, np.zeros((self.batch - len(part), *part.shape[1:]), dtype=np.uint8)])
            return np.array(request.infer({0: part}, share_inputs=True)[0], dtype=np.float32)

        return _in_batches(run, as_array(images), self.batch, self.classes)


def pixel_model(network: Network, batch: int, height: int, width: int) -> Any:
    """``network`` as an ``openvino.Model`` from pixels uint8 [batch, height, width, 3] to logits float32."""
    openvino = import_openvino()
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(network.openvino_model(network.input.shape(batch, height, width)))
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout(network.input.layout))
    if network.input.dtype != "uint8":
        offsets, scales = network.input.normalisation.affine()
        steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(offsets).scale(scales)
    steps.output().tensor().set_element_type(openvino.Type.f32)
    return steps.build()


class TorchEngine:
    """Runs in torch on ``device``, in float32 (without TF32) or with bfloat16 where autocast finds it safe.

    compiled: through torch.compile, at the first images.
    """

    def __init__(self, network: Network, device: str, precision: str, *, compiled: bool = False) -> None:
        import torch

        self.batch = network.input.batch or BATCH["cuda"]
        self.classes = network.classes
        self.input = network.input
        self.device = torch.device(device)
        self.bfloat16 = precision == "bfloat16"
        module = network.torch_module(device).to(memory_format=torch.channels_last)
        self._module = torch.compile(module, options=_compiler_options()) if compiled else module

    def __call__(self, images: "Images | torch.Tensor") -> Logits:
        import torch

        # Without benchmarking, or else timing decides which algorithm, and so which logits, a process gets.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        mixed = torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)
        with torch.inference_mode(), exact, mixed:
            return _in_batches(self._run, images, self.batch, self.classes)

    def _run(self, part: "Images | torch.Tensor") -> Logits:
        import torch

        tensor = (
            torch.tensor(np.ascontiguousarray(part), device=self.device)
            if isinstance(part, np.ndarray)
            else part.to(self.device)
        )
        if len(tensor) < self.batch:
            tensor = torch.cat([tensor, tensor.new_zeros((self.batch - len(tensor), *tensor.shape[1:]))])
        pixels = tensor.permute(0, 3, 1, 2)
        logits: Logits = self._module(self.input.as_taken(pixels)).to(torch.float32).cpu().numpy()
        return logits


def _compiler_options() -> dict[str, Any]:
    """Without benchmarking here too, where torch knows how to."""
    from torch import _inductor

    return {"deterministic": True} if "deterministic" in _inductor.list_options() else {}


def _in_batches(run: Callable[[Any], Logits], images: "Images | torch.Tensor", batch: int, classes: int) -> Logits:
    """``run`` over batches of at most ``batch`` images; it fills the last one up with black ones and answers on all."""
    logits = np.empty((len(images), classes), dtype=np.float32)
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        answer = run(part)
        if answer.shape != (batch, classes):
            raise InputError(f"the network answers {list(answer.shape)} where [{batch}, {classes}] was expected.")
        logits[start : start + batch] = answer[: len(part)]
    return logits


def choose_device(device: str, precision: str) -> str:
    """The device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; InputError where there is no such GPU.

    ``auto`` asks torch only where an NVIDIA driver is installed: importing it takes seconds.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise InputError(f"unknown device {device!r}: known are auto, cpu, cuda and cuda:N.")
    if precision not in get_args(Precision):
        raise InputError(f"unknown precision {precision!r}: known are {' and '.join(get_args(Precision))}.")
    chosen = device
    if device == "auto":
        chosen = "cuda" if gpu_count() > 0 else "cpu"
    elif device != "cpu" and _torch_gpus() <= int(device.partition(":")[2] or 0):
        raise InputError(f"--device {device} asks for a GPU that torch does not see: use --device cpu or auto.")
    if precision == "bfloat16" and chosen == "cpu" and not cpu_has_bfloat16():
        raise InputError("--precision bfloat16 needs a GPU or a CPU that computes in it: use float32 here.")
    return chosen


def cpu_has_bfloat16() -> bool:
    """Whether OpenVINO can compute in bfloat16 on this CPU."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _has_nvidia_driver() -> bool:
    import ctypes
    import sys

    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _torch_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def gpu_count() -> int:
    """How many GPUs torch can use. It is imported only where an NVIDIA driver is installed, for that takes seconds."""
    return _torch_gpus() if _has_nvidia_driver() else 0
