"""Densities of quantized levels that are learned, and what they say each level costs in bits."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
KINDS = 4
"""Densities trained side by side: of luma's DC differences and AC, then of chroma's."""
LARGEST_LEVEL = 4096
"""DC differences at steps of 1 reach half of it."""
_WIDTHS = (1, 3, 3, 3, 1)
_VALUES = 4096
_LEARNING_RATE = 0.02
_LEAST_LIKELIHOOD = 1e-9


class Densities:
    """Four monotone functions of one number that rise from 0 to 1: cumulative densities (Balle 2018, appendix 6.1).

    costs: float64 [4, 2 * LARGEST_LEVEL + 1], bits of each level from -LARGEST_LEVEL.
    """

    def __init__(self, seed: int) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        scale = 10 ** (1 / (len(_WIDTHS) - 1))
        self.matrices, self.biases, self.bends = [], [], []
        for inputs, outputs in pairwise(_WIDTHS):
            start = math.log(math.expm1(1 / (scale * outputs)))
            self.matrices.append(torch.full((KINDS, outputs, inputs), start, requires_grad=True))
            bias = torch.rand((KINDS, outputs, 1), generator=generator) - 0.5
            self.biases.append(bias.requires_grad_())
            self.bends.append(torch.zeros((KINDS, outputs, 1), requires_grad=True))

    @property
    def parameters(self) -> "list[torch.Tensor]":
        """All that is learned."""
        return [*self.matrices, *self.biases, *self.bends[:-1]]

    def bits(self, values: "torch.Tensor") -> "torch.Tensor":
        """[4, n] bits of ``values`` [4, n]: of intervals of length 1 around them."""
        lower, upper = self._logits(values - 0.5), self._logits(values + 0.5)
        # On the side where both are near 0: their difference would vanish near 1.
        side = -(lower + upper).sign().detach()
        likelihood = ((side * upper).sigmoid() - (side * lower).sigmoid()).abs()
        return -likelihood.clamp(min=_LEAST_LIKELIHOOD).log2()

    @property
    def costs(self) -> Floats:
        """See the class."""
        import torch

        levels = torch.arange(-LARGEST_LEVEL, LARGEST_LEVEL + 1, dtype=torch.float32)
        with torch.no_grad():
            return np.asarray(self.bits(levels.expand(KINDS, -1)).double().numpy())

    def _logits(self, values: "torch.Tensor") -> "torch.Tensor":
        from torch.nn import functional

        hidden = values.unsqueeze(1)
        last = len(self.matrices) - 1
        for layer, (matrix, bias, bend) in enumerate(zip(self.matrices, self.biases, self.bends, strict=True)):
            hidden = functional.softplus(matrix) @ hidden + bias
            if layer < last:
                hidden = hidden + bend.tanh() * hidden.tanh()
        return hidden.squeeze(1)


def train_densities(
    levels: Callable[[], tuple[npt.NDArray[np.floating], ...]],
    seed: int,
    steps: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Densities:
    """Densities under which levels cost the fewest bits, by ``steps`` of Adam.

    ``levels`` draws levels anew, four arrays; noise from -1/2 to 1/2 is added to them in training, so that densities
    are smooth (Balle 2018). A level's mean cost counts, whichever density it is of.
    """
    import torch

    densities = Densities(seed)
    draw = np.random.default_rng([seed, 1])
    optimiser = torch.optim.Adam(densities.parameters, lr=_LEARNING_RATE)
    for step in range(steps):
        values = np.stack([draw.choice(part, _VALUES) for part in levels()])
        noisy = torch.from_numpy(values + draw.uniform(-0.5, 0.5, values.shape)).float()
        for group in optimiser.param_groups:
            group["lr"] = _LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.zero_grad()
        torch.autograd.backward(densities.bits(noisy).mean(dim=1).sum())
        optimiser.step()
        on_progress(step + 1, steps)
    return densities
