"""One figure in a notebook: the page's modules and numbers in one JavaScript module, so that a saved notebook stays alive without a kernel.

The widget's `state` follows the hand, and what Python sets moves the figure.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import BadInput, require
from .bundle import STATIC, closure, script
from .fields import clean
from .views import named

__all__ = ["linked", "widget"]


_COLOURS = re.compile(r"^@media \(prefers-color-scheme: dark\) \{\s*:root \{[^}]*\}\s*\}|^:root \{[^}]*\}", re.MULTILINE)
_BESIDE = """font: 400 17px/1.55 var(--serif); color: var(--ink); background: var(--paper); padding: 10px;
.figure { margin: 0; }
"""

_RENDER = """
export default {
  render({ model, el }) {
    const { mount } = inertia.need("kit"), { Local } = inertia.need("local"), name = model.get("name");
    el.classList.add("inertia-lab");
    const kit = mount(el, inertia.need(`specs/${name}`), inertia.need(`figures/${name}`), new Local(), { alone: true });
    let told = "";
    const heard = () => { if (JSON.stringify(model.get("state")) !== told) kit.store.set(model.get("state")); };
    heard();
    model.on("change:state", heard);
    kit.onshare = () => {
      told = JSON.stringify(kit.store.state);
      model.set("state", JSON.parse(told));
      model.save_changes();
    };
    const dark = () => {
      const light = document.body.dataset.jpThemeLight;
      el.dataset.scheme = light === undefined ? "" : light === "false" ? "dark" : "light";
    };
    dark();
    inertia.need("theme").at(el);
    const watch = new MutationObserver(() => { dark(); inertia.need("theme").at(el); });
    watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    kit.wake();
  },
};
"""


def linked(name: str) -> str:
    """The JavaScript of one figure and all it needs, its numbers included, as a single module that needs no kernel.

    >>> linked("map").count("export default")
    1
    """
    named(name)
    wanted = closure(["kit", "local", "worker", f"figures/{name}", f"views/{name}", f"specs/{name}"])
    return script(wanted, runtime=True) + _RENDER


def widget(figure: str, **state: Any) -> Any:
    """A figure of the laboratory as a Jupyter widget; `state` sets its fields, and the widget's `state` follows the hand.

    Raises:
        MissingExtra: anywidget is not installed (extra `notebook`).
        BadInput: no such figure, no such field, or a value of the wrong kind.
    """
    anywidget, traitlets = require("anywidget", "notebook"), require("traitlets", "notebook")
    if getattr(named(figure), "NEEDS_PYTHON", False):
        raise BadInput(f"the figure '{figure}' needs Python behind the page: use `inertia lab`, or draw it with figure('{figure}')")
    chosen = clean(named(figure).FIELDS, state)

    base: type[Any] = anywidget.AnyWidget

    class Figure(base):
        """One figure, synchronised with the browser."""

        _esm = linked(figure)
        _css = _scoped((STATIC / "style.css").read_text())
        name = traitlets.Unicode(figure).tag(sync=True)
        state = traitlets.Dict(chosen).tag(sync=True)

    return Figure()


def _scoped(css: str) -> str:
    """The stylesheet for a notebook: colours and rules for the figure alone, the page's own layout and fonts left out.

    Colours follow the notebook's theme where it says one, else the system's.
    """
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"^(html|body|main|@font-face|@media \(max-width: (1032|600)px\) \{ main)[^\n]*\n", "", css, flags=re.MULTILINE)
    light, dark = (found[1] for found in re.finditer(r":root \{([^}]*--paper[^}]*)\}", css))
    rest = re.sub(r"^@media print \{.*?^\}", "", _COLOURS.sub("", css), flags=re.MULTILINE | re.DOTALL)
    colours = (
        f".inertia-lab {{{light.replace('color-scheme: light dark;', '')}}}\n"
        f"@media (prefers-color-scheme: dark) {{ .inertia-lab:not([data-scheme='light']) {{{dark}}} }}\n"
        f".inertia-lab[data-scheme='dark'] {{{dark}}}\n"
    )
    return f"{colours}.inertia-lab {{\n{rest}\n{_BESIDE}}}\n"
