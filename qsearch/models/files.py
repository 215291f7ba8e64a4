"""Files of networks: safetensors, which hold numbers and no code, with a header that says what they are."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from qsearch.datasets.base import ImageIdentity
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.learning.ladder import LearnedOn
from qsearch.models.settings import NetworkSettings
from qsearch.text import one_line

if TYPE_CHECKING:
    import torch

FORMAT = 1
"""What this version writes as ``format``; a file with a higher number is refused."""
KEY = "qsearch"
NETWORK, CODE_LENGTH = "networks of tables", "code lengths"
_LARGEST_HEADER_BYTES = 1 << 24

Content = TypeVar("Content", bound=msgspec.Struct)


class Progress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far one strength's training is.

    price: what a bit per pixel is worth, in units of the task's error.
    costs: after each epoch, the mean of error + price x bits per pixel of the images trained on, while it went on.
    held_out: of those held out, before training and after each epoch. The weights where it is least are kept.
    """

    price: float
    costs: tuple[float, ...] = ()
    held_out: tuple[float, ...] = ()

    @property
    def epochs(self) -> int:
        """Done so far."""
        return len(self.costs)

    @property
    def best(self) -> int:
        """After how many epochs the weights are those that are kept; 0 for the ladder's own tables."""
        return min(range(len(self.held_out)), key=self.held_out.__getitem__) if self.held_out else 0


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a network file says of itself: how it was trained and how far; images: what those that it was trained on
    are known again by."""

    qsearch: str
    created: str
    settings: NetworkSettings
    learned_on: LearnedOn
    progress: tuple[Progress, ...]
    images: tuple[ImageIdentity, ...]


class CodeLengthAbout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file of a predictor of code lengths says of itself.

    held_out: images that it was tested on; smape: in per cent of their files' bits.
    """

    qsearch: str
    created: str
    dataset: str
    digest: str
    subsampling: str
    steps: int
    seed: int
    held_out: int
    smape: float


@dataclass(frozen=True, eq=False)
class NetworkFile:
    """A file that was read: what it says of itself, its tensors by name, and SHA-256 (hexadecimal) of all its bytes."""

    about: About
    tensors: "dict[str, torch.Tensor]"
    digest: str


class _Head(msgspec.Struct):
    kind: str
    format: int
    about: msgspec.Raw


def is_network(path: Path) -> bool:
    """Whether the file at ``path`` begins as safetensors do, with a header that says a network of this package."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = file.read(size) if size <= _LARGEST_HEADER_BYTES else b""
        metadata = json.loads(header).get("__metadata__", {})
        return str(msgspec.json.decode(metadata[KEY], type=_Head).kind) == NETWORK
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, msgspec.MsgspecError):
        return False


def write_tensors(path: Path, kind: str, about: msgspec.Struct, tensors: "dict[str, torch.Tensor]") -> None:
    """Writes ``path`` whole or not at all. DiskError where the disk refuses."""
    from safetensors.torch import save

    head = {"kind": kind, "format": FORMAT, "about": msgspec.to_builtins(about)}
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(ready, metadata={KEY: json.dumps(head)})
    with replacing(path) as file:
        file.write(data)


def read_tensors(path: Path, kind: str, about: type[Content]) -> "tuple[Content, dict[str, torch.Tensor], str]":
    """What :func:`write_tensors` wrote to ``path``, and SHA-256 (hexadecimal) of the file.

    InputError where there is none, or it is damaged, of another kind, or was written by a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): a file of {kind} was expected.") from error
    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{path} is no safetensors file of {kind}: {one_line(str(error)).rstrip('.')}.") from error
    if KEY not in metadata:
        raise InputError(f"{path} holds weights of something else: a file of {kind} that qsearch wrote was expected.")
    try:
        head = msgspec.json.decode(metadata[KEY], type=_Head)
        if head.kind != kind:
            raise InputError(f"{path} holds {one_line(head.kind, 40)}: a file of {kind} was expected.")
        if head.format > FORMAT:
            raise InputError(
                f"{path} has format {head.format}, this qsearch reads up to {FORMAT}: install a newer qsearch."
            )
        found = msgspec.json.decode(head.about, type=about)
    except InputError:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no file of {kind}: {one_line(str(error)).rstrip('.')}.") from error
    return found, tensors, hashlib.sha256(data).hexdigest()


def write_network(path: Path, about: About, tensors: "dict[str, torch.Tensor]") -> None:
    """Writes a network whole or not at all. DiskError where the disk refuses."""
    write_tensors(path, NETWORK, about, tensors)


def read_network(path: Path) -> NetworkFile:
    """The network in the file ``path``, which is read as data alone.

    InputError where there is none, or it is damaged, of another kind, or was written by a newer version.
    """
    about, tensors, digest = read_tensors(path, NETWORK, About)
    if len(about.progress) > len(about.settings.strengths):
        raise InputError(
            f"{path} is no file of {NETWORK}: it says how far {len(about.progress)} strengths are, and has fewer."
        )
    return NetworkFile(about, tensors, digest)


def part_of(tensors: "dict[str, torch.Tensor]", prefix: str) -> "dict[str, torch.Tensor]":
    """Those whose names begin with ``prefix`` and a dot, by the rest of the name."""
    return {name[len(prefix) + 1 :]: each for name, each in tensors.items() if name.startswith(f"{prefix}.")}


def load_into(module: Any, tensors: "dict[str, torch.Tensor]", what: str) -> None:
    """Gives ``module`` its weights. InputError, naming ``what``, where they are of another architecture."""
    wanted = module.state_dict()
    wrong = [
        name
        for name in sorted({*wanted, *tensors})
        if name not in tensors or name not in wanted or wanted[name].shape != tensors[name].shape
    ]
    if wrong:
        raise InputError(
            f"{what} has weights of another architecture than it says ({len(wrong)} of {len(wanted)} tensors differ, "
            f"{wrong[0]} first): train it again."
        )
    broken = [name for name, each in tensors.items() if each.is_floating_point() and not each.isfinite().all()]
    if broken:
        raise InputError(f"{what} has weights that are not numbers ({broken[0]}): train it again.")
    module.load_state_dict(tensors)
