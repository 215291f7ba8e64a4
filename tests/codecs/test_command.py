"""The codec of a program: the very bytes that it writes by hand, and a sentence for all that is not what was asked."""

import io
import itertools
import os
import pickle
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qsearch.codecs.base import EncoderOptions, Subsampling
from qsearch.codecs.command import COMMAND, CommandCodec
from qsearch.codecs.pillow import PillowCodec
from qsearch.disk import TEMPORARY
from qsearch.encode.image import encode_image
from qsearch.errors import EvaluationError, InputError
from qsearch.tables import QuantTables
from tests.fakes import fake_images

pytestmark = pytest.mark.skipif(shutil.which("cjpeg") is None, reason="cjpeg is not installed (libjpeg-turbo-progs)")
FACTORS: dict[Subsampling, str] = {"4:2:0": "2x2", "4:2:2": "2x1", "4:4:4": "1x1"}
LUMA = np.arange(1, 65).reshape(8, 8)
OF_TWO, OF_THREE = QuantTables(LUMA, LUMA + 100), QuantTables(LUMA, cb=LUMA + 100, cr=LUMA + 150)
FILES = "cjpeg {switches} -qtables {tables} -qslots {slots} -outfile {output} {input}"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system keeps temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def by_hand(image: Image.Image, tables: QuantTables, folder: Path, *switches: str) -> bytes:
    """What cjpeg writes for who types it."""
    parts = [tables.luma, tables.cb, tables.cr] if tables.layout == "ycbcr" else [tables.luma, tables.chroma]
    (folder / "tables.txt").write_text("\n".join(str(entry) for part in parts for entry in part.ravel()))
    image.save(folder / "image.ppm")
    slots = ("-qslots", ",".join(map(str, range(len(parts)))))
    command = ["cjpeg", *switches, "-qtables", "tables.txt", *slots, "image.ppm"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60).stdout


def encoder(folder: Path, line: str) -> Path:
    """A program of one line of shell, which is cjpeg's after all."""
    path = folder / "encoder"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(stat.S_IRWXU)
    return path


@pytest.mark.parametrize("tables", [OF_TWO, OF_THREE, QuantTables.shared(LUMA)], ids=["two", "three", "shared"])
@pytest.mark.parametrize("subsampling", FACTORS)
def test_the_file_is_the_one_that_cjpeg_writes_by_hand(
    tables: QuantTables, subsampling: Subsampling, tmp_path: Path
) -> None:
    pixels = fake_images(1)[0]
    for optimize, progressive in itertools.product([False, True], repeat=2):
        on = [f"-{name}" for name, given in (("optimize", optimize), ("progressive", progressive)) if given]
        expected = by_hand(Image.fromarray(pixels), tables, tmp_path, "-sample", FACTORS[subsampling], *on)
        options = EncoderOptions(subsampling=subsampling, optimize=optimize, progressive=progressive)
        assert CommandCodec(options).compress(pixels, tables) == expected


def test_files_that_it_names_are_given_and_read_as_stdin_and_stdout_are() -> None:
    images = fake_images(3)
    tables = [OF_TWO, OF_THREE, OF_TWO]
    assert list(CommandCodec(command=FILES).files(images, tables)) == list(CommandCodec().files(images, tables))


def test_sizes_and_pixels_are_of_what_it_wrote(tmp_path: Path) -> None:
    pixels = fake_images(1)[0]
    smooth = CommandCodec(command=f"{COMMAND} -smooth 50").encode(pixels[None], [OF_TWO])
    expected = by_hand(Image.fromarray(pixels), OF_TWO, tmp_path, "-smooth", "50")
    assert smooth.size_bytes.tolist() == [len(expected)]
    np.testing.assert_array_equal(smooth.images[0], np.asarray(Image.open(io.BytesIO(expected))))
    assert smooth.size_bytes[0] != CommandCodec().size_bytes(pixels[None], [OF_TWO])[0]


def test_a_grey_image_stays_grey_at_the_luma_table(tmp_path: Path) -> None:
    grey = Image.fromarray(fake_images(1)[0]).convert("L")
    data = encode_image(grey, OF_THREE, CommandCodec())
    assert data == encode_image(grey, OF_THREE, PillowCodec())
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "L"


@pytest.mark.parametrize("profile_bytes", [20, 200_000])
def test_metadata_stands_before_what_it_wrote(profile_bytes: int) -> None:
    image = Image.fromarray(fake_images(1)[0])
    exif = Image.Exif()
    exif[0x010E] = "a description"
    profile = bytes(range(16)) + b"RGB " + bytes(index % 251 for index in range(profile_bytes))
    image.info.update(exif=exif.tobytes(), icc_profile=profile)
    data = encode_image(image, OF_TWO, CommandCodec())
    with Image.open(io.BytesIO(data)) as found:
        assert found.info["icc_profile"] == profile
        assert found.getexif()[0x010E] == "a description"
    alone = CommandCodec().compress(np.asarray(image), OF_TWO)
    assert data.startswith(alone[:20])
    assert data.endswith(alone[20:])


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("", r"command is empty"),
        ("cjpeg '{tables}", r"not understood \(No closing quotation\)"),
        ("cjpeg {switches}", r"lacks \{tables\}"),
        ("cjpeg {tables} {table}", r"no place \{table\}: did you mean tables"),
        ("cjpeg {tables} a{switches}", r"stands for several words"),
        ("bin/cjpeg {tables}", r"absolute path, got 'bin/cjpeg'"),
        ("no-such-encoder {tables}", r"program no-such-encoder cannot be found: install it"),
        ("cjpeg -no-such-switch {tables}", r"program cjpeg failed with exit status 1 \(usage: .*cjpeg"),
        ("cjpeg -qtables /no/{tables}", r"exit status 1 \(.*Can't open table file"),
        ("true {tables}", r"program true ended well and wrote nothing to stdout: write \{output\}"),
        ("true {tables} {output}", r"program true ended well and wrote no \{output\}"),
        ("cat - {tables}", r"program cat wrote \d+ bytes that are no JPEG file of the image: .* FF D8"),
        ("cjpeg -qtables {tables} -grayscale", r"its components are 1 and not 3"),
        ("cjpeg -qtables {tables} -quality 70 -qslots {slots}", r"wrote other tables .*luma: .*leave out what scales"),
        ("cjpeg -sample 2x2 -qslots 0 -qtables {tables}", r"wrote other tables than those given \(cb: "),
        ("cjpeg -sample 1x1 -qtables {tables}", r"wrote 4:4:4 where 4:2:0 is set: give the --subsampling"),
        ("cjpeg -sample 1x2 -qtables {tables}", r"wrote another subsampling where 4:2:0 is set"),
        ("cjpeg -progressive -qtables {tables}", r"progressive file where baseline is set: give --progressive"),
        ("cjpeg -arithmetic -qtables {tables}", r"few read \(SOF9\)"),
        ("sh -c 'cjpeg -qtables {tables} | head -c 700'", r"cut short: its end is missing"),
        ("sh -c 'cjpeg -qtables {tables} | jpegtran -crop 16x16'", r"wrote 16x16 pixels, and 56x40 were given"),
        (
            "sh -c 'cat /proc/sys/kernel/random/uuid > t; cjpeg -qtables {tables} | wrjpgcom -cfile t'",
            r"writes other bytes each time for one image and one table",
        ),
    ],
)
def test_what_it_cannot_do_is_a_sentence_when_it_is_made(command: str, sentence: str, temporary: Path) -> None:
    with pytest.raises(InputError, match=sentence) as raised:
        CommandCodec(command=command)
    assert "\n" not in str(raised.value)
    assert list(temporary.iterdir()) == []


def test_baseline_where_progressive_is_set_is_refused() -> None:
    with pytest.raises(InputError, match=r"baseline file where progressive is set: give --no-progressive"):
        CommandCodec(EncoderOptions(progressive=True), command="cjpeg -qtables {tables}")


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    number = tmp_path / "number"
    with pytest.raises(InputError, match=r"program sh took longer than 0.5 s .*--codec-option timeout_s=SECONDS"):
        CommandCodec(command=f"sh -c 'echo $$ > {number}; exec sleep 600' {{tables}}", timeout_s=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)
    with pytest.raises(InputError, match=r"positive number of seconds, got 0"):
        CommandCodec(timeout_s=0)


def test_three_tables_without_slots_fail_when_they_come() -> None:
    codec = CommandCodec(command="cjpeg -qtables {tables}")
    assert codec.size_bytes(fake_images(1), [OF_TWO]) > 0
    with pytest.raises(EvaluationError, match=r"cr: 101 for 151 at entry 0\): add -qslots \{slots\}"):
        codec.encode(fake_images(1), [OF_THREE])


def test_a_program_that_goes_fails_the_evaluation(tmp_path: Path) -> None:
    program = encoder(tmp_path, 'exec cjpeg "$@"')
    codec = CommandCodec(command=f"{program} -qtables {{tables}}")
    program.unlink()
    with pytest.raises(EvaluationError, match="program encoder cannot be found"):
        codec.encode(fake_images(1), [OF_TWO])


def test_it_is_known_by_its_file_and_by_what_it_writes(tmp_path: Path) -> None:
    def settings(line: str) -> dict[str, Any]:
        return CommandCodec(command=f"{encoder(tmp_path, line)} -qtables {{tables}}").settings()

    plain, commented = settings('exec cjpeg "$@"'), settings('exec cjpeg "$@" # the same')
    optimizing = settings('exec cjpeg -optimize "$@"')
    assert plain["program"] == "encoder"
    assert plain["program_digest"] != commented["program_digest"]
    assert plain["files_digest"] == commented["files_digest"] != optimizing["files_digest"]
    assert plain["command"] == f"{tmp_path}/encoder -qtables {{tables}}"
    assert plain.items() >= {"pillow": PillowCodec().settings()["pillow"], "progressive": False}.items()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cjpeg -optimize -progressive -qtables {tables}", {"optimize": True, "progressive": True}),
        ("cjpeg -sample 1x1 -qtables {tables}", {"subsampling": "4:4:4"}),
        ("cjpeg -sample 2x1,1x1,1x1 -qtables {tables}", {"subsampling": "4:2:2"}),
        ("cjpeg {switches} -qtables {tables}", {}),
    ],
)
def test_switches_in_the_command_are_the_encoders_options(command: str, said: dict[str, Any]) -> None:
    assert CommandCodec.settings_in(command) == {"command": command, **said}
    CommandCodec(EncoderOptions(**said), command=command)  # which it then writes


def test_words_are_given_to_no_shell(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exit status 1"):  # cjpeg is given a semicolon
        CommandCodec(command=f"cjpeg -qtables {{tables}} ; touch {tmp_path}/made")
    with pytest.raises(InputError, match="exit status 1"):
        CommandCodec(command=f"cjpeg -qtables {{tables}} $(touch {tmp_path}/made)")
    assert not (tmp_path / "made").exists()


def test_workers_get_it_whole_and_leave_nothing_behind(temporary: Path) -> None:
    codec: CommandCodec = pickle.loads(pickle.dumps(CommandCodec(command=FILES)))
    assert codec == CommandCodec(command=FILES)
    files: Any = codec.files(fake_images(2), [OF_TWO, OF_TWO])
    next(files)
    (used,) = temporary.iterdir()
    assert used.name.startswith(TEMPORARY)
    assert stat.S_IMODE(used.stat().st_mode) == stat.S_IRWXU
    assert isinstance(files, Generator)
    files.close()
    assert list(temporary.iterdir()) == []
