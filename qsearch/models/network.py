"""The table network as a model: an image's coefficients to its tables, between two strengths too."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.errors import InputError
from qsearch.learning.rates import rounded_tables
from qsearch.models.files import NetworkFile, load_into, part_of, read_network
from qsearch.models.inputs import grids, hints_of
from qsearch.quantizer import TableModel
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    from qsearch.models.architecture import TableNetwork


class NetworkModel(TableModel):
    """Tables from a trained network, one for each strength; between two strengths the geometric mean of both tables,
    weighted by how near each is (Choi 2020 take such means as their rate control)."""

    name: ClassVar[str] = "taqn"

    def __init__(self, file: NetworkFile, title: str = "taqn") -> None:
        """InputError where the weights are not those of the architecture, or of no strength."""
        self._file = file
        self._title = title
        self.images = file.about.images
        self._networks  # noqa: B018 - wrong weights are to be told now

    @classmethod
    def load(cls, argument: str) -> "NetworkModel":
        """The task-aware quantization network (Choi 2020), from a file that 'qsearch learn network' wrote."""
        if not argument:
            raise InputError("a network is in a file: name the one that 'qsearch learn network' wrote.")
        return cls(read_network(Path(argument)), Path(argument).name)

    @property
    def file(self) -> NetworkFile:
        """What it was read from."""
        return self._file

    @property
    def digest(self) -> str:
        """See :class:`TableModel`; the file's."""
        return self._file.digest

    @property
    def title(self) -> str:
        """The file's name, the task, and how far training is where it was stopped."""
        about = self._file.about
        done, wanted = (
            sum(one.epochs for one in about.progress),
            about.settings.training.epochs * len(about.settings.strengths),
        )
        unfinished = "" if done == wanted else f", {done} of {wanted} epochs"
        return f"{self._title} ({about.settings.task}{unfinished})"

    @property
    def strengths(self) -> tuple[float, float]:
        """See :class:`TableModel`; the lowest and the highest of those trained."""
        return self._trained[0], self._trained[-1]

    @property
    def subsampling(self) -> str:
        """See :class:`TableModel`; that of the images trained on."""
        return self._file.about.settings.subsampling

    def tables(self, pixels: npt.NDArray[np.uint8], strength: float) -> QuantTables:
        """See :class:`TableModel`."""
        strength = self.checked(strength)
        place = float(np.interp(strength, self._trained, np.arange(len(self._trained))))
        lower = int(place)
        coefficients = Coefficients.of(np.ascontiguousarray(pixels[None]), self.subsampling)
        logs = np.zeros((2, 64))
        for index, share in ((lower, 1 - (place - lower)), (lower + 1, place - lower)):
            if share > 0:
                logs += share * np.log(steps_of_images(self._networks[index], coefficients)[0])
        return rounded_tables(np.exp(logs)[[0, 1, 1]])

    @property
    def _trained(self) -> tuple[float, ...]:
        """Strengths that have weights: all of them once training is done."""
        settings = self._file.about.settings
        return tuple(
            strength
            for index, strength in enumerate(settings.strengths)
            if part_of(self._file.tensors, f"networks.{index}")
        )

    @cached_property
    def _networks(self) -> "list[TableNetwork]":
        import torch

        from qsearch.models.architecture import TableNetwork

        settings = self._file.about.settings
        found = []
        for index, strength in enumerate(settings.strengths):
            weights = part_of(self._file.tensors, f"networks.{index}")
            if weights:
                network = TableNetwork(settings.architecture, torch.ones(2, 64)).eval()
                load_into(network, weights, f"{self._title} at strength {strength:g}")
                if not ((network.steps >= 1) & (network.steps <= 255)).all():
                    raise InputError(f"{self._title} starts at tables with entries beyond 1..255: train it again.")
                found.append(network)
        if not found:
            raise InputError(f"{self._title} has weights of no strength: train it again.")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_networks"}


def steps_of_images(network: "TableNetwork", coefficients: Coefficients) -> npt.NDArray[np.float64]:
    """[N, 2, 64]: what ``network``, in whichever mode it is, says of each image, not rounded."""
    import torch

    device = network.steps.device
    with torch.no_grad():
        told = None
        if network.luma_head.hint is not None:
            told = hints_of(coefficients, start_tables(network)).to(device)
        found: torch.Tensor = network(*(grid.to(device) for grid in grids(coefficients)), told)
    return np.asarray(found.double().cpu().numpy())


def start_tables(network: "TableNetwork") -> QuantTables:
    """Where its training starts, rounded."""
    return rounded_tables(network.steps.double().cpu().numpy()[[0, 1, 1]])
