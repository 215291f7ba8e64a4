"""The Classifier contract: images to logits, and what a classifier loader is given."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from qsearch.codecs.base import as_array
from qsearch.errors import InputError
from qsearch.text import check_utf8

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
Channels = tuple[float, float, float]


class Classifier(ABC):
    """A network. Picklable, so that each worker process gets its own; heavy work waits for the first logits().

    name: as the user asked for it.
    class_names: the classes in the order of the logits, or None where the network does not name them.
    classes: how many there are.
    digest: SHA-256 of the weights (hexadecimal).
    """

    name: str
    class_names: tuple[str, ...] | None
    classes: int
    digest: str

    @abstractmethod
    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, classes] of ``images`` uint8 [N, H, W, 3] RGB, preprocessing included.

        An image's logits do not depend on the others of the batch, nor on its size.
        """

    def pixel_device(self, height: int, width: int) -> str | None:
        """The device, as torch calls it, where images of this size in pixels are best decoded, or None, as by default.

        :meth:`logits_of_tensor` is then asked about pixels that lie there.
        """
        return None

    def logits_of_tensor(self, pixels: "torch.Tensor") -> npt.NDArray[np.float32]:
        """As :meth:`logits` of the same images, from a tensor on the device that :meth:`pixel_device` named."""
        return self.logits(as_array(pixels))

    @abstractmethod
    def settings(self) -> dict[str, str | int | float | bool]:
        """Name, digest, input size, preprocessing, device, precision and library versions; recorded with every run."""


class NetworkOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What users choose of a network; what a loader does not use, it refuses where it was set.

    Settings and command line read it from here. mean and std are per channel (R, G, B).
    """

    weights: Annotated[
        str | None,
        msgspec.Meta(
            description="torchvision: a weight set's name; torchvision, timm: a file of weights.",
            extra={"path": True, "of_one": True},
        ),
    ] = None
    device: Annotated[Device, msgspec.Meta(description="Where the network runs; auto: a GPU where there is one.")] = (
        "auto"
    )
    precision: Annotated[
        Precision,
        msgspec.Meta(
            description="Of the arithmetic; bfloat16 is faster where the processor has it, and flips some answers."
        ),
    ] = "float32"
    compile: Annotated[
        bool,
        msgspec.Meta(
            description="On a GPU: torch.compile, which takes a minute; answers may differ in their last digits."
        ),
    ] = False
    mean: Annotated[
        Channels | None,
        msgspec.Meta(
            description="FILE.onnx, FILE.pt2: means of pixels in 0..1, R G B.", extra={"default": "0", "of_one": True}
        ),
    ] = None
    std: Annotated[
        Channels | None,
        msgspec.Meta(
            description="Their standard deviations; the network reads (x - mean) / std.",
            extra={"default": "1", "of_one": True},
        ),
    ] = None
    input_range: Annotated[
        tuple[float, float] | None,
        msgspec.Meta(
            description="FILE.onnx, FILE.pt2: what the network takes for 0 and 1, after mean and std.",
            extra={"default": "0 1", "of_one": True},
        ),
    ] = None
    class_names: Annotated[
        str | None,
        msgspec.Meta(
            description="A text file: the classes in the order of the logits, one per line.",
            extra={"path": True, "of_one": True},
        ),
    ] = None

    def refuse(self, name: str, *options: str) -> None:
        """InputError where the user set one of ``options``, which the network ``name`` does not use."""
        for option in options:
            if getattr(self, option) is not None:
                raise InputError(f"{name} does not take --{option.replace('_', '-')}: leave it out.")


class ClassifierOptions(NetworkOptions, frozen=True, kw_only=True):
    """How a network is loaded: what the user chose, and what this machine has to offer.

    threads: CPU threads for inference in this process.
    trust_pickle: load ``FILE.pt2`` as torch does, which can execute what the file says; others ignore it. Given anew
        each time and never recorded, for a file that somebody else wrote must not be able to say it.
    """

    threads: int = 1
    trust_pickle: bool = False


class ClassifierLoader(Protocol):
    """What is registered under a classifier's name; ``argument`` is what follows the colon in ``name:argument``."""

    def __call__(self, argument: str, options: ClassifierOptions) -> Classifier: ...


def check_classifier(spec: str, classifier: Any) -> None:
    """InputError where ``classifier``, which a plug-in returned for ``spec``, does not keep the contract."""
    if not isinstance(classifier, Classifier):
        raise InputError(
            f"{spec} is no classifier: its loader returns {type(classifier).__name__}, and a subclass of "
            "qsearch.classifiers.base.Classifier was expected."
        )
    names, classes = classifier.class_names, classifier.classes
    for text, what in ((classifier.name, "name"), (classifier.digest, "digest")):
        if not isinstance(text, str):
            raise InputError(f"the {what} of the classifier {spec} is a {type(text).__name__}: give it as text.")
        check_utf8(text, f"the {what} of the classifier {spec},")
    if not isinstance(classes, int) or classes < 1:
        raise InputError(f"the classifier {spec} says it has {classes!r} classes: a whole number was expected.")
    if names is None:
        return
    if not isinstance(names, tuple) or len(names) != classes or not all(isinstance(name, str) for name in names):
        raise InputError(f"the class names of {spec} are no tuple of {classes} texts, one for each of its classes.")
    for name in names:
        check_utf8(name, f"the class of {spec},")


def checked_settings(part: str, settings: Any) -> dict[str, Any]:
    """``settings``, which the plug-in ``part`` says of itself, if a run can keep them; else InputError.

    They are names with texts, numbers or truth values, the ``name`` among them.
    """
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        raise InputError(f"settings() of {part} gives no dictionary with its name: return {{'name': ..., ...}}.")
    for key, value in settings.items():
        if not isinstance(key, str) or type(value) not in (str, int, float, bool):
            raise InputError(
                f"settings() of {part} gives {key!r} as {type(value).__name__}: text, a number or a truth value of "
                "Python's own was expected."
            )
        check_utf8(f"{key}{value}", f"the setting {key!r} of {part},")
    return settings
