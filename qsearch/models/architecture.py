"""The layers of the task-aware quantization network (Choi 2020): DCT coefficients of an image to two tables."""

import torch
from torch import nn

from qsearch.models.settings import Architecture

LARGEST = 255.0


class Bottleneck(nn.Module):
    """Three convolutions that are added to what they read, as in ResNet-50 (He 2016)."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, bottleneck, 1, bias=False),
            nn.BatchNorm2d(bottleneck),
            nn.ReLU(),
            nn.Conv2d(bottleneck, bottleneck, 3, padding=1, bias=False),
            nn.BatchNorm2d(bottleneck),
            nn.ReLU(),
            nn.Conv2d(bottleneck, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """[n, width, h, w] to the same."""
        return torch.relu(values + self.layers(values))


class Attention(nn.Module):
    """Weights by place, then by channel (after Woo 2018, without maxima and in the order of Choi 2020)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = nn.Conv2d(1, 1, 7, padding=3)
        self.channel = nn.Sequential(
            nn.Linear(width, max(1, width // 8)), nn.ReLU(), nn.Linear(max(1, width // 8), width)
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """[n, width, h, w] to the same."""
        by_place: torch.Tensor = self.place(values.mean(dim=1, keepdim=True)).sigmoid()
        values = values * by_place
        by_channel: torch.Tensor = self.channel(values.mean(dim=(2, 3))).sigmoid()
        return values * by_channel[:, :, None, None]


class Branch(nn.Module):
    """One component's coefficients to numbers about it: the convolutions' output and the magnitudes, averaged over
    blocks, so that images may have any size."""

    def __init__(self, how: Architecture, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(64, how.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(how.width),
            nn.ReLU(),
            *(Bottleneck(how.width, how.bottleneck) for _ in range(blocks)),
            *([Attention(how.width)] if how.attention else []),
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """[n, 64, h, w] to [n, width + 64]."""
        return torch.cat([self.layers(values), values.abs()], dim=1).mean(dim=(2, 3))


class Head(nn.Module):
    """Numbers to the logarithms of what a table's entries are multiplied with: 0 before training."""

    def __init__(self, inputs: int, how: Architecture) -> None:
        super().__init__()
        last = nn.Linear(how.hidden, 64)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(inputs, how.hidden), nn.ReLU(), last)
        self.hint = nn.Parameter(torch.zeros(64)) if how.hint else None

    def forward(self, numbers: torch.Tensor, hint: torch.Tensor | None) -> torch.Tensor:
        """[n, inputs] and hints [n, 64] to [n, 64]."""
        if self.hint is None or hint is None:
            found: torch.Tensor = self.layers(numbers)
            return found
        told: torch.Tensor = self.layers(torch.cat([numbers, hint], dim=1))
        return told + self.hint * hint


class TableNetwork(nn.Module):
    """One strength's network. Its tables are exp(head) times those of the ladder, within 1..255."""

    steps: torch.Tensor

    def __init__(self, how: Architecture, steps: torch.Tensor) -> None:
        """steps: float32 [2, 64], of luma and chroma in raster order, where training starts."""
        super().__init__()
        self.register_buffer("steps", steps.clone())
        self.luma = Branch(how, how.luma_blocks)
        self.chroma = Branch(how, how.chroma_blocks)
        told = 64 if how.hint else 0
        self.luma_head = Head(how.width + 64 + told, how)
        self.chroma_head = Head(2 * (how.width + 64) + told, how)

    def forward(
        self, luma: torch.Tensor, cb: torch.Tensor, cr: torch.Tensor, hints: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Steps [n, 2, 64], not rounded, of n images whose coefficients are [n, 64, rows, columns], in levels.

        hints: [n, 2, 64], see :class:`Architecture`.
        """
        for_luma, for_chroma = (None, None) if hints is None else (hints[:, 0], hints[:, 1])
        of_luma = self.luma(self._relative(luma, 0))
        of_chroma = torch.cat([self.chroma(self._relative(each, 1)) for each in (cb, cr)], dim=1)
        factors = torch.stack([self.luma_head(of_luma, for_luma), self.chroma_head(of_chroma, for_chroma)], dim=1)
        return (self.steps.log() + factors).clamp(0, torch.tensor(LARGEST).log().item()).exp()

    def _relative(self, coefficients: torch.Tensor, table: int) -> torch.Tensor:
        """In steps, as the logarithm of their magnitude with their sign."""
        ratio = coefficients / self.steps[table][:, None, None]
        return ratio.sign() * torch.log1p(ratio.abs())


RUNS = 17
"""Zero runs 0 to 15, and where no symbol is coded."""
NO_SYMBOL = 16
_HIDDEN = 16
_LENGTH_HIDDEN = 32


class CodeLengthNetwork(nn.Module):
    """Bits of quantized blocks (Choi 2020): what symbol a coefficient is coded with, and how long it then is.

    A bidirectional LSTM reads the magnitudes of the 63 AC levels in zig-zag order and says each one's zero run; layers
    tell the bits from run and magnitude, others those of a DC difference. Luma and chroma have Huffman tables of their
    own, and so layers of their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reader = nn.LSTM(1, _HIDDEN, batch_first=True, bidirectional=True)
        self.run = nn.Linear(2 * _HIDDEN, RUNS)
        self.ac = nn.ModuleList(_length(1 + RUNS) for _ in range(2))
        self.dc = nn.ModuleList(_length(1) for _ in range(2))

    def runs(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Logits [n, 63, RUNS] of ``magnitudes`` [n, 63], log2(1 + |level|) of the AC."""
        found: torch.Tensor = self.run(self.reader(magnitudes[..., None])[0])
        return found

    def lengths(self, magnitudes: torch.Tensor, chosen: torch.Tensor, table: int) -> torch.Tensor:
        """Bits [n, 64] of a block's ``magnitudes`` [n, 64], DC first, with ``chosen`` [n, 63, RUNS] shares of each run.

        table: 0 of luma, 1 of chroma.
        """
        told = torch.cat([magnitudes[:, 1:, None], chosen], dim=2)
        # Where nothing is coded there are no bits, of which 63 small errors would be many.
        ac = self.ac[table](told)[..., 0] * (1 - chosen[..., NO_SYMBOL])
        return torch.cat([self.dc[table](magnitudes[:, :1]), ac], dim=1)


def _length(inputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, _LENGTH_HIDDEN),
        nn.ReLU(),
        nn.Linear(_LENGTH_HIDDEN, _LENGTH_HIDDEN),
        nn.ReLU(),
        nn.Linear(_LENGTH_HIDDEN, 1),
        nn.Softplus(),
    )
