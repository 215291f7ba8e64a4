"""FunctionClassifier: any Python callable from a batch of images to logits."""

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from qsearch.classifiers.base import Classifier
from qsearch.errors import EvaluationError


class FunctionClassifier(Classifier):
    """``function`` takes images uint8 [N, H, W, 3] RGB and returns logits [N, classes]; preprocessing is its own.

    It reaches worker processes by cloudpickle, closures and lambdas included. version: what tells this network from
    another in a run's records; its pickled code and weights by default.
    """

    def __init__(
        self,
        function: Callable[[npt.NDArray[np.uint8]], npt.ArrayLike],
        classes: int,
        *,
        name: str = "function",
        class_names: tuple[str, ...] | None = None,
        version: str | None = None,
    ) -> None:
        import cloudpickle

        self.function = function
        self.classes = classes
        self.name = name
        self.class_names = class_names
        identity = cloudpickle.dumps(function) if version is None else version.encode()
        self.digest = hashlib.sha256(identity).hexdigest()

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """See :meth:`Classifier.logits`. EvaluationError where the function answers in another shape."""
        logits = np.asarray(self.function(images), dtype=np.float32)
        if logits.shape != (len(images), self.classes):
            raise EvaluationError(
                f"{self.name} answers an array of shape {list(logits.shape)}, expected [{len(images)}, {self.classes}]."
            )
        return logits

    def settings(self) -> dict[str, str | int | float | bool]:
        """See :meth:`Classifier.settings`."""
        return {"name": self.name, "digest": self.digest, "engine": "python"}
