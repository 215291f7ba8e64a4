"""Verification: whether a run's folder holds what was written there, validations and confirmations included."""

from collections.abc import Iterator, Sequence

from qsearch.datasets.base import ImageIdentity
from qsearch.errors import QSearchError
from qsearch.evaluation.parts import nested_order
from qsearch.evaluation.trials import Trials
from qsearch.run.confirmation import FOLDER as CONFIRMATIONS
from qsearch.run.folder import ARCHIVE_FILE, Run
from qsearch.run.settings import Recorded
from qsearch.run.validation import FOLDER, uses


def problems_of(run: Run) -> list[str]:
    """Everything about ``run``, its validations and its confirmations that is not as it was written, a sentence each;
    empty where all is well. It reads every array, and asks no network."""
    found = [f"{run.path / ARCHIVE_FILE}: {problem}" for problem in _problems_of_archive(run)]
    try:
        uses(run, "")
    except QSearchError as error:
        found.append(str(error))
    kept = [path for folder in (FOLDER, CONFIRMATIONS) for path in (run.path / folder).glob("*") if path.is_dir()]
    for path in sorted(kept):
        try:
            found += problems_of(Run.open(path))
        except QSearchError as error:
            found.append(str(error))
    return found


def _problems_of_archive(run: Run) -> list[str]:
    try:
        with run.archive() as archive:
            found = archive.problems()
            if found:
                return found
            images, search = archive.images(), archive.trials("search")
            found += _problems_of_parts(run, images, search)
    except QSearchError as error:
        return [str(error)]
    measured = search.columns.images[search.columns.statuses != "stopped"]
    expected = (run.settings.recorded or Recorded()).dataset.get("images")
    if images and len(images) != expected:
        found.append(f"it lists {len(images)} images, and run.toml was recorded on {expected}")
    if images and not run.settings.changes and set(measured.tolist()) - {0, len(images)}:
        found.append(f"trials were measured on other numbers of images than the {len(images)} it lists")
    return found


def _problems_of_parts(run: Run, images: Sequence[ImageIdentity], search: Trials) -> Iterator[str]:
    """Trials that a race stopped on a part that is none of the run's images."""
    parts = [(trial.label, trial.part) for trial in search if trial.part is not None]
    if not parts or not images:
        return
    digest = str((run.settings.recorded or Recorded()).dataset.get("digest"))
    order = nested_order([image.class_name for image in images], digest)
    for label, part in parts:
        if part.order != order.digest or part.images not in order.sizes[:-1]:
            yield f"trial {label} was stopped on a part that is none of the {len(images)} images it lists"
