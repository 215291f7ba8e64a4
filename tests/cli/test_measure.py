"""``qsearch measure``: what it adds is what a run would have recorded, and nothing is added to what differs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qsearch.errors import RunError
from qsearch.run.folder import Run
from qsearch.run.measuring import add_measures
from qsearch.run.settings import load_settings
from tests.conftest import FAKE, Finished

Cli = Callable[..., Finished]
SERIAL = ("--workers", "1", "--executor", "serial")


@pytest.fixture
def plain(cli: Cli, tmp_path: Path) -> Run:
    """A run without PSNR, whose tables repeat one another."""
    made = cli("run", "--name", "plain", "--trials", "6", "--strategy", "fake-repeating", *FAKE)
    assert made.status == 0, made.stderr
    return Run.open(tmp_path / "runs" / "plain")


def distinct(run: Run) -> int:
    """How many different tables its trials have."""
    return len({trial.quantizer.digest for trials in run.trials() for trial in trials})


def test_it_is_as_if_the_run_had_recorded_it(cli: Cli, plain: Run) -> None:
    whole = cli("run", "--name", "whole", "--trials", "6", "--strategy", "fake-repeating", *FAKE, "--psnr")
    assert whole.status == 0, whole.stderr
    finished = cli("measure", "plain", "--add", "psnr", *SERIAL)
    assert finished.status == 0, finished.stderr
    for mine, theirs in zip(plain.trials(), Run.open("runs/whole").trials(), strict=True):
        assert mine == theirs
    assert load_settings(plain.path / "run.toml").measures == ("psnr",)
    assert cli("verify", "plain").stdout == "no problem found\n"


def test_each_table_is_measured_once_and_no_network_is_asked_for_pixels(
    cli: Cli, plain: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.FakeClassifier.logits", None)
    counts: list[tuple[int, int]] = []
    measured = add_measures(
        plain, ["psnr"], workers=1, executor="serial", on_progress=lambda done, total: counts.append((done, total))
    )
    assert measured == distinct(plain) < 26
    assert counts == [(done, measured) for done in range(measured + 1)]


def test_interrupted_it_goes_on_where_it_stopped(plain: Run) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_measures(plain, ["psnr"], workers=1, executor="serial", on_progress=interrupt)
    assert add_measures(plain, ["psnr"], workers=1, executor="serial") == distinct(plain) - 3
    assert add_measures(plain, ["psnr"], workers=1, executor="serial") == 0


def test_later_trials_have_it_too(cli: Cli, plain: Run) -> None:
    assert cli("measure", "plain", "--add", "psnr", *SERIAL).status == 0
    assert cli("resume", "plain", "--trials", "8", *SERIAL).status == 0
    assert all("psnr" in trial.measurement.measures for trial in plain.results().done if trial.measurement)
    assert len(plain.results().done) == 8


def test_validations_are_measured_where_asked(cli: Cli, plain: Run) -> None:
    assert cli("validate", "plain", "--dataset", "fake:7", "--executor", "serial", "--name", "v").status == 0
    assert cli("measure", "plain", "--add", "psnr", "--validations", *SERIAL).status == 0
    for trial in Run.open(plain.path / "validations" / "v").trials()[1]:
        assert trial.measurement is not None
        assert "psnr" in trial.measurement.measures


def test_other_images_are_refused(cli: Cli, plain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DATASET_SEED", "5")
    finished = cli("measure", "plain", "--add", "psnr", *SERIAL)
    assert finished.status == 2
    assert "was measured under other conditions (dataset: digest was" in finished.sentence


def test_files_that_come_out_otherwise_are_refused(plain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from qsearch.codecs.pillow import PillowCodec

    def encode(codec: PillowCodec, images: object, tables: object) -> object:
        found = original(codec, images, tables)  # type: ignore[arg-type]
        found.size_bytes[0] += 1
        return found

    original = PillowCodec.encode
    plain.save(codec=type(plain.settings.codec)(name="pillow"))
    monkeypatch.setattr(PillowCodec, "encode", encode)
    with pytest.raises(RunError, match="comes out with other values of bytes than recorded"):
        add_measures(plain, ["psnr"], workers=1, executor="serial")
    assert all("psnr" not in trial.measurement.measures for trial in plain.results().done if trial.measurement)


def test_an_unknown_measure_is_refused(cli: Cli, plain: Run) -> None:
    finished = cli("measure", "plain", "--add", "ssim", *SERIAL)
    assert finished.status == 2
    assert "ssim" in finished.sentence
