"""The notebook widget: the same modules linked into one, the same answers through Jupyter's messages."""

import re
import sys

import pytest

from inertia.errors import BadInput, MissingExtra
from inertia.lab.notebook import STATIC, _scoped, linked, widget
from inertia.lab.views import discovered
from inertia.lab.wire import unpack


@pytest.mark.parametrize("name", list(discovered()))
def test_every_figure_links_into_one_module(name):
    text = linked(name)
    assert "\nimport " not in text
    assert text.count("\nexport ") == 1
    assert f'modules["figures/{name}"] = {{ ' in text
    for needed in ("kit", "panel", "store", "transport", "theme"):
        assert text.count(f'modules["{needed}"] = ') == 1


def test_every_import_of_the_page_is_understood_by_the_linker():
    for path in STATIC.rglob("*.js"):
        if path.name == "lab.js":
            continue
        kept = [line for line in path.read_text().splitlines() if line.startswith("import ")]
        assert all(line.startswith("import { ") and line.endswith('.js";') for line in kept), path


def test_a_widget_answers_as_the_page_does():
    pytest.importorskip("anywidget")
    made = widget("map", beta=0.9)
    assert made.state["beta"] == 0.9
    sent = []
    made.send = lambda content, buffers: sent.append((content, buffers))
    made.answer(made, {"figure": "map", "id": 3, "state": {"beta": 0.9}}, [])
    reply = unpack(sent[0][1][0])
    assert reply["id"] == 3
    assert reply["view"]["beta"] == pytest.approx(0.9)
    with pytest.raises(BadInput, match="unknown field"):
        widget("map", betas=1)


def test_the_facade_of_the_laboratory_stays_callable():
    import inertia.lab

    for name in inertia.lab.__all__:
        assert callable(getattr(inertia.lab, name))
        assert callable(getattr(inertia.lab, name)), "loading its module must not put the module in its place"
    with pytest.raises(AttributeError, match="no attribute 'figures_'"):
        inertia.lab.figures_  # noqa: B018


def test_without_anywidget_the_install_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingExtra, match=r"inertia\[notebook\]"):
        widget("map")


@pytest.mark.browser
@pytest.mark.parametrize("name", ["map", "hero"])
def test_the_linked_module_draws_in_a_browser(browser, name):
    """anywidget's part played by a few lines: a model that answers with what Python packed."""
    import base64

    from inertia.lab.api import contents, handle
    from inertia.lab.wire import pack

    page = browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.expose_function("ask", lambda request: base64.b64encode(pack(handle(request))).decode())
    page.set_content("<div id='host'></div>")
    page.add_style_tag(content=(STATIC / "style.css").read_text())
    spec = next(entry for entry in contents() if entry["name"] == name)
    page.evaluate(
        """async ([code, spec]) => {
          const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
          let heard = () => {};
          const model = {
            get: (key) => (key === "spec" ? spec : {}), set() {}, save_changes() {},
            on: (_, listener) => { heard = listener; },
            send: async (request) => {
              const bytes = Uint8Array.from(atob(await window.ask(request)), (c) => c.charCodeAt(0));
              heard({}, [new DataView(bytes.buffer)]);
            },
          };
          module.default.render({ model, el: document.getElementById("host") });
        }""",
        [linked(name), spec],
    )
    page.wait_for_selector("#host .figure:not([data-drawn='0'])", timeout=15_000)
    assert page.locator("#host svg path").count() > 4
    page.close()
    assert complaints == []


def test_a_figure_brings_its_style_and_leaves_the_notebook_its_own():
    css = _scoped((STATIC / "style.css").read_text())
    colours, rules = css.split(".inertia-lab {", 1)
    assert set(re.findall(r"^[^\s{}@-][^{}]*?(?= \{)", colours, re.MULTILINE)) == {":root"}, "outside the figure only colours are named"
    assert ":root" not in rules
    assert "color-scheme: light" not in css
    assert css.count("{") == css.count("}")
