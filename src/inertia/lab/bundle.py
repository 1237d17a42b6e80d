"""The page's modules as plain scripts: no module loader, no fetch, so that they run from any host and from disk.

Every module of `static` is a function under its name (`inertia.define`), made when it is first needed. Comments and indentation
are left out of what is written: the page is read over telephone lines too.
"""

from __future__ import annotations

import functools
import json
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .api import contents

__all__ = ["FIRST", "STATIC", "closure", "defined", "script", "slim", "source"]

STATIC = Path(__file__).parent / "static"
FIRST = ("lab", "figures/hero", "views/hero", "specs/hero")  # what the first figure needs, with all that these import
_IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "(\.[./\w]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (async function|function|class|const) (\w+)", re.MULTILINE)
_LIST = re.compile(r"^export \{([^}]*)\};\n", re.MULTILINE)
_TABLE = "numerics/airfoil"


@functools.cache
def names(served: bool = False) -> tuple[str, ...]:
    """Every module: files of `static`, the specification of each figure, and the airfoil table; `served` adds what asks Python."""
    files = sorted(path.relative_to(STATIC).with_suffix("").as_posix() for path in STATIC.rglob("*.js") if path.name != "runtime.js")
    shown = [spec["name"] for spec in contents(served)]
    files = [name for name in files if served or not name.startswith("served/")]
    files = [name for name in files if not name.startswith("figures/") or name.removeprefix("figures/") in shown]
    return (*files, *(f"specs/{name}" for name in shown), _TABLE)


@functools.cache
def source(name: str, served: bool = False) -> str:
    """The text of a module; a figure that has Python behind it (`served`) may be asked more."""
    if name == _TABLE:
        numbers = " ".join((STATIC / "data" / "airfoil_self_noise.dat").read_text(encoding="ascii").split())
        return (
            "// Brooks, Pope, Marcolini (1989), Airfoil Self-Noise, UCI, doi 10.24432/C5VW2C, CC BY 4.0\n"
            f'export const TABLE = Float64Array.from("{numbers}".split(" "), Number);\n'
        )
    if name.startswith("specs/"):
        return _spec(next(spec for spec in contents(served) if f"specs/{spec['name']}" == name))
    return (STATIC / f"{name}.js").read_text(encoding="utf-8")


def _spec(spec: dict[str, Any]) -> str:
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"))
    given = "".join(f"export const {part} = spec.{part};\n" for part in ("name", "title", "fields", "steps"))
    return f"const spec = {text};\n{given}"


def needs(name: str) -> list[str]:
    """The modules that a module imports, by name."""
    inside = posixpath.dirname(name)
    if inside == "specs":
        return []
    return [posixpath.normpath(posixpath.join(inside, path)) for _, _, path in _IMPORT.findall(source(name))]


def closure(wanted: Iterable[str]) -> list[str]:
    """The modules and all that they import, each before those that need it."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for needed in needs(name):
                visit(needed)
            order.append(name)

    for name in wanted:
        visit(name)
    return order


def defined(name: str, served: bool = False) -> str:
    """A module as a call of `inertia.define`."""
    text, inside = source(name, served), posixpath.dirname(name)

    def taken(match: re.Match[str]) -> str:
        parts, whole, path = match.groups()
        target = posixpath.normpath(posixpath.join(inside, path))
        left = whole if whole else "{ " + parts.strip().replace(" as ", ": ") + " }"
        return f'const {left} = need("{target}");\n'

    given = [word for _, word in _EXPORT.findall(text)]
    given += [word.strip() for listed in _LIST.findall(text) for word in listed.split(",") if word.strip()]
    text = _LIST.sub("", _EXPORT.sub(r"\1 \2", _IMPORT.sub(taken, text)))
    return f'inertia.define("{name}", (need) => {{\n{text}\nreturn {{ {", ".join(given)} }};\n}});\n'


def slim(text: str) -> str:
    """Without lines of comment and indentation."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(re.sub(r"(?<=[;,{}()]) // [^`'\"]*$", "", line) for line in lines if line and not line.startswith("//")) + "\n"


def script(wanted: Iterable[str], runtime: bool = False, last: str = "", served: bool = False) -> str:
    """A plain script that defines these modules; `last` is run after them."""
    head = (STATIC / "runtime.js").read_text(encoding="utf-8") if runtime else ""
    return slim(head + "".join(defined(name, served) for name in wanted) + last)
