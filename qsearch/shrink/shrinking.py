"""Shrinking: images and a standard quality to tables that take fewer bytes, with everything that says how good."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from qsearch.analysis.equal_bytes import values_of
from qsearch.datasets.base import ImageIdentity, identities
from qsearch.datasets.splits import share_of
from qsearch.disk import replacing, writing
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.measures import ALWAYS
from qsearch.executors import DEFAULT as DEFAULT_EXECUTOR
from qsearch.export.formats import TableSheet, export_tables
from qsearch.learning.dial import make_dial, write_dial
from qsearch.learning.family import Sizes
from qsearch.run.building import build_classifier, build_codec, build_dataset, usable_cores
from qsearch.shrink.candidates import Candidate, candidates
from qsearch.shrink.choosing import Chosen, choose
from qsearch.shrink.confirming import Confirmed, confirm
from qsearch.shrink.measuring import Measured
from qsearch.shrink.settings import ShrinkSettings, check_settings

TABLES, DIAL, FOUND, ASKED = "tables.json", "dial.json", "shrink.json", "settings.json"


@dataclass(frozen=True, eq=False)
class Shrunk:
    """What came of it, all in ``folder``.

    size: of the images that are compressed, in words. images_chosen_on, images_aside: how many. stored_files,
    stored_bytes: the files that the images were made from, 0 where they were made from none. has_dial: whether the
    tables are of a ladder, of which a dial was made.
    """

    settings: ShrinkSettings
    folder: Path
    dataset: str
    size: str
    images_chosen_on: int
    images_aside: int
    stored_files: int
    stored_bytes: int
    chosen: Chosen
    confirmed: Confirmed
    has_dial: bool


def shrink(
    settings: ShrinkSettings,
    folder: Path,
    *,
    workers: int | None = None,
    executor: str = DEFAULT_EXECUTOR,
    trust_pickle: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Shrunk:
    """Learns and chooses tables on a part of the images and confirms them on the others, in ``folder``.

    What was begun there goes on where it stopped. InputError where settings contradict each other, where there are too
    few images, and where ``folder`` holds what was asked otherwise. EvaluationError where something cannot be measured.
    """
    check_settings(settings)
    cores = workers or usable_cores()
    classifier = (
        None
        if settings.classifier is None
        else build_classifier(settings.classifier, max(1, usable_cores() // cores), trust_pickle=trust_pickle)
    )
    dataset = build_dataset(settings.dataset)
    if classifier is not None and dataset.truth == "unknown":
        dataset = replace(dataset, truth="predicted")
    if settings.by == "loss" and dataset.truth != "labels":
        raise InputError(
            f"the loss needs labels, and those of {dataset.name} are not given: take --by divergence, which asks how "
            "far answers move from those on the uncompressed images."
        )
    for note in dataset.notes:
        on_note(note)
    learned_on, aside = (share_of(dataset, settings.kept_aside, part) for part in ("searched", "kept"))
    codec = build_codec(settings.codec)
    measures = tuple(dict.fromkeys((*ALWAYS, "psnr", settings.yardstick.measure)))
    evaluator = Evaluator(
        learned_on, codec, [] if classifier is None else [classifier], measures=measures
    )  # refuses what does not go together
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _claim(settings, folder)
    found = candidates(settings, learned_on, classifier, folder, cores, on_progress)
    measuring = partial(Measured, workers=cores, executor=executor, on_progress=on_progress)
    with (
        Sizes(codec, learned_on, cores) as sizes,
        closing(measuring(evaluator, folder / "chosen-on.sqlite", "choosing")) as measured,
    ):
        chosen = choose(settings, found, measured, sizes)
    with (
        Sizes(codec, aside, cores) as sizes,
        closing(measuring(replace(evaluator, dataset=aside), folder / "kept-aside.sqlite", "confirming")) as measured,
    ):
        confirmed = confirm(settings, chosen, measured, sizes)
    stored = [Path(path) for path in dataset.sources if Path(path).is_file()]
    picked = None if confirmed.falls_back or chosen.pick is None else chosen.pick.candidate
    shrunk = Shrunk(
        settings,
        folder,
        dataset.name,
        dataset.compressed_size,
        len(learned_on),
        len(aside),
        len(stored),
        sum(path.stat().st_size for path in stored),
        chosen,
        confirmed,
        picked is not None and picked.ladder is not None,
    )
    _write(shrunk, picked, evaluator, tuple(identities(learned_on)), cores, on_progress)
    return shrunk


def _claim(settings: ShrinkSettings, folder: Path) -> None:
    """Keeps the settings in ``folder``. InputError where it holds others, or anything else."""
    path = folder / ASKED
    asked = json.loads(msgspec.json.encode(settings))
    if path.exists():
        try:
            if json.loads(path.read_bytes()) == asked:
                return
        except ValueError as error:
            raise InputError(f"{path} is no settings: remove {folder}, or choose another with --out.") from error
        raise InputError(
            f"{folder} holds what was found with other settings: choose another folder with --out, or remove it."
        )
    if any(folder.iterdir()):
        raise InputError(f"{folder} is not empty, and not of 'qsearch shrink': choose another folder with --out.")
    with replacing(path) as file:
        file.write(json.dumps(asked, indent=2).encode())


def _write(
    shrunk: Shrunk,
    picked: Candidate | None,
    evaluator: Evaluator,
    learned_on: tuple[ImageIdentity, ...],
    workers: int,
    on_progress: Callable[[str, int, int], None],
) -> None:
    settings, confirmed, folder = shrunk.settings, shrunk.confirmed, shrunk.folder
    origin = (
        *confirmed.origin,
        f"Chosen by 'qsearch shrink' of qsearch {version('qsearch')} to be as good as standard quality "
        f"{settings.like_quality} by {settings.yardstick.title} on {shrunk.images_chosen_on} images "
        f"{shrunk.size}, and confirmed on {shrunk.images_aside} others.",
    )
    title = f"{confirmed.name} tables, as good as standard quality {settings.like_quality}"
    export_tables(TableSheet(confirmed.tables, title, origin, settings.codec), "json", folder / TABLES)
    if picked is not None and picked.ladder is not None:
        dial = make_dial(
            picked.ladder.tables,
            evaluator.dataset,
            evaluator.codec,
            title=f"dial of a ladder: {picked.ladder.title}",
            origin=picked.origin,
            images=learned_on,
            workers=workers,
            on_progress=on_progress,
        )
        write_dial(dial, folder / DIAL)
    with replacing(folder / FOUND) as file:
        file.write(json.dumps(as_plain(shrunk), indent=2).encode())


def as_plain(shrunk: Shrunk) -> dict[str, Any]:
    """What was found, as JSON has it."""
    settings, confirmed, chosen = shrunk.settings, shrunk.confirmed, shrunk.chosen
    return {
        "qsearch": version("qsearch"),
        "settings": json.loads(msgspec.json.encode(settings)),
        "dataset": shrunk.dataset,
        "compressed_size": shrunk.size,
        "images_chosen_on": shrunk.images_chosen_on,
        "images_aside": shrunk.images_aside,
        "stored_files": shrunk.stored_files,
        "stored_bytes": shrunk.stored_bytes,
        "allowance": chosen.allowance,
        "followed": [
            {
                "name": one.candidate.name,
                "share_of_bytes": None if one.share != one.share else one.share,
                "points": [{"share_of_bytes": share, **_means(point)} for share, point in one.points.items()],
            }
            for one in chosen.traced
        ],
        "at_equal_bytes": {name: _means(point) for name, point in chosen.equal_bytes.items()},
        "tables": {"name": confirmed.name, **confirmed.tables.to_dict()},
        "standard": _means(confirmed.standard),
        "found": _means(confirmed.found),
        "uncompressed": None if confirmed.uncompressed is None else _means(confirmed.uncompressed),
        "bytes_saved_percent": asdict(confirmed.saved),
        "bytes_saved_percent_by": {by: asdict(one) for by, one in confirmed.saved_by.items()},
        "lower_quality_saves_percent": None if confirmed.lower_quality is None else asdict(confirmed.lower_quality),
        "is_told": confirmed.is_told,
    }


def _means(measurement: Measurement) -> dict[str, float]:
    means = {name: float(values.mean()) for name, values in values_of(measurement).items()}
    return {"total_bytes": measurement.total_bytes, "bpp": measurement.bpp, **means}
