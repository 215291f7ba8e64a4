"""``qsearch run --confirm``: images kept aside, the pick made on them, and everything that takes it."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from qsearch.archive.store import Archive
from qsearch.export.reading import read_tables
from qsearch.report import wording
from qsearch.run.confirmation import confirmations, confirmed
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE, Run
from qsearch.run.settings import save_settings
from qsearch.tables import QuantTables
from qsearch.tables.published import published_names
from tests.cli.test_kill import finish, recorded, wait_until
from tests.conftest import FAKE, Command, Finished
from tests.fakes import fake_images

Cli = Callable[..., Finished]
IMAGES = 200
SEARCH = ("run", "--name", "demo", "--seed", "1", *FAKE)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake images of which a quarter is enough to keep aside."""
    monkeypatch.setenv("FAKE_DATASET_IMAGES", str(IMAGES))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Path:
    """The folder of a run of twelve trials and its confirmation; nobody changes it."""
    command = Command(tmp_path_factory.mktemp("made"), plugin_folder)
    command.environment["FAKE_DATASET_IMAGES"] = str(IMAGES)
    finished = command(*SEARCH, "--trials", "12")
    assert finished.returncode == 0, finished.stderr
    return command.folder / "runs" / "demo"


@pytest.fixture
def demo(cli: Cli, many: None, made: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    shutil.copytree(made, tmp_path / "runs" / "demo")
    return tmp_path / "runs" / "demo"


def names(run: Run) -> set[str]:
    with run.archive() as archive:
        return {image.name for image in archive.images()}


def stated(cli: Cli, run: str = "demo") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("show", run, "--json").stdout)["confirmed"]
    return found


def test_a_pick_is_made_on_images_that_the_search_does_not_see(cli: Cli, demo: Path) -> None:
    run = Run.open(demo)
    (confirmation,) = confirmations(run)
    assert (len(names(run)), len(names(confirmation))) == (150, 50)
    assert not names(run) & names(confirmation)
    results = confirmation.results()
    labels = [trial.label for trial in results.done]
    assert labels[0] == "standard"
    assert {f"published:{name}" for name in published_names()} & set(labels)
    assert "learned:distortion" in labels
    assert "learned:accuracy" not in labels, "asking took more than a tenth of twelve trials"
    assert {"mean-of-all", "mean-of-published", "mean-of-best-and-published"} <= set(labels)
    assert any(label.removesuffix("-scaled").isdecimal() for label in labels)
    aim = run.results().standard[50].ratio
    assert all(trial.measurement and abs(trial.measurement.ratio / aim - 1) < 0.05 for trial in results.done)


def test_the_summary_states_it_with_what_it_rests_on(cli: Cli, demo: Path) -> None:
    found, shown = stated(cli), " ".join(cli("show", "demo").stdout.split())
    confirmation = confirmed(Run.open(demo))
    assert confirmation is not None
    assert (found["pick"], found["images"], found["trials"]) == (confirmation.pick.label, 50, 12)
    assert found["pick"] == max(found["considered"], key=lambda each: each["above"])["label"]
    assert {each["kind"] for each in found["considered"]} == {"standard", "searched", "average", "elsewhere"}
    assert found["standard_errors"] == confirmation.standard_errors
    assert f"Confirmed on 50 images kept aside, the best of {len(found['considered'])} tables" in shown
    if not confirmation.falls_back:
        assert f"{confirmation.standard_errors:.1f} standard errors above the standard tables" in shown
    if found["further_images"]:
        assert f"; {wording.to_settle(found['further_images'])}" in shown
    assert shown.index("next: ") > shown.index("Confirmed on")


def test_more_trials_are_confirmed_anew(cli: Cli, demo: Path) -> None:
    before = stated(cli)
    assert cli("resume", "demo", "--workers", "1", "--executor", "serial").status == 0
    assert [each.name for each in confirmations(Run.open(demo))] == ["12-trials"]
    more = cli("resume", "demo", "--trials", "20", "--workers", "1", "--executor", "serial")
    assert more.status == 0, more.stderr
    assert [each.name for each in confirmations(Run.open(demo))] == ["12-trials", "20-trials"]
    after = stated(cli)
    assert (before["confirmation"], after["confirmation"]) == ("12-trials", "20-trials")
    assert (after["trials"], after["images"]) == (20, 50)


def test_the_search_goes_on_as_one_that_was_never_confirmed(cli: Cli, demo: Path) -> None:
    assert cli("resume", "demo", "--trials", "20", "--workers", "1", "--executor", "serial").status == 0
    assert cli("run", "--name", "whole", "--seed", "1", "--trials", "20", *FAKE).status == 0
    assert list(Run.open(demo).results().search) == list(Run.open("runs/whole").results().search)
    mine, whole = stated(cli), stated(cli, "whole")
    assert mine == whole


def test_one_that_was_killed_goes_on(cli: Cli, many: None, qsearch: Command, tmp_path: Path) -> None:
    search = ("--dataset", "fake", "--classifier", "fake", "--trials", "4", "--seed", "1")
    path = tmp_path / "runs" / "killed" / "confirmations" / "4-trials"
    process = qsearch.start("run", "--name", "killed", *search, "--workers", "1", env={"FAKE_SLEEP_S": "0.01"})
    wait_until(lambda: recorded(path) >= 22 or process.poll() is not None, "a candidate")  # 20 reference trials first
    os.kill(process.pid, signal.SIGKILL)
    status, _, errors = finish(process)
    assert status == -signal.SIGKILL, errors
    assert "Not confirmed yet: 'qsearch resume killed'" in cli("show", "killed").stdout
    assert cli("resume", "killed", "--executor", "serial").status == 0
    assert cli("run", "--name", "whole", *search, "--executor", "serial").status == 0
    assert stated(cli, "killed") == stated(cli, "whole")


def test_export_and_best_take_it_and_say_what_it_rests_on(cli: Cli, demo: Path, tmp_path: Path) -> None:
    pick = confirmed(Run.open(demo))
    assert pick is not None
    finished = cli("export", "demo", "--out", "table.txt")
    assert finished.status == 0, finished.stderr
    assert f"demo:{pick.pick.label}, the one that is expected to gain most of {len(pick.considered)} tables" in (
        finished.stderr
    )
    assert "on the images kept aside, where it was picked" in finished.stderr
    header = " ".join((tmp_path / "table.txt").read_text().replace("#", " ").split())
    assert f"expected to gain most of {len(pick.considered)} tables, by cross-entropy on 50 images" in header
    assert "that the search has not seen" in header
    assert read_tables(tmp_path / "table.txt").tables == pick.pick.tables
    assert cli("export", "demo:best", "--out", "best.txt").status == 0
    assert (tmp_path / "best.txt").read_text() == (tmp_path / "table.txt").read_text()


@pytest.mark.parametrize(
    ("label", "whose"),
    [
        ("published:luo-2021", "They are not the search's: Luo et al. 2021"),
        ("mean-of-published", "They are not the search's: the geometric mean of those published as luo-2021,"),
        ("standard", "They are not the search's: the standard tables of ITU-T T.81 Annex K"),
        ("seed:/home/ann/mine.txt", "They are not the search's: it was given mine.txt."),
        ("learned:distortion", "They are not the search's: learned for distortion from the images searched."),
        ("learned:accuracy", "They are not the search's: learned for accuracy from the images searched."),
    ],
)
def test_a_table_that_is_not_the_searchs_says_whose_it_is(
    cli: Cli, demo: Path, tmp_path: Path, label: str, whose: str
) -> None:
    """As if that one had been picked: its measurements under the label, and all others failed."""
    make_the_pick(demo, label)
    finished = cli("export", "demo", "--out", "table.txt")
    assert finished.status == 0, finished.stderr
    header = " ".join((tmp_path / "table.txt").read_text().replace("#", " ").split())
    assert whose in header
    assert "/home" not in header


def make_the_pick(demo: Path, label: str) -> None:
    """A later confirmation that considered the standard tables, and the best table as ``label`` or the worst."""
    pick = confirmed(Run.open(demo))
    assert pick is not None
    others = [each.trial for each in pick.considered if each.kind != "standard"]
    other = others[-1] if label == "standard" else replace(others[0], origin=label)
    path = demo / "confirmations" / "99-trials"
    path.mkdir()
    search = msgspec.structs.replace(pick.run.settings.search, trials=2)
    save_settings(msgspec.structs.replace(pick.run.settings, search=search), path / SETTINGS_FILE)
    with Archive.create(path / ARCHIVE_FILE) as archive:
        for trial in (*pick.results.reference, replace(pick.results.trial("standard"), number=0)):
            archive.add(trial)
        archive.add(replace(other, number=1))


def test_tables_that_somebody_named_are_among_the_candidates(cli: Cli, many: None, tmp_path: Path) -> None:
    tables = QuantTables(np.arange(64).reshape(8, 8) + 20, np.arange(64).reshape(8, 8) + 40)
    (tmp_path / "mine.json").write_text(json.dumps(tables.to_dict()))
    options = ("--strategy", "local-search", "--warm-up", "8", "--seeds", "mine.json", "--layout", "luma-chroma")
    made = cli(*SEARCH, *options, "--trials", "10")
    assert made.status == 0, made.stderr
    labels = [trial.label for trial in confirmations(Run.open("runs/demo"))[0].results().search]
    assert "seed:mine.json" in labels
    assert not any("as luma-chroma" in label for label in labels)  # published ones are there as they are


def test_a_long_search_learns_for_the_network_too(cli: Cli, many: None) -> None:
    made = cli(*SEARCH, "--trials", "45")
    assert made.status == 0, made.stderr
    labels = [trial.label for trial in confirmations(Run.open("runs/demo"))[0].results().search]
    assert {"learned:distortion", "learned:accuracy"} <= set(labels)
    # A tenth of 45 trials on 150 images asks of 35 of them, 32 at least, 19 times.


def test_what_cannot_be_learned_is_told_and_the_pick_is_made_without(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DATASET_IMAGES", "66")
    made = cli(*SEARCH, "--trials", "2", "--subsampling", "4:2:2", "--confirm", "0.5")
    assert made.status == 0, made.stderr
    assert "no tables are learned beside the search: tables are learned for JPEG 4:2:0 and 4:4:4, got 4:2:2." in (
        made.stderr
    )
    labels = [trial.label for trial in confirmations(Run.open("runs/demo"))[0].results().search]
    assert not any(label.startswith("learned:") for label in labels)
    assert "Confirmed on 33 images kept aside" in made.stdout


def test_validate_refuses_the_images_searched_and_those_kept_aside(cli: Cli, demo: Path, tmp_path: Path) -> None:
    run = Run.open(demo)
    (confirmation,) = confirmations(run)
    pixels = fake_images(IMAGES)
    for what, chosen, said in (
        ("searched", run, "run demo searched on"),
        ("kept", confirmation, "run demo made its pick on"),
    ):
        for index, name in enumerate(sorted(names(chosen))[:9]):
            folder = tmp_path / what / f"class-{index % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[int(name)]).save(folder / f"{name}.png")
        refused = cli("validate", "demo", "--dataset", f"folder:{what}", "--executor", "serial", "--name", what)
        assert refused.status == 2
        assert f"9 of 9 images are among those that {said}" in refused.sentence
    tables = f"{confirmation.path}:standard"
    refused = cli("validate", "demo", "--dataset", "folder:searched", "--executor", "serial", "--tables", tables)
    assert "9 of 9 images are among those that run demo searched on" in refused.sentence


def test_a_validation_measures_the_pick_and_show_lists_it(cli: Cli, demo: Path) -> None:
    assert cli("validate", "demo", "--dataset", "fake:7", "--executor", "serial", "--name", "others").status == 0
    pick = stated(cli)["pick"]
    (row,) = json.loads(cli("show", "demo", "--json").stdout)["validations"]
    assert row["confirmed"]["label"] == pick
    assert "confirmed pick: " in cli("show", "demo").stdout
    report = cli("validate", "demo", "--dataset", "fake:7", "--executor", "serial", "--name", "others")
    assert "confirmed on images kept aside" in report.stdout
    # The pick of more trials was not measured there, though an average may have the same name.
    assert cli("resume", "demo", "--trials", "30", "--workers", "1", "--executor", "serial").status == 0
    (again,) = json.loads(cli("show", "demo", "--json").stdout)["validations"]
    later = confirmed(Run.open(demo))
    assert later is not None
    measured = {trial.quantizer for trial in Run.open(demo / "validations" / "others").results().done}
    assert (again["confirmed"] is not None) == (later.pick.tables in measured)


def test_it_is_compared_with_others_on_its_images(cli: Cli, demo: Path) -> None:
    pick = stated(cli)
    found = json.loads(cli("compare", "standard:50", "demo:best", "--json").stdout)
    assert found["baseline"]["trial"] == "standard:50"
    assert found["comparisons"][0]["trial"] == pick["pick"]
    assert f"Run demo made its pick on these images, among {len(pick['considered'])} tables" in " ".join(found["notes"])


def test_verify_and_trials_read_confirmations_too(cli: Cli, demo: Path) -> None:
    assert cli("verify", "demo").stdout == "no problem found\n"
    rows = json.loads(cli("trials", str(demo / "confirmations" / "12-trials"), "--json").stdout)
    assert {row["origin"] for row in rows if row["series"] == "search"} == {
        each["label"] for each in stated(cli)["considered"]
    }
    assert len(json.loads(cli("trials", "demo", "--json").stdout)) == 20 + 12
    archive = demo / "confirmations" / "12-trials" / "trials.sqlite"
    archive.write_bytes(archive.read_bytes()[:5000])
    broken = cli("verify", "demo")
    assert broken.status == 1
    assert "confirmations/12-trials/trials.sqlite" in broken.stdout


def test_a_confirmation_itself_is_never_confirmed(cli: Cli, demo: Path) -> None:
    path = demo / "confirmations" / "12-trials"
    again = cli("resume", str(path), "--workers", "1", "--executor", "serial")
    assert again.status == 0, again.stderr
    assert not (path / "confirmations").exists()
    assert "onfirmed" not in again.stdout


def test_a_config_keeps_the_same_images_aside(cli: Cli, demo: Path) -> None:
    again = cli("run", "--name", "again", "--config", str(demo / "run.toml"), "--trials", "3", "--executor", "serial")
    assert again.status == 0, again.stderr
    assert names(Run.open("runs/again")) == names(Run.open(demo))
    mine, theirs = (confirmations(Run.open(path))[-1] for path in ("runs/again", demo))
    assert names(mine) == names(theirs)
    whole = cli("run", "--name", "all", "--config", str(demo / "run.toml"), "--confirm", "0", "--executor", "serial")
    assert whole.status == 0, whole.stderr
    assert len(names(Run.open("runs/all"))) == IMAGES
    other = str(confirmations(Run.open(demo))[0].path / "run.toml")
    assert cli("run", "--name", "back", "--config", other, "--confirm", "0.5", "--executor", "serial").status == 0
    assert len(names(Run.open("runs/back"))) == 100
    assert not names(Run.open("runs/back")) & names(confirmations(Run.open("runs/back"))[0])


def test_bounds_come_with_the_images_kept_aside(cli: Cli, many: None) -> None:
    made = cli("run", "--name", "source", "--trials", "30", "--confirm", "0.3", *FAKE)
    assert made.status == 0, made.stderr
    options = ("--strategy", "bounded-random", "--from", "source", "--trials", "3", *FAKE)
    taken = cli("run", "--name", "taken", *options)
    assert taken.status == 0, taken.stderr
    assert names(Run.open("runs/taken")) == names(Run.open("runs/source"))
    assert Run.open("runs/taken").settings.dataset.kept_aside == 0.3
    refused = cli("run", "--name", "other", *options, "--confirm", "0.2")
    assert refused.status == 2
    assert "dataset: digest was" in refused.sentence


def test_images_that_made_its_seeds_are_not_kept_aside(cli: Cli, many: None) -> None:
    assert cli("run", "--name", "source", "--trials", "3", "--confirm", "0", *FAKE).status == 0
    listed = ("run", "--name", "listed", "--strategy", "listed", "--seeds", "source:1", *FAKE)
    finished = cli(*listed)
    assert finished.status == 0, finished.stderr
    assert "none are kept aside, for 50 of 50 images are among those that run source searched on" in finished.stderr
    assert Run.open("runs/listed").settings.dataset.kept_aside == 0
    refused = cli("run", "--name", "asked", *listed[3:], "--confirm", "0.5")
    assert refused.status == 2
    assert "of those to keep aside, 100 of 100 images are among those that run source searched on" in refused.sentence
    assert not Path("runs/asked").exists()
    assert cli("run", "--name", "half", "--trials", "3", "--confirm", "0.5", *FAKE).status == 0
    same = ("--strategy", "listed", *FAKE, "--confirm", "0.5")
    assert cli("run", "--name", "same", *same, "--seeds", "half:1").status == 0, "it was searched on the others"
    refused = cli("run", "--name", "best", *same, "--seeds", "half")
    assert "100 of 100 images are among those that run half made its pick on" in refused.sentence


def test_without_any_kept_aside_the_pick_is_the_search_s(cli: Cli, many: None, tmp_path: Path) -> None:
    made = cli(*SEARCH, "--trials", "6", "--confirm", "0")
    assert made.status == 0, made.stderr
    assert "onfirmed" not in made.stdout
    assert stated(cli) is None
    assert len(names(Run.open(tmp_path / "runs" / "demo"))) == IMAGES
    assert "too few" not in made.stderr
    assert "on the images of the search" in cli("export", "demo", "--out", "table.txt").stderr


def test_images_that_are_too_few_are_all_searched_and_that_is_said(cli: Cli, tmp_path: Path) -> None:
    made = cli(*SEARCH, "--trials", "3")
    assert made.status == 0, made.stderr
    assert "15 images are too few to keep some aside: the pick will be made on the images searched" in made.stderr
    assert Run.open(tmp_path / "runs" / "demo").settings.dataset.kept_aside == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--confirm", "0.9"], "keeping 0.9 of the 200 images of fake aside leaves 180 and 20: each part holds 32"),
        (["--confirm", "0.01"], "keeping 0.01 of the 200 images of fake aside leaves 2 and 198: each part holds 32"),
        (["--confirm", "nan"], "so take another share, or 0"),
        (["--confirm", "1"], "1.0 is not in the range 0<=x<1"),
        (["--confirm", "some"], "'some' is not a valid float"),
        (["--ratio", "900"], "and 900 lies outside: choose another --ratio"),
        (["--classifier", "fake:softmax=1"], "fake:softmax=1 answers probabilities (from 0 to 1, of sum 1"),
        (
            ["--classifier", "fake:softmax=1", "--objective", "divergence"],
            "have it return logits or log-probabilities, as it does without its last softmax, or search by --objective",
        ),
    ],
)
def test_wrong_input(cli: Cli, many: None, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    finished = cli(*SEARCH, "--trials", "3", *arguments)
    assert finished.status == 2
    assert sentence in finished.sentence
    assert not (tmp_path / "runs").exists()


def test_probabilities_will_do_for_top1_and_are_told(cli: Cli) -> None:
    finished = cli(*SEARCH, "--trials", "3", "--classifier", "fake:softmax=1", "--objective", "top1")
    assert finished.status == 0, finished.stderr
    assert "answers probabilities" in finished.stderr
    assert "answers probabilities" not in cli("run", "--trials", "2", *FAKE).stderr
    network = ("--classifier", "fake:softmax=1", "--executor", "serial")
    assert "answers probabilities" in cli("validate", "demo", "--dataset", "fake:7", *network).stderr


def test_runs_of_different_objectives_give_no_bounds_together(cli: Cli) -> None:
    for name, objective in (("a", "loss"), ("b", "top1")):
        assert cli("run", "--name", name, "--trials", "4", "--objective", objective, *FAKE).status == 0
    refused = cli("run", "--strategy", "bounded-random", "--from", "a", "--from", "b", *FAKE)
    assert refused.status == 2
    assert "were searched for different objectives (a of loss, b of top1): take one kind" in refused.sentence


def test_a_loss_without_labels_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for index, pixels in enumerate(fake_images()):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    unlabelled = ("--dataset", "images:photos", "--labels", "predicted", "--classifier", "fake", "--executor", "serial")
    refused = cli("run", "--objective", "loss", *unlabelled)
    assert refused.status == 2
    assert "the loss needs labels" in refused.sentence
    assert "use --objective divergence" in refused.sentence


def test_images_without_labels_are_kept_aside_too(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for index, pixels in enumerate(fake_images(IMAGES)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    unlabelled = ("--dataset", "images:photos", "--labels", "predicted", "--classifier", "fake", "--executor", "serial")
    made = cli("run", "--name", "demo", "--trials", "4", *unlabelled)
    assert made.status == 0, made.stderr
    found = stated(cli)
    assert (found["objective"], found["images"]) == ("divergence", 50)
    run = Run.open(tmp_path / "runs" / "demo")
    assert not names(run) & names(confirmations(run)[0])
    networks = cli("run", "--name", "two", "--trials", "4", *unlabelled, "--classifier", "fake:sleep=0")
    assert networks.status == 0, networks.stderr
    two = stated(cli, "two")
    assert [each["label"] for each in two["considered"]] == [each["label"] for each in found["considered"]]
    np.testing.assert_allclose(two["standard_errors"], found["standard_errors"])


def test_a_window_of_ratios_is_what_the_pick_is_for(cli: Cli, many: None, tmp_path: Path) -> None:
    made = cli(*SEARCH, "--trials", "8", "--ratio-window", "1.6", "2.1")
    assert made.status == 0, made.stderr
    results = Run.open(tmp_path / "runs" / "demo").results()
    low, high = 1.6, 2.1
    assert not low <= results.standard[50].ratio <= high
    assert stated(cli)["ratio"] == pytest.approx((low * high) ** 0.5, rel=0.05)


def test_a_ratio_beyond_the_standard_curve_is_searched_and_not_confirmed(cli: Cli, many: None, tmp_path: Path) -> None:
    (tmp_path / "few.toml").write_text("[search]\nqualities = [90, 80, 70]\n")
    made = cli(*SEARCH, "--trials", "3", "--config", "few.toml")
    assert made.status == 0, made.stderr
    assert "cannot be confirmed: it lies outside the standard curve of run demo" in made.stderr
    assert "3 of 3 trials done" in made.stdout
    assert "Not confirmed yet" in cli("show", "demo").stdout


def test_candidates_that_fail_are_tried_again_on_request(cli: Cli, many: None, tmp_path: Path) -> None:
    made = cli(*SEARCH, "--trials", "4", "--classifier", "fake:fail=40")
    assert made.status == 0, made.stderr
    (confirmation,) = confirmations(Run.open(tmp_path / "runs" / "demo"))
    failed = [trial for trial in confirmation.results().search if trial.status == "failed"]
    assert failed
    found = stated(cli)
    assert not {trial.label for trial in failed} & {each["label"] for each in found["considered"]}
    for settings in (tmp_path / "runs" / "demo").rglob("run.toml"):
        settings.write_text(settings.read_text().replace("fake:fail=40", "fake"))
    assert cli("resume", "demo", "--retry-failed", "--workers", "1", "--executor", "serial").status == 0
    assert {trial.label for trial in failed} <= {each["label"] for each in stated(cli)["considered"]}
