"""What a table of a run says of itself when it leaves the run."""

from qsearch.analysis.choice import QUALITY, Choice
from qsearch.analysis.results import Results, measured
from qsearch.export.formats import TableSheet
from qsearch.report.wording import place
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded


def sheet_of(run: Run, results: Results, choice: Choice) -> TableSheet:
    """The chosen tables with the run they come from, what was measured and on what."""
    trial, measurement = choice.trial, measured(choice.trial)
    settings = run.settings
    standard = results.standard.get(QUALITY)
    origin = [
        f"Made by qsearch {settings.qsearch}, run {run.name} of {settings.created}, {trial.strategy}"
        + (f", seed {settings.search.seed}." if trial.series == "search" else "."),
        f"Chosen: {choice.reason}.",
        f"Measured on {_images(settings.recorded or Recorded())}:",
        place(measurement) + ("." if standard is None else f"; standard quality {QUALITY}: {place(standard)}."),
    ]
    if trial.series == "search":
        origin.append("The search chose on these images, which flatters its tables: measure them on others.")
    title = f"trial {trial.label} of run {run.name}" if trial.series == "search" else f"{trial.label} of run {run.name}"
    return TableSheet(trial.tables, title, tuple(origin), settings.codec, run.path)


def _images(recorded: Recorded) -> str:
    dataset, codec = recorded.dataset, recorded.codec
    networks = " and ".join(short_name(str(classifier["name"])) for classifier in recorded.classifiers)
    return (
        f"{dataset['images']} images {dataset['width']}x{dataset['height']} of {short_name(str(dataset['name']))} "
        f"read by {networks or 'no network'}, JPEG {codec.get('subsampling', '')} by {codec['name']}"
    )


def short_name(name: str) -> str:
    """``folder:/home/ann/photos`` as ``folder:photos``: the file goes to others, the user's folders are nobody's."""
    kind, colon, rest = name.rpartition(":")
    return f"{kind}{colon}{rest.replace(chr(92), '/').rstrip('/').rpartition('/')[2]}"
