"""Paired values: a table against the standard curve image by image, so that most of what images differ in cancels."""

from collections.abc import Sequence

from qsearch.analysis.bootstrap import Floats
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import Objective
from qsearch.pareto.paired_curve import PairedCurve


def above_standard(standard: Sequence[Measurement], measurement: Measurement, objective: Objective) -> Floats:
    """[N], by how much each image's value of ``objective`` lies above the standard tables' at the same ratio.

    ``standard`` are measurements of the standard tables on the same images; see :meth:`PairedCurve.gains`. InputError
    where the ratio lies outside theirs.
    """
    if not standard:
        raise InputError("the standard tables were not measured: there is nothing to compare with.")
    curve = PairedCurve.of([(objective.values(each), each["bytes"].astype(float)) for each in standard])
    gains = curve.gains(objective.values(measurement), measurement["bytes"].astype(float))
    if gains is None:
        ratios = [each.ratio for each in standard]
        ends = f"{min(ratios):.2f} to {max(ratios):.2f}"
        raise InputError(f"ratio {measurement.ratio:.2f} lies outside the standard curve ({ends}).")
    return gains
