"""FILE.pt2 without running what it says: the archive taken apart, held against a grammar, packed anew for torch.

In loading a program torch unpickles sample inputs and what is marked as pickled, gives sizes to sympy, which evaluates
them, looks functions up by name to call them, imports what a tree of inputs names, and compiles names into Python. So
torch gets a copy without sample inputs and remarks, of which every text is known to be harmless: names are
identifiers, functions are those of ATen that compute, sizes are arithmetic.
"""

import io
import json
import keyword
import re
import zipfile
from pathlib import Path
from typing import Any

from qsearch.errors import InputError
from qsearch.text import one_line, reason_of

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PATH = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_FUNCTION = re.compile(
    r"torch\.ops\.aten\.(?P<name>__i?(and|or|xor|lshift|rshift)__|(?!__)\w+)\.[A-Za-z]\w*"
    r"|_operator\.(eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|mod|pow|truediv|and_|or_|lshift|rshift|getitem)"
    r"|torch\.sym_(not|int|float|ite|max|min|sqrt)|math\.trunc"
    r"|torch\.ops\.higher_order\.(?P<wrapper>wrap_with_(set_grad_enabled|autocast))",
    re.ASCII,
)
_ANY = re.compile(".*", re.DOTALL)
_TAKE_TEXT = {
    **dict.fromkeys(("_assert_async", "_assert_scalar", "_assert_tensor_metadata", "div", "div_", "einsum"), _ANY),
    **dict.fromkeys(("gelu", "gelu_", "index_reduce", "linalg_matrix_norm", "linalg_norm", "meshgrid", "pad"), _ANY),
    **dict.fromkeys(("scatter_reduce", "searchsorted", "stft"), _ANY),
    "wrap_with_autocast": re.compile("cpu|cuda"),
}
"""The functions that take a text to compute by, and what it is like; others take the name of a file."""
_SYMBOL = r"Symbol\('[a-z]{1,4}\d{1,6}'(?:, [a-z]{1,20}=(?:True|False))*\)"
_SIZE = re.compile(
    # Expressions of sizes as sympy's srepr writes them; of powers those of one symbol, which cannot grow without end.
    rf"(?:{_SYMBOL}|Pow\({_SYMBOL}, Integer\(\d\)\)|-?\d{{1,20}}|true|false|[(), ]"
    r"|(?:Add|And|CeilDiv|CleanDiv|Equality|FloorDiv|GreaterThan|Integer|LessThan|Max|Min|Mod|ModularIndexing|Mul|Not|Or"
    r"|PythonMod|Rational|StrictGreaterThan|StrictLessThan|Unequality)(?=\())+",
    re.ASCII,
)
_LONGEST = 2000
"""Characters."""
_TEXTS: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(("as_name", "forward_arg_names"), _NAME),
    **dict.fromkeys(("parameter_name", "buffer_name", "tensor_constant_name", "user_input_name"), _PATH),
    "name": re.compile(rf"({_NAME.pattern})?", re.ASCII),
    "fqn": re.compile(""),
    "target": _FUNCTION,
    "expr_str": _SIZE,
    "type": re.compile("cpu|cuda|meta|mps|xpu"),
    **dict.fromkeys(("as_float", "as_floats", "real", "imag"), re.compile("-?Infinity|NaN")),
    "verifiers": re.compile("[A-Z_]+"),
    "torch_version": re.compile(r"[\w.+<=-]+", re.ASCII),
    "path_name": re.compile(r"(weight|tensor)_\d+", re.ASCII),
}
"""What texts are like, by the name of the field they stand in; none may stand elsewhere."""
_TREES = ("in_spec", "out_spec")
_CONTAINERS = ("builtins.tuple", "builtins.list", "builtins.dict")
_SHORT = re.compile(rb"[a-z0-9.\n]{1,10}")


class _RefusedError(Exception):
    """Why torch must not see it; ends a sentence that begins with the file's name."""


def checked_copy(path: Path) -> io.BytesIO:
    """The program in the archive ``path``, packed anew for ``torch.export.load``.

    InputError where ``path`` is no such archive, and where loading it would take more trust than a network needs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _packed(_Entries(archive, path.stat().st_size))
    except _RefusedError as error:
        raise InputError(
            f"{path.name} {error}, and torch would act on it in loading: export the network anew, or, if you trust "
            "whoever made the file, add --trust-pickle."
        ) from error
    except Exception as error:  # on damaged archives zipfile raises nearly everything
        raise InputError(
            f"{path.name} is not a program of torch.export ({reason_of(error)}): save it with torch.export.save."
        ) from error


class _Entries:
    """The entries of an archive that lie in the same folder as its mark ``archive_format``."""

    def __init__(self, archive: zipfile.ZipFile, size_bytes: int) -> None:
        entries = archive.infolist()
        # Also for stored entries: several may share the same bytes.
        if sum(entry.file_size for entry in entries) > size_bytes:
            raise _RefusedError("holds more than its own size, packed")
        mark = "/archive_format"
        root = next(entry.filename.removesuffix(mark) for entry in entries if entry.filename.endswith(mark))
        self._archive = archive
        self._entries = {entry.filename.removeprefix(f"{root}/"): entry for entry in entries}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes:
        return self._archive.read(self._entries[name])


def _packed(entries: _Entries) -> io.BytesIO:
    program = json.loads(entries.read("models/model.json"))
    _strip(program)
    _check(program, "")
    content = {"models/model.json": json.dumps(program).encode(), "data/sample_inputs/model.pt": b""}
    for name in ("archive_format", "archive_version", "byteorder", ".data/version"):
        if name in entries:
            content[name] = entries.read(name)
            if not _SHORT.fullmatch(content[name]):
                raise _RefusedError(f"has a {name} that is none")
    for kind in ("weights", "constants"):
        content |= _payloads(entries, f"data/{kind}", f"model_{kind}_config.json")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in content.items():
            archive.writestr(f"model/{name}", data)
    packed.seek(0)
    return packed


def _payloads(entries: _Entries, folder: str, config_name: str) -> dict[str, bytes]:
    """The tensors of one kind and the file that describes them."""
    older = f"{folder}/model.pt"
    if older in entries:
        return {older: _tensors(entries.read(older))}
    config_name = f"{folder}/{config_name}"
    config = json.loads(entries.read(config_name))
    _check(config, "")
    content = {config_name: json.dumps(config).encode()}
    for name, payload in config["config"].items():
        if payload["use_pickle"] is not False or payload["tensor_meta"] is None:
            raise _RefusedError(f"holds the pickled object {one_line(name, 100)}")
        file = f"{folder}/{payload['path_name']}"
        content[file] = entries.read(file)
    return content


def _tensors(data: bytes) -> bytes:
    """What torch before 2.9 kept weights in, read by torch's reader of nothing but tensors and written again."""
    import torch

    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its reader stumbled over
        raise _RefusedError("holds pickled objects beside its tensors") from error
    if not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise _RefusedError("holds pickled objects beside its tensors")
    file = io.BytesIO()
    torch.save(dict(state), file)
    return file.getvalue()


def _strip(program: dict[str, Any]) -> None:
    """Takes out what says where a program came from and what only its unflattening or its checks of inputs need."""
    program["guards_code"] = []
    module = program["graph_module"]
    module["treespec_namedtuple_fields"] = {}
    module["module_call_graph"] = [call for call in module["module_call_graph"] if call["fqn"] == ""]
    _without_remarks(program)


def _without_remarks(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "metadata" and isinstance(item, dict) and all(isinstance(text, str) for text in item.values()):
                value[key] = {}
            else:
                _without_remarks(item)
    elif isinstance(value, list):
        for item in value:
            _without_remarks(item)


def _check(value: Any, field: str, function: str = "") -> None:
    """Refuses a text that is not as the ``field`` it stands in has it, within the arguments of ``function``."""
    if isinstance(value, dict):
        if field == "nodes":
            called = _FUNCTION.fullmatch(str(value["target"]))
            function = (called["name"] or called["wrapper"] or "") if called else ""
        elif "target" in value:
            raise _RefusedError("calls a function where none belongs")
        for key, item in value.items():
            if not _PATH.fullmatch(key):
                raise _RefusedError(f"calls something {one_line(key, 100)!r}")
            _check(item, key, function)
    elif isinstance(value, list):
        for item in value:
            _check(item, field, function)
    elif isinstance(value, str) and not _is_harmless(value, field, function):
        raise _RefusedError(f"says {one_line(value, 100)!r} for {one_line(field, 100)}")


def _is_harmless(text: str, field: str, function: str) -> bool:
    if field in _TREES:
        return _is_tree(json.loads(text))
    pattern = _TAKE_TEXT.get(function) if field == "as_string" else _TEXTS.get(field)
    if pattern is None or len(text) > _LONGEST or keyword.iskeyword(text):
        return False
    return pattern.fullmatch(text) is not None


def _is_tree(described: Any) -> bool:
    """Whether it is torch's description, in its first version, of tuples, lists and dictionaries within one another."""
    return isinstance(described, list) and len(described) == 2 and described[0] == 1 and _is_node(described[1])


def _is_node(node: dict[str, Any]) -> bool:
    if node["type"] is None:
        return node["context"] is None and not node["children_spec"]
    context = json.loads(node["context"])
    keys = context if isinstance(context, list) else []
    return (
        node["type"] in _CONTAINERS
        and (context is None or isinstance(context, list))
        and all(isinstance(key, str) and _NAME.fullmatch(key) and not keyword.iskeyword(key) for key in keys)
        and all(map(_is_node, node["children_spec"]))
    )
