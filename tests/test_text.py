"""Text from elsewhere: what reaches terminals, files and databases is one bounded line of UTF-8."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsearch.errors import EvaluationError, InputError
from qsearch.text import LONGEST_REASON, check_utf8, one_line, reason_of


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("the network\n  broke down\t", "the network broke down"),
        ("\x1b[2J\x07gone", "\\x1b[2J\\x07gone"),
        ("caf\xe9 [/red] \u4e2d", "caf\xe9 [/red] \u4e2d"),
        (b"nul\xff".decode(errors="surrogateescape"), "nul\\xff"),
        ("right \u202eto left", "right \\u202eto left"),
    ],
)
def test_control_characters_and_stray_bytes_are_shown_escaped(text: str, line: str) -> None:
    assert one_line(text) == line


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(alphabet=st.characters(), max_size=300), st.integers(5, 100))
def test_any_text_becomes_one_line_that_can_be_kept(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert len(line) <= longest
    assert line.isprintable()
    line.encode()


def test_a_reason_of_megabytes_is_cut() -> None:
    reason = reason_of(ValueError("x" * 5_000_000))
    assert len(reason) == LONGEST_REASON
    assert reason.startswith("ValueError: xxx")
    assert reason.endswith(" ...")


def test_an_error_that_cannot_say_what_it_is() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    assert reason_of(MuteError()) == "MuteError: its message cannot be had, ZeroDivisionError"
    assert reason_of(EvaluationError("a sentence.")) == "a sentence."


def test_names_that_are_not_utf8_are_refused_readably() -> None:
    check_utf8("caf\xe9", "the name")
    with pytest.raises(InputError, match=r"the name 'nul\\xff' is not UTF-8: rename it"):
        check_utf8(b"nul\xff".decode(errors="surrogateescape"), "the name")
