"""Benchmarks are folders of scripts: a test module names the one that its imports come from as FOLDER."""

import sys

import pytest


@pytest.fixture(scope="module", autouse=True)
def benchmark(request):
    """The module's FOLDER at the head of the path while its tests run."""
    before = list(sys.path)
    sys.path.insert(0, str(request.module.FOLDER))
    yield
    sys.path[:] = before
