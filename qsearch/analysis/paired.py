"""Paired values: a table against the standard curve image by image, so that most of what images differ in cancels."""

from collections.abc import Sequence

import numpy as np

from qsearch.analysis.bootstrap import Floats
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import Objective


def above_standard(standard: Sequence[Measurement], measurement: Measurement, objective: Objective) -> Floats:
    """[N], by how much each image's value of ``objective`` lies above the standard tables' at the same ratio.

    ``standard`` are measurements of the standard tables on the same images. Between the two whose ratios are next to
    the table's each image's value is interpolated in log ratio. InputError where the ratio lies outside theirs.
    """
    points = sorted(standard, key=lambda point: point.ratio)
    ratios = np.array([point.ratio for point in points])
    if not points or not ratios[0] <= measurement.ratio <= ratios[-1]:
        ends = f"{ratios[0]:.2f} to {ratios[-1]:.2f}" if points else "not measured"
        raise InputError(f"ratio {measurement.ratio:.2f} lies outside the standard curve ({ends}).")
    right = max(1, int(np.searchsorted(ratios, measurement.ratio)))
    lower, upper = points[right - 1], points[min(right, len(points) - 1)]
    width = np.log(upper.ratio / lower.ratio)
    share = np.log(measurement.ratio / lower.ratio) / width if width > 0 else 0.0
    expected = (1 - share) * objective.values(lower) + share * objective.values(upper)
    return np.asarray(objective.values(measurement) - expected)
