"""Docstrings as Markdown: doctests become code blocks, and formulas keep their stars and underscores."""

import re

import griffe

_TEST = re.compile(r"(?:^|\n)((?:[ \t]*>>> .*(?:\n(?![ \t]*$)[ \t]*\S.*)*(?:\n|$))+)", re.MULTILINE)


def markdown(text: str) -> str:
    """One docstring, ready for Markdown.

    >>> markdown("w*_i is *small*.\\n\\n>>> 1 + 1\\n2")
    'w\\\\*\\\\_i is *small*.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```\\n'
    """
    pieces, at = [], 0
    for found in _TEST.finditer(text):
        pieces.append(_escaped(text[at : found.start(1)]))
        lines = found.group(1).rstrip("\n").split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip())
        body = "\n".join(line[indent:] for line in lines)
        pieces.append(f"```pycon\n{body}\n```\n")
        at = found.end(1)
    return "".join([*pieces, _escaped(text[at:])])


def _escaped(text: str) -> str:
    """Stars and underscores of formulas; indented blocks, `code` and *emphasised words* stay as they are."""
    kept = []
    for line in text.split("\n"):
        if line.startswith("    "):
            kept.append(line)
            continue
        parts = re.split(r"(`[^`]*`|(?<![\w*)])\*[A-Za-z][\w ]*\*(?![\w*]))", line)
        kept.append(
            "".join(part if index % 2 else re.sub(r"([*_|])", r"\\\1", part).replace("<", "&lt;") for index, part in enumerate(parts))
        )
    return "\n".join(kept)


class Docstrings(griffe.Extension):
    """Rewrites every docstring of the package when it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
