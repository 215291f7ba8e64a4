"""Folders are encoded whole: what is there is kept, what fails is told, and nothing is ever left half-written."""

import itertools
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qsearch.codecs.base import EncoderOptions
from qsearch.codecs.markers import read_frame
from qsearch.codecs.pillow import PillowCodec
from qsearch.disk import replacing
from qsearch.encode.files import HEADER_BYTES, Outcome, compress_files, plan_files, plan_in_place
from qsearch.errors import InputError
from qsearch.tables import QuantTables
from tests.faults import file_size_limit

TABLES = QuantTables.standard(40)


def picture(path: Path, seed: int = 0, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three images in two folders, a text, and what the desktop leaves behind."""
    source = tmp_path / "photos"
    picture(source / "a.png", 1)
    picture(source / "cats" / "b.jpeg", 2, quality=90)
    picture(source / "cats" / "c.BMP", 3, format="BMP")
    (source / "cats" / "notes.txt").write_text("hello")
    (source / ".thumbs").mkdir()
    picture(source / ".thumbs" / "d.png", 4)
    return source


def run(source: Path, destination: Path, tables: QuantTables = TABLES, **options: Any) -> dict[str, Outcome]:
    """The outcomes by the source's name."""
    found = compress_files(plan_files(source, destination), tables, **options)
    return {outcome.source.name: outcome for outcome in found}


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


def statuses(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.status for name, outcome in outcomes.items()}


@pytest.mark.parametrize("workers", [1, 4])
def test_a_tree_keeps_its_structure(tree: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    outcomes = run(tree, out, workers=workers, codec=PillowCodec(EncoderOptions(subsampling="4:4:4")))
    assert files(out) == ["a.jpg", "cats/b.jpg", "cats/c.jpg"]
    assert statuses(outcomes) == dict.fromkeys(["a.png", "b.jpeg", "c.BMP"], "encoded")
    assert [name for name, outcome in outcomes.items() if outcome.recompressed] == ["b.jpeg"]
    for outcome in outcomes.values():
        frame = read_frame(outcome.target.read_bytes())
        assert (frame.tables, frame.subsampling) == (TABLES, "4:4:4")
        assert outcome.bytes_before == outcome.source.stat().st_size
        assert outcome.bytes_after == outcome.target.stat().st_size


def test_files_that_are_no_images_are_counted(tree: Path, tmp_path: Path) -> None:
    assert plan_files(tree, tmp_path / "out").left_out == 1


def test_what_is_done_is_not_done_again(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(tree, out)
    (out / "a.jpg").unlink()
    stamps = {name: (out / name).stat().st_mtime_ns for name in ("cats/b.jpg", "cats/c.jpg")}
    assert statuses(run(tree, out)) == {"a.png": "encoded", "b.jpeg": "present", "c.BMP": "present"}
    assert stamps == {name: (out / name).stat().st_mtime_ns for name in stamps}


def test_a_greyscale_file_is_done_when_its_luma_table_is(tmp_path: Path) -> None:
    source = tmp_path / "grey.png"
    Image.new("L", (16, 16), 100).save(source)
    assert statuses(run(source, tmp_path / "x.jpg")) == {"grey.png": "encoded"}
    assert statuses(run(source, tmp_path / "x.jpg")) == {"grey.png": "present"}
    assert statuses(run(source, tmp_path / "x.jpg", QuantTables.standard(41))) == {"grey.png": "failed"}


def spoil_tables(source: Path, target: Path) -> None:
    picture(target, 9, quality=77)


def spoil_content(source: Path, target: Path) -> None:
    target.write_text("letters of 1912")


def spoil_age(source: Path, target: Path) -> None:
    os.utime(target, (1, 1))


def spoil_settings(source: Path, target: Path) -> None:
    target.unlink()
    run(source, target, codec=PillowCodec(EncoderOptions(progressive=True)))


@pytest.mark.parametrize("spoil", [spoil_tables, spoil_content, spoil_age, spoil_settings])
def test_another_file_in_the_way_is_replaced_only_when_asked(tmp_path: Path, spoil: Any) -> None:
    source, target = picture(tmp_path / "a.png"), tmp_path / "a.jpg"
    run(source, target)
    spoil(source, target)
    before = target.read_bytes()
    outcome = run(source, target)["a.png"]
    assert outcome.status == "failed"
    assert "--overwrite" in outcome.reason
    assert target.read_bytes() == before
    assert run(source, target, overwrite=True)["a.png"].status == "encoded"
    assert read_frame(target.read_bytes()).tables == TABLES


def test_sources_of_one_name_all_fail_and_the_rest_is_done(tree: Path, tmp_path: Path) -> None:
    picture(tree / "a.bmp", 5)
    outcomes = run(tree, tmp_path / "out")
    assert "a.bmp would become a.jpg too" in outcomes["a.png"].reason
    assert "a.png would become a.jpg too" in outcomes["a.bmp"].reason
    assert files(tmp_path / "out") == ["cats/b.jpg", "cats/c.jpg"]


def test_failures_are_told_and_the_rest_is_done(tree: Path, tmp_path: Path) -> None:
    (tree / "broken.png").write_bytes(b"no")
    (tree / "dangling.png").symlink_to(tree / "nowhere")
    outcomes = run(tree, tmp_path / "out", workers=2)
    assert {name for name, status in statuses(outcomes).items() if status == "failed"} == {"broken.png", "dangling.png"}
    assert outcomes["broken.png"].reason == "not an image"
    assert len(files(tmp_path / "out")) == 3


def test_a_folder_in_the_way_fails_that_file_alone(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "a.jpg").mkdir(parents=True)
    outcomes = run(tree, tmp_path / "out", overwrite=True)
    assert statuses(outcomes) == {"a.png": "failed", "b.jpeg": "encoded", "c.BMP": "encoded"}
    assert files(tmp_path / "out") == ["cats/b.jpg", "cats/c.jpg"]


def test_in_place_replaces_jpeg_files_and_nothing_else(tree: Path) -> None:
    (tree / "cats" / "b.jpeg").chmod(0o640)
    (tree / "link.jpg").symlink_to(tree / "cats" / "b.jpeg")
    (tree / "cats" / "png-inside.jpg").write_bytes((tree / "a.png").read_bytes())
    before = {name: (tree / name).read_bytes() for name in files(tree)}
    (tree / "link.jpg").unlink()
    plan = plan_in_place(tree)
    outcomes = {outcome.source.name: outcome for outcome in compress_files(plan, TABLES)}
    assert statuses(outcomes) == {"b.jpeg": "encoded", "png-inside.jpg": "failed"}
    assert "PNG in spite of its name" in outcomes["png-inside.jpg"].reason
    assert read_frame((tree / "cats" / "b.jpeg").read_bytes()).tables == TABLES
    assert (tree / "cats" / "b.jpeg").stat().st_mode & 0o777 == 0o640
    changed = {name for name in files(tree) if (tree / name).read_bytes() != before[name]}
    assert changed == {"cats/b.jpeg"}
    assert [outcome.status for outcome in compress_files(plan, TABLES)].count("present") == 1


def test_in_place_leaves_links_and_replaces_what_lies_there_itself(tree: Path, tmp_path: Path) -> None:
    outside = picture(tmp_path / "elsewhere" / "x.jpg", quality=90)
    content = outside.read_bytes()
    (tree / "x.jpg").symlink_to(outside)
    (tree / "y.jpg").symlink_to(tree / "cats" / "b.jpeg")
    (tree / "more").symlink_to(tmp_path / "elsewhere")
    plan = plan_in_place(tree)
    assert plan.left_out == 6  # a.png, c.BMP, notes.txt and three links
    assert [(each.source.name, each.status) for each in compress_files(plan, TABLES)] == [("b.jpeg", "encoded")]
    assert outside.read_bytes() == content
    assert (tree / "y.jpg").is_symlink()


def test_a_file_given_as_a_link_is_replaced_where_it_lies(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to(tree / "cats" / "b.jpeg")
    (outcome,) = compress_files(plan_in_place(tmp_path / "link.jpg"), TABLES)
    assert outcome.status == "encoded"
    assert (tmp_path / "link.jpg").is_symlink()
    assert read_frame((tree / "cats" / "b.jpeg").read_bytes()).tables == TABLES


def test_in_place_keeps_what_would_not_become_smaller(tmp_path: Path) -> None:
    """It would be larger and twice lossy."""
    source = picture(tmp_path / "a.jpg", quality=10)
    before = source.read_bytes()
    for overwrite in (False, True):
        (outcome,) = compress_files(plan_in_place(tmp_path), TABLES, overwrite=overwrite)
        assert outcome.status == "kept"
        assert f"for {len(before):,}" in outcome.reason
        assert (outcome.bytes_before, outcome.bytes_after, outcome.recompressed) == (0, 0, False)
        assert contents(tmp_path) == {"a.jpg": before}


def test_data_that_is_to_go_goes_from_files_that_grow_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    picture(tmp_path / "a.jpg", quality=10, exif=exif)
    (outcome,) = compress_files(plan_in_place(tmp_path), TABLES, strip=True)
    assert outcome.status == "encoded"
    assert outcome.bytes_after > outcome.bytes_before
    assert b"a maker" not in (tmp_path / "a.jpg").read_bytes()


def test_a_link_in_the_source_to_the_destination_is_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tree / "link").symlink_to(tmp_path / "out")
    for _ in range(2):
        run(tree, tmp_path / "out")
        assert files(tmp_path / "out") == ["a.jpg", "cats/b.jpg", "cats/c.jpg"]


def test_a_linked_folder_counts_once(tree: Path, tmp_path: Path) -> None:
    (tree / "dogs").symlink_to(tree / "cats")
    (tree / "cats" / "loop").symlink_to(tree)
    assert plan_files(tree, tmp_path / "out").count == 3


def test_a_pipe_with_the_name_of_an_image_is_not_read(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tree / "pipe.png")
    plan = plan_files(tree, tmp_path / "out")
    assert (plan.count, plan.left_out) == (3, 2)


def test_what_is_done_is_seen_behind_large_profiles_too(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", icc_profile=b"\0" * 16 + b"RGB " + os.urandom(3 * HEADER_BYTES))
    assert statuses(run(source, tmp_path / "a.jpg")) == {"a.png": "encoded"}
    assert (tmp_path / "a.jpg").read_bytes().index(b"\xff\xdb\x00\x43") > HEADER_BYTES
    assert statuses(run(source, tmp_path / "a.jpg")) == {"a.png": "present"}


def test_a_folder_that_may_not_be_listed_is_named_before_anything_is_written(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refusing(folder: Path) -> Any:
        if folder.name == "cats":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(InputError, match=r"cats cannot be listed \(Permission denied\)"):
        plan_files(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


LINKS = 20_000
DONE_BEFORE = 17_000
FIRST = 2000
"""Of the files that are not done, how many a first call is heard of."""
MOST_BYTES = 4 << 20


def links_to_few_images(folder: Path) -> list[str]:
    """Their names, most in one folder, for the names of one folder are in memory at once; two clash, two are broken."""
    few = folder.with_name("few")
    for index in range(4):
        few.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (60 * index, 0, 0)).save(few / f"{index}.png")
    (folder / "deep" / "er").mkdir(parents=True)
    names = [f"{index:05}.png" if index % 4 else f"deep/er/{index:05}.png" for index in range(LINKS - 3)]
    for index, name in enumerate(names):
        (folder / name).symlink_to(few / f"{index % 4}.png")
    (folder / "00001.bmp").symlink_to(few / "1.png")
    (folder / "x.png").symlink_to(few / "nowhere.png")
    (folder / "y.png").write_bytes(b"no")
    return [name for name in names if name != "00001.png"]


def test_twenty_thousand_links_take_little_memory_and_are_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # disks that take their time are of no interest here
    source, out = tmp_path / "in", tmp_path / "out"
    names = links_to_few_images(source)
    run(tmp_path / "few" / "0.png", tmp_path / "done.jpg")
    (out / "deep" / "er").mkdir(parents=True)
    targets = {(out / name).with_suffix(".jpg") for name in names}
    order = [job.target for job in plan_files(source, out).jobs() if job.target in targets]
    for target in order[-DONE_BEFORE:]:  # what is to be done comes first: the first call need not look at the rest
        target.hardlink_to(tmp_path / "done.jpg")
    found = compress_files(plan_files(source, out), TABLES, workers=2)
    first = Counter(outcome.status for outcome in itertools.islice(found, FIRST))
    found.close()  # type: ignore[attr-defined]
    there = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    tracemalloc.start()
    try:
        plan = plan_files(source, out)
        second = Counter(outcome.status for outcome in compress_files(plan, TABLES, workers=2))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plan.count == LINKS
    assert peak < MOST_BYTES
    assert first["encoded"] > 0
    assert DONE_BEFORE < len(there) < LINKS - 4
    assert second == {"present": len(there), "encoded": LINKS - 4 - len(there), "failed": 4}
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert files(out) == sorted(name.replace(".png", ".jpg") for name in names)


def test_a_photograph_of_several_pictures_is_not_replaced_by_its_first(tmp_path: Path) -> None:
    first = Image.new("RGB", (16, 16), "red")
    first.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    (outcome,) = compress_files(plan_in_place(tmp_path / "phone.jpg"), TABLES)
    assert "only the first would remain" in outcome.reason


@pytest.mark.parametrize(
    ("source", "destination", "sentence"),
    [
        ("photos", "photos/out", "one inside the other"),
        ("photos/cats", "photos", "one inside the other"),
        ("photos", "photos", "--in-place"),
        ("photos", "file.txt", "is a file"),
        ("photos/a.png", "out.png", r"call it out\.jpg"),
        ("photos/cats/b.jpeg", "photos/cats/b.jpeg", "--in-place"),
        ("missing", "out", "is not there"),
        ("empty", "out", "holds no images"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(
    tree: Path, tmp_path: Path, source: str, destination: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    before = files(tmp_path)
    with pytest.raises(InputError, match=sentence):
        plan_files(tmp_path / source, tmp_path / destination)
    assert files(tmp_path) == before


def test_a_destination_that_links_into_the_source_is_refused(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree / "cats")
    with pytest.raises(InputError, match="one inside the other"):
        plan_files(tree, tmp_path / "link")


def test_in_place_needs_a_jpeg_file(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no JPEG file"):
        plan_in_place(tree / "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no JPEG files"):
        plan_in_place(tmp_path / "empty")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing_bytes", [1, 1500])
def test_a_disk_that_fills_up_leaves_no_half_written_file(
    tmp_path: Path, missing_bytes: int, progressive: bool
) -> None:
    codec = PillowCodec(EncoderOptions(progressive=progressive))
    source, target = picture(tmp_path / "a.png"), tmp_path / "out" / "a.jpg"
    target.parent.mkdir()
    size_bytes = run(source, target, codec=codec)["a.png"].bytes_after
    for there in (True, False):
        if not there:
            target.unlink()
        with file_size_limit(size_bytes - missing_bytes):
            outcome = run(source, target, codec=codec, overwrite=True)["a.png"]
        assert outcome.status == "failed"
        assert "cannot be written" in outcome.reason
        assert files(tmp_path / "out") == (["a.jpg"] if there else [])
        assert not there or target.stat().st_size == size_bytes


def test_stopping_half_way_leaves_whole_files_only(tmp_path: Path) -> None:
    for index in range(20):
        picture(tmp_path / "in" / f"{index}.png", index)
    found = compress_files(plan_files(tmp_path / "in", tmp_path / "out"), TABLES, workers=2)
    next(found)
    found.close()  # type: ignore[attr-defined]
    done = files(tmp_path / "out")
    assert not any("partial" in name for name in done)
    assert 1 <= len(done) < 20
    for name in done:
        with Image.open(tmp_path / "out" / name) as image:
            image.load()
    assert statuses(run(tmp_path / "in", tmp_path / "out")) == {
        f"{index}.png": "present" if f"{index}.jpg" in done else "encoded" for index in range(20)
    }


@pytest.mark.parametrize("name", ["kept", "new"])
def test_an_error_while_writing_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "kept").write_text("old")

    def write() -> None:
        with replacing(tmp_path / name) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert files(tmp_path) == ["kept"]
    assert (tmp_path / "kept").read_text() == "old"
