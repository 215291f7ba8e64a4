"""InferenceClassifier: a network behind the Classifier contract, with OpenVINO on a CPU and torch on a GPU."""

from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.engines import Engine, OpenVinoEngine, TorchEngine, choose_device
from qsearch.classifiers.network import Network
from qsearch.coefficients.compilation import can_compile
from qsearch.errors import InputError

if TYPE_CHECKING:
    import torch

Setting = str | int | float | bool


class InferenceClassifier(Classifier):
    """A network at work. It pickles as its recipe and compiles in each process at the first images.

    class_names: in the order of the logits, or None.
    details: what else the settings of a run should say (the weight set, the normalisation, ...).
    """

    def __init__(
        self,
        network: Network,
        options: ClassifierOptions | None = None,
        class_names: tuple[str, ...] | None = None,
        details: Mapping[str, Setting] = MappingProxyType({}),
        engine: str | None = None,
    ) -> None:
        """``engine`` is ``openvino`` or ``torch``, by default the former on a CPU.

        InputError where the options ask for a GPU that is not there, or for what it cannot do.
        """
        options = options or ClassifierOptions()
        self.name = network.name
        self.class_names = class_names
        self.classes = network.classes
        self.digest = network.digest
        self.network = network
        self.device = choose_device(options.device, options.precision)
        self.precision = options.precision
        self.threads = options.threads
        self.engine = engine or ("openvino" if self.device == "cpu" else "torch")
        self.compiled = options.compile
        if self.compiled:
            self._check_compiler()
        self._details = dict(details)
        self._engines: dict[tuple[int, int], Engine] = {}

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, classes] of ``images`` uint8 [N, H, W, 3] RGB.

        InputError where the images do not suit the network.
        """
        prepared = self.network.input.prepare(images, self.name)
        return self._engine(*prepared.shape[1:3])(prepared)

    def pixel_device(self, height: int, width: int) -> str | None:
        """See :meth:`Classifier.pixel_device`: where torch runs the network, images of the size that it takes."""
        takes = self.network.input
        as_they_are = takes.height is None or (takes.height, takes.width) == (height, width)
        return self.device if self.engine == "torch" and as_they_are else None

    def logits_of_tensor(self, pixels: "torch.Tensor") -> npt.NDArray[np.float32]:
        """See :meth:`Classifier.logits_of_tensor`; pixels stay on their device."""
        return self._engine(*pixels.shape[1:3])(pixels)

    def settings(self) -> dict[str, Setting]:
        takes = self.network.input
        size = "any" if takes.height is None else f"{takes.width}x{takes.height}"
        libraries = dict.fromkeys((self.engine, *self.network.libraries))
        return {
            "name": self.name,
            "digest": self.digest,
            "input_size": size,
            "preprocessing": takes.preprocessing,
            "device": self.device.partition(":")[0],
            "precision": self.precision,
            "engine": self.engine,
            **({"compiled": True} if self.compiled else {}),
            **{f"{library}_version": version(library) for library in libraries},
            **self._details,
        }

    def _check_compiler(self) -> None:
        if self.engine != "torch":
            raise InputError("--compile is for networks on a GPU, on a CPU OpenVINO compiles them: leave it out.")
        if not can_compile(self.device):
            raise InputError("--compile needs a C compiler, Triton and a GPU that Triton knows: leave it out here.")

    def _engine(self, height: int, width: int) -> Engine:
        engine = self._engines.get((height, width))
        if engine is None:
            if self.engine == "openvino":
                engine = OpenVinoEngine(self.network, height, width, self.threads, self.precision)
            else:
                engine = TorchEngine(self.network, self.device, self.precision, compiled=self.compiled)
            self._engines[height, width] = engine
        return engine

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engines": {}}
