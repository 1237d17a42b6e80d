"""Two JAX processes with a half of the data each find the curvature of all the data."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")


def test_two_processes_measure_the_whole_loss():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
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
    said = [process.communicate(timeout=300) for process in started]
    assert not any(process.returncode for process in started), said[0][1][-2000:] + said[1][1][-2000:]
    whole = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    truth = float(np.linalg.eigvalsh(2 * whole.T @ whole / 16)[-1])
    for out, _ in said:
        assert float(out.split("largest")[1]) == pytest.approx(truth, rel=1e-3)
