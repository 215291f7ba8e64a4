"""FILE.pt2 from strangers: what such a file says is never run, and the networks that people export go on working."""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsearch.classifiers import load_classifier
from qsearch.classifiers.base import ClassifierOptions
from qsearch.classifiers.engines import TorchEngine
from qsearch.classifiers.inference import InferenceClassifier
from qsearch.errors import InputError

MODEL = "models/model.json"
SAMPLES = "data/sample_inputs/model.pt"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


class Trap:
    """Unpickled, it leaves a file ``sprung``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sprung"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)

    def code(self) -> str:
        """The same as an expression of Python."""
        return f"__import__('pathlib').Path({str(self.path)!r}).touch()"

    @property
    def sprung(self) -> bool:
        return self.path.exists()


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The entries of a program of torch.export: a network with a parameter, a function that takes text, any batch."""
    import torch

    class Tiny(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 4)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.gelu(self.layer(image.mean(dim=(2, 3))), approximate="tanh")

    path = tmp_path_factory.mktemp("exported") / "tiny.pt2"
    shapes = ({0: torch.export.Dim("batch", min=1, max=512)},)
    torch.export.save(torch.export.export(Tiny(), (torch.zeros(2, 3, 16, 16),), dynamic_shapes=shapes), path)
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def write(tmp_path: Path, exported: dict[str, bytes]) -> Callable[..., Path]:
    """``write({entry: bytes, or None for none})`` is the program with other entries."""

    def write(changes: dict[str, bytes | None]) -> Path:
        path = tmp_path / "net.pt2"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**exported, **changes}.items():
                if content is not None:
                    archive.writestr(f"net/{name}", content)
        return path

    return write


def load(path: Path, trust: bool = False) -> InferenceClassifier:
    classifier = load_classifier(str(path), ClassifierOptions(trust_pickle=trust))
    assert isinstance(classifier, InferenceClassifier)
    return classifier


def images() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_what_people_export_loads_and_answers_as_with_full_trust(write: Callable[..., Path]) -> None:
    path = write({})
    checked, trusted = load(path), load(path, trust=True)
    np.testing.assert_array_equal(checked.logits(images()), trusted.logits(images()))
    by_torch, as_saved = (TorchEngine(each.network, "cpu", "float32")(images()) for each in (checked, trusted))
    np.testing.assert_array_equal(by_torch, as_saved)


@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_0"])
def test_real_networks_load(shared: Path, name: str) -> None:
    assert load(shared / "models" / f"{name}.pt2").classes == 1000


def test_sample_inputs_are_not_read(write: Callable[..., Path], trap: Trap) -> None:
    assert load(write({SAMPLES: pickle.dumps(trap)})).logits(images()).shape == (5, 4)
    assert not trap.sprung


def test_sample_inputs_are_what_trust_is_about(write: Callable[..., Path], trap: Trap) -> None:
    import torch

    file = io.BytesIO()
    torch.save(((trap,), {}), file)
    path = write({SAMPLES: file.getvalue()})
    load(path)
    assert not trap.sprung
    load(path, trust=True)
    assert trap.sprung


@pytest.mark.parametrize("config", [WEIGHTS, CONSTANTS])
@pytest.mark.parametrize("file", ["weight_0", "tensor_0", "custom_obj_0", "opaque_obj_0", "../../evil"])
def test_pickled_payloads_are_refused(
    write: Callable[..., Path], exported: dict[str, bytes], trap: Trap, config: str, file: str
) -> None:
    described = json.loads(exported[config])
    described["config"]["extra"] = {"path_name": file, "is_param": False, "use_pickle": True, "tensor_meta": None}
    folder = config.rpartition("/")[0]
    path = write({config: json.dumps(described).encode(), f"{folder}/{file}": pickle.dumps(trap)})
    with pytest.raises(InputError, match=r"(holds the pickled object extra|says .* for path_name).*--trust-pickle"):
        load(path)
    assert not trap.sprung


def spoiled(exported: dict[str, bytes], spoil: Callable[[dict[str, Any]], Any]) -> dict[str, bytes]:
    program = json.loads(exported[MODEL])
    spoil(program)
    return {MODEL: json.dumps(program).encode()}


def nodes(program: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program["graph_module"]["graph"]["nodes"]
    return found


def rename(program: dict[str, Any], name: str) -> None:
    """The image's name, wherever it stands."""
    graph = json.dumps(program["graph_module"]).replace('"image"', json.dumps(name))
    program["graph_module"] = json.loads(graph)


def tree(program: dict[str, Any], key: str, value: Any) -> None:
    signature = program["graph_module"]["module_call_graph"][0]["signature"]
    version, root = json.loads(signature["in_spec"])
    root[key] = value
    signature["in_spec"] = json.dumps([version, root])


def call(program: dict[str, Any], function: str, argument: dict[str, Any], **more: Any) -> None:
    nodes(program)[0] |= {"target": function, "inputs": [{"name": "filename", "arg": argument, "kind": 1, **more}]}


GELU = "torch.ops.aten.gelu.default"
ATTACKS: dict[str, tuple[Callable[[dict[str, Any], Trap], Any], str]] = {
    "a size that is code": (
        lambda program, trap: program["graph_module"]["graph"]["tensor_values"]["image"]["sizes"].append(
            {"as_expr": {"expr_str": trap.code(), "hint": None}}
        ),
        "for expr_str",
    ),
    "a power without end": (
        lambda program, trap: program["graph_module"]["graph"]["tensor_values"]["image"]["sizes"].append(
            {"as_expr": {"expr_str": "Pow(Integer(9), Pow(Integer(9), Integer(9)))", "hint": None}}
        ),
        "for expr_str",
    ),
    "a function of the system": (
        lambda program, trap: call(program, "torch.os.system", {"as_string": "true"}),
        "for target",
    ),
    "a function of torch": (lambda program, trap: call(program, "torch.hub.load", {"as_string": "x"}), "for target"),
    "a function that writes files": (
        lambda program, trap: call(program, "torch.ops.aten.from_file.default", {"as_string": str(trap.path)}),
        "for as_string",
    ),
    "another function's name over its argument": (
        lambda program, trap: call(
            program, "torch.ops.aten.from_file.default", {"as_string": str(trap.path)}, target=GELU, inputs=[]
        ),
        "where none belongs",
    ),
    "an operator as argument": (
        lambda program, trap: call(program, GELU, {"as_operator": "torch.load"}),
        "as_operator",
    ),
    "a name that is code": (lambda program, trap: rename(program, f"x={trap.code()}"), "(calls something|for name)"),
    "a name that is a keyword": (lambda program, trap: nodes(program)[0].update(name="lambda"), "for name"),
    "a parameter's name that is code": (
        lambda program, trap: program["graph_module"]["signature"]["input_specs"][0]["parameter"].update(
            parameter_name=f'w")+{trap.code()}+("'
        ),
        "for parameter_name",
    ),
    "text for a number": (lambda program, trap: call(program, GELU, {"as_int": trap.code()}), "for as_int"),
    "a tree that imports": (
        lambda program, trap: tree(program, "context", '{"__enum__": 1, "fqn": "antigravity:x", "name": "y"}'),
        "for in_spec",
    ),
    "a tree of other kinds": (lambda program, trap: tree(program, "type", "collections.OrderedDict"), "for in_spec"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_programs_that_say_more_than_networks_do_are_refused(
    write: Callable[..., Path], exported: dict[str, bytes], trap: Trap, attack: str
) -> None:
    spoil, sentence = ATTACKS[attack]
    path = write(spoiled(exported, lambda program: spoil(program, trap)))
    with pytest.raises(InputError, match=rf"net\.pt2 .*{sentence}.*torch would act on it.*--trust-pickle"):
        load(path)
    assert not trap.sprung


def test_checks_and_remarks_that_are_code_are_left_out(
    write: Callable[..., Path], exported: dict[str, bytes], trap: Trap
) -> None:
    def spoil(program: dict[str, Any]) -> None:
        program["guards_code"] = [trap.code()]
        nodes(program)[0]["metadata"] = {"stack_trace": trap.code(), "source_fn_stack": "x,torch.os.system"}

    classifier = load(write(spoiled(exported, spoil)))
    assert classifier.logits(images()).shape == (5, 4)
    assert TorchEngine(classifier.network, "cpu", "float32")(images()).shape == (5, 4)
    assert not trap.sprung


class TestTheOlderWayOfKeepingWeights:
    """torch 2.8 kept them in one file of torch.save."""

    OLDER = "data/weights/model.pt"

    def saved(self, state: Any) -> bytes:
        import torch

        file = io.BytesIO()
        torch.save(state, file)
        return file.getvalue()

    def test_tensors_load(self, write: Callable[..., Path]) -> None:
        import torch

        weight, bias = torch.ones(4, 3), torch.zeros(4)
        state = {"layer.weight": torch.nn.Parameter(weight), "layer.bias": torch.nn.Parameter(bias)}
        logits = load(write({self.OLDER: self.saved(state)})).logits(images())
        np.testing.assert_allclose(logits, logits[:, :1].repeat(4, axis=1))  # all classes have equal weights now

    @pytest.mark.parametrize("place", ["beside", "instead"])
    def test_more_than_tensors_is_refused(self, write: Callable[..., Path], trap: Trap, place: str) -> None:
        content = self.saved({"layer.weight": trap}) if place == "beside" else pickle.dumps(trap, 2)
        with pytest.raises(InputError, match="holds pickled objects beside its tensors"):
            load(write({self.OLDER: content}))
        assert not trap.sprung


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    "kept",
    [
        ("archive_format",),
        ("archive_format", "archive_version"),
        ("archive_format", "archive_version", MODEL),
        ("archive_format", "archive_version", MODEL, WEIGHTS),
    ],
    ids=len,
)
def test_a_program_of_which_something_is_missing_is_one_sentence(
    write: Callable[..., Path],
    exported: dict[str, bytes],
    kept: tuple[str, ...],
    trust: bool,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = write({name: None for name in exported if name not in kept})
    with pytest.raises(InputError, match=r"net\.pt2") as error:
        load(path, trust)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"[]", b"{", b"null", b"1" * 5000, b"[" * 100_000, b"\xff"])
def test_a_description_that_is_none_is_one_sentence(write: Callable[..., Path], content: bytes) -> None:
    for entry in (MODEL, WEIGHTS):
        with pytest.raises(InputError, match=r"net\.pt2 is not a program of torch\.export"):
            load(write({entry: content}))


def test_an_archive_that_unpacks_to_more_than_itself_is_refused(tmp_path: Path, exported: dict[str, bytes]) -> None:
    path = tmp_path / "net.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**exported, "data/weights/weight_9": bytes(10**7)}.items():
            archive.writestr(f"net/{name}", content)
    with pytest.raises(InputError, match=re.escape("holds more than its own size, packed")):
        load(path)
