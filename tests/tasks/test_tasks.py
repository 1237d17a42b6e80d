"""Tasks load by name, run, and their data is the data it should be."""

import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from inertia import tasks
from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.errors import BadData, BadInput, MissingExtra
from inertia.problems import simulation as reference
from inertia.tasks import data

SHARED = Path(os.environ.get("INERTIA_DATA", ".")) / data.AIRFOIL  # conftest looks beside the checkout
needs_airfoil = pytest.mark.skipif(not SHARED.exists(), reason="the airfoil table is not here: set INERTIA_DATA to its folder")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No INERTIA_DATA and an empty cache."""
    monkeypatch.delenv("INERTIA_DATA", raising=False)
    monkeypatch.setenv("INERTIA_CACHE", str(tmp_path / "cache"))
    return tmp_path


def made_up_table():
    """A file of the right form whose numbers are not NASA's."""
    rows = np.random.default_rng(0).uniform(1, 2, (1503, 6))
    return "".join("\t".join(f"{x:.6g}" for x in row) + "\r\n" for row in rows).encode()


@pytest.mark.parametrize("name", [name for name in tasks.TASKS if name != "airfoil"])
def test_every_task_loads_and_learns(name):
    task = tasks.load(name)
    assert task.name == task.problem.name == name
    assert task.about
    assert task.kind == "numpy"
    assert (task.batch_size is None) == (task.problem.examples is None)
    top = task.problem.spectrum.L if task.problem.spectrum else {"rosenbrock": 800, "quartic": 25, "double-well": 24}.get(name, 25)
    schedule = shaped(task.schedule, Method(0.5 / top), 20)
    record = reference.run(task.problem, schedule, 20, batch_size=task.batch_size)
    assert record.diverged_at is None
    assert record.losses[-1] < record.losses[0]


def test_the_default_is_real_digits():
    task = tasks.load()
    assert (task.name, task.problem.examples, task.problem.dimension) == ("digits", 1797, 650)
    record = reference.run(task.problem, shaped("linear", Method(0.5, 0.9, 0.9), 112), 112, batch_size=32, evaluate_every=112)
    assert record.loss < 0.15  # two epochs; chance is ln 10 = 2.30


def test_an_unknown_task_suggests_the_nearest():
    with pytest.raises(BadInput, match="unknown task 'digts': did you mean 'digits'"):
        tasks.load("digts")
    assert tasks.names() == sorted(tasks.TASKS)


@needs_airfoil
def test_airfoil_is_the_source_chapters():
    problem = tasks.load("airfoil").problem
    assert problem.examples == 1500
    # reference numbers computed independently in single precision data, hence 1e-6
    assert problem.minimum == pytest.approx(0.24168795, rel=1e-6)
    assert problem.value(np.zeros(6)) == pytest.approx(0.49325897, rel=1e-6)
    np.testing.assert_allclose(problem.spectrum.curvatures, [0.173686, 0.666494, 0.918056, 1.000044, 1.126161, 2.098478], rtol=1e-5)
    assert problem.spectrum.kappa == pytest.approx(12.0820, rel=1e-5)
    np.testing.assert_allclose(problem.optimum, [-0.5831791, -0.3655121, -0.4843359, 0.2238654, -0.2713304, 0.0019722], atol=2e-5)
    starts = np.array([problem.draw(seed) for seed in range(400)])
    assert (starts[:, 5] == 0).all()
    assert starts[:, :5].std() == pytest.approx(0.01, rel=0.05)


@needs_airfoil
def test_airfoil_losses_fall_where_a_thousand_seeds_fell():
    problem = tasks.load("airfoil").problem
    ends = []
    for seed in range(40):
        methods = [Method(0.02, 0.5), Method(0.01, 0.9), Method(0.005, 0.9), Method(0.005)]
        ends.append([r.loss for r in reference.run_many(problem, methods, 300, batch_size=10, seed=seed, evaluate_every=300)])
    median = np.median(ends, axis=0)
    # medians of 1000 seeds: .2438, .2481, .2443, and .2796 where the momentum is dropped; 40 seeds scatter by about .0005
    np.testing.assert_allclose(median, [0.2438, 0.2481, 0.2443, 0.2796], atol=0.0012)


@needs_airfoil
def test_lf_line_ends_are_the_same_data(nowhere, monkeypatch):
    crlf = SHARED.read_bytes()
    lf = crlf.replace(b"\r\n", b"\n")
    assert hashlib.sha1(lf).hexdigest() == "d9dfd00ed1ff52487b87aceb5ff20462d8e0801c"
    tables = []
    for text in (crlf, lf):
        (nowhere / data.AIRFOIL).write_bytes(text)
        monkeypatch.setenv("INERTIA_DATA", str(nowhere))
        tables.append(data.airfoil_table())
    np.testing.assert_array_equal(*tables)
    assert tables[0].shape == (1503, 6)
    np.testing.assert_allclose(tables[0][0], [800, 0, 0.3048, 71.3, 0.00266337, 126.201])


def test_a_wrong_file_is_named_with_both_hashes(nowhere, monkeypatch):
    raw = made_up_table()
    (nowhere / data.AIRFOIL).write_bytes(raw)
    monkeypatch.setenv("INERTIA_DATA", str(nowhere))
    message = f"airfoil_self_noise.dat is not the file it should be: sha256 {hashlib.sha256(raw).hexdigest()}, expected 74c75fd7.*Delete it"
    with pytest.raises(BadData, match=message):
        tasks.load("airfoil")


def test_a_file_that_cannot_be_read_says_so(nowhere, monkeypatch):
    (nowhere / data.AIRFOIL).mkdir()
    monkeypatch.setenv("INERTIA_DATA", str(nowhere))
    with pytest.raises(BadData, match="cannot be read"):
        data.airfoil_table()


def test_without_a_network_it_says_what_to_do(nowhere):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: every connection is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/{data.AIRFOIL}"
        with pytest.raises(BadData, match=r"could not be downloaded from http://127.*set INERTIA_DATA to its folder"):
            data.airfoil_table(url)


def test_a_server_that_never_answers_is_left(nowhere, monkeypatch):
    monkeypatch.setattr(data, "_TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(BadData, match="could not be downloaded"):
            data.airfoil_table(f"http://127.0.0.1:{silent.getsockname()[1]}/{data.AIRFOIL}")


class _Serve(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), _Serve) as served:
        served.url = f"http://127.0.0.1:{served.server_port}/{data.AIRFOIL}"
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@needs_airfoil
def test_a_download_is_checked_and_kept(nowhere, server):
    server.body = SHARED.read_bytes()
    first = data.airfoil_table(server.url)
    server.body = b"gone"
    np.testing.assert_array_equal(first, data.airfoil_table(server.url))  # from the cache


def test_a_corrupt_download_is_refused_and_not_kept(nowhere, server):
    server.body = made_up_table()
    with pytest.raises(BadData, match=r"is not the file it should be.*expected 74c75fd7"):
        data.airfoil_table(server.url)
    assert not (nowhere / "cache" / data.AIRFOIL).exists()


def test_without_pooch_the_extra_is_named(nowhere, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtra, match=r"pooch is not installed and this needs it: pip install 'inertia\[tasks\]'"):
        data.airfoil_table()


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    modules = sys.modules
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(modules, name, None)
    with pytest.raises(MissingExtra, match="sklearn is not installed"):
        tasks.load("digits")


def test_a_table_of_another_shape_is_refused():
    from inertia.problems import airfoil

    with pytest.raises(BadData, match=r"shape \(10, 6\): \(1503, 6\) is expected"):
        airfoil(np.ones((10, 6)))


def test_the_tasks_import_is_light():
    code = "import sys, inertia.tasks; print(sorted({'scipy', 'sklearn', 'pooch', 'torch', 'jax'} & set(sys.modules)))"
    env = os.environ | {"PYTHONPATH": str(Path(data.__file__).parents[2])}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=env).strip() == "[]"
