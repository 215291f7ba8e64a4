"""Tables of ladders and dials as sheets: with what they were learned from, and how to encode with them."""

from pathlib import Path

from qsearch.codecs.base import EncoderOptions
from qsearch.errors import InputError
from qsearch.export.formats import TableSheet
from qsearch.export.provenance import short_name
from qsearch.learning.dial import Dial
from qsearch.learning.ladder import Ladder
from qsearch.run.settings import CodecSettings


def ladder_sheet(ladder: Ladder, path: Path, rung: int) -> TableSheet:
    """Rung ``rung`` of the ladder read from ``path``, 0 the coarsest. InputError where there is none."""
    tables = ladder.tables
    if not 0 <= rung < len(tables):
        raise InputError(f"{path} has the rungs 0 to {len(tables) - 1}, got {rung}.")
    quality = ladder.rungs[rung].quality
    origin = (
        *ladder_origin(ladder),
        "A trade-off of given weights." if quality is None else f"The trade-off of standard quality {quality}.",
        "Learned on these images, which flatters its tables: measure them on others.",
    )
    codec = CodecSettings(subsampling=ladder.settings.subsampling)
    return TableSheet(tables[rung], f"rung {rung} of {path.name}", origin, codec, learned_on=ladder.images)


def ladder_origin(ladder: Ladder) -> tuple[str, ...]:
    """Sentences that say what a ladder is."""
    learned_on, settings = ladder.learned_on, ladder.settings
    adam = settings.adam
    steps = "" if adam is None else f", {adam.steps} steps of Adam, rounding {adam.rounding}"
    network = "" if learned_on.classifier is None else f" and {short_name(str(learned_on.classifier['name']))}"
    return (
        f"Learned by qsearch {ladder.qsearch} on {ladder.created}: {settings.objective}, {settings.method}, bits "
        f"{settings.rate}{steps}, seed {settings.seed}.",
        f"Learned from {learned_on.images} images {learned_on.size} of "
        f"{short_name(learned_on.dataset)}{network}, JPEG {settings.subsampling}.",
    )


def dial_sheet(dial: Dial, path: Path, quality: int) -> TableSheet:
    """The tables at ``quality`` of the dial read from ``path``. InputError for a quality that is none."""
    return TableSheet(
        dial.tables(quality),
        f"quality {quality} of {path.name}",
        (*dial.origin, _matched(dial)),
        _codec(dial.encoder),
        learned_on=dial.images,
    )


def _matched(dial: Dial) -> str:
    made_on = dial.made_on
    return (
        f"Dial made by qsearch {dial.qsearch} on {dial.created}: the bytes of the standard tables at the same quality "
        f"on {made_on.images} images {made_on.size} of {short_name(made_on.dataset)}."
    )


def _codec(encoder: EncoderOptions) -> CodecSettings:
    return CodecSettings(subsampling=encoder.subsampling, optimize=encoder.optimize, progressive=encoder.progressive)
