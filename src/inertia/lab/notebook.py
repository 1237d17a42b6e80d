"""One figure in a notebook: the same modules and the same Python as the page, with Jupyter's messages in place of the socket.

anywidget takes one JavaScript module, so the page's modules are linked into one here: each becomes a function that returns its
exports, in the order in which they need each other. No other tool is involved and nothing is fetched.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import require
from .api import contents, handle
from .fields import clean
from .views import named
from .wire import pack

__all__ = ["linked", "widget"]

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w/]+)\.js";\n|^import \{([^}]*)\} from "\.\./([\w/]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (async function|function|class|const) (\w+)", re.MULTILINE)
_LIST = re.compile(r"^export \{([^}]*)\};\n", re.MULTILINE)

_COLOURS = re.compile(r"^@media \(prefers-color-scheme: dark\) \{\s*:root \{[^}]*\}\s*\}|^:root \{[^}]*\}", re.MULTILINE)
_BESIDE = """font: 400 17px/1.55 var(--serif); color: var(--ink); background: var(--paper); padding: 10px;
.figure { margin: 0; }
"""

_RENDER = """
export default {
  render({ model, el }) {
    const { mount } = modules["kit"], { unpack } = modules["transport"];
    const waiting = new Map();
    let next = 1;
    model.on("msg:custom", (_, buffers) => {
      const view = buffers[0], bytes = new Uint8Array(view.byteLength);
      bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      const reply = unpack(bytes.buffer), done = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (done) done(reply);
    });
    const ask = (request) => new Promise((resolve) => {
      const id = next++;
      waiting.set(id, resolve);
      model.send({ ...request, id });
    });
    const spec = model.get("spec");
    el.classList.add("inertia-lab");
    const kit = mount(el, spec, modules[`figures/${spec.name}`], { ask }, { alone: true });
    kit.store.set(model.get("state"));
    kit.onshare = () => { model.set("state", { ...kit.store.state }); model.save_changes(); };
    kit.wake();
  },
};
"""


def linked(name: str) -> str:
    """The JavaScript of one figure and all it needs, as a single module.

    >>> linked("map").count("export default")
    1
    """
    named(name)
    order: list[str] = []
    _visit(f"figures/{name}", order)
    _visit("transport", order)
    _visit("kit", order)
    return "const modules = {};\n" + "".join(_wrapped(module) for module in order) + _RENDER


def _needs(module: str) -> list[tuple[str, str]]:
    """(names, module) of every import of a module."""
    found = _IMPORT.findall((STATIC / f"{module}.js").read_text())
    inside = module.rpartition("/")[0]
    return [(here, f"{inside}/{path}" if inside else path) if here else (up, other) for here, path, up, other in found]


def _visit(module: str, order: list[str]) -> None:
    if module not in order:
        for _, needed in _needs(module):
            _visit(needed, order)
        order.append(module)


def _wrapped(module: str) -> str:
    """A module as an immediately called function that registers its exports."""
    text = (STATIC / f"{module}.js").read_text()
    taken = "".join(f'const {{{_renamed(names)}}} = modules["{needed}"];\n' for names, needed in _needs(module))
    text = _IMPORT.sub("", text)
    given = [name for _, name in _EXPORT.findall(text)]
    given += [name.strip() for names in _LIST.findall(text) for name in names.split(",") if name.strip()]
    text = _LIST.sub("", _EXPORT.sub(r"\1 \2", text))
    return f'(() => {{\n{taken}{text}\nmodules["{module}"] = {{ {", ".join(given)} }};\n}})();\n'


def _renamed(names: str) -> str:
    return names.replace(" as ", ": ")


def widget(name: str, **state: Any) -> Any:
    """A figure of the laboratory as a Jupyter widget; `state` sets its fields, and the widget's `state` follows the hand.

    Raises:
        MissingExtra: anywidget is not installed (extra `notebook`).
        BadInput: no such figure, no such field, or a value of the wrong kind.
    """
    anywidget, traitlets = require("anywidget", "notebook"), require("traitlets", "notebook")
    chosen = clean(named(name).FIELDS, state)

    base: type[Any] = anywidget.AnyWidget

    class Figure(base):
        """One figure, synchronised with the browser."""

        _esm = linked(name)
        _css = _scoped((STATIC / "style.css").read_text())
        spec = traitlets.Dict(next(entry for entry in contents() if entry["name"] == name)).tag(sync=True)
        state = traitlets.Dict(chosen).tag(sync=True)

        def answer(self, _: Any, request: Any, __: Any) -> None:
            """One request of the page, answered by the same function as everywhere."""
            self.send({"reply": True}, buffers=[pack(handle(request))])

    made = Figure()
    made.on_msg(made.answer)
    return made


def _scoped(css: str) -> str:
    """The stylesheet for a notebook: colours for the whole page, every other rule for the figure alone, the page's own layout left out."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"^(html|body|main|@media \(max-width: (1032|600)px\) \{ main)[^\n]*\n", "", css, flags=re.MULTILINE)
    colours = "\n".join(found[0] for found in _COLOURS.finditer(css)).replace("color-scheme: light dark;", "")
    return f"{colours}\n.inertia-lab {{\n{_COLOURS.sub('', css)}\n{_BESIDE}}}\n"
