"""InferenceClassifier: a network behind the Classifier contract, with OpenVINO on a CPU and torch on a GPU."""

from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier, ClassifierOptions
from qsearch.classifiers.engines import Engine, OpenVinoEngine, TorchEngine, choose_device
from qsearch.classifiers.network import Network

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
    ) -> None:
        """InputError where the options ask for a GPU that is not there."""
        options = options or ClassifierOptions()
        self.name = network.name
        self.class_names = class_names
        self.classes = network.classes
        self.digest = network.digest
        self.network = network
        self.device = choose_device(options.device, options.precision)
        self.precision = options.precision
        self.threads = options.threads
        self._details = dict(details)
        self._engines: dict[tuple[int, int], Engine] = {}

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, classes] of ``images`` uint8 [N, H, W, 3] RGB.

        InputError where the images do not suit the network.
        """
        prepared = self.network.input.prepare(images, self.name)
        return self._engine(*prepared.shape[1:3])(prepared)

    def settings(self) -> dict[str, Setting]:
        takes = self.network.input
        size = "any" if takes.height is None else f"{takes.width}x{takes.height}"
        engine = "openvino" if self.device == "cpu" else "torch"
        return {
            "name": self.name,
            "digest": self.digest,
            "input_size": size,
            "preprocessing": takes.preprocessing,
            "device": self.device.partition(":")[0],
            "precision": self.precision,
            "engine": engine,
            **{f"{library}_version": version(library) for library in dict.fromkeys((engine, *self.network.libraries))},
            **self._details,
        }

    def _engine(self, height: int, width: int) -> Engine:
        engine = self._engines.get((height, width))
        if engine is None:
            if self.device == "cpu":
                engine = OpenVinoEngine(self.network, height, width, self.threads, self.precision)
            else:
                engine = TorchEngine(self.network, self.device, self.precision)
            self._engines[height, width] = engine
        return engine

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engines": {}}
