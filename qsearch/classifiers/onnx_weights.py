"""The files beside an ONNX file that it keeps weights in, read from its wire format (protobuf), without package onnx.

Only the messages that lead to tensors are followed (onnx.proto3); all else is skipped by its length.
"""

from collections.abc import Iterator
from pathlib import Path

from qsearch.disk import stays_within
from qsearch.errors import InputError
from qsearch.text import one_line

_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Per message the fields that hold messages of interest, by number."""
_KEY, _VALUE = 1, 2
"""The fields of an ``entry`` of a tensor's external data."""
_DEEPEST = 200


def external_files(path: Path) -> list[Path]:
    """The files that the tensors of the ONNX file ``path`` lie in, sorted.

    InputError where one is not there, where one lies outside the folder of ``path``, and where ``path`` is damaged.
    """
    try:
        data = path.read_bytes()
        locations = sorted(set(_locations(memoryview(data), "model", 0)))
    except (ValueError, IndexError) as error:
        raise InputError(f"{path.name} is not an ONNX network: it is damaged, or something else.") from error
    return [_beside(path, location) for location in locations]


def _beside(path: Path, location: str) -> Path:
    named = f"{path.name} keeps weights in {one_line(location, 200)!r}"
    if not stays_within(location):
        raise InputError(f"{named}, outside its own folder: put all its files into one folder and name them so.")
    file = path.parent / location
    if not file.is_file():
        raise InputError(f"{named}, which is not there: put it beside the network.")
    return file


def _locations(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("messages within messages without end")
    for number, content in _fields(message):
        inner = _FIELDS[kind].get(number)
        if inner is None:
            continue
        if inner == "entry":
            entry = dict(_fields(content))
            if bytes(entry.get(_KEY, b"")) == b"location":
                yield bytes(entry.get(_VALUE, b"")).decode()
        else:
            yield from _locations(content, inner, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that have a length, by number. ValueError or IndexError where there is no message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = divmod(tag, 8)
        if wire == 0:
            _, position = _varint(message, position)
            continue
        length = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            length, position = _varint(message, position)
        if length is None or position + length > len(message):
            raise ValueError(f"no field of wire type {wire} and length {length}")
        if wire == 2:
            yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at ``position``, seven bits a byte from the lowest, and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("a number without end")
