"""Training networks of tables: what is learned, kept, gone on with and refused."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.statistics import statistics
from qsearch.errors import EvaluationError, InputError
from qsearch.models import load_model
from qsearch.models.architecture import TableNetwork
from qsearch.models.files import read_network, write_network
from qsearch.models.inputs import hints_of
from qsearch.models.network import NetworkModel
from qsearch.models.settings import Architecture, NetworkSettings, Training
from qsearch.models.tasks import Batch, Costs, SquaredError
from qsearch.models.training import train_networks
from qsearch.run.settings import ClassifierSettings
from qsearch.tables import QuantTables
from tests.learning.images import dataset_of, waves
from tests.learning.networks import in_torch
from tests.models.made_up import ladder, noise

SMALL = Architecture(width=4, bottleneck=2, luma_blocks=1, chroma_blocks=1, hidden=8)
NETWORK = ClassifierSettings(spec="two sides")
Train = Callable[..., NetworkModel]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def settings(**changed: Any) -> NetworkSettings:
    found = {
        "task": "distortion",
        "strengths": (50.0,),
        "ladder": ladder().digest,
        "architecture": SMALL,
        "training": Training(epochs=2, batch=4, learning_rate=0.01),
        **changed,
    }
    return NetworkSettings(**found)


def train(out: Path, wanted: NetworkSettings, images: int = 8, **how: Any) -> NetworkModel:
    classifier = in_torch() if wanted.classifier else None
    train_networks(dataset_of(images), wanted, ladder(), out=out, classifier=classifier, **how)
    return NetworkModel.load(str(out))


def test_before_training_tables_are_the_ladder_s(tmp_path: Path) -> None:
    """No epoch of nearly no learning rate is better, and the model says so by its tables."""
    model = train(tmp_path / "model", settings(training=Training(epochs=1, batch=4, learning_rate=1e-9)))
    for image in [*waves(3), *noise(2)]:
        assert model.tables(image, 50) == QuantTables.standard(50)


def test_training_lowers_the_cost_of_images_held_out(tmp_path: Path) -> None:
    hinted = msgspec.structs.replace(SMALL, hint=True)
    wanted = settings(price="own", architecture=hinted, training=Training(epochs=6, batch=4, learning_rate=0.03))
    model = train(tmp_path / "model", wanted, images=20)
    (progress,) = model.file.about.progress
    assert progress.best > 0
    assert progress.held_out[progress.best] < progress.held_out[0] - 0.002
    assert model.tables(waves(1)[0], 50) != QuantTables.standard(50)


@pytest.mark.parametrize(
    "changed",
    [
        {"rounding": "straight-through"},
        {"task": "ms-ssim"},
        {"task": "features", "classifier": NETWORK},
        {"task": "accuracy", "classifier": NETWORK, "strengths": (60.0,)},
        {"task": "accuracy", "classifier": NETWORK, "label_free": True},
        {"architecture": msgspec.structs.replace(SMALL, attention=True)},
        {"training": Training(epochs=1, batch=3, crop=24)},
        {"strengths": (20.0, 80.0)},
    ],
    ids=str,
)
def test_every_task_trains(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Numbers all along, and tables that follow the images."""
    wanted = settings(**{"training": Training(epochs=1, batch=4, learning_rate=0.01), **changed})
    model = train(tmp_path / "model", wanted)
    for progress in model.file.about.progress:
        assert progress.epochs == 1
        assert progress.price > 0
        assert all(map(math.isfinite, (*progress.costs, *progress.held_out)))
    weights = read_network(tmp_path / "model").tensors
    assert not any(name.startswith(("current", "adam")) for name in weights)


def test_costs_have_the_gradient_of_what_they_say() -> None:
    """Scaling all of an image's steps up a little changes its cost as the gradient says."""
    batch = Batch.of(waves(4), np.arange(4), "4:2:0")
    costs = Costs(settings(), SquaredError(), 2.0, QuantTables.standard(50))
    steps = torch.full((4, 2, 64), 20.0, requires_grad=True)
    _, total = costs(batch, steps)
    (gradient,) = torch.autograd.grad(total, steps)
    finer, coarser = (costs(batch, torch.full((4, 2, 64), step))[0].mean() for step in (17.0, 23.0))
    assert float(gradient.sum()) == pytest.approx((coarser - finer) / 6, rel=0.25)


def test_roundings_decode_the_same_and_differ_in_gradients() -> None:
    """Without subsampling, whose own error is in decoded pixels alone."""
    batch = Batch.of(waves(3), np.arange(3), "4:4:4")
    steps = torch.full((3, 2, 64), 20.0, requires_grad=True)
    found = []
    for rounding in ("secant", "straight-through"):
        costs, total = Costs(settings(rounding=rounding), SquaredError(), 2.0, QuantTables.standard(50))(batch, steps)
        found.append((costs, torch.autograd.grad(total, steps)[0]))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=0.1)
    assert not torch.allclose(found[0][1], found[1][1])


def test_an_image_s_own_price_leaves_no_gain_in_scaling_the_ladder() -> None:
    batch = Batch.of(np.concatenate([waves(2), noise(3)[1:]]), np.arange(4), "4:2:0")
    start = QuantTables.standard(50)
    costs = Costs(settings(price="own"), SquaredError(), 2.0, start)
    steps = torch.tensor(np.stack([start.luma, start.cb]).reshape(1, 2, 64).repeat(4, axis=0), dtype=torch.float32)
    steps.requires_grad_()
    _, total = costs(batch, steps)
    (gradient,) = torch.autograd.grad(total, steps)
    by_image = (gradient * steps).sum(dim=(1, 2)).abs()
    assert float(by_image.detach().max()) < 1e-4 * float((gradient * steps).detach().abs().sum(dim=(1, 2)).min())


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path) -> None:
    wanted = settings(strengths=(20.0, 50.0), training=Training(epochs=3, batch=4, learning_rate=0.01))
    whole = train(tmp_path / "whole", wanted)

    def stop(stage: str, done: int, total: int, note: str) -> None:
        if stage == "epochs at strength 50" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", wanted, on_progress=stop)
    stopped = NetworkModel.load(str(tmp_path / "parts"))
    assert "5 of 6 epochs" in stopped.title
    resumed = train(tmp_path / "parts", wanted)
    assert resumed.file.about.progress == whole.file.about.progress
    for name, tensor in whole.file.tensors.items():
        assert torch.equal(tensor, resumed.file.tensors[name]), name


def test_training_that_diverges_stops_and_keeps_what_was_good(tmp_path: Path) -> None:
    wanted = settings(training=Training(epochs=9, batch=2, learning_rate=1.0))
    with pytest.raises(EvaluationError, match=r"diverges in epoch .*lower --learning-rate"):
        train(tmp_path / "model", wanted)
    kept = NetworkModel.load(str(tmp_path / "model"))
    (progress,) = kept.file.about.progress
    assert progress.epochs < 9
    assert "of 9 epochs" in kept.title
    assert kept.tables(waves(1)[0], 50)


def test_seeds_and_images_decide_what_is_trained(tmp_path: Path) -> None:
    first, same, other = (
        train(tmp_path / f"model{index}", settings(seed=seed)) for index, seed in enumerate((0, 0, 1))
    )
    assert first.file.about.progress == same.file.about.progress
    assert first.file.about.progress != other.file.about.progress
    with pytest.raises(InputError, match="trained otherwise or on other images"):
        train(tmp_path / "model0", settings(seed=1))
    with pytest.raises(InputError, match="trained otherwise or on other images"):
        train(tmp_path / "model0", settings(), images=6)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"strengths": ()}, "strengths are from 1 to 100"),
        ({"strengths": (50.0, 20.0)}, "each once and rising"),
        ({"strengths": (90.0,)}, "ladder has strengths from 20 to 80"),
        ({"ladder": "f" * 64}, "another ladder"),
        ({"subsampling": "4:4:4"}, "learned for JPEG 4:2:0, and 4:4:4 is wanted"),
        ({"task": "accuracy"}, "asks a network: say which one"),
        ({"classifier": NETWORK}, "asks no network"),
        ({"rate": "taqn"}, "give --code-length with --rate taqn"),
        ({"rounding": "cubic"}, "secant or straight-through"),
        ({"label_free": True}, "only accuracy can be learned with or without labels"),
        ({"task": "ms-ssim", "price": "own"}, "share one"),
        ({"images": 1}, "two images or more"),
        ({"training": Training(crop=48)}, "no squares of 48"),
        ({"training": Training(crop=8)}, "too small to learn from"),
        ({"task": "accuracy", "classifier": NETWORK, "training": Training(crop=24)}, "leave --crop out"),
    ],
    ids=str,
)
def test_wrong_input(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        train(tmp_path / "model", settings(**changed))
    assert not (tmp_path / "model").exists()


def test_a_ladder_of_three_tables_is_refused(tmp_path: Path) -> None:
    three = replace(ladder(), settings=msgspec.structs.replace(ladder().settings, layout="ycbcr"))
    with pytest.raises(InputError, match="luma-chroma is wanted"):
        train_networks(dataset_of(4), settings(), three, out=tmp_path / "model")


def test_between_two_strengths_tables_are_geometric_means(tmp_path: Path) -> None:
    nothing = Training(epochs=1, batch=4, learning_rate=1e-9)
    model = train(tmp_path / "model", settings(strengths=(20.0, 80.0), training=nothing))
    image = waves(1)[0]
    coarse, fine = (QuantTables.standard(quality).luma.astype(float) for quality in (20, 80))
    np.testing.assert_allclose(model.tables(image, 50).luma, np.rint(np.sqrt(coarse * fine)), atol=0.6)
    assert model.tables(image, 80) == QuantTables.standard(80)
    with pytest.raises(InputError, match="strengths from 20 to 80, got 81"):
        model.tables(image, 81)


def test_any_image_size_has_tables_of_its_own(tmp_path: Path) -> None:
    network = TableNetwork(Architecture(), torch.full((2, 64), 16.0))
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(208_000, rel=0.02)
    model = train(tmp_path / "model", settings())
    for height, width in ((1, 1), (7, 40), (100, 31)):
        assert isinstance(model.tables(np.full((height, width, 3), 7, np.uint8), 50), QuantTables)


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        train(tmp_path / "model", settings(training=Training(epochs=1, batch=4)))
        return tmp_path / "model"

    def test_it_is_found_by_its_file_alone(self, path: Path) -> None:
        assert load_model(str(path)).digest == load_model(f"taqn:{path}").digest == read_network(path).digest

    def test_weights_of_another_architecture_are_refused(self, path: Path) -> None:
        found = read_network(path)
        other = msgspec.structs.replace(found.about.settings, architecture=msgspec.structs.replace(SMALL, width=5))
        write_network(path, msgspec.structs.replace(found.about, settings=other), found.tensors)
        with pytest.raises(InputError, match="weights of another architecture than it says"):
            NetworkModel.load(str(path))

    def test_weights_that_are_no_numbers_are_refused(self, path: Path) -> None:
        found = read_network(path)
        broken = {
            name: torch.full_like(each, math.nan) for name, each in found.tensors.items() if each.is_floating_point()
        }
        write_network(path, found.about, {**found.tensors, **broken})
        with pytest.raises(InputError, match="weights that are not numbers"):
            NetworkModel.load(str(path))

    def test_a_newer_format_asks_for_a_newer_version(self, path: Path) -> None:
        data = path.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 9')
        path.write_bytes(data)
        with pytest.raises(InputError, match="has format 9, this qsearch reads up to 1: install a newer"):
            read_network(path)

    def test_weights_of_something_else_are_refused(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(3)}, tmp_path / "other")
        with pytest.raises(InputError, match="weights of something else"):
            read_network(tmp_path / "other")

    @pytest.mark.parametrize("cut", [0, 4, 100, 3000, -1])
    def test_damaged_files_are_refused(self, path: Path, cut: int) -> None:
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(InputError):
            read_network(path)

    def test_it_holds_what_its_images_are_known_again_by(self, path: Path) -> None:
        assert len(NetworkModel.load(str(path)).images) == 8


def test_hints_say_which_entries_save_more_bits_than_they_cost() -> None:
    """For each bit that an entry of a high hint saves, its coarser step costs less than one of a low hint."""
    coefficients, tables = Coefficients.of(waves(1), "4:2:0"), QuantTables.standard(50)
    hints = hints_of(coefficients, tables)[0, 0]
    prices = []
    before = statistics(coefficients, [tables])
    active = np.flatnonzero(before.bits_gradient[0, 0].ravel() < 0)
    for entry in active[hints[active].argsort()[[0, -1]].tolist()]:
        coarser = tables.luma.astype(int).ravel()
        coarser[entry] += max(1, round(0.15 * coarser[entry]))
        after = statistics(coefficients, [QuantTables(coarser.reshape(8, 8), tables.chroma)])
        prices.append(float(after.distortion()[0] - before.distortion()[0]) / int(before.bits[0] - after.bits[0]))
    assert prices[1] < prices[0]
