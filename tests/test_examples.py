"""The examples: the plug-in installs as printed, keeps its contract and is the documentation's; the scripts run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import qsearch
from tests.conftest import FAKE, REPOSITORY, Command

EXAMPLES = REPOSITORY / "examples"
PLUG_IN = EXAMPLES / "flat-random-plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip installed a copy of the plug-in, with what is here already in place of a network connection."""
    folder = tmp_path_factory.mktemp("plug-in")
    shutil.copytree(PLUG_IN, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--disable-pip-version-check", "--target", str(folder / "site"), str(folder / "source")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return folder / "site"


def run_python(*arguments: str, path: Path = REPOSITORY, cwd: Path) -> str:
    """What Python prints, with ``path`` and this copy of the package to import from."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(REPOSITORY)])}
    finished = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_plug_in_is_installed_and_runs(installed: Path, qsearch: Command) -> None:
    path = os.pathsep.join([str(installed), qsearch.environment["PYTHONPATH"]])
    made = qsearch(
        "run", "--strategy", "flat-random", "--trials", "3", "--name", "flat", *FAKE, env={"PYTHONPATH": path}
    )
    assert made.returncode == 0, made.stderr
    assert "Run flat: flat-random" in made.stdout


def test_the_plug_in_passes_its_own_tests(installed: Path, tmp_path: Path) -> None:
    shutil.copy(PLUG_IN / "test_my_strategies.py", tmp_path)
    run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_strategies.py", path=installed, cwd=tmp_path)


def test_the_plug_in_is_that_of_the_documentation() -> None:
    page = (REPOSITORY / "docs" / "plugins.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n# my_strategies\.py\n(.*?)```", page, flags=re.DOTALL)
    assert (PLUG_IN / "my_strategies.py").read_text(encoding="utf-8") == code


def test_two_strategies_are_compared_on_other_images(tmp_path: Path) -> None:
    said = run_python(str(EXAMPLES / "research.py"), "--trials", "6", "--images", "40", cwd=tmp_path)
    ratios = [float(ratio) for ratio in re.findall(r"ratio (\d+\.\d+), top-1", said)]
    assert len(ratios) == 2
    assert min(ratios) > 15  # about that of quality 50, and not of no compression
    low, value, high = (
        float(re.search(rf"  loss: {pattern}", said)[1])  # type: ignore[index]
        for pattern in (r"\S+ \((\S+) to", r"(\S+) ", r"\S+ \(\S+ to (\S+)\)")
    )
    assert low <= value <= high
    assert low < high


def test_a_folder_becomes_smaller_at_the_same_psnr(tmp_path: Path) -> None:
    photos, smaller = tmp_path / "photos", tmp_path / "smaller"
    photos.mkdir()
    for index, pixels in enumerate(qsearch.load_dataset("textures:validate").images[:16]):
        Image.fromarray(pixels).save(photos / f"{index}.jpg", quality=95)
    said = run_python(str(EXAMPLES / "storage.py"), "photos", "smaller", "--side", "96", cwd=tmp_path)
    (saved,) = re.findall(r"in (-?\d+\.\d) % fewer bytes, on 8 images", said)
    assert 0 < float(saved) < 50
    before, after = (sum(path.stat().st_size for path in folder.glob("*.jpg")) for folder in (photos, smaller))
    assert f"{before:,} bytes in photos became {after:,} in smaller" in said
    dial = qsearch.read_dial(smaller / "dial.json")
    (quality,) = re.findall(r"Quality (\d+) of the dial", said)
    assert qsearch.read_tables(smaller / "0.jpg").tables == dial.tables(int(quality))
