"""Two JAX processes with a half of the data each measure, tune, check and watch as one process with all the data does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")

import inertia.jax


def loss(p, batch):
    return ((batch @ p - 1.0) ** 2).mean()


def test_two_processes_measure_tune_check_and_watch_the_whole_loss():
    held = socket.socket()  # never listens, but keeps the port from everyone who does not share it, as the coordinator does
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    words = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "JAX_PLATFORMS": "cpu"}
    case = str(Path(__file__).parent / "two_processes.py")
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", case, str(rank), str(port)],
            env=words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=600) for process in started]
    held.close()
    assert not any(process.returncode for process in started), said[0][1][-2000:] + said[1][1][-2000:]
    one, other = (json.loads(out.splitlines()[-1]) for out, _ in said)
    assert one == other  # each decides by itself, and decides the same
    whole = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    assert one["largest"] == pytest.approx(float(np.linalg.eigvalsh(2 * whole.T @ whole / 16)[-1]), rel=1e-3)
    words = {"steps": 16, "batch_size": 4}
    tuned = inertia.jax.tune(loss, np.zeros(3, np.float32), whole, runs=1, **words)
    assert one["recipe"] == tuned.recipe.to_json()
    assert one["end"] == pytest.approx(tuned.verified_loss, rel=1e-4)
    np.testing.assert_allclose(one["run"], tuned.history.trials[0].run.training, rtol=1e-4)
    assert [step for step, _, _ in one["looks"]] == [3, 6, 9]
    for _, sharpness, edge in one["looks"]:
        assert sharpness == pytest.approx(one["largest"], rel=1e-3)  # of a quadratic, everywhere
        assert edge == pytest.approx(2 * 1.9 / 0.05, rel=1e-4)
    assert "say at which, such as every=100" in one["refused"]
    checked = inertia.jax.check(loss, np.zeros(3, np.float32), whole, lr=0.05, momentum=0.9, **words)
    assert (one["stable"], one["said"].splitlines()[0]) == (checked.stable, str(checked).splitlines()[0])
