"""Codec of the encoder that one ships: a program that reads tables as cjpeg does, run for each image."""

import hashlib
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from qsearch.codecs.base import EncoderOptions, Images
from qsearch.codecs.files import FileCodec, tables_of_components
from qsearch.codecs.markers import Frame, read_frame
from qsearch.codecs.pillow import PillowCodec
from qsearch.disk import temporary_folder, writing
from qsearch.errors import EvaluationError, InputError
from qsearch.registry import nearest_names
from qsearch.tables import QuantTables
from qsearch.text import one_line

COMMAND = "cjpeg {switches} -qtables {tables} -qslots {slots}"
SAMPLING_FACTORS = {"4:4:4": "1x1", "4:2:2": "2x1", "4:2:0": "2x2"}
"""Of luma, as cjpeg's ``-sample`` takes them."""
PLACES = ("tables", "slots", "switches", "input", "output")
_PLACE = re.compile(r"\{(\w*)\}")
_SEQUENTIAL, _PROGRESSIVE = (0, 1), (2,)  # SOF0 and SOF1, SOF2 of T.81


@dataclass(frozen=True)
class CommandCodec(FileCodec):
    """JPEG by a program that reads tables as cjpeg does (libjpeg-turbo, mozjpeg); decoded by Pillow.

    command: the program, by its name on PATH or by an absolute path, and its arguments, split as a shell would and
        given to no shell. In them stand ``{tables}``, a file of one to three tables; ``{slots}``, the tables of the
        components as ``-qslots`` takes them; ``{switches}``, what cjpeg calls the encoder's options; ``{input}``, a PPM
        file (greyscale images: PGM), which comes on stdin where it does not stand there; and ``{output}``, the file to
        write, which is read from stdout else.
    timeout_s: how long one image may take.

    The file that comes is checked: its tables are those given, and size, subsampling and progression what they should
    be. InputError when it is made where the program is not there or writes something else; EvaluationError later on.
    """

    name: ClassVar[str] = "command"
    executes: ClassVar[bool] = True
    command: str = COMMAND
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.timeout_s > 0:
            raise InputError(f"the option timeout_s is a positive number of seconds, got {self.timeout_s}.")
        _check_words(self._words())
        try:
            files_digest = self._files_digest()
        except EvaluationError as error:
            raise InputError(str(error)) from error
        if files_digest != _digest_of_files(self):
            raise InputError(
                f"{self._program} writes other bytes each time for one image and one table: make it repeat itself."
            )

    @classmethod
    def settings_in(cls, argument: str) -> dict[str, Any]:
        """See :meth:`Codec.settings_in`; cjpeg's own switches in the command are options of the encoder too."""
        words = _split(argument)
        found: dict[str, Any] = {"command": argument}
        found |= {name: True for name in ("optimize", "progressive") if f"-{name}" in words}
        for switch, factors in itertools.pairwise(words):
            for subsampling, known in SAMPLING_FACTORS.items():
                if switch == "-sample" and factors.partition(",")[0] == known:
                    found["subsampling"] = subsampling
        return found

    def files(self, source: Images, tables: Sequence[QuantTables]) -> Iterator[bytes]:
        """See :meth:`FileCodec.files`; EvaluationError where the program fails, or writes something else."""
        with temporary_folder() as folder:
            for pixels, its_tables in zip(source, tables, strict=True):
                yield self._file(folder, pixels, its_tables)

    def write(self, image: Image.Image, file: BinaryIO, tables: QuantTables, **metadata: Any) -> None:
        """See :meth:`FileCodec.write`: what the program wrote, with ``metadata`` put behind its first header."""
        with temporary_folder() as folder:
            data = self._file(folder, np.asarray(image), tables)
        file.write(_with_metadata(data, metadata.get("exif", b""), metadata.get("icc_profile", b"")))

    def compress(self, pixels: npt.NDArray[np.uint8], tables: QuantTables) -> bytes:
        """The file that the program writes of one image uint8 [H, W, 3]."""
        return next(self.files(pixels[None], [tables]))

    def settings(self) -> dict[str, str | bool | int]:
        """See :meth:`Codec.settings`.

        ``program`` is the program's name, ``program_digest`` SHA-256 of its file, and ``files_digest`` that of the
        files it writes of made-up images, which change with what the program loads: libraries, say.
        """
        return {
            **PillowCodec(self.encoder).settings(),  # who decodes
            "name": self.name,
            "command": self.command,
            "program": Path(self._words()[0]).name,
            "program_digest": _digest_of_program(*_version_of(self._path())),
            "files_digest": self._files_digest(),
        }

    @property
    def _program(self) -> str:
        """The program as errors call it."""
        return f"the program {one_line(Path(self._words()[0]).name, 60)}"

    def _words(self) -> list[str]:
        return _split(self.command)

    def _path(self) -> Path:
        """Where the program is. InputError where it is not there."""
        found = shutil.which(self._words()[0])
        if found is None:
            raise InputError(
                f"{self._program} cannot be found: install it, or give its absolute path in the codec's command."
            )
        return Path(found).absolute()

    def _files_digest(self) -> str:
        return _known_digest_of_files(self, *_version_of(self._path()))

    def _file(self, folder: Path, pixels: npt.NDArray[np.uint8], tables: QuantTables) -> bytes:
        """The checked file of one image uint8 [H, W, 3] or, greyscale, [H, W]."""
        grey = pixels.ndim == 2
        parts = tables_of_components(tables, grey=grey)
        encoder = EncoderOptions(
            # A lone component that says 2x2 is legal and confuses readers.
            subsampling="4:4:4" if grey else self.encoder.subsampling,
            optimize=self.encoder.optimize,
            progressive=self.encoder.progressive,
        )
        table_file = folder / f"{tables.digest}-{len(parts)}.txt"
        image_file, output = folder / ("image.pgm" if grey else "image.ppm"), folder / "image.jpg"
        image = b"P%d\n%d %d\n255\n" % (5 if grey else 6, pixels.shape[1], pixels.shape[0]) + pixels.tobytes()
        values = {
            "tables": str(table_file),
            "slots": ",".join(str(slot) for slot in range(len(parts))),
            "input": str(image_file),
            "output": str(output),
        }
        named = set(_PLACE.findall(self.command))
        with writing(folder):
            if not table_file.exists():
                rows = (" ".join(map(str, row)) for table in parts for row in table.tolist())
                table_file.write_text("\n".join(rows) + "\n", encoding="ascii")
            if "input" in named:
                image_file.write_bytes(image)
            output.unlink(missing_ok=True)
        words = _filled(self._words(), values, cjpeg_switches(encoder))
        data = self._run(words, None if "input" in named else image, folder)
        if "output" in named:
            try:
                data = output.read_bytes()
            except FileNotFoundError as error:
                raise EvaluationError(
                    f"{self._program} ended well and wrote no {{output}}: see what its arguments mean."
                ) from error
        self._check(data, pixels, tables)
        return data

    def _run(self, words: Sequence[str], given: bytes | None, folder: Path) -> bytes:
        """What the program wrote to stdout. EvaluationError where it cannot be run, fails, or takes too long."""
        try:
            process = subprocess.Popen(
                [str(self._path()), *words[1:]],
                stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                process_group=0,
            )
        except InputError as error:
            raise EvaluationError(str(error)) from error
        except OSError as error:
            raise EvaluationError(f"{self._program} cannot be run ({error.strerror}): see its file.") from error
        with process:
            try:
                output, errors = process.communicate(given, timeout=self.timeout_s)
            except BaseException as error:
                _kill(process)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                raise EvaluationError(
                    f"{self._program} took longer than {self.timeout_s:g} s over one image: give it more with "
                    "--codec-option timeout_s=SECONDS."
                ) from error
        if process.returncode != 0:
            said = one_line(errors.decode("utf-8", "backslashreplace").strip() or "it said nothing", 300)
            raise EvaluationError(f"{self._program} failed with exit status {process.returncode} ({said}).")
        return output

    def _check(self, data: bytes, pixels: npt.NDArray[np.uint8], tables: QuantTables) -> None:
        """EvaluationError where ``data`` is no file of the image at the tables, encoded as the options say."""
        if not data:
            raise EvaluationError(
                f"{self._program} ended well and wrote nothing to stdout: write {{output}} where it takes a file."
            )
        try:
            frame = read_frame(data)
            wanted = 1 if pixels.ndim == 2 else 3
            if len(frame.components) != wanted:
                raise InputError(f"its components are {len(frame.components)} and not {wanted}.")
            found = frame.tables
        except InputError as error:
            raise EvaluationError(
                f"{self._program} wrote {len(data)} bytes that are no JPEG file of the image: {error}"
            ) from error
        if not data.endswith(b"\xff\xd9"):
            raise EvaluationError(f"{self._program} wrote a JPEG file that is cut short: its end is missing.")
        height, width = pixels.shape[:2]
        if (frame.height, frame.width) != (height, width):
            raise EvaluationError(
                f"{self._program} wrote {frame.width}x{frame.height} pixels, and {width}x{height} were given."
            )
        self._check_tables(found, QuantTables.shared(tables.luma) if wanted == 1 else tables)
        self._check_encoder(frame)

    def _check_tables(self, found: QuantTables, given: QuantTables) -> None:
        for name in ("luma", "cb", "cr"):
            theirs, ours = getattr(found, name).ravel(), getattr(given, name).ravel()
            if (theirs != ours).any():
                first = int(np.flatnonzero(theirs != ours)[0])
                three = given.layout == "ycbcr" and "{slots}" not in self.command
                advice = "add -qslots {slots}" if three else "leave out what scales or replaces tables, -quality say"
                raise EvaluationError(
                    f"{self._program} wrote other tables than those given ({name}: {theirs[first]} for {ours[first]} "
                    f"at entry {first}): {advice}."
                )

    def _check_encoder(self, frame: Frame) -> None:
        if frame.sof not in (*_SEQUENTIAL, *_PROGRESSIVE):
            raise EvaluationError(
                f"{self._program} wrote a kind of JPEG that few read (SOF{frame.sof}): have it write baseline or "
                "progressive files."
            )
        progressive = frame.sof in _PROGRESSIVE
        if progressive != self.encoder.progressive:
            kinds = {False: "baseline", True: "progressive"}
            raise EvaluationError(
                f"{self._program} wrote a {kinds[progressive]} file where {kinds[not progressive]} is set: give "
                f"--{'' if progressive else 'no-'}progressive, or write {{switches}} into the command."
            )
        if len(frame.components) == 3 and frame.subsampling != self.encoder.subsampling:
            raise EvaluationError(
                f"{self._program} wrote {frame.subsampling or 'another subsampling'} where {self.encoder.subsampling} "
                "is set: give the --subsampling that it writes, or write {switches} into the command."
            )


def cjpeg_switches(encoder: EncoderOptions) -> list[str]:
    """The options as cjpeg takes them."""
    on = [f"-{name}" for name in ("optimize", "progressive") if getattr(encoder, name)]
    return ["-sample", SAMPLING_FACTORS[encoder.subsampling], *on]


def _split(command: str) -> list[str]:
    """The words of ``command``, one at least. InputError where a shell would not understand it."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"the codec's command {one_line(command, 100)!r} is not understood ({error}).") from error
    if not words or not words[0]:
        raise InputError("the codec's command is empty: name a program and its arguments.")
    return words


def _check_words(words: Sequence[str]) -> None:
    """InputError where the words of a command have another place than :data:`PLACES`, none for tables, ..."""
    named = [name for word in words for name in _PLACE.findall(word)]
    for name in named:
        if name not in PLACES:
            raise InputError(f"the codec's command has no place {{{name}}}: {nearest_names(name, PLACES)}")
    if "tables" not in named:
        raise InputError(f"the codec's command lacks {{tables}}, the file that the program reads: {COMMAND}, say.")
    if any("{switches}" in word and word != "{switches}" for word in words):
        raise InputError("{switches} in the codec's command stands for several words: write it as one of its own.")
    if Path(words[0]).name != words[0] and not Path(words[0]).is_absolute():
        raise InputError(
            f"the codec's program is named as it is found on PATH, or by an absolute path, got {words[0]!r}."
        )


def _filled(words: Sequence[str], values: Mapping[str, str], switches: Sequence[str]) -> list[str]:
    filled: list[str] = []
    for word in words:
        filled += switches if word == "{switches}" else [_PLACE.sub(lambda place: values[place[1]], word)]
    return filled


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and what it started."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _version_of(program: Path) -> tuple[Path, int, int]:
    """The program's file, and what changes with its content."""
    status = program.stat()
    return program, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _digest_of_program(program: Path, modified_ns: int, size_bytes: int) -> str:
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=8)
def _known_digest_of_files(codec: CommandCodec, program: Path, modified_ns: int, size_bytes: int) -> str:
    return _digest_of_files(codec)


def _digest_of_files(codec: CommandCodec) -> str:
    """SHA-256 of the files of made-up images, of one size with standard tables and of another with three tables."""
    draw = np.random.RandomState(0)
    digest = hashlib.sha256()
    luma, cb, cr = draw.randint(1, 256, (3, 8, 8))
    of_three = QuantTables(luma, cb=cb, cr=cr) if "{slots}" in codec.command else QuantTables.shared(luma)
    for shape, tables in (((40, 56, 3), QuantTables.standard(50)), ((17, 33, 3), of_three)):
        digest.update(codec.compress(draw.randint(0, 256, shape).astype(np.uint8), tables))
    return digest.hexdigest()


def _with_metadata(data: bytes, exif: bytes, profile: bytes) -> bytes:
    """``data``, a JPEG file, with EXIF data and a colour profile behind SOI and JFIF's header.

    ValueError where EXIF data is too long for a JPEG file.
    """
    largest = (1 << 16) - 3
    start = 2
    if data[2:4] == b"\xff\xe0":
        start += 2 + int.from_bytes(data[4:6])
    segments = b""
    if exif:
        if len(exif) > largest:
            raise ValueError("EXIF data is too long")
        segments += b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif
    name = b"ICC_PROFILE\0"
    step = largest - len(name) - 2
    parts = [profile[begin : begin + step] for begin in range(0, len(profile), step)]
    for number, part in enumerate(parts, start=1):
        body = name + bytes((number, len(parts))) + part
        segments += b"\xff\xe2" + (len(body) + 2).to_bytes(2) + body
    return data[:start] + segments + data[start:]
