"""What docs/cluster.md shows exists: its commands, their options, and Python that compiles."""

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from qsearch.cli.main import cli
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "cluster.md").read_text(encoding="utf-8")
INDENTED = [line.split("#")[0] for line in re.findall(r"^    (.*)$", PAGE, flags=re.MULTILINE)]
OURS = [line.split() for line in INDENTED if line.lstrip().startswith("qsearch ")]
DASKS = [found.split() for line in INDENTED for found in re.findall(r"dask (?:worker|scheduler) [^&]*", line)]


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_the_commands_of_qsearch_exist(words: list[str]) -> None:
    shown = CliRunner().invoke(cli, [words[1], "--help"])
    assert shown.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.output


def test_the_commands_of_dask_exist() -> None:
    assert {words[1] for words in DASKS} == {"worker", "scheduler"}
    for what in ("worker", "scheduler"):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--help"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for option in (word for words in DASKS if words[1] == what for word in words if word.startswith("--")):
            assert option in shown


def test_its_python_compiles() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "cluster.md", "exec")
