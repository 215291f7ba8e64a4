"""What a table of a run says of itself when it leaves the run."""

from qsearch.analysis.candidates import LEARNED, LISTED, MEAN_OF_PUBLISHED, PUBLISHED, SEED, STANDARD
from qsearch.analysis.choice import Choice
from qsearch.analysis.results import Results, measured
from qsearch.export.formats import TableSheet
from qsearch.report.wording import called, encoder_called, place
from qsearch.run.confirmation import Confirmed
from qsearch.run.folder import Run
from qsearch.run.settings import Recorded
from qsearch.tables.published import published_names, published_source


def sheet_of(run: Run, results: Results, choice: Choice, pick: Confirmed | None = None) -> TableSheet:
    """The chosen tables with the run they come from, what was measured and on what; ``pick`` where it is confirmed."""
    trial, measurement = choice.trial, measured(choice.trial)
    settings = run.settings
    recorded = (settings if pick is None else pick.run.settings).recorded or Recorded()
    standard, smooth = results.baseline, results.objective.smooth
    origin = [
        f"Made by qsearch {settings.qsearch}, run {run.name} of {settings.created}, {settings.search.strategy}"
        + (f", seed {settings.search.seed}." if trial.series == "search" else "."),
        f"Chosen: {choice.reason}.",
        f"Measured on {_images(recorded)}:",
        place(measurement, smooth)
        + ("." if standard is None else f"; standard quality {results.like_quality}: {place(standard, smooth)}."),
        f"SHA-256 of these images with their classes: {recorded.dataset['digest']}",
    ]
    if pick is not None:
        origin.append("The pick was made on these images among so many tables: measure it on others.")
        origin += _whose(trial.label)
    elif trial.series == "search":
        origin.append("The search chose on these images, which flatters its tables: measure them on others.")
    title = f"{called(trial.label) if trial.series == 'search' else trial.label} of run {run.name}"
    return TableSheet(trial.tables, title, tuple(origin), settings.codec, (run if pick is None else pick.run).path)


def _whose(label: str) -> list[str]:
    """A sentence on tables that a confirmation picked and that the search did not find."""
    kind, _, name = label.partition(":")
    if label == STANDARD:
        return ["They are not the search's: the standard tables of ITU-T T.81 Annex K, as nothing is expected to gain."]
    if label == MEAN_OF_PUBLISHED:
        return [f"They are not the search's: the geometric mean of those published as {', '.join(published_names())}."]
    if f"{kind}:" == LEARNED:
        return [f"They are not the search's: learned for {name} from the images searched."]
    if f"{kind}:" == PUBLISHED:
        return [f"They are not the search's: {published_source(name)}."]
    return [f"They are not the search's: it was given {short_name(name)}."] if f"{kind}:" in (SEED, LISTED) else []


def _images(recorded: Recorded) -> str:
    dataset, codec = recorded.dataset, recorded.codec
    networks = " and ".join(short_name(str(classifier["name"])) for classifier in recorded.classifiers)
    return (
        f"{dataset['images']} images {dataset['width']}x{dataset['height']} of {short_name(str(dataset['name']))} "
        f"read by {networks or 'no network'}, JPEG {codec.get('subsampling', '')} by {encoder_called(codec)}"
    )


def short_name(name: str) -> str:
    """``folder:/home/ann/photos`` as ``folder:photos``: the file goes to others, the user's folders are nobody's."""
    kind, colon, rest = name.rpartition(":")
    return f"{kind}{colon}{rest.replace(chr(92), '/').rstrip('/').rpartition('/')[2]}"
