"""Compares two strategies from Python: which reading of Li 2020 finds the better table at the ratio of quality 50?

Both search the embedded images with the embedded network. What each would take home is then measured on images that
neither has seen, where the two are compared image by image.

    python examples/research.py [--trials 20] [--images 200]
"""

import argparse

import qsearch

QUALITIES = (20, 30, 40, 50, 60, 70, 80)
"""Of the standard tables that both are compared with."""


def evaluator_of(split: str, images: int) -> qsearch.Evaluator:
    """What measures tables on the first ``images`` of a split of the embedded images."""
    found = qsearch.load_dataset(f"textures:{split}")
    some = slice(0, images)
    dataset = qsearch.Dataset.from_arrays(found.images[some], found.labels[some], found.class_names, name=split)
    return qsearch.Evaluator(dataset, qsearch.PillowCodec(), [qsearch.load_classifier("textures-cnn")])


def search(strategy: qsearch.Strategy, evaluator: qsearch.Evaluator, trials: int) -> qsearch.Trial:
    """The table that ``strategy`` takes home: the lowest loss at no lower ratio than standard quality 50."""
    with qsearch.executor_for(evaluator, workers=2) as executor, qsearch.Archive.in_memory() as archive:
        qsearch.run_search(strategy, executor, archive, trials=trials, qualities=QUALITIES)
        results = qsearch.Results(strategy.name, archive.trials("reference"), archive.trials("search"))
    least = results.standard[50].ratio
    fitting = [trial for trial in results.done if trial.measurement and trial.measurement.ratio >= least]
    if not fitting:
        raise SystemExit(f"no table of {trials} compresses as quality 50 does: try more, with --trials.")
    return min(fitting, key=lambda trial: trial.measurement.mean("loss") if trial.measurement else 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="of each strategy [20]")
    parser.add_argument("--images", type=int, default=200, help="searched, and as many others to judge on [200]")
    given = parser.parse_args()

    space = qsearch.SearchSpace.full("shared")
    searched = evaluator_of("search", given.images)
    picks = {
        draw: search(qsearch.SortedRandom(space, seed=1, draw=draw), searched, given.trials)
        for draw in ("half-normal", "uniform")
    }

    judge = evaluator_of("validate", given.images)
    standard = [judge.evaluate(qsearch.Task(qsearch.QuantTables.standard(quality))) for quality in QUALITIES]
    measured = {draw: judge.evaluate(qsearch.Task(pick.tables)) for draw, pick in picks.items()}
    for draw, its in measured.items():
        print(f"{draw}: ratio {its.ratio:.2f}, top-1 {100 * its.top1:.1f} %, loss {its.mean('loss'):.4f}")

    (difference,) = qsearch.compare(measured["half-normal"], [measured["uniform"]], standard)
    rows = {"top-1, points": difference.difference_points}
    if difference.loss is not None:
        rows["loss"] = difference.loss.difference
        if difference.loss.byte_ratio is not None:
            rows["bytes at equal loss, times"] = difference.loss.byte_ratio
    print(f"\nuniform against half-normal on {given.images} images that neither was searched on, with 95 % intervals:")
    for what, estimate in rows.items():
        known = estimate.value is not None and estimate.low is not None and estimate.high is not None
        numbers = f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})" if known else "cannot be told"
        print(f"  {what}: {numbers}")


if __name__ == "__main__":
    main()
