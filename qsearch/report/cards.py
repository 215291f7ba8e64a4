"""Cards: what the page shows of one table when a reader points at it: where it lies, what it gains, its entries."""

from collections.abc import Sequence
from dataclasses import dataclass

from qsearch.analysis.gains import bootstrap_gains
from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import Objective
from qsearch.report import wording
from qsearch.tables import QuantTables

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Section:
    """What was seen on one set of images, as (name, value) in words; ``heading`` says on which."""

    heading: str
    rows: Rows


@dataclass(frozen=True)
class Card:
    """One table. ``tables`` are (components, 64 entries in raster order)."""

    title: str
    sections: tuple[Section, ...]
    tables: tuple[tuple[str, tuple[int, ...]], ...]
    digest: str


def card_key(run: str, label: str) -> str:
    """What points of charts call the card of table ``label`` of ``run``."""
    return f"{run}/{label}"


def search_card(
    results: Results, trial: Trial, networks: Sequence[str], validations: Sequence[tuple[str, Results, Sequence[str]]]
) -> Card:
    """The card of a table that ``results`` searched, with what each validation (name, results, networks) says of it."""
    objective = results.objective.smooth
    rows = (*_place(trial, networks, objective), *_gains(results, trial), _proposer(trial))
    sections = [Section(f"On the {_images(trial)} searched, as if it had not been picked on them", rows)]
    for name, other, other_networks in validations:
        again = same_tables_in(other, trial)
        if again is not None:
            heading = f"On the {_images(again)} of validation {name}"
            sections.append(Section(heading, (*_place(again, other_networks, objective), *_gains(other, again))))
    return _search_card(results, trial, sections)


def place_card(results: Results, trial: Trial, networks: Sequence[str]) -> Card:
    """The card of a table that ``results`` searched, without what takes time to tell: gains and their intervals."""
    rows = (*_place(trial, networks, results.objective.smooth), _proposer(trial))
    return _search_card(results, trial, [Section(f"On the {_images(trial)} searched", rows)])


def _search_card(results: Results, trial: Trial, sections: Sequence[Section]) -> Card:
    title = f"Trial {trial.label} of {results.name}"
    return Card(title, tuple(sections), table_parts(trial.tables), trial.tables.digest)


def _proposer(trial: Trial) -> tuple[str, str]:
    return "proposed by", " / ".join(filter(None, (trial.strategy, trial.origin)))


def standard_card(trial: Trial, networks: Sequence[str], objective: Objective) -> Card:
    """The card of the standard tables at one quality, with their value of ``objective``."""
    section = Section(f"On the {_images(trial)} searched", _place(trial, networks, objective))
    title = f"Standard tables at quality {trial.number}"
    return Card(title, (section,), table_parts(trial.tables), trial.tables.digest)


def same_tables_in(results: Results, trial: Trial) -> Trial | None:
    """The trial of ``results`` that has the tables of ``trial``, or None."""
    return next((each for each in results.done if each.tables == trial.tables), None)


def table_parts(tables: QuantTables) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The different tables among the three, by the components that they serve."""
    parts = {
        "shared": [("luma and chroma (Y, Cb, Cr)", tables.luma)],
        "luma-chroma": [("luma (Y)", tables.luma), ("chroma (Cb, Cr)", tables.cb)],
        "ycbcr": [("luma (Y)", tables.luma), ("chroma (Cb)", tables.cb), ("chroma (Cr)", tables.cr)],
    }[tables.layout]
    return tuple((name, tuple(part.ravel().tolist())) for name, part in parts)


def _images(trial: Trial) -> str:
    return wording.count(measured(trial).images, "image")


def _place(trial: Trial, networks: Sequence[str], objective: Objective) -> Rows:
    measurement = measured(trial)
    rows = [
        ("ratio", f"{wording.ratio(measurement.ratio)} ({wording.bpp(measurement.bpp)} bits per pixel)"),
        ("KB per image", wording.kilobytes(measurement.kb_per_image)),
        ("top-1", f"{wording.per_cent(measurement.top1)} (top-5 {wording.per_cent(measurement.top5)})"),
    ]
    if value := wording.value_of(objective, measurement):
        rows.append((objective.title, value))
    if len(networks) > 1:
        alone = (measurement.of_network(index).top1 for index in range(len(networks)))
        rows += [(name, wording.per_cent(top1)) for name, top1 in zip(networks, alone, strict=True)]
    if measurement.mean_psnr_db is not None:
        rows.append(("PSNR", f"{measurement.mean_psnr_db:.2f} dB on average"))
    return tuple(rows)


def _gains(results: Results, trial: Trial) -> Rows:
    try:
        gains = bootstrap_gains(results, trial)
    except InputError as error:
        return (("gain", f"not known: {error}"),)
    smooth = results.objective.smooth
    saving = gains.saving_at(smooth)
    return (
        ("gain at equal ratio", wording.points_estimate(gains.gain_points)),
        ("bytes saved at equal top-1", wording.saving_estimate(gains.saving_percent)),
        *([] if saving is None else [(f"bytes saved at equal {smooth.name}", wording.saving_estimate(saving))]),
    )
