"""The names of the package: importable, documented, and cheap until they are used."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import qsearch

HEAVY = (
    "cmaes",
    "jinja2",
    "loky",
    "matplotlib",
    "opentuner",
    "openvino",
    "pandas",
    "requests",
    "safetensors",
    "scipy",
    "sklearn",
    "skopt",
    "torch",
    "torchmetrics",
    "torchvision",
)


@pytest.mark.parametrize("name", qsearch.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    assert getattr(qsearch, name).__doc__


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        qsearch.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, qsearch; print([m for m in ('numpy', 'torch', 'PIL') if m in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_encoding_imports_what_it_needs_alone(tmp_path: Path) -> None:
    """Networks, their engines and the strategies' libraries are for those who search; docs/install.md says so."""
    Image.new("RGB", (16, 16), "teal").save(tmp_path / "photo.png")
    script = (
        "import sys\n"
        "from qsearch.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    for words in (["encode", "--help"], ["encode", "--tables", "standard:50", "photo.png", "photo.jpg"]):
        command = [sys.executable, "-c", script, *words]
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert finished.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "photo.jpg").is_file()
