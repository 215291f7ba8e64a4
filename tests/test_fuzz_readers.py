"""Every reader of files that others may have written: spoilt in any way, a file is read or refused in one sentence."""

import io
import json
import struct
import tomllib
import zipfile
from collections.abc import Callable
from copy import copy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import msgspec
import numpy as np
import pytest
import tomli_w
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save

from qsearch.classifiers.labels import class_names_of
from qsearch.classifiers.onnx_weights import external_files
from qsearch.classifiers.pt2_archive import checked_copy
from qsearch.datasets.base import Dataset
from qsearch.datasets.cache import PreparedImages, cached_pixels
from qsearch.datasets.imagenet_classes import wnids_of
from qsearch.datasets.imagenetv2.manifest import (
    MANIFEST_FILE,
    SETTINGS_FILE,
    BuildSettings,
    Entry,
    Journal,
    Missing,
    read_manifest,
    read_settings,
)
from qsearch.datasets.imagenetv2.public_images import public_images
from qsearch.errors import InputError, QSearchError
from qsearch.export.formats import FORMATS, TableSheet, render
from qsearch.export.reading import read_tables
from qsearch.finetuning.experiment import FinetuneSettings, Parts, open_experiment, run_experiment
from qsearch.learning.dial import read_dial, write_dial
from qsearch.learning.files import _digest
from qsearch.learning.ladder import read_ladder, write_ladder
from qsearch.models import load_model
from qsearch.models.code_length import CodeLength, read_code_length, train_code_length
from qsearch.models.files import CODE_LENGTH, NetworkFile, write_network, write_tensors
from qsearch.run.building import build_strategy, check_search
from qsearch.run.folder import Run
from qsearch.run.settings import (
    BoundsSettings,
    ClassifierSettings,
    CodecSettings,
    DatasetSettings,
    Recorded,
    RunSettings,
    SearchSettings,
    SeedSettings,
    load_settings,
    save_settings,
)
from qsearch.run.validation import FOLDER, USES_FILE, uses
from qsearch.tables import QuantTables
from tests.learning.test_dial import made_dial
from tests.learning.test_ladder import made_ladder
from tests.models import made_up

fuzzed = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ODD_BYTES = st.sampled_from(
    [
        b"",
        b"\0",
        b"\xff",
        b"\n",
        b'"',
        b"[",
        b"{",
        b"(",
        b"-1",
        b"9" * 5000,
        b"[" * 3000,
        b"1e999",
        b"nan",
        b"\xed\xa0\x80",
    ]
)
ODD_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**31,
        2**63,
        10**30,
        0.5,
        1e999,
        "",
        "x",
        "\ud800",
        "9" * 5000,
        [],
        [[]],
        {},
        {"x": 1},
        [1, "a"],
    ]
)


def spoilt(whole: bytes) -> st.SearchStrategy[bytes]:
    """``whole`` with up to three stretches of it replaced by something odd, or something else altogether."""
    place = st.integers(0, max(len(whole) - 1, 0))
    edit = st.tuples(place, st.integers(0, 40), ODD_BYTES | st.binary(max_size=8))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        content = whole
        for start, length, new in edits:
            content = content[:start] + new + content[start + length :]
        return content

    return (
        st.lists(edit, min_size=1, max_size=3).map(apply) | place.map(lambda end: whole[:end]) | st.binary(max_size=99)
    )


def misdescribed(document: Any) -> st.SearchStrategy[Any]:
    """A document of dictionaries and lists with one of its values replaced by something odd, or left out."""
    places = list(_places(document, ()))

    def apply(place: tuple[Any, ...], value: Any, leave_out: bool) -> Any:
        changed = parent = copy(document)
        for step in place[:-1]:  # all that is not on the way to the place stays the document's own
            parent[step] = copy(parent[step])
            parent = parent[step]
        if leave_out:
            del parent[place[-1]]
        else:
            parent[place[-1]] = value
        return changed

    return st.builds(apply, st.sampled_from(places), ODD_VALUES, st.booleans())


def _places(value: Any, place: tuple[Any, ...]) -> Any:
    steps = value.keys() if isinstance(value, dict) else range(min(len(value), 3)) if isinstance(value, list) else ()
    for step in steps:
        yield (*place, step)
        yield from _places(value[step], (*place, step))


def survives(read: Callable[[], object]) -> None:
    """Reads; anything but a result or one sentence of this package fails the test."""
    said = ""
    try:
        read()
    except QSearchError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 3000


SHEET = TableSheet(QuantTables(np.arange(1, 65), np.arange(101, 165)), "a title", ("an origin",), CodecSettings())


def written(write: Callable[[Path], object]) -> bytes:
    """What ``write`` writes into a file of its own."""
    with TemporaryDirectory() as folder:
        write(Path(folder) / "whole")
        return (Path(folder) / "whole").read_bytes()


@cache
def learned(kind: str) -> tuple[bytes, st.SearchStrategy[Any]]:
    """A ladder or a dial, and what is misdescribed of it."""
    whole = written(
        lambda path: write_ladder(made_ladder(), path) if kind == "ladder" else write_dial(made_dial(), path)
    )
    return whole, misdescribed(json.loads(whole))


@pytest.mark.parametrize("kind", ["ladder", "dial"])
@fuzzed
@given(data=st.data())
def test_ladders_and_dials(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "learned.json"
    whole, misdescriptions = learned(kind)
    read: Callable[[Path], object] = read_ladder if kind == "ladder" else read_dial
    path.write_bytes(data.draw(spoilt(whole)))
    survives(lambda: read(path))
    document = data.draw(misdescriptions)
    path.write_text(json.dumps(document))
    survives(lambda: read(path))
    plain = {key: value for key, value in document.items() if key not in ("kind", "format", "digest")}
    path.write_text(json.dumps({**document, "digest": _digest(plain)}))  # the digest of what is wrong
    survives(lambda: read(path))


@cache
def trained_network() -> tuple[NetworkFile, bytes]:
    made = made_up.network().file
    return made, written(lambda path: write_network(path, made.about, made.tensors))


@fuzzed
@given(data=st.data())
def test_networks_of_tables(data: st.DataObject, tmp_path: Path) -> None:
    """Spoilt bytes, then a header that says something odd of good weights."""
    path = tmp_path / "network"
    made, whole = trained_network()
    path.write_bytes(data.draw(spoilt(whole)))
    survives(lambda: load_model(f"taqn:{path}").tables(GREY, 20))
    about = {"kind": "networks of tables", "format": 1, "about": msgspec.to_builtins(made.about)}
    document = data.draw(misdescribed(about))
    path.write_bytes(save(made.tensors, metadata={"qsearch": json.dumps(document)}))
    survives(lambda: load_model(f"taqn:{path}").tables(GREY, 20))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> tuple[CodeLength, bytes]:
    images = np.random.RandomState(0).randint(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    dataset = Dataset.from_arrays(images, np.zeros(2, dtype=np.int64))
    path = tmp_path_factory.mktemp("predictor") / "bits"
    return train_code_length(dataset, path, steps=1, seed=0), path.read_bytes()


@fuzzed
@given(data=st.data())
def test_predictors_of_code_lengths(data: st.DataObject, predictor: tuple[CodeLength, bytes], tmp_path: Path) -> None:
    """Spoilt bytes, then a header that says something odd of good weights, then weights that are odd."""
    good, whole = predictor
    path, weights = tmp_path / "bits", good.network.state_dict()
    path.write_bytes(data.draw(spoilt(whole)))
    survives(lambda: read_code_length(path))
    about = {"kind": CODE_LENGTH, "format": 1, "about": msgspec.to_builtins(good.about)}
    path.write_bytes(save(weights, metadata={"qsearch": json.dumps(data.draw(misdescribed(about)))}))
    survives(lambda: read_code_length(path))
    name = data.draw(st.sampled_from(sorted(weights)))
    odd = data.draw(st.sampled_from([torch.zeros(()), torch.full_like(weights[name], torch.nan), torch.zeros(0)]))
    write_tensors(path, CODE_LENGTH, good.about, {**weights, name: odd})
    with pytest.raises(InputError):
        read_code_length(path)


GREY = np.full((16, 16, 3), 128, dtype=np.uint8)


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "JPEG", quality=30)
    return file.getvalue()


TABLE_FILES = {**{name: render(SHEET, name) for name in FORMATS}, "jpeg": jpeg()}


@pytest.mark.parametrize("name", TABLE_FILES)
@fuzzed
@given(data=st.data())
def test_files_of_tables(name: str, data: st.DataObject, tmp_path: Path) -> None:
    suffix = FORMATS[name].suffix if name in FORMATS else ".jpg"
    path = tmp_path / data.draw(st.sampled_from([f"tables{suffix}", "tables"]))
    path.write_bytes(data.draw(spoilt(TABLE_FILES[name])))
    survives(lambda: read_tables(path))


@fuzzed
@given(document=misdescribed(json.loads(TABLE_FILES["json"])))
def test_json_tables_that_describe_something_else(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "tables.json"
    path.write_text(json.dumps(document))
    survives(lambda: read_tables(path))


@fuzzed
@given(header=spoilt(b"{'descr': '<i8', 'fortran_order': False, 'shape': (64,), }\n"), body=st.binary(max_size=600))
def test_npz_members_of_any_header(header: bytes, body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tables.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("luma", "chroma"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body)
    survives(lambda: read_tables(path))


@fuzzed
@given(
    segments=st.lists(
        st.tuples(st.sampled_from([0xDB, 0xC0, 0xC2, 0xC4, 0xE1, 0xD0]), st.binary(max_size=140)), max_size=5
    )
)
def test_markers_of_any_content(segments: list[tuple[int, bytes]], tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    markers = [bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body for kind, body in segments]
    path.write_bytes(b"\xff\xd8" + b"".join(markers) + b"\xff\xda")
    survives(lambda: read_tables(path))


@cache
def run_toml() -> bytes:
    recorded = Recorded(
        dataset={"name": "d", "digest": "0" * 64, "images": 2, "height": 8, "width": 8},
        classifiers=[{"name": "c"}],
        codec={"name": "pillow", "subsampling": "4:2:0"},
        versions={"numpy": "2"},
    )
    return written(lambda path: save_settings(RunSettings(recorded=recorded), path))


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """The folder of a run that can be opened."""
    (tmp_path / "run.toml").write_bytes(run_toml())
    read_run(tmp_path)
    return tmp_path


def read_run(folder: Path) -> None:
    """What is read of ``run.toml`` before a trial is."""
    from qsearch.report.wording import measured_on

    measured_on(Run.open(folder))


@fuzzed
@given(data=st.data())
def test_settings_of_a_run(data: st.DataObject, run_folder: Path) -> None:
    (run_folder / "run.toml").write_bytes(data.draw(spoilt(run_toml())))
    survives(lambda: read_run(run_folder))


@fuzzed
@given(data=st.data())
def test_settings_that_say_something_else(data: st.DataObject, tmp_path: Path) -> None:
    document = data.draw(misdescribed(tomllib.loads(run_toml().decode())))
    try:
        text = tomli_w.dumps(document)
    except TypeError:  # TOML has no null
        return
    (tmp_path / "run.toml").write_text(text, encoding="utf-8", errors="surrogatepass")
    survives(lambda: read_run(tmp_path))


SEED = SeedSettings(label="7", tables=QuantTables.standard(50).to_bytes().hex(), gap=0.5)
SEARCH = SearchSettings(
    strategy="local-search",
    options={"population": 4},
    layout="luma-chroma",
    ratio=9.0,
    box="shape",
    window=(5.0, 15.0),
    seeds=(SEED,),
    seeds_from=("runs/a",),
    bounds=BoundsSettings(
        sources=("a",),
        paths=("runs/a",),
        window=(5.0, 15.0),
        sigma=0.5,
        local_fit=(9.0, 5.0, 15.0, -1.0, -1.0, 0.5),
        box="shape",
        lower=(10,) * 128,
        upper=(200,) * 128,
        origin=-3.0,
        step=0.02,
        seeds=(SEED,),
    ),
)


def begin_search(path: Path) -> None:
    build_strategy(check_search(load_settings(path).search)).ask(0)


@pytest.fixture
def described_search(tmp_path: Path) -> Any:
    """The search of a run that can begin, as its file describes it."""
    save_settings(RunSettings(search=SEARCH), tmp_path / "run.toml")
    begin_search(tmp_path / "run.toml")
    return tomllib.loads((tmp_path / "run.toml").read_text())["search"]


@fuzzed
@given(data=st.data())
def test_searches_with_bounds_and_seeds_that_say_something_else(
    data: st.DataObject, described_search: Any, tmp_path: Path
) -> None:
    path = tmp_path / "run.toml"
    try:
        text = tomli_w.dumps({"search": data.draw(misdescribed(described_search))})
    except TypeError:  # TOML has no null
        return
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    survives(lambda: begin_search(path))


@pytest.fixture
def experiment(run_folder: Path) -> tuple[Run, Path, bytes]:
    """A run, the folder of a fine-tuning, and what that says of itself."""
    run = Run.open(run_folder)
    folder, _ = open_experiment(run, "f", finetuning())
    return run, folder, (folder / "finetune.json").read_bytes()


@fuzzed
@given(data=st.data())
def test_fine_tunings(data: st.DataObject, experiment: tuple[Run, Path, bytes]) -> None:
    (run, folder, whole), settings = experiment, finetuning()
    path = folder / "finetune.json"
    path.with_name("result.json").unlink(missing_ok=True)
    document = data.draw(misdescribed(json.loads(whole)))
    path.write_bytes(data.draw(spoilt(whole) | st.just(json.dumps(document).encode())))
    survives(lambda: open_experiment(run, "f", settings))
    path.with_name("result.json").write_bytes(path.read_bytes())
    with pytest.raises(InputError):  # which no part of settings is
        run_experiment(folder, settings, cast(Parts, None), lambda stage, done, total: None)


def finetuning() -> FinetuneSettings:
    return FinetuneSettings(
        found="trial 3",
        standard="standard:50",
        tables=(QuantTables.standard(40).to_bytes().hex(), QuantTables.standard(50).to_bytes().hex()),
        codec=CodecSettings(),
        dataset=DatasetSettings(),
        held_out=DatasetSettings(spec="textures:test"),
        classifier=ClassifierSettings(),
        train_images=4,
        epochs=1,
        batch=2,
        learning_rate=0.1,
        seed=0,
        threads=1,
        recorded={"network": "0" * 64},
    )


ENTRY = Entry(
    candidate="c" * 40,
    wnid="n00000001",
    flickr_id="1",
    origin="original",
    missing=None,
    address="http://x",
    licence=None,
    width=9,
    height=9,
    size_bytes=9,
    sha256="0" * 64,
    original=None,
    prepared="n00000001/c.png",
    prepared_bytes=9,
    prepared_sha256="0" * 64,
)
LINES = msgspec.json.Encoder()
BUILD_FILES = {
    MANIFEST_FILE: LINES.encode_lines([ENTRY, ENTRY]),
    SETTINGS_FILE: LINES.encode(BuildSettings()),
    "journal": LINES.encode_lines([ENTRY, Missing(candidate="d" * 40, reason="gone")]),
}


@fuzzed
@given(data=st.data())
def test_manifest_settings_and_journal_of_a_build(data: st.DataObject, tmp_path: Path) -> None:
    readers: dict[str, Callable[[], object]] = {
        MANIFEST_FILE: lambda: read_manifest(tmp_path),
        SETTINGS_FILE: lambda: read_settings(tmp_path),
        "journal": lambda: Journal(tmp_path / "journal").close(),
    }
    name = data.draw(st.sampled_from(sorted(BUILD_FILES)))
    (tmp_path / name).write_bytes(BUILD_FILES[name])
    readers[name]()
    (tmp_path / name).write_bytes(data.draw(spoilt(BUILD_FILES[name])))
    survives(readers[name])


def prepared() -> PreparedImages:
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    return PreparedImages(images, np.array([0, 1]), ("a", "b"), ("a/0", "b/0"), ("a note",))


@fuzzed
@given(data=st.data())
def test_entries_of_the_dataset_cache_are_healed(
    data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is a sentence: what is not as it was written is made again."""
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path))
    description, pixels = tmp_path / "images" / "key.json", tmp_path / "images" / "key.npy"
    cached_pixels("key", prepared)  # whole again, if the last example spoilt it
    if data.draw(st.booleans()):
        victim = data.draw(st.sampled_from([description, pixels]))
        victim.write_bytes(data.draw(spoilt(victim.read_bytes())))
    else:
        description.write_text(json.dumps(data.draw(misdescribed(json.loads(description.read_text())))))
    healed, whole = cached_pixels("key", prepared), prepared()
    np.testing.assert_array_equal(healed.images, whole.images)
    np.testing.assert_array_equal(healed.labels, whole.labels)
    names = (healed.class_names, healed.image_names, healed.notes)
    assert names == (whole.class_names, whole.image_names, whole.notes)


@fuzzed
@given(data=st.data())
def test_lists_of_classes_and_uses(data: st.DataObject, run_folder: Path) -> None:
    path = run_folder / "list.txt"
    images = ["a.JPEG", "b.JPEG"]
    path.write_bytes(data.draw(spoilt(b"a.JPEG n01440764\nb.JPEG 7\n") | spoilt(b"n01440764\nn01443537\n")))
    survives(lambda: wnids_of(images, path, run_folder))
    survives(lambda: class_names_of("x", 2, str(path)))
    (run_folder / "validations").mkdir(exist_ok=True)
    use = json.dumps({"at": "now", "validation": "v", "dataset": "0" * 64, "tables": 1}).encode() + b"\n"
    (run_folder / FOLDER / USES_FILE).write_bytes(data.draw(spoilt(use)))
    survives(lambda: uses(Run.open(run_folder), "0" * 64))


def onnx_model() -> bytes:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    tensor.external_data.add(key="location", value="w.bin")
    return bytes(helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString())


@fuzzed
@given(content=spoilt(onnx_model()))
def test_onnx_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    survives(lambda: external_files(tmp_path / "net.onnx"))


def pt2(program: Any, config: Any) -> dict[str, bytes]:
    return {
        "archive_format": b"pt2",
        "models/model.json": json.dumps(program).encode(),
        "data/weights/model_weights_config.json": json.dumps(config).encode(),
        "data/constants/model_constants_config.json": b'{"config": {}}',
        "data/weights/weight_0": bytes(8),
    }


PROGRAM = {
    "graph_module": {
        "graph": {
            "nodes": [{"target": "torch.ops.aten.relu.default", "inputs": [{"name": "x", "arg": {"as_int": 1}}]}]
        },
        "module_call_graph": [
            {"fqn": "", "signature": {"in_spec": '[1, {"type": null, "context": null, "children_spec": []}]'}}
        ],
    },
    "range_constraints": {"s0": {"min_val": 1, "max_val": 4}},
}
CONFIG = {
    "config": {"w": {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": {"dtype": 7}}}
}


@fuzzed
@given(data=st.data())
def test_archives_of_torch_export(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    entries = pt2(data.draw(misdescribed(PROGRAM)), data.draw(st.just(CONFIG) | misdescribed(CONFIG)))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"net/{name}", content)
    survives(lambda: checked_copy(path))
    path.write_bytes(data.draw(spoilt(path.read_bytes())))
    survives(lambda: checked_copy(path))


@fuzzed
@given(data=st.data())
def test_tarballs_of_public_images(data: st.DataObject, tmp_path: Path) -> None:
    import tarfile

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=data.draw(st.sampled_from(["w", "w:gz", "w:xz", "w:bz2"]))) as archive:
        member = tarfile.TarInfo(f"0/{'c' * 40}.jpeg")
        member.size = 600
        archive.addfile(member, io.BytesIO(bytes(600)))
    path = tmp_path / "images.tar"
    path.write_bytes(data.draw(spoilt(file.getvalue())))
    survives(lambda: list(public_images(path, {"c" * 40})))
