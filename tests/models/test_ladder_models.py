"""Models that stand on a ladder: constant, per-image quality and descent, and the choice of a rung."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.errors import InputError
from qsearch.learning.ladder import write_ladder
from qsearch.learning.objectives import target_at
from qsearch.models import MODELS, load_model
from qsearch.models.choice import LadderChoice, Scores
from qsearch.models.descent import PerImageDescent
from qsearch.models.ladders import Constant, Rungs
from qsearch.models.quality import PerImageQuality
from qsearch.tables import QuantTables
from tests.learning.images import waves
from tests.learning.networks import in_torch
from tests.models.made_up import TRADE_OFFS, ladder, noise


def test_between_rungs_entries_are_geometric_means() -> None:
    rungs = Rungs(ladder())
    assert rungs.tables(20) == QuantTables.standard(20)
    assert rungs.tables(80) == QuantTables.standard(80)
    coarse, fine = (QuantTables.standard(quality).luma.astype(float) for quality in (20, 50))
    np.testing.assert_allclose(rungs.steps(35)[0].reshape(8, 8), np.sqrt(coarse * fine))
    assert rungs.trade_off(35) == pytest.approx(np.sqrt(TRADE_OFFS[0] * TRADE_OFFS[1]))


def test_coarser_by_a_factor_is_another_place_on_the_ladder() -> None:
    rungs = Rungs(ladder())
    assert rungs.scaled(50, 1.0) == pytest.approx(50)
    there = rungs.scaled(50, 1.5)
    ratio = np.log(rungs.steps(there) / rungs.steps(50)).mean()
    assert ratio == pytest.approx(np.log(1.5), abs=1e-6)
    assert rungs.scaled(50, 1e6) == 20
    assert rungs.scaled(50, 1e-6) == 80


def test_a_ladder_of_loss_weights_has_no_strengths() -> None:
    weighted = replace(ladder(), rungs=tuple(replace(rung, quality=None) for rung in ladder().rungs))
    with pytest.raises(InputError, match="strengths are standard qualities"):
        Constant(weighted)


@pytest.mark.parametrize("strength", [20, 35, 80])
def test_descent_lowers_each_image_s_own_cost(strength: int) -> None:
    images = waves(4)
    model, start = PerImageDescent(ladder()), Rungs(ladder()).tables(strength)
    for image in images:
        coefficients = Coefficients.of(image[None], "4:2:0")
        target = target_at("distortion", coefficients, strength)
        costs = [
            float(found.distortion(target.weights)[0] + target.trade_off * found.bpp[0])
            for found in (statistics(coefficients, [tables]) for tables in (model.tables(image, strength), start))
        ]
        assert costs[0] < costs[1]


def test_descent_at_a_broken_strength_lies_between() -> None:
    image = waves(1)[0]
    sizes = [
        int(Coefficients.of(image[None], "4:2:0").size_bytes([PerImageDescent(ladder()).tables(image, one)])[0])
        for one in (30, 44.5, 60)
    ]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_quality_is_the_best_of_all_at_its_price() -> None:
    model = PerImageQuality(ladder())
    for image in waves(3):
        coefficients = Coefficients.of(image[None], "4:2:0")
        costs = {}
        for quality in range(1, 101):
            found = statistics(coefficients, [QuantTables.standard(quality)])
            costs[quality] = float(np.log(found.distortion()[0] + 1 / 12) + TRADE_OFFS[1] * found.bpp[0])
        assert model.tables(image, 50) == QuantTables.standard(min(costs, key=costs.__getitem__))


def test_quality_takes_bytes_from_images_that_gain_little_of_them() -> None:
    """Noise needs far more bits for a decibel than waves do: at one price it is coarser."""
    model = PerImageQuality(ladder())
    smooth, rough = (int(model.tables(image, 50).luma.sum()) for image in (waves(1)[0], noise(2)[1]))
    assert rough > smooth


def test_quality_has_the_ladder_s_own_tables_too() -> None:
    model = PerImageQuality(ladder(), family="ladder")
    own = [Rungs(ladder()).tables(strength) for strength in range(20, 81)]
    assert all(model.tables(image, 50) in own for image in waves(3))
    with pytest.raises(InputError, match="standard, ladder, got 'best'"):
        PerImageQuality(ladder(), family="best")


@pytest.mark.parametrize("score", ["sensitivity", "entropy"])
def test_images_that_move_a_network_more_are_finer(score: str) -> None:
    """Two classes told apart by brightness: on the border between them an error counts most."""
    scores = Scores(in_torch(), "4:2:0", score)
    bright, border = np.full((32, 32, 3), 200, np.uint8), np.full((32, 32, 3), 128, np.uint8)
    assert scores.of(border) > scores.of(bright) >= 0
    reference = scores.mean(np.stack([border, np.full((32, 32, 3), 133, np.uint8)]))
    model = LadderChoice(ladder(), scores, reference)
    assert model.tables(border, 50).luma.sum() < model.tables(bright, 50).luma.sum()
    same = LadderChoice(ladder(), scores, reference, exponent=0.0)
    assert same.tables(border, 50) == same.tables(bright, 50) == QuantTables.standard(50)


def test_an_image_of_the_mean_score_takes_the_strength_s_table() -> None:
    scores = Scores(in_torch(), "4:2:0", "sensitivity")
    image = np.full((32, 32, 3), 130, np.uint8)
    assert LadderChoice(ladder(), scores, scores.of(image)).tables(image, 50) == QuantTables.standard(50)


def test_images_that_all_score_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="answers the same whatever the images are"):
        Scores(in_torch(), "4:2:0", "sensitivity").mean(np.full((2, 32, 32, 3), 255, np.uint8))


def test_models_are_called_by_name_and_file(tmp_path: Path) -> None:
    path = tmp_path / "ladder.json"
    write_ladder(ladder(), path)
    image = waves(1)[0]
    assert load_model(f"constant:{path}").tables(image, 50) == QuantTables.standard(50)
    own = load_model(f"per-image-quality:{path}", {"family": "ladder"})
    assert own.digest != load_model(f"per-image-quality:{path}").digest


@pytest.mark.parametrize(
    ("spec", "options", "sentence"),
    [
        ("constants:ladder.json", {}, "unknown model 'constants': did you mean constant?"),
        ("constant", {}, "name its file, constant:LADDER"),
        ("constant:nothing.json", {}, "cannot be read"),
        ("constant:ladder.json", {"family": "ladder"}, "no option 'family'"),
        ("per-image-quality:ladder.json", {"family": 3}, "takes a word"),
        ("ladder-choice:ladder.json", {}, "learned without a network"),
    ],
)
def test_wrong_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, options: dict[str, object], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_ladder(ladder(), Path("ladder.json"))
    with pytest.raises(InputError, match=sentence.replace("?", r"\?")):
        load_model(spec, options)


def test_every_model_says_what_it_is() -> None:
    for name in MODELS.names():
        assert (MODELS.get(name).__doc__ or "").strip()
