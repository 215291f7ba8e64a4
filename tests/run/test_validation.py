"""Images that a search has seen are refused in every disguise: size, file, another run, an earlier dataset."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from qsearch.datasets import load_dataset
from qsearch.datasets.base import Dataset, DatasetOptions, identities
from qsearch.datasets.textures import render
from qsearch.errors import InputError
from qsearch.run.building import build_evaluator
from qsearch.run.folder import Run
from qsearch.run.settings import BoundsSettings, DatasetSettings
from qsearch.run.validation import refuse_overlap, validations
from tests.conftest import FAKE, Finished
from tests.run.test_folder import create, settings

Cli = Callable[..., Finished]
pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSEARCH_CACHE", str(tmp_path / "cache"))


def photos(folder: Path, first: int) -> Path:
    """Ten textures in five classes: as many as the fake network knows."""
    for index in range(10):
        path = folder / f"class-{index % 5}" / f"{first + index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(render("search", first + index)).save(path)
    return folder


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return photos(tmp_path / "seen", 0)


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    return photos(tmp_path / "unseen", 10)


def load(folder: Path, size: int | None) -> Dataset:
    return load_dataset(f"folder:{folder}", DatasetOptions(size=size))


def searched_on(folder: Path, path: Path, bounds: BoundsSettings | None = None) -> Run:
    """A run on the images of ``folder`` at 24 pixels."""
    wanted = settings()
    wanted = msgspec.structs.replace(
        wanted,
        dataset=DatasetSettings(spec=f"folder:{folder}", size=24, labels="predicted"),
        search=msgspec.structs.replace(wanted.search, bounds=bounds),
    )
    return create(path, wanted)


def bounds_of(*runs: Run, paths: bool = True) -> BoundsSettings:
    return BoundsSettings(
        sources=tuple(run.name for run in runs),
        paths=tuple(str(run.path.resolve()) for run in runs) if paths else (),
        window=(1.0, 9.0),
        sigma=0.5,
        parabola=(0.0, 0.0, 1.0),
        lower=(1,) * 64,
        upper=(255,) * 64,
    )


@pytest.mark.parametrize("size", [24, 32, None])
def test_at_any_size(tmp_path: Path, seen: Path, unseen: Path, size: int | None) -> None:
    run = searched_on(seen, tmp_path / "run")
    with pytest.raises(InputError, match="10 of 10 images are among those that run run searched on"):
        refuse_overlap([run], identities(load(seen, size)))
    assert refuse_overlap([run], identities(load(unseen, size))) == []


def test_in_files_of_another_kind(tmp_path: Path, seen: Path) -> None:
    run = searched_on(seen, tmp_path / "run")
    for path in seen.glob("*/*.png"):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    with pytest.raises(InputError, match="10 of 10 images are among those"):
        refuse_overlap([run], identities(load(seen, 32)))


def test_exported_as_they_were_prepared(tmp_path: Path, seen: Path, unseen: Path) -> None:
    run = searched_on(seen, tmp_path / "run")
    Image.fromarray(load(seen, 24).images[3]).save(unseen / "class-0" / "prepared.png")
    with pytest.raises(InputError, match=r"1 of 11 images .* \(class-0/prepared.png, for one\)"):
        refuse_overlap([run], identities(load(unseen, 24)))


def test_look_alikes_are_named_and_not_refused(tmp_path: Path, seen: Path, unseen: Path) -> None:
    run = searched_on(seen, tmp_path / "run")
    Image.open(seen / "class-0" / "0.png").save(unseen / "class-0" / "again.jpg", quality=80)
    (note,) = refuse_overlap([run], identities(load(unseen, 32)))
    assert "1 of 11 images look like some that run run searched on (class-0/again.jpg like class-0/0.png)" in note


def test_of_a_run_that_gave_this_one_its_bounds(tmp_path: Path, seen: Path, unseen: Path) -> None:
    first = searched_on(seen, tmp_path / "elsewhere" / "first")
    second = searched_on(unseen, tmp_path / "second", bounds_of(first))
    third = searched_on(unseen, tmp_path / "third", bounds_of(second, paths=False))
    for run in (second, third):
        with pytest.raises(InputError, match="among those that run first searched on"):
            refuse_overlap([run], identities(load(seen, 32)))


def test_a_run_that_gave_bounds_and_is_gone_is_told(tmp_path: Path, seen: Path, unseen: Path) -> None:
    first = searched_on(unseen, tmp_path / "first")
    second = searched_on(unseen, tmp_path / "second", bounds_of(first))
    shutil.rmtree(first.path)
    (note,) = refuse_overlap([second], identities(load(seen, 32)))
    assert note.startswith("run second took its bounds from run first, which is not found")


def test_of_a_run_that_gave_this_one_tables_to_begin_with(tmp_path: Path, seen: Path, unseen: Path) -> None:
    first = searched_on(seen, tmp_path / "elsewhere" / "first")
    second = searched_on(unseen, tmp_path / "second")
    second.save(search=msgspec.structs.replace(second.settings.search, seeds_from=(str(first.path),)))
    with pytest.raises(InputError, match="among those that run first searched on"):
        refuse_overlap([second], identities(load(seen, 32)))
    shutil.rmtree(first.path)
    (note,) = refuse_overlap([second], identities(load(seen, 32)))
    assert note.startswith("run second began with tables of first, which is not found")


def test_runs_that_give_one_another_bounds_end(tmp_path: Path, seen: Path, unseen: Path) -> None:
    first = searched_on(unseen, tmp_path / "first")
    second = searched_on(unseen, tmp_path / "second", bounds_of(first))
    first.save(search=msgspec.structs.replace(first.settings.search, bounds=bounds_of(second)))
    assert refuse_overlap([first], identities(load(seen, 32))) == []


def test_of_a_dataset_before_an_allowed_change(tmp_path: Path, seen: Path, unseen: Path) -> None:
    run = searched_on(seen, tmp_path / "run")
    run.save(dataset=msgspec.structs.replace(run.settings.dataset, spec=f"folder:{unseen}"))
    for _ in range(2):
        run.resume(workers=1, executor="serial", allow_changed=True, evaluator=build_evaluator(run.settings, 1))
    with run.archive() as archive:
        assert len(archive.images(all_generations=True)) == 20
    for folder in (seen, unseen):
        with pytest.raises(InputError, match="10 of 10 images"):
            refuse_overlap([run], identities(load(folder, 32)))


def test_a_run_that_knows_only_prepared_pixels_says_so(tmp_path: Path, seen: Path, unseen: Path) -> None:
    old = Path(__file__).parents[1] / "data" / "format-1"
    shutil.copytree(old, tmp_path / "old")
    (note,) = refuse_overlap([Run.open(tmp_path / "old")], identities(load(unseen, 24)))
    assert "knew images only as they were prepared" in note


def test_a_run_without_images_says_so(tmp_path: Path, seen: Path, unseen: Path) -> None:
    run = searched_on(seen, tmp_path / "run")
    with sqlite3.connect(run.path / "trials.sqlite") as connection:
        connection.execute("DELETE FROM images")
    (note,) = refuse_overlap([run], identities(load(unseen, 24)))
    assert note == "run run does not say which images it searched on: see that it was not on these."


class TestOnTheCommandLine:
    PREPARED = ("--size", "24", "--labels", "predicted")

    def run(self, cli: Cli, name: str, folder: Path) -> None:
        made = cli("run", "--name", name, "--trials", "4", *FAKE, *self.PREPARED, "--dataset", f"folder:{folder}")
        assert made.status == 0, made.stderr

    def validate(self, cli: Cli, folder: Path, *more: str) -> Finished:
        how = ("--workers", "1", "--executor", "serial", "--fit", "stretch", *self.PREPARED)
        return cli("validate", "b", "--dataset", f"folder:{folder}", *how, *more)

    def test_tables_of_another_run_bring_its_images(self, cli: Cli, seen: Path, unseen: Path) -> None:
        self.run(cli, "a", seen)
        self.run(cli, "b", unseen)
        refused = self.validate(cli, seen, "--tables", "a:1")
        assert refused.status == 2
        assert "10 of 10 images are among those that run a searched on" in refused.sentence
        assert not validations(Run.open("runs/b"))
        assert self.validate(cli, seen).status == 0

    def test_tables_that_a_run_began_with_bring_the_images_of_theirs(self, cli: Cli, seen: Path, unseen: Path) -> None:
        self.run(cli, "a", seen)
        listed = ("--strategy", "listed", "--seeds", "a:1", *FAKE, *self.PREPARED, "--dataset", f"folder:{unseen}")
        assert cli("run", "--name", "b", *listed).status == 0
        refused = self.validate(cli, seen)
        assert refused.status == 2
        assert "10 of 10 images are among those that run a searched on" in refused.sentence
        again = cli("run", "--name", "again", "--config", "runs/b/run.toml", "--executor", "serial")
        assert again.status == 0, again.stderr
        assert Run.open("runs/again").settings.search.seeds_from == (str(Path("runs/a").resolve()),)

    def test_ladders_that_a_run_began_with_bring_theirs(self, cli: Cli, seen: Path, unseen: Path) -> None:
        learning = ("--dataset", f"folder:{seen}", "--size", "24", "--quality", "50", "--workers", "1")
        assert cli("learn", "distortion", *learning, "--out", "ladder.json").status == 0
        listed = ("--strategy", "listed", "--seeds", "ladder.json", "--dataset", f"folder:{unseen}")
        assert cli("run", "--name", "b", *FAKE, *self.PREPARED, *listed).status == 0
        refused = self.validate(cli, seen)
        assert refused.status == 2
        assert "10 of 10 images are among those that ladder.json was learned from" in refused.sentence

    def test_tables_of_a_validation_bring_those_of_its_run(self, cli: Cli, tmp_path: Path, seen: Path) -> None:
        self.run(cli, "a", seen)
        third = photos(tmp_path / "third", 20)
        made = cli(
            "validate", "a", "--dataset", f"folder:{third}", "--executor", "serial", *self.PREPARED, "--name", "v"
        )
        assert made.status == 0, made.stderr
        for folder, what in ((seen, "run a searched"), (third, "validation v measured")):
            with pytest.raises(InputError, match=f"are among those that {what} on"):
                refuse_overlap([Run.open("runs/a/validations/v")], identities(load(folder, 32)))

    def test_images_that_look_alike_are_told(self, cli: Cli, seen: Path, unseen: Path) -> None:
        self.run(cli, "b", seen)
        shutil.copytree(seen, unseen, dirs_exist_ok=True)
        for path in unseen.glob("*/?.png"):
            pixels = np.asarray(Image.open(path)).copy()
            pixels[0, 0] ^= 1
            Image.fromarray(pixels).save(path)
        finished = self.validate(cli, unseen)
        assert finished.status == 0, finished.stderr
        assert "10 of 20 images look like some that run b searched on" in finished.stderr
        assert "and 7 more" in finished.stderr
