"""The comparison of encoders: what tables save in each, and whether another encoder changes the pick."""

import numpy as np
import pytest

from benchmarks.encoders import Row, compared, savings


def row(size_bytes: int, psnr_db: float, factor: float = 1.0) -> Row:
    """A table whose file is ``factor`` times as large when it is optimized."""
    return Row({"baseline": size_bytes, "optimize": round(size_bytes * factor)}, 60 - psnr_db, psnr_db)


STANDARD = [row(400, 40), row(100, 30), row(1600, 50)]


@pytest.mark.parametrize("equal", ["loss", "psnr"])
def test_savings_are_of_bytes_at_equal_quality(equal: str) -> None:
    """Halfway between 100 and 400 bytes lie 200; beyond the curve nothing is known."""
    saved = savings([row(150, 35), row(200, 35), row(300, 35), row(50, 29)], STANDARD, "baseline", equal)
    np.testing.assert_allclose(saved, [25, 0, -50, np.nan], atol=1e-9)


def test_an_encoder_that_makes_all_files_smaller_alike_changes_nothing() -> None:
    standard = [row(size, psnr, 0.5) for size, psnr in ((100, 30), (400, 40))]
    tables = {"a": row(150, 35, 0.5), "b": row(180, 35, 0.5), "c": row(190, 35, 0.5)}
    found = compared(tables, standard, "optimize")
    assert found["bytes_for_baseline"] == {"mean": 0.5, "lowest": 0.5, "highest": 0.5, "standard_deviation": 0}
    for equal in ("at_equal_loss", "at_equal_psnr"):
        assert found[equal]["spearman_with_baseline"] == pytest.approx(1)
        assert found[equal]["largest_change_of_saving"] == pytest.approx(0)
        assert (found[equal]["pick_of_baseline"], found[equal]["pick_here"]) == ("a", "a")


def test_an_encoder_that_makes_one_file_smaller_changes_the_pick() -> None:
    tables = {"a": row(150, 35, 1.0), "b": row(180, 35, 0.5), "c": row(190, 35, 1.0)}
    found = compared(tables, STANDARD, "optimize")["at_equal_psnr"]
    assert (found["pick_of_baseline"], found["pick_here"]) == ("a", "b")
    assert found["its_saving_here"] == pytest.approx(25)
    assert found["largest_saving_here"] == pytest.approx(55)
    assert found["spearman_with_baseline"] == pytest.approx(0.5)
