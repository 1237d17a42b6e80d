"""A laboratory on a free port, and a browser to look at it; both end with the tests."""

import contextlib
import shutil
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # golden.py and its kin are shared by the tests here
from links import follow

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync "
    "--disable-features=PreloadTopChromeWebUI,WebUIOmniboxPopup"  # pages of a window's frame, that nobody sees here
)
SHELLS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # the first has no window to draw: half the time


@pytest.fixture(scope="session")
def lab():
    """Address of a running laboratory."""
    with laboratory({}) as address:
        yield address


@pytest.fixture
def served():
    """Starts another laboratory: with served(given) as address."""
    return laboratory


@contextlib.contextmanager
def laboratory(given):
    """A laboratory on a free port, started with that; its address."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    from inertia.lab.server import application, listening, server

    bound = listening(0)
    ready = threading.Event()
    running = server(application(given, started=ready.set))
    thread = threading.Thread(target=lambda: running.run(sockets=[bound]), daemon=True)
    thread.start()
    assert ready.wait(60)
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    running.should_exit = True
    thread.join(10)
    bound.close()


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window; skips where it is missing."""
    sync = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, SHELLS)), None)
    if path is None:
        pytest.skip("no chromium on this machine: install it to run the browser tests")
    with sync.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield running
        running.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The exported page's address on disk."""
    from inertia.lab.article import export

    return export(tmp_path_factory.mktemp("export") / "lab").as_uri()


@pytest.fixture(scope="module")
def plain(browser, site):
    """The exported page, opened from disk: no server runs."""
    made = Page(browser, site).open()
    yield made
    made.page.close()


class Page:
    """A page with its complaints collected."""

    def __init__(self, browser, lab, size=(1180, 900), **options):
        self.lab = lab
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
        self.page.set_default_timeout(60_000)
        self.complaints, self.foreign = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                None if request.url.startswith((lab.rpartition("/")[0], "data:", "blob:")) else self.foreign.append(request.url)
            ),
        )

    def open(self, hash_=""):
        mark = "/#" if self.lab.startswith("http") else "#"
        self.page.goto(f"{self.lab}{mark}{hash_}" if hash_ else self.lab)
        self.page.wait_for_selector("body[data-ready]", timeout=60_000)
        self.page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        return self

    def figure(self, name):
        """The section as it is at first: scrolled to, reset and drawn."""
        section = self.page.locator(f"#{name}")
        section.scroll_into_view_if_needed()
        self.page.evaluate(f"() => {{ const kit = inertia.mounted.get('{name}'); kit.wake(); kit.store.reset(); }}")
        self.page.wait_for_selector(f"#{name}:not([data-drawn='0'])", timeout=60_000)
        self.settled(name)
        return section

    def settled(self, name):
        """Wait until no question of this figure is under way."""
        self.page.wait_for_selector(f"#{name}:not([data-busy])", state="attached", timeout=60_000)

    def follow(self, link):
        """The state that a link to #that holds, and the figure is drawn with it."""
        follow(self.page, link)
        self.settled(link.partition("?")[0])

    def picture(self, name):
        """Everything drawn, as text."""
        return self.page.locator(f"#{name} .grid").evaluate(
            "(grid) => [...grid.querySelectorAll('svg')].map((svg) => svg.innerHTML).join()"
        )


@pytest.fixture
def visit(browser, lab):
    """Opens a page of its own: visit(size, **options of the browser's page)."""
    return lambda size=(1180, 900), **options: Page(browser, lab, size, **options).open()


@pytest.fixture
def opened(browser):
    """Opens the page of that laboratory."""
    return lambda address: Page(browser, address).open()


@pytest.fixture(scope="module")
def shared(browser, lab):
    made = Page(browser, lab).open()
    yield made
    made.page.close()


@pytest.fixture
def page(shared):
    """One page for all tests of a module; what it complained of since the last one fails this one."""
    shared.complaints.clear()
    shared.foreign.clear()
    yield shared
    assert shared.complaints == []
    assert shared.foreign == []
