"""Code lengths: counted as libjpeg codes them, and a predictor that learns them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.errors import InputError
from qsearch.models.code_length import (
    CodeLength,
    _components,
    errors,
    filling_bits,
    huffman_lengths,
    read_code_length,
    symbols,
    train_code_length,
)
from qsearch.tables import ZIGZAG, QuantTables
from tests.learning.images import dataset_of, waves


def block(**levels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """One block [1, 64]: ``at_5=3`` is the level 3 at the zig-zag position 5."""
    found = np.zeros((1, 64), dtype=np.int64)
    for name, level in levels.items():
        found[0, int(name.removeprefix("at_"))] = level
    return found


def test_standard_codes_are_those_of_annex_k() -> None:
    """T.81 Tables K.3 to K.6: end of block, sixteen zeros, the commonest symbols, and no code for others."""
    (luma_dc, luma), (chroma_dc, chroma) = huffman_lengths()
    assert luma_dc[:12].tolist() == [2, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9]
    assert chroma_dc[:12].tolist() == [2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert (luma[0, 0], luma[15, 0], luma[0, 1], luma[0, 2], luma[1, 1]) == (4, 11, 2, 2, 4)
    assert (chroma[0, 0], chroma[15, 0], chroma[0, 1]) == (2, 10, 2)
    assert luma[3, 0] == 0


def test_symbols_of_blocks_by_hand() -> None:
    runs, bits = symbols(block(), 0)
    assert runs[0].tolist() == [0] + [16] * 62
    assert bits.sum() == 2 + 4
    runs, bits = symbols(block(at_0=-3, at_1=1, at_4=-2), 0)
    assert runs[0, :5].tolist() == [0, 16, 16, 2, 0]
    assert (bits[0, 0], bits[0, 1], bits[0, 5]) == (3 + 2, 2 + 1, 4)
    runs, _ = symbols(block(at_20=1, at_63=1), 0)
    assert np.flatnonzero(runs[0] != 16).tolist() == [15, 19, 35, 51, 62]
    assert runs[0, [15, 19, 35, 51, 62]].tolist() == [15, 3, 15, 15, 10]


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("side", [40, 37])
def test_counted_bits_are_libjpeg_s(subsampling: str, side: int) -> None:
    coefficients = Coefficients.of(waves(2, side), subsampling)
    for quality in (10, 50, 95):
        tables = QuantTables.standard(quality)
        counted = np.full(2, filling_bits(coefficients), dtype=float)
        for component, blocks in enumerate(_components(coefficients)):
            steps = (tables.chroma if component else tables.luma).ravel()
            ratio = blocks.double().numpy() / steps
            levels = (np.sign(ratio) * np.floor(np.abs(ratio) + 0.5)).astype(np.int64)[:, :, ZIGZAG]
            levels[:, 1:, 0] -= levels[:, :-1, 0].copy()
            counted += [symbols(of_image, min(component, 1))[1].sum() for of_image in levels]
        assert counted.tolist() == statistics(coefficients, [tables] * 2).bits.tolist()


class TestPredictor:
    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, tmp_path_factory: pytest.TempPathFactory) -> CodeLength:
        return train_code_length(dataset_of(6, 64), tmp_path_factory.mktemp("bits") / "bits", steps=60, seed=0)

    def test_it_learns(self, trained: CodeLength, tmp_path: Path) -> None:
        fresh = train_code_length(dataset_of(6, 64), tmp_path / "bits", steps=1, seed=0)
        assert trained.about.smape < 0.6 * fresh.about.smape
        assert trained.about.held_out == 1

    def test_what_it_says_of_itself_is_what_it_does(self, trained: CodeLength) -> None:
        order = np.random.default_rng([0, 1]).permutation(6)
        held = Coefficients.of(waves(6, 64)[order[:1]], "4:2:0")
        assert float(np.mean(list(errors(trained, held, 0)))) == pytest.approx(trained.about.smape)

    def test_coarser_steps_have_fewer_bits_and_gradients_say_so(self, trained: CodeLength) -> None:
        coefficients = Coefficients.of(waves(2, 64), "4:2:0")
        steps = torch.full((2, 3, 64), 12.0, requires_grad=True)
        bits = trained.bits(coefficients, steps)
        (gradient,) = torch.autograd.grad(bits.sum(), steps)
        assert bits.shape == (2,)
        assert float((gradient * steps.detach()).sum()) < 0
        assert bool((trained.bits(coefficients, 4 * steps.detach()) < bits.detach()).all())

    def test_an_image_does_not_change_the_bits_of_another(self, trained: CodeLength) -> None:
        coefficients = Coefficients.of(waves(3, 40), "4:2:0")
        steps = torch.full((3, 3, 64), 12.0)
        alone = [float(trained.bits(coefficients[index : index + 1], steps[:1])[0]) for index in range(3)]
        assert trained.bits(coefficients, steps).tolist() == pytest.approx(alone, rel=1e-4)

    def test_a_seed_trains_the_same(self, tmp_path: Path) -> None:
        first, same = (train_code_length(dataset_of(3), tmp_path / name, steps=2, seed=5) for name in ("a", "b"))
        assert first.about.smape == same.about.smape

    def test_damaged_and_other_files_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "bits").write_bytes(b"\x08" + bytes(20))
        with pytest.raises(InputError, match="no safetensors file of code lengths"):
            read_code_length(tmp_path / "bits")

    def test_one_image_is_too_few(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="two images or more"):
            train_code_length(dataset_of(1), tmp_path / "bits", steps=1, seed=0)
