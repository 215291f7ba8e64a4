"""Runs on the fake plug-ins, with validations, the report made of them, and a browser to look at pages."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, sync_playwright

from qsearch.classifiers import CLASSIFIERS
from qsearch.cli.report import exported
from qsearch.datasets import DATASETS
from qsearch.report.page import write_report
from qsearch.run.building import build_evaluator
from qsearch.run.folder import SETTINGS_FILE, Run
from qsearch.run.settings import (
    ClassifierSettings,
    DatasetSettings,
    RunSettings,
    SearchSettings,
    load_settings,
    save_settings,
)
from qsearch.run.validation import open_validation, validation_settings

SETTINGS = RunSettings(
    measures=("psnr",),
    dataset=DatasetSettings(spec="fake"),
    classifiers=(ClassifierSettings(spec="fake"),),
)

CHROMIUM = "/usr/bin/chromium" if Path("/usr/bin/chromium").is_file() else shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)


@dataclass(frozen=True)
class Reported:
    """Two runs, the first one validated, and their report."""

    runs: tuple[Run, Run]
    page: Path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian package chromium): the page is not looked at")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Reported:
    """What the report's tests read; nobody changes it."""
    folder = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin_folder))
        for registry in (CLASSIFIERS, DATASETS):
            patch.delitem(vars(registry), "_entry_points", raising=False)
        runs = (search(folder / "sorted", "sorted-random"), search(folder / "uniform", "uniform-random"))
        validate(runs[0])
        write_report(runs, folder / "report.html", exported)
        for registry in (CLASSIFIERS, DATASETS):
            vars(registry).pop("_entry_points", None)
    return Reported(runs, folder / "report.html")


@pytest.fixture(scope="session")
def by_loss(reported: Reported, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The first run and its validation as if they had been searched by loss; nobody changes it."""
    path = tmp_path_factory.mktemp("by_loss") / "sorted"
    shutil.copytree(reported.runs[0].path, path)
    for settings_file in (path / SETTINGS_FILE, path / "validations" / "unseen" / SETTINGS_FILE):
        settings = load_settings(settings_file)
        searched = msgspec.structs.replace(settings.search, objective="loss")
        save_settings(msgspec.structs.replace(settings, search=searched), settings_file)
    return Run.open(path)


def search(path: Path, strategy: str) -> Run:
    """A run of 60 trials on the fake plug-ins."""
    settings = msgspec.structs.replace(SETTINGS, search=SearchSettings(strategy=strategy, trials=60))
    evaluator = build_evaluator(settings, 1)
    run = Run.create(path, settings, evaluator)
    run.resume(executor="serial", workers=1, evaluator=evaluator)
    return run


def validate(run: Run) -> Run:
    """A validation of the frontier of ``run``, called ``unseen``, on other images."""
    settings = msgspec.structs.replace(run.settings, dataset=DatasetSettings(spec="fake:7"))
    evaluator = build_evaluator(settings, 1)
    tables = {trial.label: trial.tables for trial in run.results().frontier}
    validation = open_validation(run, "unseen", validation_settings(run, tables, settings), evaluator)
    validation.resume(executor="serial", workers=1, evaluator=evaluator)
    return validation
