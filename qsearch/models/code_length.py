"""Code lengths: Huffman bits of blocks, counted symbol by symbol, and predicted by a network that has gradients."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import FACTORS, Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.datasets.base import Dataset, check_prepared
from qsearch.errors import EvaluationError, InputError
from qsearch.learning.differentiable import coefficient_tensor
from qsearch.models.files import CODE_LENGTH, CodeLengthAbout, load_into, read_tensors, write_tensors
from qsearch.tables import ZIGZAG, QuantTables

if TYPE_CHECKING:
    import torch

    from qsearch.models.architecture import CodeLengthNetwork

Levels = npt.NDArray[np.int64]
BATCH = 256
LARGEST_RANDOM = 10
"""Of the random vectors of Choi 2020, whose elements are all drawn alike; half of a batch are blocks of images."""
_LEARNING_RATE = 5e-3
OF_BLOCKS = 0.1
"""How much the lengths of whole blocks count beside those of their levels. (Ours.)"""
_HELD_OUT = 0.2
_TESTS = 3
"""Standard qualities that each image held out is tested at."""
_NO_SYMBOL = 16


def predict(magnitudes: "torch.Tensor", network: "CodeLengthNetwork", table: int) -> "torch.Tensor":
    """Bits [n, 64] of blocks [n, 64] whose ``magnitudes`` are log2(1 + |level|), with the likeliest run of each.

    Runs pass gradients as their probabilities do.
    """
    import torch

    probabilities = network.runs(magnitudes[:, 1:]).softmax(dim=2)
    likeliest = torch.nn.functional.one_hot(probabilities.argmax(dim=2), probabilities.shape[2]).to(probabilities)
    return network.lengths(magnitudes, likeliest + probabilities - probabilities.detach(), table)


@dataclass(frozen=True, eq=False)
class CodeLength:
    """A trained predictor: what it says of itself, and SHA-256 (hexadecimal) of its file."""

    network: "CodeLengthNetwork"
    about: CodeLengthAbout
    digest: str

    def bits(self, coefficients: Coefficients, steps: "torch.Tensor") -> "torch.Tensor":
        """[N] of images at ``steps`` [N, 3, 64] of Y, Cb and Cr in raster order; rounding passes gradients.

        Headers and stuffed bytes are left out.
        """
        import torch

        total = steps.new_full((len(coefficients),), filling_bits(coefficients))
        for component, blocks in enumerate(_components(coefficients)):
            ratio = (blocks.to(steps) / steps[:, component, None])[:, :, torch.from_numpy(ZIGZAG.copy())]
            levels = ratio + (ratio.sign() * (ratio.abs() + 0.5).floor() - ratio).detach()
            change = torch.cat([levels[:, :1, :1], levels[:, 1:, :1] - levels[:, :-1, :1]], dim=1)
            magnitudes = torch.cat([change, levels[:, :, 1:]], dim=2).abs().log1p() / np.log(2)
            found = predict(magnitudes.flatten(0, 1), self.network, min(component, 1))
            total = total + found.sum(dim=1).reshape(len(coefficients), -1).sum(dim=1)
        return total


def read_code_length(path: Path) -> CodeLength:
    """The predictor in the file ``path``, which is read as data alone.

    InputError where there is none, or it is damaged, of another kind or architecture, or of a newer version.
    """
    from qsearch.models.architecture import CodeLengthNetwork

    about, tensors, digest = read_tensors(path, CODE_LENGTH, CodeLengthAbout)
    network = CodeLengthNetwork().eval()
    load_into(network, tensors, str(path))
    return CodeLength(network.requires_grad_(False), about, digest)


def train_code_length(
    dataset: Dataset,
    out: Path,
    *,
    steps: int,
    seed: int,
    subsampling: str = "4:2:0",
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> CodeLength:
    """A predictor trained by ``steps`` of Adam, written to ``out``: runs by cross-entropy, lengths by Huber's loss on
    the true ones, with runs drawn by Gumbel's trick (Choi 2020), on random vectors and on blocks of ``dataset``.

    InputError for fewer than two images; EvaluationError where training diverges.
    """
    import torch
    from torch.nn import functional

    from qsearch.models.architecture import CodeLengthNetwork

    check_prepared(dataset, "a predictor")
    if len(dataset) < 2:
        raise InputError("a predictor is trained on two images or more, one of them held out: give more.")
    order = np.random.default_rng([seed, 1]).permutation(len(dataset))
    held = min(len(dataset) - 1, max(1, round(_HELD_OUT * len(dataset))))
    trained = Coefficients.of(np.ascontiguousarray(dataset.images[np.sort(order[held:])]), subsampling)
    torch.manual_seed(seed)
    network = CodeLengthNetwork()
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    draw = np.random.default_rng([seed, 2])
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = _LEARNING_RATE * (1 + np.cos(np.pi * step / steps)) / 2
        total = torch.zeros(())
        for table in range(2):
            levels = np.concatenate([_random_levels(draw), _levels_of_images(draw, trained, table)])
            runs, bits = symbols(levels, table)
            magnitudes = torch.from_numpy(np.log2(1 + np.abs(levels))).float()
            logits = network.runs(magnitudes[:, 1:])
            drawn = functional.gumbel_softmax(logits, hard=True, dim=2)
            lengths = network.lengths(magnitudes, drawn, table)
            total = total + functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(runs).flatten())
            known = network.lengths(
                magnitudes, functional.one_hot(torch.from_numpy(runs), logits.shape[2]).float(), table
            )
            target = torch.from_numpy(bits).float()
            total = total + functional.huber_loss(lengths, target) + functional.huber_loss(known, target)
            # Small errors of one sign in every level of a block are large in a file.
            total = total + OF_BLOCKS * functional.huber_loss(known.sum(dim=1), target.sum(dim=1))
        if not bool(total.isfinite()):
            raise EvaluationError(f"training the predictor diverges in step {step + 1}: nothing was written.")
        optimiser.zero_grad()
        torch.autograd.backward(total)
        optimiser.step()
        on_progress("steps", step + 1, steps)
    network = network.eval().requires_grad_(False)
    tested = Coefficients.of(np.ascontiguousarray(dataset.images[np.sort(order[:held])]), subsampling)
    about = CodeLengthAbout(
        qsearch=version("qsearch"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=dataset.name,
        digest=dataset.digest,
        subsampling=subsampling,
        steps=steps,
        seed=seed,
        held_out=held,
        smape=float(np.mean(list(errors(CodeLength(network, _UNTESTED, ""), tested, seed)))),
    )
    write_tensors(out, CODE_LENGTH, about, network.state_dict())
    return read_code_length(out)


_UNTESTED = CodeLengthAbout(
    qsearch="", created="", dataset="", digest="", subsampling="", steps=0, seed=0, held_out=0, smape=float("nan")
)


def errors(predictor: CodeLength, coefficients: Coefficients, seed: int) -> Iterator[float]:
    """In per cent, image by image at random standard qualities: |predicted - true bits| over their mean (SMAPE)."""
    import torch

    draw = np.random.default_rng([seed, 3])
    for index in range(len(coefficients)):
        one = coefficients[index : index + 1]
        for quality in draw.integers(1, 101, _TESTS):
            tables = QuantTables.standard(int(quality))
            steps = torch.from_numpy(np.frombuffer(tables.to_bytes(), dtype=np.uint8).reshape(1, 3, 64).copy()).float()
            with torch.no_grad():
                predicted = float(predictor.bits(one, steps)[0])
            true = float(statistics(one, [tables]).bits[0])
            yield 200 * abs(predicted - true) / (predicted + true)


def symbols(levels: Levels, table: int) -> tuple[Levels, Levels]:
    """What blocks ``levels`` [n, 64] in zig-zag order, DC differences first, are coded with.

    Of each AC the zero run of the symbol that is coded there, [n, 63], 16 for none: a sixteenth zero in a row before
    another level has 15, and the first zero of those that end a block has 0, as JPEG's symbols say. And the bits
    [n, 64] of each level's symbol and its own. table: 0 of luma, 1 of chroma.
    """
    dc_lengths, ac_lengths = huffman_lengths()[table]
    sizes = np.ceil(np.log2(1 + np.abs(levels))).astype(np.int64)
    runs = np.full((len(levels), 63), _NO_SYMBOL)
    bits = np.zeros(levels.shape, dtype=np.int64)
    bits[:, 0] = dc_lengths[sizes[:, 0]] + sizes[:, 0]
    for block in range(len(levels)):
        coded = np.flatnonzero(levels[block, 1:])
        for before, place in zip((-1, *coded[:-1]), coded, strict=False):
            zeros = place - before - 1
            for skipped in range(zeros // 16):
                runs[block, before + 16 * (skipped + 1)] = 15
            runs[block, place] = zeros % 16
        end = coded[-1] + 1 if len(coded) else 0
        if end < 63:
            runs[block, end] = 0
    is_coded = runs != _NO_SYMBOL
    bits[:, 1:] = np.where(is_coded, ac_lengths[np.minimum(runs, 15), sizes[:, 1:]] + sizes[:, 1:], 0)
    return runs, bits


@cache
def huffman_lengths() -> list[tuple[Levels, Levels]]:
    """Of luma and of chroma the bits of the code of each DC size [16], and of each zero run and AC size [16, 16]: read
    from the standard Huffman tables that libjpeg writes into files."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", optimize=False)
    data = buffer.getvalue()
    found = [(np.zeros(16, dtype=np.int64), np.zeros((16, 16), dtype=np.int64)) for _ in range(2)]
    position = 2
    while data[position + 1] != 0xDA:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length]
        while marker == 0xC4 and segment:
            kind, counts = segment[0], list(segment[1:17])
            values = segment[17 : 17 + sum(counts)]
            lengths = np.repeat(np.arange(1, 17), counts)
            for value, bits in zip(values, lengths, strict=True):
                found[kind & 15][kind >> 4].reshape(-1)[value] = bits
            segment = segment[17 + sum(counts) :]
        position += 2 + length
    return found


def filling_bits(coefficients: Coefficients) -> int:
    """Of an image's luma blocks that only fill up its last units at 4:2:0: a difference of 0, and the block's end."""
    factor = FACTORS[coefficients.subsampling]
    rows, columns = -(-coefficients.height // 8), -(-coefficients.width // 8)
    blocks = (-(-rows // factor) * factor) * (-(-columns // factor) * factor) - rows * columns
    dc, ac = huffman_lengths()[0]
    return blocks * int(dc[0] + ac[0, 0])


def _random_levels(draw: np.random.Generator) -> Levels:
    return draw.integers(-LARGEST_RANDOM, LARGEST_RANDOM + 1, (BATCH // 2, 64))


def _levels_of_images(draw: np.random.Generator, coefficients: Coefficients, table: int) -> Levels:
    """Blocks of one image at a random standard quality, in zig-zag order, with DC differences."""
    one = coefficients[[int(draw.integers(len(coefficients)))]]
    quality = QuantTables.standard(int(draw.integers(1, 101)))
    steps = (quality.chroma if table else quality.luma).ravel()
    parts = _components(one)
    blocks = parts[1 + int(draw.integers(2)) if table else 0][0].double().numpy()
    ratio = blocks / steps
    levels = (np.sign(ratio) * np.floor(np.abs(ratio) + 0.5)).astype(np.int64)[:, ZIGZAG]
    levels[1:, 0] -= levels[:-1, 0].copy()
    return np.asarray(levels[draw.choice(len(levels), min(BATCH // 2, len(levels)), replace=False)])


def _components(coefficients: Coefficients) -> "list[torch.Tensor]":
    """float32 [N, blocks, 64] of Y, Cb and Cr in raster order of frequencies, the blocks in the order of the file."""
    import torch

    factor = FACTORS[coefficients.subsampling]
    rows, columns = -(-coefficients.height // 8), -(-coefficients.width // 8)
    chroma = -(-coefficients.height // (8 * factor)) * -(-coefficients.width // (8 * factor))
    luma, cb, cr = torch.split(coefficient_tensor(coefficients), [rows * columns, chroma, chroma], dim=1)
    row, column = np.divmod(np.arange(rows * columns), columns)
    order = np.lexsort((column % factor, row % factor, column // factor, row // factor))
    return [luma[:, torch.from_numpy(order)], cb, cr]
