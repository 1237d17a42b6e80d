"""The whole of the laboratory's server as one pure function: handle(request) -> reply.

A request is a dict with named fields and nothing else:
    {"figure": "map", "state": {"alpha": 0.3}, "have": {"plane": "key"}}     the view of that state
    {"want": "figures"}                                                       the table of contents
    {"figure": "map", "state": {...}, "want": "python"}                       a snippet that reproduces the figure
Every number is validated and clamped (`fields`), sizes are capped, nothing is evaluated and no path is ever read.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import BadInput, InertiaError, nearest
from .fields import Document, clean, declared
from .views import Costly, allowed, discovered, named

__all__ = ["LONGEST", "contents", "handle", "parsed", "snippet"]

LONGEST = 1_048_576  # bytes of one request
_WANTS = ("view", "figures", "python")
_NAMES = ("figure", "state", "have", "want", "id")
_KEPT = 24  # costly results kept in memory
_store: OrderedDict[tuple[str, str, str], dict[str, Any]] = OrderedDict()
_one = threading.Lock()  # answers of several pages are computed side by side


def handle(request: Any, given: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """The reply to one request; never raises on purpose: an error comes back as {"error": {"kind", "message"}}.

    `given` is what the laboratory was started with (a record, say): it reaches the figures that set GIVEN = True as state["given"].

    >>> handle({"figure": "mop"})["error"]["message"][:46]
    "there is no figure 'mop': did you mean 'map'? "
    """
    try:
        return _answer(request, given)
    except InertiaError as error:
        echo = _echo(request)
        return echo | {"error": {"kind": type(error).__name__, "message": str(error)}}


def parsed(message: str | bytes) -> Any:
    """A message as a request.

    Raises:
        BadInput: too long, or not JSON.
    """
    if len(message) > LONGEST:
        raise BadInput(f"the message has {len(message)} bytes, at most {LONGEST} are read: send less at once")
    try:
        return json.loads(message)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the message is not JSON: {str(error)[:80]}") from None


def _echo(request: Any) -> dict[str, Any]:
    if not isinstance(request, Mapping):
        return {}
    kept = {name: request.get(name) for name in ("figure", "id")}
    return {name: value for name, value in kept.items() if isinstance(value, str | int) and len(str(value)) <= 40}


def _answer(request: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(request, Mapping):
        raise BadInput(f"a request is an object with the names {', '.join(_NAMES)}, got a {type(request).__name__}")
    for name in request:
        if name not in _NAMES:
            raise BadInput(f"a request has no name '{str(name)[:40]}': {nearest(str(name)[:40], _NAMES)}")
    want = request.get("want", "view")
    if want not in _WANTS:
        raise BadInput(f"want cannot be {str(want)[:40]!r}: {nearest(str(want)[:40], _WANTS)}")
    if want == "figures":
        return _echo(request) | {"figures": contents(served=True)}
    module = named(request.get("figure"))
    raw, have = request.get("state", {}), request.get("have", {})
    for name, value in {"state": raw, "have": have}.items():
        if not isinstance(value, Mapping):
            raise BadInput(f"{name} must be an object, got a {type(value).__name__}")
    state = clean(allowed(module), raw)
    if want == "python":
        return _echo(request) | {"python": snippet(str(request["figure"]), state)}
    view = module.view(state | {"given": given} if getattr(module, "GIVEN", False) else state)
    fresh = {name: _made(str(request["figure"]), name, costly) for name, costly in view.costly.items() if have.get(name) != costly.key}
    keys = {name: costly.key for name, costly in view.costly.items()}
    return _echo(request) | {"view": view.values, "costly": fresh, "keys": keys, "caption": view.caption, "alt": view.alt}


def _made(figure: str, name: str, costly: Costly) -> dict[str, Any]:
    """A costly result from memory, or made and kept; the oldest is forgotten."""
    key = (figure, name, costly.key)
    with _one:
        made = _store.get(key)
    if made is None:
        made = costly.make()
        with _one:
            _store[key] = made
            while len(_store) > _KEPT:
                _store.popitem(last=False)
    return made


def contents(served: bool = False) -> list[dict[str, Any]]:
    """The table of contents: every figure's name, title, fields and step by step text, in reading order; `served`: with Python behind.

    >>> contents()[0]["name"]
    'hero'
    """
    return [
        {"name": name, "title": module.TITLE, "fields": declared(allowed(module, served)), "steps": getattr(module, "STEPS", "")}
        for name, module in discovered(served).items()
    ]


def snippet(name: str, state: Mapping[str, Any]) -> str:
    """Python that prints the figure's own caption, draws it, and takes the steps by name; it runs as is.

    >>> print(snippet("map", {"alpha": 0.5}).splitlines()[2])
    shown = data("map", alpha=0.5)
    """
    fields = allowed(named(name))
    cleaned = clean(fields, state)
    plain = {key: field.clean(key, field.default) for key, field in fields.items()}
    loaded = cleaned.get("record") is not None
    own = ["record=json.loads(Path('record.json').read_text())"] if loaded else []
    changed = [
        key for key in fields if cleaned[key] != plain[key] and not isinstance(fields[key], Document) and not (loaded and key == "key")
    ]
    words = "".join(f", {word}" for word in [*(f"{key}={cleaned[key]!r}" for key in changed), *own])
    lines = ["import json", "from pathlib import Path", ""] if loaded else []
    lines += ["from inertia.lab import data, figure", "", f'shown = data("{name}"{words})', 'print(shown["caption"])']
    lines += [f'figure("{name}"{words}).savefig("{name}.png", dpi=150)', ""]
    steps = re.sub(r"\$(\w+)", lambda found: repr(cleaned[found[1]]), getattr(named(name), "STEPS", "")).strip()
    return "\n".join(lines) + (f"\n# the same numbers, step by step\n{steps}\n" if steps else "")
