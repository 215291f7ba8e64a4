"""CONTRIBUTING.md: its examples are installed as a plug-in, pass their own tests and show up where it says."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import FAKE, REPOSITORY, Command

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n# (\S+)\n(.*?)```", TEXT, flags=re.DOTALL)
(PYPROJECT,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder in which the examples lie as pip would have installed them."""
    folder = tmp_path / "installed"
    for name, code in PYTHON:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code)
    project = tomllib.loads(PYPROJECT)["project"]
    metadata = folder / f"{project['name']}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return folder


def test_the_examples_pass_their_own_tests(colours: Path) -> None:
    tests = [name for name, _ in PYTHON if "/" not in name]
    assert len(tests) == 3
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(colours), str(REPOSITORY)])}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    finished = subprocess.run(command, cwd=colours, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


def test_the_measure_is_listed_and_the_option_recorded(qsearch: Command, colours: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(colours), qsearch.environment["PYTHONPATH"]])
    options = next(line.split() for line in TEXT.splitlines() if line.startswith("    qsearch run "))[2:]
    run = qsearch("run", "--name", "demo", "--trials", "3", *FAKE, *options, env={"PYTHONPATH": path})
    assert run.returncode == 0, run.stderr
    trials = json.loads(qsearch("trials", "demo", "--json", env={"PYTHONPATH": path}).stdout)
    searched = [row for row in trials if row["series"] == "search"]
    assert len(searched) == 3
    assert all(row["colour"] > 0 for row in searched)
    settings = tomllib.loads((tmp_path / "runs" / "demo" / "run.toml").read_text())
    assert settings["codec"]["options"] == {"levels": 64}
    assert settings["recorded"]["codec"]["levels"] == 64
    assert settings["measures"] == ["colour"]


def test_the_dataset_is_shown(qsearch: Command, colours: Path) -> None:
    path = os.pathsep.join([str(colours), qsearch.environment["PYTHONPATH"]])
    options = next(line.split() for line in TEXT.splitlines() if line.startswith("    qsearch dataset "))[1:]
    shown = qsearch(*options, env={"PYTHONPATH": path})
    assert shown.returncode == 0, shown.stderr
    assert "30 of 32x32 pixels" in shown.stdout
    assert "3, 10 images each" in shown.stdout


def test_every_folder_of_the_package_has_its_place() -> None:
    folders = {path.parent.name for path in (REPOSITORY / "qsearch").glob("*/__init__.py")}
    assert {name for name in folders if f"`{name}/`" not in TEXT} == set()


def rows_of(table: str) -> dict[str, int]:
    """The row of each folder and module that the first column of ``table`` names."""
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name: row for row, cell in enumerate(rows) for name in re.findall(r"`(\w+)(?:/|\.py)`", cell)}


@pytest.mark.parametrize(("file", "downwards"), [("CONTRIBUTING.md", False), ("docs/code.md", True)])
def test_imports_point_one_way(file: str, downwards: bool) -> None:
    """As the table of what holds what says, from its bottom to its top or the other way."""
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    rows = rows_of(text[: text.index("\nImports point one way")] if downwards else text)
    wrong = []
    for path in sorted((REPOSITORY / "qsearch").rglob("*.py")):
        part = path.relative_to(REPOSITORY / "qsearch").parts[0].removesuffix(".py")
        for found in re.findall(
            r"^\s*(?:from|import) qsearch[. ](?:import )?(\w+)", path.read_text("utf-8"), re.MULTILINE
        ):
            if part != "__init__" and (rows[found] < rows[part] if downwards else rows[found] > rows[part]):
                wrong.append(f"{path.name} of {part} imports {found}")
    assert wrong == []
