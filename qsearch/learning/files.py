"""Files of learned tables: JSON that says what it is, read as data alone, with a digest of all that stands in it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.text import one_line

Kind = Literal["ladder", "dial"]
FORMAT = 1
"""What this version writes as ``format``; a file with a higher number is refused."""
LARGEST_BYTES = 1 << 26
_HEAD_BYTES = 200

Content = TypeVar("Content", bound=msgspec.Struct)


class _Head(msgspec.Struct):
    kind: str
    format: int
    digest: str


def kind_of(path: Path) -> Kind | None:
    """Which of the two the file at ``path`` says it is in its first bytes; None for all else."""
    try:
        with path.open("rb") as file:
            head = "".join(file.read(_HEAD_BYTES).decode("utf-8", "replace").split())
    except (OSError, ValueError):  # also of a name that no file can have
        return None
    kinds: tuple[Kind, ...] = ("ladder", "dial")
    return next((kind for kind in kinds if head.startswith(f'{{"kind":"{kind}",')), None)


def write_content(path: Path, kind: Kind, content: msgspec.Struct, listed: str) -> None:
    """Writes ``content`` whole or not at all, each element of its list ``listed`` on a line. DiskError where the disk
    refuses."""
    plain = msgspec.to_builtins(content)
    lines = [f'"kind": "{kind}",', f'"format": {FORMAT},', f'"digest": "{_digest(plain)}",']
    for name, value in plain.items():
        if name != listed:
            lines.append(f"{json.dumps(name)}: {_line(value)},")
    elements = ",\n".join(_line(one) for one in plain[listed])
    text = "{" + "\n".join(lines) + f"\n{json.dumps(listed)}: [\n{elements}\n]}}\n"
    with replacing(path) as file:
        file.write(text.encode())


def read_content(path: Path, kind: Kind, content: type[Content]) -> tuple[Content, str]:
    """What :func:`write_content` wrote to ``path``, and its digest.

    InputError where the file is not there, is of another kind or a newer version, is damaged or was changed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): a {kind} was expected.") from error
    if len(data) > LARGEST_BYTES:
        raise InputError(f"{path} is larger than {LARGEST_BYTES >> 20} MiB: a {kind} was expected.")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.kind != kind:
            raise InputError(f"{path} holds a {one_line(head.kind, 40)}: a {kind} was expected.")
        if head.format > FORMAT:
            raise InputError(
                f"{path} has format {head.format}, this qsearch reads up to {FORMAT}: install a newer qsearch."
            )
        found = msgspec.json.decode(data, type=dict[str, Any])
        plain = {name: value for name, value in found.items() if name not in _Head.__struct_fields__}
        checked = msgspec.convert(plain, content)
    except InputError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{path} is no {kind}: {one_line(str(error)).rstrip('.')}.") from error
    if _digest(plain) != head.digest:
        raise InputError(f"{path} was changed after it was written: its digest is not that of what it holds.")
    return checked, head.digest


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _digest(plain: Mapping[str, Any]) -> str:
    """SHA-256 (hexadecimal) of everything but what identifies the file."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
