"""The report: one self-contained HTML page about runs, their validations and the tables they found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qsearch.analysis.distribution import Distribution, distribution
from qsearch.analysis.efficiency import Efficiency, common_parabola, efficiencies
from qsearch.analysis.gains import bootstrap_gains
from qsearch.analysis.paper_ttest import WARNING
from qsearch.analysis.results import Results, measured
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.pareto.fitness import GOOD_GAP
from qsearch.report import wording
from qsearch.report.axes import objectives_of
from qsearch.report.cards import Card, card_key, same_tables_in, search_card, standard_card
from qsearch.report.charts import Bars, Chart, bars, frontier_chart, on_one_scale, psnr_chart, validation_chart
from qsearch.report.conditions import conditions
from qsearch.report.distribution_plot import default_window
from qsearch.report.exported import ExportedFile, Exporter, keep
from qsearch.report.findings import Part, Searched, part, searched, significances
from qsearch.report.headline import compared, headline
from qsearch.report.pictures import Gallery, gallery
from qsearch.report.templates import DRAWING, as_script_data, asset, chart_id, check_names, environment
from qsearch.run.folder import Run

SCRIPTS = (*DRAWING, "bars.js", "page.js")


def no_files(run: Run, results: Results, trial: Trial) -> Sequence[ExportedFile]:
    """An exporter of nothing: the page then has a table's numbers alone."""
    return ()


def write_report(
    runs: Sequence[Run], path: Path, exported: Exporter = no_files, *, trust_command: bool = False
) -> None:
    """Writes the report of ``runs``, measured alike, to ``path``, whole or not at all.

    ``exported`` makes the files of a table that readers may copy and download.

    InputError for another suffix than .html, where a run has nothing to report yet, and where two have one name;
    DiskError where the disk refuses.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report is written as .html, got {path.name!r}.")
    page = render_report(runs, exported, trust_command=trust_command).encode("utf-8")
    with replacing(path) as file:
        file.write(page)


def render_report(runs: Sequence[Run], exported: Exporter = no_files, *, trust_command: bool = False) -> str:
    """The report of ``runs``, measured alike, as the text of an HTML page that needs nothing else.

    trust_command: whether pictures may be encoded by a program that the runs name.
    """
    check_names(runs)
    found = [searched(run) for run in runs]
    results = [each.results for each in found]
    charts = _charts(found)
    templates = environment()
    templates.globals.update(
        wording=wording, chart_id=chart_id, objectives_of=objectives_of, GOOD_GAP=GOOD_GAP, TTEST_WARNING=WARNING
    )
    shown = _shown(found)
    files = {key: exported(each.run, each.results, trial) for key, (each, trial) in shown.items()}
    drawn: dict[str, Any] = {
        "charts": charts,
        "bars": _bars(results),
        "cards": {key: _card(each, trial) for key, (each, trial) in shown.items()},
        "files": keep(files),
    }
    return templates.get_template("page.html").render(
        runs=found,
        like_quality=found[0].results.like_quality,
        groups=headline(found),
        compared=[compared(each) for each in found] if len(found) > 1 else [],
        charts=list(charts),
        bars=drawn["bars"],
        frontiers={each.results.name: _frontier_rows(each.results) for each in found},
        significances=significances(found),
        efficiency=part(_efficiency, found),
        gallery=_gallery(found, trust_command),
        conditions=[conditions(run) for each in found for run in _measured_runs(each)],
        data=as_script_data(drawn),
        style=asset("page.css"),
        scripts=[asset(name) for name in SCRIPTS],
        version=version("qsearch"),
    )


def _measured_runs(run: Searched) -> list[Run]:
    """The run itself, its confirmation and its validations."""
    return [run.run, *([] if run.confirmed is None else [run.confirmed.run]), *(kept.run for kept in run.validations)]


def _charts(runs: Sequence[Searched]) -> dict[str, Chart]:
    results = [each.results for each in runs]
    charts = {
        chart_id("frontier", objective): frontier_chart(results, _picked(runs[0]), objective)
        for objective in objectives_of(results)
    }
    for each in runs:
        for kept in each.validations:
            for objective in objectives_of([each.results]):
                chart = validation_chart(each.results, kept.results, kept.name, _picked(each), objective)
                charts[chart_id(f"validation/{each.results.name}/{kept.name}", objective)] = chart
    psnr = psnr_chart(results, _picked(runs[0]))
    return charts if psnr is None else {**charts, "psnr": psnr}


def _picked(run: Searched) -> str | None:
    """The card of the table that ``run`` picks at the ratio of its ``like_quality``."""
    return None if run.at_ratio is None else card_key(run.results.name, run.at_ratio.label)


@dataclass(frozen=True)
class CountedBars:
    """A histogram and the counts behind it."""

    bars: Bars
    counts: Distribution


def _bars(runs: Sequence[Results]) -> list[Part[CountedBars]]:
    """One for each run, on one scale."""
    found = [part(_run_bars, results, runs[0]) for results in runs]
    alike = iter(on_one_scale([each.value.bars for each in found if each.value is not None]))
    return [each if each.value is None else Part(replace(each.value, bars=next(alike)), each.missing) for each in found]


def _run_bars(results: Results, first: Results) -> CountedBars:
    counts = distribution(results, default_window(first))
    return CountedBars(bars(counts, measured(results.done[0]).ranks.size, results.name), counts)


def _shown(runs: Sequence[Searched]) -> dict[str, tuple[Searched, Trial]]:
    """By its card's key every table of a frontier, every table picked or validated, and the standard tables."""
    shown = {}
    for each in runs:
        results = each.results
        picked = {selected.label for selected in (each.at_ratio, each.at_accuracy) if selected is not None}
        labels = picked | {trial.label for trial in results.frontier}
        for trial in results.done:
            if trial.label in labels or any(same_tables_in(kept.results, trial) for kept in each.validations):
                shown[card_key(results.name, trial.label)] = each, trial
        for trial in results.standard_trials:
            shown[card_key(results.name, trial.label)] = each, trial
    return shown


def _card(run: Searched, trial: Trial) -> Card:
    if trial.series == "reference":
        return standard_card(trial, run.networks, run.results.objective.smooth)
    validations = [(kept.name, kept.results, wording.network_names(kept.run)) for kept in run.validations]
    return search_card(run.results, trial, run.networks, validations)


@dataclass(frozen=True)
class FrontierRow:
    """A table of a frontier in wording. value, saving_at_value: of the run's smooth objective."""

    label: str
    ratio: str
    bpp: str
    top1: str
    value: str
    gain: str
    saving: str
    saving_at_value: str
    digest: str


def _frontier_rows(results: Results) -> list[FrontierRow]:
    rows = []
    smooth = results.objective.smooth
    for trial in results.frontier:
        measurement, gains = measured(trial), part(bootstrap_gains, results, trial).value
        at_value = None if gains is None else gains.saving_at(smooth)
        rows.append(
            FrontierRow(
                trial.label,
                wording.ratio(measurement.ratio),
                wording.bpp(measurement.bpp),
                wording.per_cent(measurement.top1),
                wording.value_of(smooth, measurement),
                "" if gains is None else wording.short_points(gains.gain_points),
                "" if gains is None else wording.short_saving(gains.saving_percent),
                "" if at_value is None else wording.short_saving(at_value),
                trial.tables.digest[:12],
            )
        )
    return rows


def _efficiency(runs: Sequence[Searched]) -> list[Efficiency]:
    settings = runs[0].run.settings.search
    return efficiencies(
        [(each.results, each.run.settings.search.strategy) for each in runs],
        common_parabola([each.results for each in runs]),
        settings.hypervolume_reference,
    )


def _gallery(runs: Sequence[Searched], trust_command: bool) -> Part[Gallery]:
    """Pictures for the first run's table at its ``like_quality``'s ratio: of a validation of it, else of the search."""
    first = next((each for each in runs if each.at_ratio is not None), None)
    if first is None or first.at_ratio is None:
        return Part(None, f"no table does better than standard quality {runs[0].results.like_quality} at its ratio.")
    trial = first.trial(first.at_ratio)
    label = f"trial {trial.label} of {first.results.name}"
    for kept in first.validations:
        again = same_tables_in(kept.results, trial)
        if again is not None:
            found = part(gallery, kept.run, kept.results, again, label, kept.measured_on, trust_command=trust_command)
            if found.value is not None:
                return found
    found = part(gallery, first.run, first.results, trial, label, first.measured_on, trust_command=trust_command)
    return Part(found.value, _without_paths(found.missing, first.run))


def _without_paths(sentence: str, run: Run) -> str:
    """A sentence about a dataset or a network that is gone, or a codec, without the user's folders."""
    words = " ".join(map(str, run.settings.codec.options.values())).split()
    for spec in (run.settings.dataset.spec, *(each.spec for each in run.settings.classifiers), *words):
        path = spec.partition(":")[2] or spec
        sentence = sentence.replace(path, wording.without_folders(path))
    return sentence
