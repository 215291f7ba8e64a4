"""Network: a network as a recipe that travels between processes, and what it takes in."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from qsearch.datasets.preparation import resize_and_crop
from qsearch.errors import InputError

if TYPE_CHECKING:
    import torch

BATCH = {"cpu": 4, "cuda": 64}
"""Images a network sees at once. Fixed, so that logits cannot depend on how many images there are; on a CPU larger
batches were no faster."""


Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """How pixels become a network's numbers: brought to 0..1, (x - mean) / std per channel, then 0..1 to low..high.

    InputError where a std is not positive, low is not below high, or a number is not finite.
    """

    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite([*self.mean, *self.std, self.low, self.high]).all():
            raise InputError(f"--mean, --std and --input-range are finite numbers, got {self}.")
        if max(map(abs, self.mean)) > 1 or max(self.std) > 1 or min(self.std) <= 0:
            raise InputError(
                f"--mean and --std are of pixels in 0..1, got {self}: divide those of pixels in 0..255 by 255."
            )
        if self.low >= self.high:
            raise InputError(
                f"--input-range gives the network's numbers for black and white in this order, got {self.low:g} "
                f"{self.high:g}: give the lower one first."
            )

    def affine(self) -> tuple[list[float], list[float]]:
        """Offsets and scales of the three channels: the network's number is (pixel - offset) / scale, pixel 0..255."""
        scales = [255 * std / (self.high - self.low) for std in self.std]
        offsets = [255 * mean - self.low * scale for mean, scale in zip(self.mean, scales, strict=True)]
        return offsets, scales

    def __str__(self) -> str:
        mean, std = (" ".join(f"{number:g}" for number in numbers) for numbers in (self.mean, self.std))
        return f"mean {mean}, std {std}, range {self.low:g} to {self.high:g}"


class Fitted(NamedTuple):
    """Images with their shorter side brought to ``resize`` pixels, cropped in the centre to ``height`` x ``width``."""

    height: int
    width: int
    resize: int


@dataclass(frozen=True)
class NetworkInput:
    """What a network takes: RGB images, float32 (or float16) or uint8, [N, 3, H, W] or [N, H, W, 3].

    height, width: pixels, or None where any size will do.
    resize: images of another size have their shorter side brought to so many pixels and are then cropped in the
        centre; None refuses them.
    enlarge: whether that may enlarge images that are smaller than the crop; otherwise they are refused.
    interpolation: the filter for that, one of Pillow's.
    batch: N where the network takes no other, or None.
    normalisation: what happens to pixels outside the network, where it takes floating-point numbers.
    """

    height: int | None
    width: int | None
    resize: int | None = None
    interpolation: str = "bilinear"
    enlarge: bool = False
    batch: int | None = None
    layout: str = "NCHW"
    dtype: str = "float32"
    normalisation: Normalisation = Normalisation()

    @property
    def preprocessing(self) -> str:
        """In words, for the settings of a run."""
        steps = []
        if self.height is not None and self.resize is not None:
            steps.append(f"shorter side {self.resize} {self.interpolation}, centre crop {self.width}x{self.height}")
        if self.normalisation != Normalisation():
            steps.append(str(self.normalisation))
        return ", ".join(steps) or "none"

    def shape(self, batch: int, height: int, width: int) -> tuple[int, ...]:
        """The network's input shape for ``batch`` images of this size in pixels."""
        return (batch, 3, height, width) if self.layout == "NCHW" else (batch, height, width, 3)

    def prepare(self, images: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
        """``images`` uint8 [N, H, W, 3] at the network's size; those that have it go in as they are (Li 2020).

        InputError, naming the network ``name``, where they are too small, or of a size that it cannot use.
        """
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise InputError(f"{name} takes images uint8 [N, H, W, 3], got {images.dtype} {list(images.shape)}.")
        height, width = images.shape[1:3]
        how = self.fitted(height, width, name)
        if how is None:
            return images
        from PIL import Image

        prepared = np.empty((len(images), how.height, how.width, 3), dtype=np.uint8)
        for target, image in zip(prepared, images, strict=True):
            pillow_image = Image.fromarray(image)
            crop = resize_and_crop(pillow_image, how.resize, (how.width, how.height), self.interpolation)
            target[...] = np.asarray(crop)
        return prepared

    def fitted(self, height: int, width: int, name: str) -> Fitted | None:
        """How images of this size in pixels are brought to the network's, or None where they go in as they are.

        InputError as :meth:`prepare`.
        """
        if self.height is None or self.width is None or (height, width) == (self.height, self.width):
            return None
        small = height < self.height or width < self.width
        if self.resize is None or (small and not self.enlarge):
            problem = "smaller than" if small else "other than"
            raise InputError(
                f"the images are {width}x{height} pixels, {problem} the {self.width}x{self.height} that {name} takes: "
                f"prepare them at that size (--size {self.width}, and --fit stretch for small images)."
            )
        return Fitted(self.height, self.width, self.resize)

    def as_taken(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """``pixels`` [N, 3, H, W] in 0..255, of any type, as the network takes them: normalised, its layout, its type.

        Gradients pass where the network takes floating-point numbers.
        """
        import torch

        if self.dtype != "uint8":
            offsets, scales = (
                torch.tensor(numbers, device=pixels.device).view(1, 3, 1, 1) for numbers in self.normalisation.affine()
            )
            pixels = ((pixels.to(torch.float32) - offsets) / scales).to(getattr(torch, self.dtype))
        return pixels if self.layout == "NCHW" else pixels.permute(0, 2, 3, 1)


class Network(ABC):
    """Where a network comes from. It travels to worker processes as a recipe and becomes a network where it is used.

    name: as the user asked for it.
    digest: SHA-256 (hexadecimal) of the weights; together with ``name`` it stands for all that changes the logits.
    classes: how many logits.
    input: what the network takes.
    libraries: what makes the network, besides the engine that runs it; their versions are part of a run.
    in_torch: whether torch can run it.
    """

    name: str
    digest: str
    classes: int
    input: NetworkInput
    libraries: ClassVar[tuple[str, ...]] = ()
    in_torch: ClassVar[bool] = True

    @abstractmethod
    def openvino_model(self, shape: tuple[int, ...]) -> Any:
        """The network as an ``openvino.Model`` of input ``shape``: one input, one output [N, classes]."""

    @abstractmethod
    def torch_module(self, device: str) -> "torch.nn.Module":
        """The network as a torch module in eval mode on ``device``: one input, one output [N, classes]."""


@dataclass(frozen=True)
class TorchNetwork(Network):
    """A network that ``build`` makes in torch: in eval mode, weights loaded, normalisation inside.

    ``build`` is picklable: a function of a module, or a ``functools.partial`` of one. file: where it reads the weights,
    if it does; the file must be the one whose digest is ``digest`` wherever the network is made.
    """

    name: str
    digest: str
    classes: int
    input: NetworkInput
    build: Callable[[], "torch.nn.Module"]
    file: Path | None = None
    libraries: ClassVar[tuple[str, ...]] = ("torch",)

    def openvino_model(self, shape: tuple[int, ...]) -> Any:
        from qsearch.classifiers.openvino_models import converted, exported_program

        return converted(self.name, self.digest, shape, lambda: exported_program(self._built(), shape))

    def torch_module(self, device: str) -> "torch.nn.Module":
        return self._built().to(device)

    def _built(self) -> "torch.nn.Module":
        if self.file is not None and self.file.is_file():  # a missing one the reader of weights tells of
            check_unchanged(self, file_digest(self.file))
        return self.build()


def check_unchanged(network: Network, digest: str) -> None:
    """InputError where a file is not what it was when the network was loaded, perhaps on another machine."""
    if digest != network.digest:
        raise InputError(
            f"{network.name} was changed while it was in use, or is another file here: put the file back, or begin "
            "anew."
        )


def normalised(module: "torch.nn.Module", mean: tuple[float, ...], std: tuple[float, ...]) -> "torch.nn.Module":
    """``module`` behind the normalisation (x - mean) / std of its three input channels, in eval mode."""
    import torch

    # A batch normalisation with known statistics is just this, and every converter folds it into the convolution.
    normalise = torch.nn.BatchNorm2d(3, eps=0.0, affine=False)
    normalise.load_state_dict(
        {
            "running_mean": torch.tensor(mean),
            "running_var": torch.tensor(std, dtype=torch.float64).square().float(),
            "num_batches_tracked": torch.tensor(1),
        }
    )
    return torch.nn.Sequential(normalise, module).eval()


def file_digest(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
