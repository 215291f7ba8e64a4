"""timm's networks from local files: its own preprocessing, and what is said where something is missing."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.datasets.imagenet_classes import imagenet_synsets
from qsearch.errors import InputError, MissingDependencyError

SMALL = "mobilenetv3_small_050"

Images = npt.NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def random_images(count: int, size: int = 224) -> Images:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def network(name: str = SMALL, **options: Any) -> Any:
    """A network as timm makes it, with random weights that are the same at every call."""
    import torch

    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(name, pretrained=False, **options).eval()


def save(folder: Path) -> Path:
    """Its weights in a file."""
    import torch

    torch.save(network().state_dict(), folder / "small.pth")
    return folder / "small.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("timm"))


def load(name: str, weights: Path | str | None, **options: Any) -> InferenceClassifier:
    given = ClassifierOptions(weights=None if weights is None else str(weights), **options)
    classifier = load_classifier(f"timm:{name}", given)
    assert isinstance(classifier, InferenceClassifier)
    return classifier


def test_logits_are_timms_preprocessing_included(weights: Path) -> None:
    import torch
    from PIL import Image

    timm = pytest.importorskip("timm.data")
    images = random_images(3, 300)
    reference = network()
    transform = timm.create_transform(**timm.resolve_data_config({}, model=reference))
    with torch.inference_mode():
        batch = torch.stack([transform(Image.fromarray(image)) for image in images])
        expected = reference(batch).numpy()
    np.testing.assert_allclose(load(SMALL, weights).logits(images), expected, atol=1e-3 * expected.std())


def test_a_weight_set_brings_its_own_preprocessing(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "tiny.pth"
    torch.save(network("vit_tiny_patch16_224").state_dict(), path)
    settings = load("vit_tiny_patch16_224.augreg_in21k_ft_in1k", path).settings()
    assert settings["preprocessing"] == "shorter side 248 bicubic, centre crop 224x224"
    assert (settings["mean"], settings["std"]) == ("0.5 0.5 0.5", "0.5 0.5 0.5")
    assert {"timm_version", "torch_version"} <= settings.keys()


def test_classes_are_those_of_the_weights(tmp_path: Path, weights: Path) -> None:
    import torch
    from safetensors.torch import save_file

    assert load(SMALL, weights).class_names == imagenet_synsets()
    fine_tuned = network(num_classes=3)
    save_file(fine_tuned.state_dict(), tmp_path / "three.safetensors")
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\n")
    classifier = load(SMALL, tmp_path / "three.safetensors", class_names=str(tmp_path / "names.txt"))
    assert classifier.class_names == ("one", "two", "three")
    images = random_images(2)
    with torch.inference_mode():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        normalised = (pixels - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
            [0.229, 0.224, 0.225]
        )[:, None, None]
        expected = fine_tuned(normalised).numpy()
    np.testing.assert_allclose(classifier.logits(images), expected, atol=1e-3 * expected.std())


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'qsearch\[timm\]'"):
        load(SMALL, None)


def test_offline_the_file_to_get_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def fail(*arguments: object, **options: object) -> None:
        raise hub.errors.LocalEntryNotFoundError("no route to host")

    monkeypatch.setattr(hub, "hf_hub_download", fail)
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *arguments: None)
    with pytest.raises(
        InputError, match=r"timm/mobilenetv3_small_050\.lamb_in1k/model\.safetensors .*no route to host.*--weights FILE"
    ):
        load(SMALL, None)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mobilenetv3_smal_050", "unknown timm network 'mobilenetv3_smal_050': did you mean .*mobilenetv3_small_050"),
        ("resnet50.a9_in1k", r"unknown timm network 'resnet50\.a9_in1k': did you mean resnet50\."),
        ("", "unknown timm network ''"),
    ],
)
def test_unknown_networks(name: str, sentence: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=sentence):
        load(name, None)


def test_weights_of_something_else(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "text.pth").write_text("nothing of the kind")
    with pytest.raises(InputError, match="holds no weights that timm can read"):
        load(SMALL, tmp_path / "text.pth")
    with pytest.raises(InputError, match=r"small\.pth does not hold weights of timm:resnet18"):
        load("resnet18", weights)
    with pytest.raises(InputError, match="is no file: --weights of timm:mobilenetv3_small_050 takes a file"):
        load(SMALL, tmp_path / "nowhere.pth")
    with pytest.raises(InputError, match="timm:mobilenetv3_small_050 does not take --mean"):
        load(SMALL, weights, mean=(0.5, 0.5, 0.5))
