"""The notebook widget: the page's modules and numbers in one, alive without a kernel, in step with Python."""

import re
import sys

import pytest

from inertia.errors import BadInput, MissingExtra
from inertia.lab.bundle import STATIC
from inertia.lab.notebook import _scoped, linked, widget
from inertia.lab.views import discovered


@pytest.mark.parametrize("name", list(discovered()))
def test_every_figure_links_into_one_module(name):
    text = linked(name)
    assert "\nimport " not in text
    assert text.count("\nexport ") == 1
    for needed in (f"figures/{name}", f"views/{name}", f"specs/{name}", "kit", "panel", "store", "theme", "answer", "worker"):
        assert text.count(f'inertia.define("{needed}", ') == 1, needed


def test_every_import_of_the_page_is_understood_by_the_linker():
    for path in STATIC.rglob("*.js"):
        kept = [line for line in path.read_text().splitlines() if line.startswith("import ")]
        assert all(line.startswith("import { ") and line.endswith('.js";') for line in kept), path


def test_a_widget_takes_a_state_and_refuses_another():
    pytest.importorskip("anywidget")
    made = widget("map", beta=0.9)
    assert made.state["beta"] == 0.9
    assert made.name == "map"
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


_RENDERED = """async ([cells]) => {
  window.models = [];
  for (const [name, code, state] of cells) {
    const host = document.createElement("div");
    document.body.append(host);
    const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    const listeners = [], values = { name, state }, model = {
      get: (key) => values[key], set(key, value) { values[key] = value; }, save_changes() {},
      on: (what, listener) => { if (what === "change:state") listeners.push(listener); },
      fromPython(state) { values.state = state; for (const listener of listeners) listener(); },
    };
    window.models.push(model);
    module.default.render({ model, el: host });
  }
}"""


@pytest.mark.browser
def test_widgets_in_one_notebook_do_not_touch_each_other_and_follow_python(browser):
    """anywidget's part played by a few lines; each widget is its own copy of the modules, as in a notebook."""
    page = browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_content("<body></body>")
    page.add_style_tag(content=_scoped((STATIC / "style.css").read_text()))
    page.evaluate(_RENDERED, [[[name, linked(name), {}] for name in ("modes", "map", "hero", "map")]])
    page.wait_for_function("document.querySelectorAll('.figure').length === 4", timeout=60_000)
    page.wait_for_function("[...document.querySelectorAll('.figure')].every((one) => one.dataset.drawn !== '0')", timeout=60_000)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids)) > 8
    names = page.evaluate("[...document.querySelectorAll('input[type=radio]')].map((node) => node.name)")
    assert len(set(names)) >= 4, "every widget's choices are its own"
    assert page.evaluate(
        "[...document.querySelectorAll('fieldset')].every((one) => !one.querySelector('[type=radio]') || one.querySelector(':checked'))"
    )
    for clip in page.evaluate(
        "[...document.querySelectorAll('[clip-path]')].map((node) => [node.getAttribute('clip-path'), node.ownerSVGElement.innerHTML])"
    ):
        assert f'id="{clip[0][5:-1]}"' in clip[1], "a panel is clipped by its own rectangle"
    page.evaluate("window.models[1].fromPython({ ...window.models[1].get('state'), beta: 0.123 })")
    page.wait_for_function("[...document.querySelectorAll('.figure')][1].querySelectorAll('.read')[1].value === '0.123'", timeout=60_000)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function(
        "getComputedStyle(document.querySelector('.inertia-lab')).getPropertyValue('--paper').trim() === '#10171e'", timeout=60_000
    )
    page.close()
    assert complaints == []


def test_a_figure_brings_its_style_and_leaves_the_notebook_its_own():
    css = _scoped((STATIC / "style.css").read_text())
    assert ":root" not in css
    assert "color-scheme: light" not in css
    assert css.count("{") == css.count("}")
    assert not re.search(r"^(html|body|main)\b", css, re.MULTILINE)
