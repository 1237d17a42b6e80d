"""Keras 3 on its torch and JAX backends, each in a process of its own: the compiled loss is measured, tuned and then fitted."""

import json
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_what_a_compiled_model_holds_beside_its_loss_is_in_the_runs_or_told(keras_process, backend):
    code, out, err = keras_process(backend, Path(__file__).parent / "keras_settings.py", backend)
    assert code == 0, err[-3000:]
    found = json.loads(out.strip().splitlines()[-1])
    assert found["decay"][:4] == [24, 8, 0.3, None]
    assert found["clip"][:4] == [24, 8, 0.0, 0.5]
    assert "clips every variable by itself (clipvalue=0.5)" in found["clipvalue"]
    assert found["clip=None"][3] is None
    assert found["together"][:2] == [16, 24]
    assert "puts 3 batches together" in found["together told"][0]
    assert "your Adam has beta_2 = 0.9 and use_ema, which is not searched" in found["beta2 told"][0]
    assert "your SGD has weight_decay = 0.1 (beside the gradient" in found["sgd decay told"][0]
    np.testing.assert_allclose(found["schedule"][4], 0.9 ** np.arange(24), rtol=1e-5)  # Keras computes it in float32
    assert found["usual told"] == []
    assert found["check sgd"] == ["sgd", 0.7, True]
    assert found["check adam"] == ["adamw", pytest.approx(0.6), False]
    assert found["check other"] == ["sgd", 0.0, False]
    assert found["weights"] == pytest.approx(found["weights truth"], rel=0.01)
    assert found["several"] == pytest.approx(found["several truth"], rel=0.01)
    assert found["several steps"] == 24
    assert found["own"] is True
    assert "the train_step of Own is not run here" in found["own told"][0]
    assert found["normed"] == [True, True]
    assert found["untouched"]
