"""What the README shows works: its plug-in, its Python, its commands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from qsearch.cli.main import COMMANDS, cli
from tests.conftest import REPOSITORY, Command

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
PLUG_IN = next(block for block in PYTHON if block.startswith("# my_strategies.py"))
ENTRY_POINTS = re.findall(r"```toml\n# pyproject\.toml\n(.*?)```", README, flags=re.DOTALL)
COMMAND_LINES = [line.split("#")[0].split() for line in re.findall(r"^    (qsearch .*)$", README, flags=re.MULTILINE)]


@pytest.fixture
def installed_plug_in(tmp_path: Path) -> Path:
    """A folder that, on the path, is the README's package as pip would install it."""
    folder = tmp_path / "site"
    metadata = folder / "my_strategies-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "my_strategies.py").write_text(PLUG_IN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-strategies\nVersion: 1.0\n")
    (section, group), *pairs = [
        line.partition(".")[::2] if line.startswith("[") else line.partition(" = ")[::2]
        for line in ENTRY_POINTS[0].partition("\n\n")[2].strip().splitlines()
    ]
    assert section == "[project"
    name = group.removeprefix("entry-points.").strip('"]')
    entries = "\n".join(f"{key} = {value.strip(chr(34))}" for key, value in pairs)
    (metadata / "entry_points.txt").write_text(f"[{name}]\n{entries}\n")
    return folder


def test_the_plug_in_is_listed_and_runs(installed_plug_in: Path, plugin_folder: Path, tmp_path: Path) -> None:
    qsearch = Command(tmp_path, plugin_folder)
    qsearch.environment["PYTHONPATH"] += f":{installed_plug_in}"
    assert "One number for all entries" in qsearch("list", "strategies").stdout
    made = qsearch(
        "run",
        "--strategy",
        "flat-random",
        "--dataset",
        "fake",
        "--classifier",
        "fake",
        "--trials",
        "5",
        "--name",
        "mine",
    )
    assert made.returncode == 0, made.stderr
    assert "flat-random" in made.stdout


def test_the_plug_in_keeps_the_contract(installed_plug_in: Path, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n"
        "from my_strategies import FlatRandom\n"
        "from qsearch.testing import StrategyContract\n\n"
        "class TestMine(StrategyContract):\n"
        "    @pytest.fixture\n"
        "    def strategy_class(self):\n"
        "        return FlatRandom\n\n"
        "    @pytest.fixture\n"
        "    def options(self):\n"
        "        return {}\n"
    )
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_mine.py")],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{installed_plug_in}:{REPOSITORY}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout


def test_the_python_example_finds_a_frontier(tmp_path: Path) -> None:
    example = next(block for block in PYTHON if "run_search" in block)
    example = example.replace("trials=50", "trials=2, qualities=(90, 50, 10)")
    (tmp_path / "example.py").write_text(example)
    finished = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert re.match(r"\[\(\d, \d+\.\d+, 0\.\d+\)", finished.stdout)


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_the_commands_and_their_options_exist(words: list[str]) -> None:
    command = words[1]
    assert command in COMMANDS
    depth = 3 if command in ("dataset", "classifier", "cache", "learn") else 2
    shown = CliRunner().invoke(cli, [*words[1:depth], "--help"])
    assert shown.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named(command: str) -> None:
    assert f"qsearch {command}" in README
