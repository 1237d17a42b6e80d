"""The benchmark runs, and the loops it times compute what the theory computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_benchmark_prints_its_ratios():
    pytest.importorskip("jax")
    pytest.importorskip("optax")
    pytest.importorskip("torch")
    command = [sys.executable, str(ROOT / "benchmarks" / "theory.py"), "--json", "--methods", "400", "--steps", "100", "--subset", "2"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}).stdout
    found = json.loads(out)  # it has asserted inside that both loops give our curves to 1e-6
    assert found["rate_map"]["milliseconds"] > 0
    assert found["optax"]["ratio"] > 10
    assert found["torch"]["ratio"] > 10
