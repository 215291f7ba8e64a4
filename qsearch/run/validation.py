"""Validation: tables of a run measured on other images, other splits or other networks, and kept with the run."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from qsearch.codecs.auto import described
from qsearch.datasets.base import ImageIdentity, identities
from qsearch.disk import append_line, check_folder_name
from qsearch.errors import InputError
from qsearch.evaluation.evaluator import Evaluator
from qsearch.run.folder import Run
from qsearch.run.settings import RunSettings, SearchSettings, files_of
from qsearch.strategies.listed import Listed
from qsearch.tables import QuantTables

FOLDER = "validations"
LOOKS_FILE = "looks.jsonl"


def validation_settings(run: Run, tables: dict[str, QuantTables], settings: RunSettings) -> RunSettings:
    """Settings that measure ``tables`` (by label) and the standard curve on the dataset and networks of ``settings``.

    The encoder's settings and the qualities of the curve are those of ``run``: only equal encodings are compared.
    """
    search = SearchSettings(
        strategy=Listed.name,
        options={"tables": [one.to_bytes().hex() for one in tables.values()], "labels": list(tables)},
        trials=len(tables),
        layout="ycbcr",
        qualities=run.settings.search.qualities,
        hypervolume_reference=run.settings.search.hypervolume_reference,
    )
    return msgspec.structs.replace(settings, search=search, codec=run.settings.codec, recorded=None, changes=())


def open_validation(run: Run, name: str, settings: RunSettings, evaluator: Evaluator) -> Run:
    """The validation ``name`` of ``run``, made where there is none yet; it measures with :meth:`Run.resume`.

    A new one counts as a look at its images. Raises InputError where the images overlap with those the run searched
    on, where the encoder is not the run's, and where a validation of that name measures something else.
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
    refuse_overlap(run, identities(evaluator.dataset))
    made = Run.create(path, settings, evaluator)
    _log_look(run, name, evaluator.dataset.digest, len(settings.search.options["tables"]))
    return made


def refuse_overlap(run: Run, images: Sequence[ImageIdentity]) -> None:
    """InputError where some of ``images`` are among those ``run`` searched on, found by the digests of their pixels."""
    with run.archive() as archive:
        searched = {image.digest: image.name for image in archive.images()}
    shared = [image.name for image in images if image.digest in searched]
    if shared:
        raise InputError(
            f"{len(shared)} of {len(images)} images are among those that run {run.name} searched on ({shared[0]}, for "
            "one): validate on images it has not seen."
        )


def validations(run: Run) -> list[Run]:
    """The validations kept with ``run``, by name."""
    return [Run.open(path.parent) for path in sorted((run.path / FOLDER).glob("*/run.toml"))]


def looks(run: Run, dataset_digest: str) -> int:
    """How often tables of ``run`` were measured on these images: each look makes the next choice less honest."""
    path = run.path / FOLDER / LOOKS_FILE
    if not path.is_file():
        return 0
    try:
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return sum(line["dataset"] == dataset_digest for line in lines)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}): it lists the looks at validation images.") from error


def _log_look(run: Run, name: str, dataset_digest: str, tables: int) -> None:
    look = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "validation": name,
        "dataset": dataset_digest,
        "tables": tables,
    }
    append_line(run.path / FOLDER / LOOKS_FILE, json.dumps(look))
