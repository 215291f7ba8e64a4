"""Verification: whether a run's folder holds what was written there, validations included."""

from qsearch.errors import QSearchError
from qsearch.run.folder import ARCHIVE_FILE, Run
from qsearch.run.settings import Recorded
from qsearch.run.validation import FOLDER, uses


def problems_of(run: Run) -> list[str]:
    """Everything about ``run`` and its validations that is not as it was written, a sentence each; empty where all is
    well. It reads every array, and asks no network."""
    found = [f"{run.path / ARCHIVE_FILE}: {problem}" for problem in _problems_of_archive(run)]
    try:
        uses(run, "")
    except QSearchError as error:
        found.append(str(error))
    names = {path.name for path in (run.path / FOLDER).glob("*") if path.is_dir()}
    for name in sorted(names):
        try:
            found += problems_of(Run.open(run.path / FOLDER / name))
        except QSearchError as error:
            found.append(str(error))
    return found


def _problems_of_archive(run: Run) -> list[str]:
    try:
        with run.archive() as archive:
            found = archive.problems()
            if found:
                return found
            images, measured = len(archive.images()), archive.trials("search").columns.images
    except QSearchError as error:
        return [str(error)]
    expected = (run.settings.recorded or Recorded()).dataset.get("images")
    if images and images != expected:
        found.append(f"it lists {images} images, and run.toml was recorded on {expected}")
    if images and not run.settings.changes and set(measured.tolist()) - {0, images}:
        found.append(f"trials were measured on other numbers of images than the {images} it lists")
    return found
