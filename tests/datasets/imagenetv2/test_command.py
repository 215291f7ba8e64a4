"""``qsearch dataset``: options to calls, and results and errors to words."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qsearch.cli.dataset import dataset
from qsearch.datasets import load_dataset
from qsearch.errors import InputError, RunError
from tests.datasets.imagenetv2.builds import drawn, recorded
from tests.datasets.imagenetv2.world import KEY, TARBALL, World
from tests.datasets.web import Page


def given(world: World, *arguments: str | Path, fails: type[Exception] | None = None) -> Result:
    result = CliRunner().invoke(dataset, [str(argument) for argument in arguments], obj=world.addresses)
    assert type(result.exception) is (fails or type(None)), result.output
    return result


def small(out: Path) -> list[str | Path]:
    return ["build", "imagenetv2", "--out", out, "--classes", "4", "--per-class", "3", "--seed", "3"]


def test_builds_and_says_what_is_missing(world: World, tmp_path: Path) -> None:
    photos = drawn(world)
    world.publish(photos)
    world.web.pages[recorded(photos[0])] = Page(status=404)
    world.host_tarball(photos)
    out = tmp_path / "out"
    result = given(world, *small(out), "--metadata", world.metadata)
    assert result.stdout.splitlines() == [
        f"{out}: 12 images, 11 from the original photographs and 1 from the public images of at most 500 pixels.",
        "  1 not there any more (status 404)",
        f"Use it with --dataset imagenetv2:{out}",
    ]
    assert "photographs: 12 of 12" in result.stderr
    assert len(load_dataset(f"imagenetv2:{out}")) == 12


def test_the_key_may_come_from_the_environment(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLICKR_API_KEY", "wrong")
    result = given(world, *small(tmp_path / "out"), "--metadata", world.metadata, fails=InputError)
    assert "refuses the API key" in str(result.exception)
    assert world.web.asked[-1].query["api_key"] == "wrong"
    given(world, *small(tmp_path / "out"), "--metadata", tmp_path, "--flickr-key", KEY, fails=InputError)


def test_fetches_a_tarball_as_it_is(world: World, tmp_path: Path) -> None:
    world.host_tarball(world.photos()[:30])
    content = world.tarball(world.photos()[:30])
    result = given(world, "fetch", "imagenetv2-matched-frequency", "--out", tmp_path / "data")
    path = tmp_path / "data" / TARBALL
    assert path.read_bytes() == content
    assert f"{path}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}" in result.stdout


def test_what_was_fetched_is_found_by_a_build(world: World, tmp_path: Path) -> None:
    photos = drawn(world)
    world.host_tarball(photos)
    given(world, "fetch", "imagenetv2-matched-frequency")
    given(world, *small(tmp_path / "out"), "--metadata", world.metadata)
    assert world.web.times_asked(f"/hub/{TARBALL}") == 1


def test_a_mirror(world: World, tmp_path: Path) -> None:
    world.web.pages[f"/mirror/{TARBALL}"] = Page(world.tarball(world.photos()[:3]))
    given(world, "fetch", "imagenetv2-matched-frequency", "--hub", f"{world.web.address}/mirror/")


def test_a_tarball_that_is_not_there(world: World, tmp_path: Path) -> None:
    result = given(world, "fetch", "imagenetv2-top-images", "--out", tmp_path / "data", fails=RunError)
    assert "imagenetv2-top-images.tar.gz cannot be downloaded from" in str(result.exception)
    assert "name a mirror with --hub URL" in str(result.exception)
    assert not list((tmp_path / "data").glob("*.gz"))


def test_settings_are_recorded(world: World, tmp_path: Path) -> None:
    world.publish(drawn(world))
    given(world, *small(tmp_path / "out"), "--metadata", world.metadata, "--no-originals")
    assert json.loads((tmp_path / "out/build.json").read_text()) == {
        "format": 1,
        "sampling": "matched-frequency",
        "revision": "imagenetv2-b-33",
        "classes": 4,
        "per_class": 3,
        "seed": 3,
        "other_classes": False,
        "size": 224,
        "originals": False,
    }
