"""The search: its loop, and which proposals are worth a network's time."""

from qsearch.search.loop import DEFAULT_LOOK_AHEAD, MAX_FAILURES_IN_A_ROW, run_search
from qsearch.search.steering import Admission, Gate, check_gate, gate_for, sizes_of

__all__ = [
    "DEFAULT_LOOK_AHEAD",
    "MAX_FAILURES_IN_A_ROW",
    "Admission",
    "Gate",
    "check_gate",
    "gate_for",
    "run_search",
    "sizes_of",
]
