"""Validation: tables of a run measured on other images, other splits or other networks, and kept with the run."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from qsearch.codecs.auto import described
from qsearch.datasets.base import ImageIdentity, identities
from qsearch.datasets.identity import look_alikes
from qsearch.disk import append_line, check_folder_name
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.run.confirmation import confirmations, owner_of, picks_on_others
from qsearch.run.folder import SETTINGS_FILE, Run
from qsearch.run.settings import RunSettings, SearchSettings, files_of
from qsearch.strategies.listed import Listed
from qsearch.tables import QuantTables

FOLDER = "validations"
USES_FILE = "uses.jsonl"
OLDER_USES_FILE = "looks.jsonl"
"""What older versions called it; a run may have both."""
NAMED = 3
"""How many images that look alike a sentence names before it counts the rest."""


def validation_settings(run: Run, tables: dict[str, QuantTables], settings: RunSettings) -> RunSettings:
    """Settings that measure ``tables`` (by label) and the standard curve on the dataset and networks of ``settings``.

    The encoder's settings and the qualities of the standard curve are those of ``run``: only equal encodings are
    compared.
    """
    search = SearchSettings(
        strategy=Listed.name,
        options={"tables": [one.to_bytes().hex() for one in tables.values()], "labels": list(tables)},
        trials=len(tables),
        layout="ycbcr",
        like_quality=run.settings.search.like_quality,
        qualities=run.settings.search.qualities,
        objective=run.settings.search.objective,
        hypervolume_reference=run.settings.search.hypervolume_reference,
    )
    return msgspec.structs.replace(settings, search=search, codec=run.settings.codec, recorded=None, changes=())


def open_validation(
    run: Run,
    name: str,
    settings: RunSettings,
    evaluator: Evaluator,
    *,
    others: Sequence[Run] = (),
    learned_on: Mapping[str, Sequence[ImageIdentity]] = MappingProxyType({}),
    on_note: Callable[[str], None] = lambda note: None,
) -> Run:
    """The validation ``name`` of ``run``, made where there is none yet; it measures with :meth:`Run.resume`.

    A new one counts as a use at its images. others: further runs that tables come from. learned_on: the images that
    tables were learned from, by the tables' names. ``on_note`` hears of images that may have been seen
    (:func:`refuse_overlap`). Raises InputError where images overlap with those that one of these runs searched on, or
    that tables were learned from, where the encoder is not the run's, and where a validation of that name measures
    something else.
    """
    codec = files_of(described(evaluator.codec))
    recorded = run.settings.recorded
    if recorded is not None and files_of(recorded.codec) != codec:
        before = files_of(recorded.codec)
        changed = [key for key in codec if codec[key] != before.get(key)]
        raise InputError(
            f"run {run.name} was encoded otherwise ({', '.join(changed)} changed): measure it with the same encoder."
        )
    check_folder_name(name, "a validation")
    path = run.path / FOLDER / name
    if path.exists():
        found = Run.open(path)
        same = (found.settings.search, found.settings.dataset, found.settings.classifiers)
        if same != (settings.search, settings.dataset, settings.classifiers):
            raise InputError(
                f"validation {name} of run {run.name} measures other tables or images: choose another --name."
            )
        return found
    images = identities(evaluator.dataset)
    for note in [*refuse_overlap([run, *others], images), *refuse_learned(learned_on, images)]:
        on_note(note)
    made = Run.create(path, settings, evaluator)
    _log_use(run, name, evaluator.dataset.digest, len(settings.search.options["tables"]))
    return made


def refuse_overlap(runs: Sequence[Run], images: Sequence[ImageIdentity]) -> list[str]:
    """InputError where some of ``images`` are among those that tables of ``runs`` were searched on.

    All images count that one of ``runs``, or a run that gave it bounds or seeds, ever searched on, in whatever size:
    they are known by their files, by their decoded pixels and by those that were prepared of them. Returns a sentence
    for each thing that this cannot tell: images that look alike, and runs that are not to be found or do not know their
    images well enough.
    """
    searched, _, notes = _with_sources(runs)
    for run in searched:
        seen = _images_of(run)
        _refuse_shared(f"{_what(run)} on", images, seen)
        notes += _doubts(run, seen, images)
    return list(dict.fromkeys(notes))


def learned_sources(runs: Sequence[Run]) -> list[Path]:
    """The ladders and dials that ``runs``, or those that gave them bounds or seeds, began with tables of."""
    return _with_sources(runs).files


def seen_before(
    runs: Sequence[Run], learned_on: Mapping[str, Sequence[ImageIdentity]], images: Sequence[ImageIdentity]
) -> str:
    """How many of ``images`` these searches saw, or tables were learned from, and one of them; empty for none.

    What other picks of theirs than ``runs`` themselves saw does not count.
    """
    seen = {f"{_what(run)} on": _images_of(run) for run in _with_sources(runs, picks=False).runs}
    seen |= {f"{name} was learned from": known for name, known in learned_on.items()}
    return next(filter(None, (_shared(what, images, known) for what, known in seen.items())), "")


def refuse_learned(learned_on: Mapping[str, Sequence[ImageIdentity]], images: Sequence[ImageIdentity]) -> list[str]:
    """InputError where some of ``images`` are among those that tables, by their names, were learned from.

    Returns a sentence where images look like some of these.
    """
    notes, checked = [], set[int]()
    for name, seen in learned_on.items():
        if id(seen) not in checked:  # rungs of a ladder share them
            checked.add(id(seen))
            _refuse_shared(f"{name} was learned from", images, seen)
            notes += _look_alikes(f"{name} was learned from", seen, images)
    return notes


def _refuse_shared(what: str, images: Sequence[ImageIdentity], seen: Sequence[ImageIdentity]) -> None:
    shared = _shared(what, images, seen)
    if shared:
        raise InputError(f"{shared}: validate on images it has not seen.")


def _shared(what: str, images: Sequence[ImageIdentity], seen: Sequence[ImageIdentity]) -> str:
    shared = same_images(images, seen)
    return f"{len(shared)} of {len(images)} images are among those that {what} ({shared[0]}, for one)" if shared else ""


def _images_of(run: Run) -> Sequence[ImageIdentity]:
    """All that it ever searched on."""
    with run.archive() as archive:
        return archive.images(all_generations=True)


def same_images(images: Sequence[ImageIdentity], others: Sequence[ImageIdentity]) -> list[str]:
    """The names of those of ``images`` that share their file or their pixels, before or after preparation."""
    known = {digest for other in others for digest in _digests(other)}
    return [image.name for image in images if not known.isdisjoint(_digests(image))]


def _digests(image: ImageIdentity) -> set[str]:
    return {image.digest, image.source_digest, image.file_digest} - {""}


def _what(run: Run) -> str:
    """Who did what on the images of ``run``."""
    owner = owner_of(run)
    if owner is not None:
        return f"run {owner.name} made its pick"
    return f"validation {run.name} measured" if _searched_by(run) else f"run {run.name} searched"


def _doubts(run: Run, seen: Sequence[ImageIdentity], images: Sequence[ImageIdentity]) -> list[str]:
    """What images that differ in file and pixels do not yet tell, a sentence each."""
    name = run.name
    if not seen:
        return [f"run {name} does not say which images it searched on: see that it was not on these."]
    notes = []
    if picks_on_others(run.settings) and not confirmations(run):
        notes.append(f"run {name} has not made its pick on the images it keeps aside yet: see that these are others.")
    if any(not image.source_digest for image in seen):
        notes.append(
            f"run {name} is of a version that knew images only as they were prepared: those it searched on are not "
            "recognised in another size."
        )
    return [*notes, *_look_alikes(f"{_what(run)} on", seen, images)]


def _look_alikes(what: str, seen: Sequence[ImageIdentity], images: Sequence[ImageIdentity]) -> list[str]:
    pairs = look_alikes([image.perceptual_hash for image in images], [image.perceptual_hash for image in seen])
    if not pairs:
        return []
    named = ", ".join(f"{images[mine].name} like {seen[theirs].name}" for mine, theirs in pairs[:NAMED])
    more = f" and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
    return [
        f"{len(pairs)} of {len(images)} images look like some that {what} ({named}{more}): see that they are not the "
        "same photographs."
    ]


class _Sources(NamedTuple):
    """Runs, files of learned tables, and a sentence for each of either that is not found."""

    runs: list[Run]
    files: list[Path]
    notes: list[str]


def _with_sources(runs: Sequence[Run], *, picks: bool = True) -> _Sources:
    """``runs``, those that gave them bounds or seeds, and so on; with ``picks`` all their confirmations too."""
    found: dict[Path, Run] = {}
    files: list[Path] = []
    notes: list[str] = []
    waiting = list(runs)
    while waiting:
        run = waiting.pop(0)
        if found.setdefault(run.path.resolve(), run) is not run:
            continue
        waiting += confirmations(run) if picks else []  # on whose images a pick was made
        parent = run.path.resolve().parent
        searched = _searched_by(run) or owner_of(run)
        if searched is not None:
            waiting.append(Run.open(searched))
        for source in map(Path, run.settings.search.seeds_from):
            if (source / SETTINGS_FILE).is_file():
                waiting.append(Run.open(source))
            elif source.is_file():
                files.append(source)
            else:
                notes.append(
                    f"run {run.name} began with tables of {source.name}, which is not found: see that they were not "
                    "made on these images."
                )
        bounds = run.settings.search.bounds
        if bounds is None or run.settings.search.warm_up:  # whose bounds are its own
            continue
        paths = bounds.paths or ("",) * len(bounds.sources)
        for name, path in zip(bounds.sources, paths, strict=False):
            places = [Path(path)] if path else []
            place = next((one for one in (*places, parent / name) if (one / SETTINGS_FILE).is_file()), None)
            if place is None:
                notes.append(
                    f"run {run.name} took its bounds from run {name}, which is not found: see that it did not search "
                    "on these images."
                )
            else:
                waiting.append(Run.open(place))
    return _Sources(list(found.values()), list(dict.fromkeys(files)), notes)


def _searched_by(run: Run) -> Path | None:
    """The folder of the run that found the tables of ``run``, where that is a validation; else None."""
    folder = run.path.resolve().parent
    return folder.parent if folder.name == FOLDER and (folder.parent / SETTINGS_FILE).is_file() else None


def validations(run: Run) -> list[Run]:
    """The validations kept with ``run``, by name, stated at the quality that it is looked at."""
    paths = sorted((run.path / FOLDER).glob("*/run.toml"))
    return [Run.open(path.parent).looked_at(run.like_quality) for path in paths]


def uses(run: Run, dataset_digest: str) -> int:
    """How often tables of ``run`` were measured on these images: each use makes the next choice less honest."""
    return sum(_used(run.path / FOLDER / name).count(dataset_digest) for name in (OLDER_USES_FILE, USES_FILE))


def _used(path: Path) -> list[str]:
    """The digests of the datasets that were used, once for each time."""
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line["dataset"] for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}): it lists the uses of validation images.") from error


def _log_use(run: Run, name: str, dataset_digest: str, tables: int) -> None:
    use = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "validation": name,
        "dataset": dataset_digest,
        "tables": tables,
    }
    append_line(run.path / FOLDER / USES_FILE, json.dumps(use))
