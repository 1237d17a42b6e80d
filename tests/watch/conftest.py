"""A watch's clock in these tests: what is seen, and when, depends on no machine and on nothing else that it does."""

import itertools
from functools import partialmethod

import pytest

from inertia.watching.pacing import Pace


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    """A millisecond at each reading of the clock; a test that is about time gives its own."""
    ticks = itertools.count()
    monkeypatch.setattr(Pace, "__init__", partialmethod(Pace.__init__, clock=lambda: 1e-3 * next(ticks)))
