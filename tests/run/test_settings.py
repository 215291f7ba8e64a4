"""Settings: what is written is read back, and a file that cannot be used is refused by the name of its fault."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsearch.errors import DiskError, InputError
from qsearch.evaluation.objective import NAMES
from qsearch.run.settings import (
    BOXES,
    FORMAT,
    BoundsSettings,
    Change,
    ClassifierSettings,
    CodecSettings,
    DatasetSettings,
    Recorded,
    RunSettings,
    SearchSettings,
    SeedSettings,
    load_settings,
    save_settings,
    search_settings_named,
)

WORDS = st.text(max_size=20)
NUMBERS = st.floats(allow_nan=False, width=32)
VALUES = st.none() | WORDS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS
SEEDS = st.builds(SeedSettings, label=WORDS, tables=WORDS, gap=st.none() | NUMBERS)
BOUNDS = st.builds(
    BoundsSettings,
    sources=st.lists(WORDS, max_size=2).map(tuple),
    window=st.tuples(NUMBERS, NUMBERS),
    sigma=NUMBERS,
    parabola=st.none() | st.tuples(NUMBERS, NUMBERS, NUMBERS),
    local_fit=st.none() | st.tuples(*[NUMBERS] * 6),
    objective=st.sampled_from(NAMES),
    box=st.sampled_from(BOXES),
    origin=st.none() | NUMBERS,
    step=st.none() | NUMBERS,
    seeds=st.lists(SEEDS, max_size=2).map(tuple),
    first=st.none() | st.integers(0),
    lower=st.lists(st.integers(1, 255), max_size=3).map(tuple),
    upper=st.just(()),
)
SEARCHES = st.builds(
    SearchSettings,
    strategy=WORDS,
    options=st.dictionaries(WORDS, VALUES.filter(lambda value: value is not None), max_size=3),
    trials=st.integers(1),
    seed=st.integers(0),
    window=st.none() | st.tuples(NUMBERS, NUMBERS),
    objective=st.sampled_from(NAMES),
    box=st.sampled_from(BOXES),
    seeds=st.lists(SEEDS, max_size=2).map(tuple),
    seeds_from=st.lists(WORDS, max_size=2).map(tuple),
    bounds=st.none() | BOUNDS,
    qualities=st.lists(st.integers(1, 100), max_size=4).map(tuple),
)
RECORDED = st.builds(
    Recorded,
    dataset=st.dictionaries(WORDS, WORDS, max_size=3),
    classifiers=st.lists(st.dictionaries(WORDS, WORDS, max_size=2), max_size=2),
    versions=st.dictionaries(WORDS, WORDS, max_size=2),
)
SETTINGS = st.builds(
    RunSettings,
    created=WORDS,
    measures=st.sampled_from([(), ("psnr",)]),
    search=SEARCHES,
    dataset=st.builds(DatasetSettings, spec=WORDS, size=st.none() | st.integers(1, 999)),
    classifiers=st.lists(st.builds(ClassifierSettings, spec=WORDS, weights=st.none() | WORDS), max_size=2).map(tuple),
    codec=st.builds(CodecSettings, optimize=st.booleans()),
    recorded=st.none() | RECORDED,
    changes=st.lists(st.builds(Change, at_trial=st.integers(0, 9), differences=st.lists(WORDS)), max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SETTINGS)
def test_what_is_written_is_read_back(tmp_path: Path, wanted: RunSettings) -> None:
    save_settings(wanted, tmp_path / "run.toml")
    assert load_settings(tmp_path / "run.toml") == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "run.toml").touch()
    assert load_settings(tmp_path / "run.toml") == RunSettings()


@pytest.mark.parametrize("version", [1, 2])
def test_bounds_of_older_versions_are_read_under_the_name_that_they_had(tmp_path: Path, version: int) -> None:
    bounds = BoundsSettings(
        sources=("demo",), window=(19.0, 21.0), sigma=0.5, parabola=(0.0, -0.01, 1.0), lower=(1,), upper=(2,)
    )
    wanted = RunSettings(search=SearchSettings(strategy="bounded-random", bounds=bounds))
    save_settings(wanted, tmp_path / "run.toml")
    text = (tmp_path / "run.toml").read_text()
    text = text.replace(f"format = {FORMAT}", f"format = {version}").replace("[search.bounds]", "[search.guidance]")
    if version == 1:
        text = text.replace("measures = []\n", "")
    (tmp_path / "run.toml").write_text(text)
    assert "guidance" in text
    assert load_settings(tmp_path / "run.toml") == wanted


BAD_FILES = {
    "[search": "cannot be read as TOML",
    "\0\1\2": "cannot be read as TOML",
    f"format = {FORMAT + 1}": f"has format {FORMAT + 1}, this qsearch reads up to {FORMAT}: install a newer qsearch",
    f"format = {FORMAT + 1}\nfuture = 1": "install a newer qsearch",
    "format = 'one'": r"expected `int`, got `str` - at `\$.format`",
    "trails = 5": "object contains unknown field `trails`",
    "[search]\ntrails = 5": r"unknown field `trails` - at `\$.search`",
    "[search]\ntrials = 'many'": r"expected `int`, got `str` - at `\$.search.trials`",
    "[search]\ntrials = 0": r"expected `int` >= 1 - at `\$.search.trials`",
    "[search]\nseed = -1": r">= 0 - at `\$.search.seed`",
    "[search]\nlook_ahead = 0": r">= 1 - at `\$.search.look_ahead`",
    "[search]\nqualities = [50, 101]": r"<= 100 - at `\$.search.qualities\[1\]`",
    "[codec]\noptimize = 'yes'": r"expected `bool`, got `str` - at `\$.codec.optimize`",
    "classifiers = []\n[[classifiers]]\nspec = 'a'": "cannot be read as TOML",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_file_that_cannot_be_used_is_refused_by_its_fault(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=BAD_FILES[text]) as error:
        load_settings(path)
    assert str(error.value).startswith(str(path))


def test_files_that_are_not_there_or_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        load_settings(tmp_path / "run.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_settings(tmp_path)
    (tmp_path / "latin").write_bytes(b"created = '\xff'")
    with pytest.raises(InputError, match="cannot be read"):
        load_settings(tmp_path / "latin")


def test_a_new_file_gets_the_permissions_of_any_other(tmp_path: Path) -> None:
    save_settings(RunSettings(), tmp_path / "run.toml")
    (tmp_path / "other").touch()
    assert (tmp_path / "run.toml").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_disk_that_refuses_is_told_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_settings(RunSettings(created="before"), tmp_path / "run.toml")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"run.toml cannot be written .*No space left.* has room"):
        save_settings(RunSettings(created="after"), tmp_path / "run.toml")
    assert load_settings(tmp_path / "run.toml").created == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
    with pytest.raises(DiskError, match="cannot be written"):
        save_settings(RunSettings(), tmp_path / "nowhere" / "run.toml")


def recorded(**changes: Any) -> Recorded:
    fields: dict[str, Any] = {
        "dataset": {"name": "folder:a", "digest": "a" * 64, "images": 5},
        "classifiers": [{"name": "one", "digest": "b" * 64}],
        "codec": {"name": "pillow", "optimize": False, "libjpeg": "libjpeg-turbo 3.0"},
        "versions": {"numpy": "2.1"},
    }
    return Recorded(**{**fields, **changes})


def test_equal_conditions_do_not_differ() -> None:
    assert recorded().differences(recorded()) == []
    assert recorded().differences(recorded(versions={"numpy": "2.4"})) == []
    moved = recorded(dataset={**recorded().dataset, "name": "folder:b"})
    assert recorded().differences(moved) == []


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        (
            {"dataset": {"name": "folder:a", "digest": "c" * 64, "images": 5}},
            "dataset: digest was aaaaaaaaaaaa..., is cccccccccccc...",
        ),
        ({"dataset": {"name": "folder:a", "digest": "a" * 64}}, "dataset: images was 5, is absent"),
        ({"classifiers": [{"name": "one", "digest": "d" * 64}]}, "classifier one: digest was bbbbbbbbbbbb..., is "),
        ({"classifiers": []}, "classifiers: 1 became 0"),
        (
            {"codec": {"name": "pillow", "optimize": True, "libjpeg": "libjpeg-turbo 3.0"}},
            "codec: optimize was False, is True",
        ),
        (
            {"codec": {"name": "pillow", "optimize": False, "libjpeg": "libjpeg-turbo 3.1"}},
            "codec: libjpeg was libjpeg-turbo 3.0, is libjpeg-turbo 3.1",
        ),
        (
            {"codec": {"name": "other", "optimize": False, "libjpeg": "libjpeg-turbo 3.0"}},
            "codec: name was pillow, is other",
        ),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], phrase: str) -> None:
    (difference,) = recorded().differences(recorded(**changes))
    assert difference.startswith(phrase)
    assert len(recorded(**changes).differences(recorded())) == 1


def test_settings_are_immutable() -> None:
    with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
        RunSettings().measures = ("psnr",)  # type: ignore[misc]
    assert msgspec.structs.replace(RunSettings(), measures=("psnr",)).measures


def test_a_setting_that_is_no_text_is_refused_and_named(tmp_path: Path) -> None:
    spec = b"folder:/photos\xff".decode(errors="surrogateescape")
    with pytest.raises(InputError, match=r'the setting spec = "folder:/photos\\xff" is not UTF-8'):
        save_settings(RunSettings(dataset=DatasetSettings(spec=spec)), tmp_path / "run.toml")
    assert not list(tmp_path.iterdir())


def test_what_a_file_leaves_open_is_told_from_what_it_chooses(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    for text, expected in (
        ("", set()),
        ("[search]\ntrials = 5\nbox = 'paper'", {"trials", "box"}),
        ("format = 2\n[search]\ntrials = 5", {"trials", "box", "objective"}),
        ("format = 3\n[search]\ntrials = 5", {"trials"}),
    ):
        path.write_text(text)
        assert search_settings_named(path) == expected
