"""What the README and the pages of docs/ show works: the plug-in, the Python, the commands, the links."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import qsearch
from qsearch.cli.main import COMMANDS, cli
from tests.conftest import REPOSITORY, Command

PAGES = {
    path.relative_to(REPOSITORY).as_posix(): re.sub(r"(?s)<!--.*?-->", "", path.read_text(encoding="utf-8"))
    for path in (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md")))
}
"""By path; what stands in a comment is not shown."""
GENERATED = "docs/commands.md"
PYTHON = [
    (name, block) for name, page in PAGES.items() for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
]
PLUG_IN = next(block for _, block in PYTHON if block.startswith("# my_strategies.py"))
ENTRY_POINTS = re.findall(r"```toml\n# pyproject\.toml\n(.*?)```", PAGES["docs/plugins.md"], flags=re.DOTALL)
COMMAND_LINES = sorted(
    {
        line.replace("\\\n", " ").split("#")[0].strip()
        for name, page in PAGES.items()
        if name != GENERATED
        for line in re.findall(r"^    (qsearch (?:.*\\\n)*.*)$", page, flags=re.MULTILINE)
    }
)


@pytest.fixture
def installed_plug_in(tmp_path: Path) -> Path:
    """A folder that, on the path, is the package of docs/plugins.md as pip would install it."""
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
    example = next(block for name, block in PYTHON if name == "docs/api.md" and "run_search" in block)
    example = example.replace("trials=50", "trials=2, qualities=(90, 50, 10)")
    (tmp_path / "example.py").write_text(example)
    finished = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert re.match(r"\[\(\d, \d+\.\d+, 0\.\d+\)", finished.stdout)


@pytest.mark.parametrize(("page", "block"), PYTHON, ids=lambda value: value if value in PAGES else "")
def test_all_python_compiles(page: str, block: str) -> None:
    compile(block, page, "exec")


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_the_commands_and_their_options_exist(line: str) -> None:
    words = line.split()
    command, path = cli.get_command(click.Context(cli), words[1]), [words[1]]
    assert command is not None
    while isinstance(command, click.Group) and words[len(path) + 1] in command.list_commands(click.Context(command)):
        path.append(words[len(path) + 1])
        command = command.get_command(click.Context(command), path[-1])
    shown = CliRunner().invoke(cli, [*path, "--help"])
    assert shown.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", shown.output)


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    made = runpy.run_path(str(REPOSITORY / "docs" / "generate_commands.py"))["page"]()
    assert made == (REPOSITORY / GENERATED).read_text(encoding="utf-8"), "make it anew: make commands"
    assert "None" not in made


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_told_of(command: str) -> None:
    """In words, not only in the list of all options."""
    assert any(f"qsearch {command}" in page for name, page in PAGES.items() if name != GENERATED)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_what_is_there(name: str) -> None:
    folder = (REPOSITORY / name).parent
    targets = [target.partition("#") for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name])]
    for path, _, heading in targets:
        if path.startswith(("http://", "https://")):
            continue
        file = (folder / path).resolve() if path else REPOSITORY / name
        assert file.exists(), path
        if heading:
            assert heading in _anchors(file.read_text(encoding="utf-8"))


def test_every_public_name_is_in_the_reference() -> None:
    listed = re.findall(r"^\.\. auto\w+:: (\w+)$", PAGES["docs/api.md"], flags=re.MULTILINE)
    assert sorted(listed) == sorted(qsearch.__all__)


def test_every_page_is_in_the_contents() -> None:
    contents = re.findall(r"^([\w-]+)$", PAGES["docs/index.md"], flags=re.MULTILINE)
    pages = {Path(name).stem for name in PAGES if name.startswith("docs/")} - {"index"}
    assert sorted(contents) == sorted(pages)


def _anchors(text: str) -> set[str]:
    """What its headings are called in links, as GitHub and MyST do."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
