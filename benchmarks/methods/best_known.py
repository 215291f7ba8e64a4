"""The best known table, named on half of the unseen images, against a pick on the other half.

The best of many tables on the images that judge them is partly lucky there, so that no pick reaches it. Named on one
half of these images, it is held on the other against what was picked without them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qsearch.analysis.paired import above_standard
from qsearch.evaluation.measurement import Measurement
from qsearch.evaluation.objective import LOSS

SPLITS = 500
COLUMN = "best_known_percent"


def against_best_known(
    frame: pd.DataFrame, known: dict[str, Measurement], standard: Sequence[Measurement]
) -> pd.Series:
    """For each row of ``frame`` by how many per cent of bytes the best known table beats it at equal loss.

    Best known is, of all rows of one ratio, that which is best on half of the images, its loss against that of the
    standard tables there; what it saves beyond the row is measured on the other half, the mean over :data:`SPLITS`
    random halves. Losses are turned into bytes by the line through all rows whose saving is known. ``known`` are the
    measurements by digest. NaN where fewer than three are.
    """
    found = pd.Series(np.nan, frame.index)
    draw = np.random.default_rng(0)
    for _, rows in frame.groupby("ratio"):
        digests = rows["digest"].unique()
        above = np.stack([above_standard(standard, known[digest], LOSS) for digest in digests])
        saved = rows.drop_duplicates("digest")["saving_at_loss_percent"].to_numpy(dtype=float)
        on_curve = np.isfinite(saved)
        if on_curve.sum() < 3:
            continue
        log_bytes_per_nat = np.polyfit(above.mean(axis=1)[on_curve], np.log1p(-saved[on_curve] / 100), 1)[0]
        images = above.shape[1]
        beyond = np.zeros(len(digests))
        for _ in range(SPLITS):
            order = draw.permutation(images)
            naming, judging = order[: images // 2], order[images // 2 :]
            best = int(np.argmax(above[:, naming].mean(axis=1)))
            gains = above[:, judging].mean(axis=1)
            beyond += 100 * -np.expm1(log_bytes_per_nat * (gains[best] - gains)) / SPLITS
        found[rows.index] = pd.Series(beyond, digests)[rows["digest"]].to_numpy()
    return found
