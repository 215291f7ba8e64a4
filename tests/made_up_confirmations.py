"""Confirmations with measurements made up: what is said of a pick that was made on images kept aside."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qsearch.archive.store import Archive
from qsearch.evaluation.measurement import Measurement, Status, Trial
from qsearch.evaluation.objective import ObjectiveName
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE
from qsearch.run.settings import DatasetSettings, Recorded, RunSettings, SearchSettings, save_settings
from qsearch.tables import QuantTables

IMAGES = 400
PIXELS = 128 * 128
DIFFICULTY = np.random.default_rng(5).normal(0, 0.5, IMAGES)
"""By how much images differ in loss, which pairing cancels."""
QUALITIES = {75: 10.0, 50: 20.0, 25: 40.0}
"""Their ratios; the loss is ln(ratio)."""


def measurement(ratio: float, above: float, *, noise: float = 0.05, seed: int = 0, networks: int = 1) -> Measurement:
    """A loss that is so much lower than that of the standard tables at ``ratio``, up to noise that is its own."""
    own = np.random.default_rng(seed).normal(0, noise, IMAGES) if noise else np.zeros(IMAGES)
    loss = 3 + np.log(ratio) + DIFFICULTY - above + own
    ranks = (loss > 6).astype(np.int32)
    size_bytes = np.full(IMAGES, round(3 * PIXELS / ratio))
    return Measurement.of(size_bytes, [ranks] * networks, PIXELS, loss=np.tile(loss, (networks, 1)))


def standard(ratio: float, networks: int = 1) -> Measurement:
    """The standard tables at ``ratio``."""
    return measurement(ratio, 0, noise=0, networks=networks)


def many(above: float, *, first: int = 0, count: int = 8) -> dict[str, Measurement | None]:
    return {str(number): measurement(20, above, seed=number) for number in range(first, first + count)}


def make(
    path: Path,
    found: Mapping[str, Measurement | None],
    *,
    objective: ObjectiveName = "loss",
    networks: int = 1,
    trials: int | None = None,
    tables: Sequence[QuantTables] = (),
) -> Path:
    """A confirmation at ``path``: what was measured by label; None is a failure.

    trials: of how many, if more; tables: those measured, where they matter.
    """
    path.mkdir(parents=True)
    settings = RunSettings(
        search=SearchSettings(strategy="listed", trials=trials or len(found), objective=objective),
        dataset=DatasetSettings(kept_aside=0.25, part="kept"),
        recorded=Recorded(
            dataset={"name": "photos", "digest": "0" * 64, "images": IMAGES, "height": 128, "width": 128},
            classifiers=[{"name": "net"}],
            codec={"name": "pillow", "subsampling": "4:2:0"},
            versions={"qsearch": "0.1.0"},
        ),
    )
    save_settings(settings, path / SETTINGS_FILE)
    with Archive.create(path / ARCHIVE_FILE) as archive:
        for quality, ratio in QUALITIES.items():
            of_quality = QuantTables.standard(quality)
            archive.add(Trial("reference", quality, "standard", of_quality, "done", standard(ratio, networks)))
        for number, (label, measured) in enumerate(found.items()):
            own = tables[number] if tables else QuantTables(np.full((8, 8), 20 + number), np.full((8, 8), 99))
            status: Status = "failed" if measured is None else "done"
            reason = "it broke" if measured is None else ""
            archive.add(Trial("search", number, "listed", own, status, measured, reason, label))
    return path
