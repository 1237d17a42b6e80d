"""Document 001: the valley's four traces, printed to six decimals."""

from __future__ import annotations

from ..method import Method
from ..problems import valley
from ..reference import run
from .experiment import Experiment, Row, Session, compare

__all__ = ["EXPERIMENTS"]

_SETTINGS = {
    "0.4-0": (0.4, 0.0, "both coordinates shrink: alpha h = 0.08 and 1.6, both below 2"),
    "0.6-0": (0.6, 0.0, "alpha h = 2.4 is beyond gradient descent's edge of 2: the steep coordinate grows by 1.4 a step"),
    "0.6-0.5": (0.6, 0.5, "momentum widens the edge to 2 + 2 beta = 3: the same step size now converges at sqrt(0.5) a step"),
    "0.6-0.25": (0.6, 0.25, "2.4 is just inside the edge of 2.5: it converges, ringing; the slide calls it straighter, it is not"),
}


def traces(session: Session) -> list[Row]:
    """The end of each of the four traces."""
    return [
        compare(f"001/trace/{name}", run(valley(), Method(alpha, beta), 20).final, why) for name, (alpha, beta, why) in _SETTINGS.items()
    ]


EXPERIMENTS = [Experiment("valley-traces", "001", "Four traces in the valley 0.1 x1^2 + 2 x2^2", traces)]
