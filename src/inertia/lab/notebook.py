"""One figure in a notebook: the page's modules and numbers in one JavaScript module, so that a saved notebook stays alive without a kernel.

The widget's `state` follows the hand, and what Python sets moves the figure.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import require
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
    new MutationObserver(dark).observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
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
    """The stylesheet for a notebook: colours for the whole page, every other rule for the figure alone, the page's own layout left out."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"^(html|body|main|@media \(max-width: (1032|600)px\) \{ main)[^\n]*\n", "", css, flags=re.MULTILINE)
    colours = "\n".join(found[0] for found in _COLOURS.finditer(css)).replace("color-scheme: light dark;", "")
    return f"{colours}\n.inertia-lab {{\n{_COLOURS.sub('', css)}\n{_BESIDE}}}\n"
