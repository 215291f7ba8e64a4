"""The embedded classifier: its weights belong to its network, and reading gets gradually harder with compression."""

import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.textures_cnn import WEIGHTS, build_network, read_weights, trained_network, write_weights
from qsearch.classifiers.train_textures_cnn import accuracy, main, train
from qsearch.datasets.base import Dataset
from qsearch.datasets.textures import CLASS_NAMES, prepare
from qsearch.errors import InputError


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QSEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def photographs() -> Dataset:
    return prepare("validate", 240).named("textures:validate")


def compressed(images: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    decoded = np.empty_like(images)
    for target, image in zip(decoded, images, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        target[...] = np.asarray(Image.open(file))
    return decoded


def test_accuracy_falls_over_the_whole_range_of_qualities(photographs: Dataset) -> None:
    classifier = load_classifier("textures-cnn")

    def top1(images: npt.NDArray[np.uint8]) -> float:
        return float((classifier.logits(images).argmax(1) == photographs.labels).mean())

    assert 0.91 <= top1(photographs.images) <= 0.99
    assert 0.77 <= top1(compressed(photographs.images, 50)) <= 0.93
    assert 0.46 <= top1(compressed(photographs.images, 10)) <= 0.74


def test_it_names_the_classes_of_the_dataset_in_their_order() -> None:
    classifier = load_classifier("textures-cnn")
    assert classifier.class_names == CLASS_NAMES
    assert classifier.classes == len(CLASS_NAMES)
    assert classifier.settings()["digest"] == classifier.digest


def test_it_answers_alike_after_a_journey_to_another_process_and_in_any_batch(photographs: Dataset) -> None:
    classifier = load_classifier("textures-cnn")
    logits = classifier.logits(photographs.images[:9])
    assert logits.shape == (9, 12)
    assert np.array_equal(pickle.loads(pickle.dumps(classifier)).logits(photographs.images[:9]), logits)
    assert np.array_equal(classifier.logits(photographs.images[4:5]), logits[4:5])


def test_the_compiled_network_agrees_with_torch(photographs: Dataset) -> None:
    import torch

    images = photographs.images[:24]
    with torch.inference_mode():
        expected = trained_network(read_weights(WEIGHTS))(torch.from_numpy(images.copy()).permute(0, 3, 1, 2) / 255)
    assert load_classifier("textures-cnn").logits(images) == pytest.approx(expected.numpy(), abs=2e-3)


def test_the_weights_are_small_finite_and_of_this_network() -> None:
    assert WEIGHTS.stat().st_size < 300_000
    weights = read_weights(WEIGHTS)
    state = build_network().state_dict()
    assert set(weights) == {name for name, tensor in state.items() if tensor.is_floating_point()}
    assert all(np.isfinite(array).all() for array in weights.values())


def test_written_weights_come_back_the_same_and_with_the_same_bytes(tmp_path: Path) -> None:
    write_weights(tmp_path / "again.npz", trained_network(read_weights(WEIGHTS)))
    assert (tmp_path / "again.npz").read_bytes() == WEIGHTS.read_bytes()


def test_other_weights_make_another_classifier(tmp_path: Path, photographs: Dataset) -> None:
    write_weights(tmp_path / "untrained.npz", build_network())
    options = ClassifierOptions(weights=str(tmp_path / "untrained.npz"))
    untrained, trained = load_classifier("textures-cnn", options), load_classifier("textures-cnn")
    assert untrained.digest != trained.digest
    assert not np.allclose(untrained.logits(photographs.images[:3]), trained.logits(photographs.images[:3]))


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 torn", None])
def test_a_file_that_holds_no_weights_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.npz"):
        load_classifier("textures-cnn", ClassifierOptions(weights=str(path)))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", layer=np.zeros(3))
    with pytest.raises(InputError, match="another network"):
        load_classifier("textures-cnn", ClassifierOptions(weights=str(tmp_path / "other.npz")))


def test_an_argument_is_refused() -> None:
    with pytest.raises(InputError, match="'large'"):
        load_classifier("textures-cnn:large")


@pytest.fixture
def one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)  # the script asks for them


@pytest.mark.usefixtures("one_thread")
def test_training_learns_and_repeats_itself() -> None:
    import torch

    images, labels = np.zeros((640, 16, 16, 3), dtype=np.uint8), np.arange(640) % 2
    images[labels == 1, ::2] = 200
    results = []
    for _ in range(2):
        torch.manual_seed(7)
        network = build_network()
        train(network, images, labels, epochs=5, seed=3)
        results.append(network.eval())
    assert accuracy(results[0], images, labels) == 1
    pairs = zip(results[0].state_dict().values(), results[1].state_dict().values(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


@pytest.mark.usefixtures("one_thread")
def test_the_training_script_writes_weights_and_says_how_good_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    few = {"train": 72, "search": 24, "validate": 24, "test": 24}
    monkeypatch.setattr("qsearch.datasets.textures.SPLITS", few)
    out = tmp_path / "weights.npz"
    result = CliRunner().invoke(main, ["--epochs", "1", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "textures:validate quality 50: 0." in result.output
    assert load_classifier("textures-cnn", ClassifierOptions(weights=str(out))).classes == 12
