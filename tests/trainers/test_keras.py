"""Keras 3 on its torch and JAX backends, each in a process of its own: the compiled loss is measured, tuned and then fitted."""

import json
from pathlib import Path

import pytest

pytest.importorskip("keras")


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_compiled_model_is_measured_tuned_and_fitted(keras_process, backend):
    code, out, err = keras_process(backend, Path(__file__).parent / "keras_case.py", backend)
    assert code == 0, err[-3000:]
    found = json.loads(out.strip().splitlines()[-1])
    assert found["L"] == pytest.approx(found["truth"], rel=0.01)
    assert (found["steps"], found["batch"], found["optimizer"]) == (24, 8, "sgd")
    assert found["untouched"]
    assert found["stable"]
    assert "not compiled" in found["refused"][0]
    assert "no keras.Model" in found["refused"][1]
    assert "tune takes no learning_rate: the learning rate is what is found" in found["refused"][2]
    assert found["after"] < 0.5 * found["start"]  # Keras keeps the learning rate in its velocity: not the very run that was verified
