"""torchvision's networks from local files, and what is said where weights are missing or not what they seem."""

import hashlib
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.engines import TorchEngine
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.classifiers.network import BATCH
from qsearch.classifiers.torchvision import preprocessing_of, weight_sets
from qsearch.datasets.imagenet_classes import imagenet_synsets
from qsearch.errors import InputError

SMALL = "squeezenet1_1"

Images = npt.NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", fail)


def random_images(count: int, size: int = 224) -> Images:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def network(name: str, **options: Any) -> Any:
    """A network as torchvision makes it, with random weights that are the same at every call."""
    import torch
    from torchvision import models

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return models.get_model(name, weights=None, **options).eval()


def save(folder: Path, name: str, **options: Any) -> Path:
    """Its weights in a file named as torchvision's are, by the beginning of its SHA-256."""
    import torch

    torch.save(network(name, **options).state_dict(), folder / "weights.pth")
    digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()
    return (folder / "weights.pth").rename(folder / f"{name}-{digest[:8]}.pth")


def load(name: str, weights: Path | str | None) -> InferenceClassifier:
    options = ClassifierOptions(weights=None if weights is None else str(weights))
    classifier = load_classifier(f"torchvision:{name}", options)
    assert isinstance(classifier, InferenceClassifier)
    return classifier


class TestLocalWeights:
    def test_logits_are_torchvisions_preprocessing_included(self, tmp_path: Path) -> None:
        import torch
        from PIL import Image
        from torchvision import models

        images = random_images(3, 300)
        transforms = models.get_model_weights("resnet18").IMAGENET1K_V1.transforms()
        with torch.inference_mode():
            batch = torch.stack([transforms(Image.fromarray(image)) for image in images])
            expected = network("resnet18")(batch).numpy()
        classifier = load("resnet18", save(tmp_path, "resnet18"))
        np.testing.assert_allclose(classifier.logits(images), expected, atol=1e-4 * expected.std())

    def test_inputs_are_transformed_as_googlenet_was_trained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch
        from torchvision.transforms import functional

        images = random_images(2)
        monkeypatch.setitem(BATCH, "cuda", 2)  # which the engine fills up with black images
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        reference = network("googlenet", init_weights=False, transform_input=True)
        with torch.inference_mode():
            expected = reference(functional.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])).numpy()
        classifier = load("googlenet", save(tmp_path, "googlenet", init_weights=False))
        engine = TorchEngine(classifier.network, "cpu", "float32")
        np.testing.assert_allclose(engine(images), expected, atol=1e-4 * expected.std())

    def test_classes_are_those_of_the_weights(self, tmp_path: Path) -> None:
        assert load(SMALL, save(tmp_path, SMALL)).class_names == imagenet_synsets()
        fine_tuned = load(SMALL, save(tmp_path, SMALL, num_classes=12))
        assert (fine_tuned.classes, fine_tuned.class_names) == (12, None)

    def test_settings_name_weights_and_preprocessing(self, tmp_path: Path) -> None:
        path = save(tmp_path, SMALL)
        settings = load(SMALL, path).settings()
        assert settings["weights"] == path.name
        assert settings["preprocessing"] == "shorter side 256 bilinear, centre crop 224x224"
        assert settings["mean"] == "0.485 0.456 0.406"
        assert {"torchvision_version", "torch_version", "openvino_version"} <= settings.keys()

    def test_layers_of_an_older_version_are_told_apart(self, tmp_path: Path) -> None:
        # MNASNet's layers differ by a version that is beside the weights, not among them.
        assert load("mnasnet0_5", save(tmp_path, "mnasnet0_5")).classes == 1000

    def test_the_users_random_numbers_are_left_alone(self, tmp_path: Path) -> None:
        import torch

        path = save(tmp_path, SMALL)
        torch.manual_seed(3)
        before = torch.get_rng_state()
        load(SMALL, path)
        assert torch.equal(torch.get_rng_state(), before)


class TestWeightSets:
    @pytest.mark.parametrize(
        ("name", "weights", "file"),
        [
            ("resnet50", None, "resnet50-0676ba61.pth"),
            ("resnet50", "IMAGENET1K_V2", "resnet50-11ad3fa6.pth"),
            ("vit_h_14", None, "vit_h_14_swag-80465313.pth"),
        ],
    )
    def test_offline_the_file_the_folder_and_the_option_are_named(
        self, no_network: None, tmp_path: Path, name: str, weights: str | None, file: str
    ) -> None:
        with pytest.raises(InputError, match="no route to host") as error:
            load(name, weights)
        for expected in (file, str(tmp_path / "torch" / "hub" / "checkpoints"), "--weights"):
            assert expected in str(error.value)

    def test_a_file_where_torch_keeps_it_is_checked_too(self, no_network: None, tmp_path: Path) -> None:
        folder = tmp_path / "torch" / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        save(tmp_path, SMALL).rename(folder / "squeezenet1_1-b8a52dc0.pth")
        with pytest.raises(InputError, match="is damaged or another file"):
            load(SMALL, None)

    def test_features_are_no_classifier(self) -> None:
        with pytest.raises(InputError, match="features without a classifier"):
            load("vgg16", "IMAGENET1K_FEATURES")

    def test_unknown_names_come_with_the_nearest(self) -> None:
        with pytest.raises(InputError, match="resnet50"):
            load("resnet5O", None)
        with pytest.raises(InputError, match=r"no weight set of resnet50 \(IMAGENET1K_V1, IMAGENET1K_V2\) and no file"):
            load("resnet50", "IMAGENET1K_V3")


class TestWhatIsNoWeights:
    def test_another_file_under_a_hashed_name(self, tmp_path: Path) -> None:
        path = save(tmp_path, SMALL).rename(tmp_path / f"{SMALL}-01234567.pth")
        with pytest.raises(InputError, match="is damaged or another file"):
            load(SMALL, path)

    def test_weights_of_another_network(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"does not hold weights of resnet18"):
            load("resnet18", save(tmp_path, SMALL))

    def test_no_torch_file(self, tmp_path: Path) -> None:
        (tmp_path / "notes.pth").write_text("not weights")
        with pytest.raises(InputError, match=r"notes\.pth holds no weights"):
            load(SMALL, tmp_path / "notes.pth")

    @pytest.mark.parametrize("content", [{"model": {}, "epoch": 3}, [1, 2], {}])
    def test_no_state_dict(self, tmp_path: Path, content: object) -> None:
        import torch

        torch.save(content, tmp_path / "checkpoint.pth")
        with pytest.raises(InputError, match="not a state_dict"):
            load(SMALL, tmp_path / "checkpoint.pth")


class TestEveryWeightSet:
    def test_each_brings_a_preprocessing_that_can_be_done(self) -> None:
        from torchvision import models

        from qsearch.datasets.preparation import INTERPOLATIONS

        sets = weight_sets()
        assert {"IMAGENET1K_V1", "IMAGENET1K_V2"} <= set(sets["resnet50"])
        sizes = {}
        for name, names in sets.items():
            for one in names:
                takes, mean, std = preprocessing_of(models.get_model_weights(name)[one])
                assert takes.height == takes.width
                assert takes.resize is not None
                assert takes.height is not None
                assert takes.resize >= takes.height
                assert takes.interpolation in INTERPOLATIONS
                assert (len(mean), len(std)) == (3, 3)
                sizes[name, one] = takes.resize, takes.height, takes.interpolation
        assert sizes["resnet50", "IMAGENET1K_V1"] == (256, 224, "bilinear")
        assert sizes["resnet50", "IMAGENET1K_V2"] == (232, 224, "bilinear")
        assert sizes["vit_b_16", "IMAGENET1K_SWAG_E2E_V1"] == (384, 384, "bicubic")
        assert len(sizes) > 80

    def test_one_by_name_is_fed_as_it_was_trained(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch
        from PIL import Image
        from torchvision import models

        weight_set = models.get_model_weights("mobilenet_v2").IMAGENET1K_V2
        folder = tmp_path / "torch" / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        save(tmp_path, "mobilenet_v2").rename(folder / str(weight_set.url).rsplit("/", 1)[-1])
        monkeypatch.setattr("qsearch.classifiers.torchvision._hash_in_name", lambda file: None)
        images = random_images(2, 300)
        with torch.inference_mode():
            batch = torch.stack([weight_set.transforms()(Image.fromarray(image)) for image in images])
            expected = network("mobilenet_v2")(batch).numpy()
        classifier = load("mobilenet_v2", "IMAGENET1K_V2")
        assert classifier.settings()["preprocessing"] == "shorter side 232 bilinear, centre crop 224x224"
        np.testing.assert_allclose(classifier.logits(images), expected, atol=1e-3 * expected.std())

    def test_normalisation_of_ones_own_is_refused(self, tmp_path: Path) -> None:
        options = ClassifierOptions(weights=str(save(tmp_path, SMALL)), mean=(0.5, 0.5, 0.5))
        with pytest.raises(InputError, match=f"torchvision:{SMALL} does not take --mean: leave it out"):
            load_classifier(f"torchvision:{SMALL}", options)
