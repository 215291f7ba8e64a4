"""Names to implementations: the built-in ones, those of plug-ins, and help where a name is misspelt."""

import pytest

from qsearch.classifiers import CLASSIFIERS
from qsearch.datasets import DATASETS
from qsearch.errors import InputError
from qsearch.registry import Registry, nearest_names, split_spec
from qsearch.strategies import STRATEGIES
from tests import fakes


@pytest.mark.usefixtures("plugins")
def test_an_installed_package_adds_names() -> None:
    assert STRATEGIES.get("fake-adaptive") is fakes.Adaptive
    assert "fake" in DATASETS
    names = STRATEGIES.names()
    assert names[0] == "standard"
    assert names[-3:] == ["fake-adaptive", "fake-broken", "fake-repeating"]


@pytest.mark.usefixtures("plugins")
def test_a_plug_in_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(InputError, match=r"'fake-broken' of qsearch.strategies .* tests.no_such_module:Broken"):
        STRATEGIES.get("fake-broken")


def test_without_the_package_its_names_are_unknown() -> None:
    assert "fake-adaptive" not in STRATEGIES


def test_a_built_in_name_cannot_be_taken_over(plugins: None, plugin_folder: object) -> None:
    registry: Registry[object] = Registry("strategies", {"fake-adaptive": "qsearch.tables:QuantTables"})
    assert registry.get("fake-adaptive").__name__ == "QuantTables"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("registry", "name", "sentence"),
    [
        (STRATEGIES, "sorted_random", "unknown strategy 'sorted_random': did you mean sorted-random"),
        (DATASETS, "texture", "unknown dataset 'texture': did you mean textures?"),
        (CLASSIFIERS, "torch-vision", "unknown classifier 'torch-vision': did you mean torchvision"),
        (CLASSIFIERS, "zzz", "unknown classifier 'zzz': known: onnx, pt2, "),
    ],
)
def test_a_misspelt_name_gets_the_nearest_ones(registry: Registry[object], name: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        registry.get(name)
    assert str(error.value).startswith(sentence)


def test_every_built_in_implementation_can_be_imported() -> None:
    for registry in (STRATEGIES, DATASETS, CLASSIFIERS):
        for name in registry.names():
            assert callable(registry.get(name))


def test_with_nothing_known_the_sentence_says_so() -> None:
    assert nearest_names("x", []) == "none is known."


def test_of_a_thousand_names_a_sentence_lists_the_first() -> None:
    listed = nearest_names("x", [f"network-{number:04}" for number in range(1000)])
    assert listed.startswith("known: network-0000, network-0001,")
    assert listed.endswith("network-0019 and 980 more.")


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("textures", ("textures", "")),
        ("folder:/a/b", ("folder", "/a/b")),
        ("folder:C:\\photos", ("folder", "C:\\photos")),
        ("folder:", ("folder", "")),
    ],
)
def test_a_spec_is_split_at_its_first_colon(spec: str, parts: tuple[str, str]) -> None:
    assert split_spec(spec) == parts
