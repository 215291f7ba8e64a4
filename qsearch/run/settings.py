"""Settings of a run: all that decides what it measures, read from and written to TOML."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import tomli_w

from qsearch.analysis.results import LIKE_QUALITY
from qsearch.classifiers.base import NetworkOptions
from qsearch.codecs.auto import AUTO
from qsearch.codecs.base import EncoderOptions
from qsearch.datasets.base import DatasetOptions
from qsearch.datasets.splits import Part
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.evaluation.objective import ObjectiveName
from qsearch.pareto.hypervolume import REFERENCE_POINT
from qsearch.search.racing import RaceOptions
from qsearch.strategies.standard import REFERENCE_QUALITIES
from qsearch.text import one_line

FORMAT = 3
"""What this version writes as ``format``; a file with a higher number is refused."""

Box = Literal["paper", "shape"]
BOXES: tuple[Box, ...] = get_args(Box)
"""What is searched within bounds: the entries of tables (:class:`qsearch.space.SearchSpace`, Li 2020), or their shapes,
each scaled to one ratio (:class:`qsearch.space.shapes.ShapeSpace`)."""
Count = Annotated[int, msgspec.Meta(ge=1)]
Quality = Annotated[int, msgspec.Meta(ge=1, le=100)]


class SeedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tables that a search begins with; see :class:`qsearch.strategies.base.Seed`.

    tables: QuantTables.to_bytes in hexadecimal.
    """

    label: str
    tables: str
    gap: float | None = None


class BoundsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bounds that a strategy searches in, the fitness there, and where they come from.

    sources: the names of the runs; paths: where they lay, in the same order; none where it is the run itself, or an
        earlier version did not write them down.
    parabola: (a, b, c) of the whole frontier; see :class:`qsearch.pareto.fitness.Parabola`. None in a box of shapes.
    local_fit: (center, low, high, a, b, c) near the window, of the frontier or, in a box of shapes, of the standard
        tables, which the strategy optimises; see :class:`qsearch.pareto.fitness.LocalFit`. None in a run of a version
        that optimised the parabola: it goes on so.
    objective: what the fit is of.
    lower, upper: entries, or levels of a shape; origin and step say what levels stand for.
    seeds: what earlier trials give a strategy to begin with.
    first: the number of the first trial proposed within them; screened trials of a warm-up have numbers too. None
        where that is the length of the warm-up.
    """

    sources: tuple[str, ...]
    paths: tuple[str, ...] = ()
    window: tuple[float, float]
    sigma: float
    parabola: tuple[float, float, float] | None = None
    local_fit: tuple[float, float, float, float, float, float] | None = None
    objective: ObjectiveName = "top1"
    box: Box = "paper"
    lower: tuple[int, ...]
    upper: tuple[int, ...]
    origin: float | None = None
    step: float | None = None
    seeds: tuple[SeedSettings, ...] = ()
    first: int | None = None


class SearchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is proposed.

    like_quality: the standard quality that headlines are stated at, one of ``qualities``; see :meth:`at_quality`.
    look_ahead: trials of an adaptive strategy that may be outstanding.
    ratio, ratio_window: see :mod:`qsearch.search.steering`; trials of a warm-up are neither steered nor screened, but
        for a box of shapes.
    box: what is searched within bounds; in a box of shapes every proposal is steered, to the ratio of the standard
        tables at ``around`` where no ``ratio`` is given.
    seeds: tables that somebody names for a strategy to begin with, beside those of earlier trials.
    seeds_from: the folders of runs, and the files of ladders and dials, that these or listed tables were taken from.
    race: how tables race, or None, where each sees all images; see :mod:`qsearch.search.racing`.
    warm_up: how many of the trials are sorted random ones, first, that give a strategy its bounds; around, window
        and sigma say how. 0 where the bounds were given.
    """

    strategy: str = "sorted-random"
    options: dict[str, Any] = {}
    trials: Count = 1000
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    layout: str = "shared"
    like_quality: Quality = LIKE_QUALITY
    look_ahead: Count = 4
    ratio: Annotated[float, msgspec.Meta(gt=0)] | None = None
    ratio_window: tuple[float, float] | None = None
    race: RaceOptions | None = None
    warm_up: Annotated[int, msgspec.Meta(ge=0)] = 0
    around: Quality = LIKE_QUALITY
    window: tuple[float, float] | None = None
    sigma: float = 0.5
    box: Box = "paper"
    seeds: tuple[SeedSettings, ...] = ()
    seeds_from: tuple[str, ...] = ()
    bounds: BoundsSettings | None = None
    qualities: tuple[Quality, ...] = REFERENCE_QUALITIES
    objective: ObjectiveName = "top1"
    hypervolume_reference: tuple[float, float] = REFERENCE_POINT

    def at_quality(self, quality: int) -> "SearchSettings":
        """These with headlines at a standard ``quality``, which is measured too, and with bounds and picks there."""
        qualities = self.qualities if quality in self.qualities else tuple(sorted((*self.qualities, quality)))
        return msgspec.structs.replace(self, like_quality=quality, around=quality, qualities=qualities)

    def ratio_of_picks(self, standard: float) -> float:
        """The ratio that picks are for: what the search is steered to, else ``standard``, that of the standard tables.

        ``standard`` is of the tables at quality ``around``. Where it lies outside the window of ratios that the search
        admits, the window's middle.
        """
        if self.ratio is not None:
            return self.ratio
        window = self.ratio_window
        return standard if window is None or window[0] <= standard <= window[1] else math.sqrt(window[0] * window[1])


class DatasetSettings(DatasetOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is compressed: a dataset's name, its options, and which of its images; see datasets.splits for ``split``.

    kept_aside: the share of the images that the search does not see and its picks are confirmed on, 0 for none; part:
        whether these settings are of the images ``searched`` on or of those ``kept`` aside.

    labels: ``given`` with the images, or ``predicted``, the networks' own answers on the uncompressed images.
    options: of this dataset alone.
    """

    spec: str = "textures"
    split: str | None = None
    kept_aside: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    part: Part = "searched"
    labels: Literal["given", "predicted"] = "given"
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class ClassifierSettings(NetworkOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What reads the images: a network's name and its options."""

    spec: str = "textures-cnn"


class CodecSettings(EncoderOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How it is compressed, tables aside: a codec's name and the encoder's options; ``options`` of this codec alone.

    name: as registered, or ``auto``, the fastest that gives the installed Pillow's files.
    """

    name: str = AUTO
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts said of themselves when the run was made: digests, sizes, versions."""

    dataset: dict[str, Any] = {}
    classifiers: list[dict[str, Any]] = []
    codec: dict[str, Any] = {}
    versions: dict[str, str] = {}

    def differences(self, other: "Recorded") -> list[str]:
        """What differs in dataset, classifiers and codec, one phrase each.

        Names of dataset and classifiers may differ (a folder that moved): their digests tell. Nor do versions alone
        count, for what they change in a result shows in the settings of codec and classifiers.
        """
        found = []
        pairs = [("dataset", self.dataset, other.dataset), ("codec", files_of(self.codec), files_of(other.codec))]
        if len(self.classifiers) != len(other.classifiers):
            found.append(f"classifiers: {len(self.classifiers)} became {len(other.classifiers)}")
        pairs += [
            (f"classifier {mine.get('name', '')}", mine, theirs)
            for mine, theirs in zip(self.classifiers, other.classifiers, strict=False)
        ]
        for what, mine, theirs in pairs:
            for key in sorted(mine.keys() | theirs.keys()):
                if (key != "name" or what == "codec") and mine.get(key) != theirs.get(key):
                    found.append(f"{what}: {key} was {_short(mine.get(key))}, is {_short(theirs.get(key))}")
        return found


def files_of(codec: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a codec's files: its settings, or those of the codec whose files were checked to be the same."""
    if not codec.get("equals"):
        return dict(codec)
    own = ("name", "kernel", "exact_for", "equals")
    return {"name": codec["equals"], **{name: value for name, value in codec.items() if name not in own}}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A resumption under other conditions, allowed by the user."""

    at_trial: int
    differences: list[str]


class RunSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything in ``run.toml``.

    measures: those recorded beside the ones that every run keeps.
    """

    format: Count = FORMAT
    qsearch: str = ""
    created: str = ""
    measures: tuple[str, ...] = ()
    search: SearchSettings = SearchSettings()
    dataset: DatasetSettings = DatasetSettings()
    classifiers: tuple[ClassifierSettings, ...] = (ClassifierSettings(),)
    codec: CodecSettings = CodecSettings()
    recorded: Recorded | None = None
    changes: tuple[Change, ...] = ()


class _Named(msgspec.Struct):
    name: str


class _Images(_Named, kw_only=True):
    digest: str
    images: Count
    height: Count
    width: Count


class _WhatIsRead(msgspec.Struct, kw_only=True):
    """What commands read of :class:`Recorded`, which the parts are free to say more in."""

    dataset: _Images
    classifiers: list[_Named]
    codec: _Named


def load_settings(path: Path) -> RunSettings:
    """The settings in ``path``. InputError where there are none, or where one is unknown or of a wrong type."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there: a run's settings were expected.") from error
    except (OSError, ValueError, RecursionError) as error:  # what is no UTF-8, no TOML, or too long or deep a number
        raise InputError(f"{path} cannot be read as TOML: {one_line(str(error))}.") from error
    if isinstance(data.get("format"), int) and data["format"] > FORMAT:
        raise InputError(
            f"{path} has format {data['format']}, this qsearch reads up to {FORMAT}: install a newer qsearch."
        )
    try:
        return msgspec.convert(_upgraded(data), RunSettings)
    except msgspec.ValidationError as error:
        sentence = one_line(str(error))
        raise InputError(f"{path}: {sentence[:1].lower()}{sentence[1:]}.") from error


def search_settings_named(path: Path) -> frozenset[str]:
    """Which settings of the search the file at ``path`` gives; what older versions had no choice of, they chose too."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    older = {"objective", "box"} if data.get("format", FORMAT) < FORMAT else set()
    return frozenset(data.get("search", {})) | older


def check_recorded(settings: RunSettings, path: Path) -> None:
    """InputError where the settings in ``path`` do not say what their run was measured on."""
    recorded = settings.recorded
    try:
        if recorded is not None and recorded.versions:  # what the file ends with
            msgspec.convert(msgspec.to_builtins(recorded), _WhatIsRead)
            return
        why = "it was cut short"
    except msgspec.ValidationError as error:
        why = one_line(str(error))
    raise InputError(f"{path} does not say what the run was measured on ({why}): restore it.")


def _upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Settings as older versions wrote them, in today's format."""
    version = data.get("format", 1)
    if version == 1:
        data = {**data, "measures": ["psnr"] if data.get("psnr") else []}
        data.pop("psnr", None)
    if version in (1, 2):
        search = data.get("search")
        if isinstance(search, dict) and "guidance" in search:
            search = {("bounds" if name == "guidance" else name): value for name, value in search.items()}
            data = {**data, "search": search}
        data = {**data, "format": FORMAT}
    return data


def save_settings(settings: RunSettings, path: Path) -> None:
    """Writes ``path`` whole or not at all. InputError where a setting is no text, DiskError where the disk refuses."""
    text = tomli_w.dumps(_without_none(msgspec.to_builtins(settings)))
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        line = text[text.rfind("\n", 0, error.start) + 1 :].partition("\n")[0]
        raise InputError(f"the setting {one_line(line, 200)} is not UTF-8: rename what it names.") from error
    with replacing(path) as file:
        file.write(data)


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
