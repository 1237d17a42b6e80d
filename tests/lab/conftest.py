"""A laboratory on a free port, and a browser to look at it; both end with the tests."""

import shutil
import threading

import pytest

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


@pytest.fixture(scope="session")
def lab():
    """Address of a running laboratory."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    from inertia.lab.server import application, listening

    bound = listening(0)
    ready = threading.Event()
    server = uvicorn.Server(uvicorn.Config(application(started=ready.set), log_level="error", ws="websockets-sansio", ws_max_size=2**22))
    thread = threading.Thread(target=lambda: server.run(sockets=[bound]), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    bound.close()


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window; skips where it is missing."""
    sync = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine: install it to run the browser tests")
    with sync.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield running
        running.close()
