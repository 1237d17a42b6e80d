"""Docstrings as Markdown: doctests become code blocks, formulas are typeset, and what is not keeps its stars and underscores."""

import re
import sys
from functools import cache
from pathlib import Path

import griffe

import inertia
from inertia import _HOME

sys.path.insert(0, str(Path(__file__).parent))
import formulas

ROOM = Path(inertia.__file__).parent

_TEST = re.compile(r"(?:^|\n)((?:[ \t]*>>> .*(?:\n(?![ \t]*$)[ \t]*\S.*)*(?:\n|$))+)", re.MULTILINE)


def markdown(text: str) -> str:
    """One docstring, ready for Markdown.

    >>> markdown("*Small*, a_bc.\\n\\n>>> 1 + 1\\n2")
    '*Small*, a\\\\_bc.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```\\n'
    """
    text = apart(text)
    pieces, at = [], 0
    for found in _TEST.finditer(text):
        pieces.append(_escaped(text[at : found.start(1)]))
        lines = found.group(1).rstrip("\n").split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip())
        body = "\n".join(line[indent:] for line in lines)
        pieces.append(f"```pycon\n{body}\n```\n")
        at = found.end(1)
    return "".join([*pieces, _escaped(text[at:])])


def apart(text: str) -> str:
    """Entries that two names share, as in `lr, momentum: ...`, once for each name: so each gets its own type and default.

    >>> print(apart("Args:\\n    a, b: numbers,\\n        both."))
    Args:
        a: numbers,
            both.
        b: numbers,
            both.
    """
    made, section, lines = [], False, text.split("\n")
    for index, line in enumerate(lines):
        if line and not line.startswith(" "):
            section = line in ("Args:", "Raises:")
        shared = re.fullmatch(r"    (\w+(?:, \w+)+): (.*)", line) if section else None
        if shared:
            more = []
            for later in lines[index + 1 :]:
                if not later.startswith("     "):
                    break
                more.append(later)
            names = shared[1].split(", ")
            for name in names[:-1]:
                made += [f"    {name}: {shared[2]}", *more]
            line = f"    {names[-1]}: {shared[2]}"
        made.append(line)
    return "\n".join(made)


def _escaped(text: str) -> str:
    """Formulas as MathML, stars and underscores that are none's; other indented blocks, `code` and *emphasised words* stay as they are."""
    return "\n".join(_set(kind, lines) for kind, lines in _parts(text))


def _parts(text: str) -> list[tuple[str, list[str]]]:
    """Runs of lines that belong together: words, an indented block, an entry of a section such as Args, a row of a table."""
    parts: list[tuple[str, list[str]]] = []
    section = False
    for line in text.split("\n"):
        if line and not line.startswith(" "):
            section = bool(re.fullmatch(r"(Args|Raises|Returns|Yields|Attributes):", line))
        last = parts[-1][0] if parts else "empty"
        if not line.strip():
            parts.append(("empty", [line]))
        elif re.fullmatch(r"\|.*\|", line):
            parts.append(("row", [line]))
        elif line.startswith("    ") and section:
            if re.match(r"    \S", line) or last != "entry":
                parts.append(("entry", [line]))
            else:
                parts[-1][1].append(line)
        elif line.startswith("    ") and last in ("empty", "block"):
            parts.append(("block", [line])) if last == "empty" else parts[-1][1].append(line)
        elif last == "words":
            parts[-1][1].append(line)
        else:
            parts.append(("words", [line]))
    return parts


def _set(kind: str, lines: list[str]) -> str:
    """One run of lines for Markdown."""
    text = "\n".join(lines)
    if kind == "block":
        return formulas.block(lines) or text
    if kind == "entry":
        head = re.match(r" *(?:[\w*, ]+(?: \([^)]*\))?: )?", text)[0]
        return head + _inline(text[len(head) :], "")
    if kind == "row":
        cells = text[1:-1].split("|")
        return "|" + "|".join(_inline(cell, "*_") for cell in cells) + "|"
    return _inline(text, "*_|") if kind == "words" else text


def _inline(text: str, signs: str) -> str:
    """Formulas within words; the signs that Markdown would read are escaped, except in code and emphasis."""
    parts = re.split(r"(`[^`]*`|(?<![\w*)])\*[A-Za-z][\w ]*\*(?![\w*]))", text)
    return "".join(part if index % 2 else _plain(part, signs) for index, part in enumerate(parts))


def _plain(text: str, signs: str) -> str:
    made = []
    for piece, is_set in formulas.inline(text):
        if not is_set and signs:
            piece = re.sub(f"([{signs}])", r"\\\1", piece).replace("<", "&lt;")
        made.append(piece)
    return "".join(made)


@cache
def _words(room: str) -> str:
    """What the __init__ of a room says; nothing for the facade and what is no room."""
    place = ROOM.joinpath(*room.split(".")[1:], "__init__.py")
    return place.read_text() if room.count(".") and place.exists() else ""


def _exported(room: str) -> list[str]:
    """The names in its __all__."""
    found = re.search(r"^__all__ = (\[.*?\])", _words(room), re.MULTILINE | re.DOTALL)
    return re.findall(r'"(\w+)"', found[1]) if found else []


def imported(path: str, facade: dict[str, str]) -> str:
    """How to import an object of the package: from its room where that exports it, else its own path, and the facade's where it has one.

    >>> imported("inertia.theory.modes.rate", {"rate": "theory.modes"})
    '`from inertia.theory.modes import rate`, also `inertia.rate`'
    >>> imported("inertia.torch.watch.Watch", {})
    '`from inertia.torch import Watch`'
    """
    home, _, name = path.rpartition(".")
    also = f", also `inertia.{name}`" if f"inertia.{facade.get(name)}" == home else ""
    room, _, module = home.rpartition(".")
    shorter = name in _exported(room) and module in _words(room)
    return f"`from {room if shorter else home} import {name}`{also}"


def fields(lines: list[str], members: list[tuple[str, str, str, int]]) -> str:
    """A table of the fields of a data class: (name, type, default, line), each with the comment that its line ends with.

    >>> print(fields(["x: int = 3  # how many"], [("x", "int", "3", 1)]))
    | field | type | default | meaning |
    |---|---|---|---|
    | `x` | `int` | `3` | how many |
    """
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, kind, default, line in members:
        _, found, said = lines[line - 1].partition("  # ")
        said = said if found and not said.startswith(("type:", "noqa", "fmt:")) else ""
        cells = (f"`{name}`", f"`{kind}`" if kind else "", f"`{default}`" if default else "", _escaped(said))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") if cell.startswith("`") else cell for cell in cells) + " |")
    return "\n".join(rows)


class Docstrings(griffe.Extension):
    """Rewrites every docstring of the package when it is loaded: Markdown, how to import it, and a table of a data class's fields."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring is None:
            return
        text = markdown(obj.docstring.value)
        public = not obj.name.startswith("_") and obj.parent is not None and obj.parent.is_module
        if public and (obj.is_class or obj.is_function):
            text = f"{text.rstrip()}\n\n{_table(obj)}" if obj.is_class and _table(obj) else text
            first, _, rest = text.partition("\n")
            text = f"{imported(obj.path, _HOME)}\n\n{first}\n{rest}"
        obj.docstring.value = text


def _table(obj: griffe.Object) -> str:
    """The fields of a data class or named tuple; nothing for other classes."""
    made = any("dataclass" in str(mark.value) for mark in obj.decorators) or any("NamedTuple" in str(base) for base in obj.bases)
    found = [
        (name, str(member.annotation), "" if member.value is None else _short(str(member.value)), member.lineno)
        for name, member in obj.members.items()
        if made and member.is_attribute and member.annotation is not None and not name.startswith("_") and "property" not in member.labels
    ]
    return fields(obj.filepath.read_text().splitlines(), found) if found else ""


def _short(value: str) -> str:
    """A default as a reader wants it: what a factory makes, not the call of `field`."""
    made = re.fullmatch(r"field\(default_factory=(\w+)\)", value)
    return f"{made[1]}()" if made else value
