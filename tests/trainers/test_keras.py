"""Keras 3 on its torch and JAX backends, each in a process of its own: the compiled loss is measured, tuned and then fitted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("keras")


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_compiled_model_is_measured_tuned_and_fitted(backend):
    words = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    case = Path(__file__).parent / "keras_case.py"
    done = subprocess.run([sys.executable, "-W", "ignore", str(case), backend], capture_output=True, text=True, timeout=300, env=words)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["L"] == pytest.approx(found["truth"], rel=0.01)
    assert (found["steps"], found["batch"], found["optimizer"]) == (24, 8, "sgd")
    assert found["untouched"]
    assert found["stable"]
    assert "not compiled" in found["refused"][0]
    assert "no keras.Model" in found["refused"][1]
    assert found["after"] < 0.5 * found["start"]  # Keras keeps the learning rate in its velocity: not the very run that was verified
