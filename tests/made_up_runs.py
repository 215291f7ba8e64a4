"""A run folder with measurements made up, for what only reads runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsearch.archive.store import Archive
from qsearch.evaluation.measurement import Measurement, Series, Trial
from qsearch.run.folder import ARCHIVE_FILE, SETTINGS_FILE
from qsearch.run.settings import CodecSettings, Recorded, RunSettings, SearchSettings, save_settings
from qsearch.tables import QuantTables

IMAGES = 200
PIXELS = 128 * 128


def measurement(ratio: float, top1: float, loss: float | None = None) -> Measurement:
    """Of 200 images, about ``ratio``, ``top1`` to 0.5 %, and where it is given ``loss`` to three digits."""
    ranks = np.ones((1, IMAGES), dtype=np.int32)
    ranks[0, : round(top1 * IMAGES)] = 0
    others = {} if loss is None else {"loss": np.full((1, IMAGES), loss)}
    return Measurement.of(np.full(IMAGES, round(3 * PIXELS / ratio), dtype=np.int64), ranks, PIXELS, **others)


def tables(number: int) -> QuantTables:
    """Tables that differ from trial to trial."""
    return QuantTables(np.full((8, 8), 20 + number), np.arange(64) + 1 + number)


def done(number: int, ratio: float, top1: float, series: Series = "search", loss: float | None = None) -> Trial:
    """A trial that was measured."""
    own = tables(number) if series == "search" else QuantTables.standard(number)
    name = "sorted-random" if series == "search" else "standard"
    return Trial(series, number, name, own, "done", measurement(ratio, top1, loss))


def failed(number: int) -> Trial:
    """A trial that was not."""
    return Trial("search", number, "sorted-random", tables(number), "failed", reason="it broke")


REFERENCE = (done(50, 20, 0.70, "reference"), done(75, 15, 0.80, "reference"))
SEARCH = (done(0, 10, 0.90), done(1, 18, 0.82), failed(2), done(3, 22, 0.75), done(4, 21, 0.60), done(5, 30, 0.55))
"""The frontier is 0, 1, 3, 5; trial 4 is beaten by trial 3."""
REFERENCE_WITH_LOSS = (
    done(25, 40, 0.50, "reference", 2.0),
    done(50, 20, 0.70, "reference", 1.0),
    done(75, 15, 0.80, "reference", 0.5),
)
SEARCH_WITH_LOSS = (
    done(0, 18, 0.82, loss=0.5),
    done(1, 22, 0.75, loss=0.875),
    failed(2),
    done(3, 24, 0.68, loss=0.75),
    done(4, 30, 0.60, loss=1.25),
)
"""By loss the frontier is 0, 3, 4, by top-1 it is 0, 1, 3, 4."""


def make_loss_run(path: Path, search: Sequence[Trial] = SEARCH_WITH_LOSS, **searched: Any) -> Path:
    """A run at ``path`` that was searched by loss."""
    return make_run(path, search, reference=REFERENCE_WITH_LOSS, objective="loss", **searched)


def make_run(
    path: Path,
    search: Sequence[Trial] = SEARCH,
    codec: CodecSettings | None = None,
    *,
    reference: Sequence[Trial] = REFERENCE,
    **searched: Any,
) -> Path:
    """A run at ``path`` as a search leaves it; ``searched`` are settings of the search."""
    codec = codec or CodecSettings()
    recorded = Recorded(
        dataset={"name": "folder:/home/ann/photos", "digest": "0" * 64, "images": IMAGES, "height": 128, "width": 128},
        classifiers=[{"name": "textures-cnn"}],
        codec={"name": codec.name, "subsampling": codec.subsampling},
        versions={"qsearch": "0.1.0"},
    )
    path.mkdir(parents=True)
    settings = RunSettings(
        qsearch="0.1.0",
        created="2026-11-20T10:00:00+00:00",
        search=SearchSettings(**searched),
        codec=codec,
        recorded=recorded,
    )
    save_settings(settings, path / SETTINGS_FILE)
    with Archive.create(path / ARCHIVE_FILE) as archive:
        for trial in (*reference, *search):
            archive.add(trial)
    return path
