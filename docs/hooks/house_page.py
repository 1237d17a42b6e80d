"""The page of the house: which rooms there are, what each is for, and who may import whom, from the table that the test enforces."""

import ast
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
LAWS = ROOT / "tests" / "house" / "test_house.py"

_PAGE = """# How the house is built

Everything rests on one idea: a method is four numbers, a problem is its curvatures and its gradient noise, and everything else reads
these two. The package is a house of rooms. A room may import what lies below it and nothing above or beside it; a test reads every
import and enforces it.
This page is drawn from the table of that test.

{floors}

## The laws

* No function has more than {function} statements, no module more than {module}, no script of the page more than {script}.
* `import inertia` loads nothing heavy; numpy comes with the first name that is used. Only {heavy} import the frameworks.
* Concepts are types (frozen dataclasses, protocols). A formula stands in one place and is tested by a second road.
* Bad input is a typed exception with one sentence; on the command line, one line and exit code 2.

How to add a method, a figure, a job of the experience or a page stands in `CONTRIBUTING.md`.
"""


def on_files(files, config):
    """Add the page to the files of the site."""
    files.append(File.generated(config, "house.md", content=page()))
    return files


def laws():
    """The table of floors and the bounds, as the test has them."""
    found = {}
    for node in ast.parse(LAWS.read_text()).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            names = [part.id for part in target.elts] if isinstance(target, ast.Tuple) else [target.id]
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            found |= dict(zip(names, value if isinstance(target, ast.Tuple) else (value,), strict=True))
    return found


def purpose(room):
    """The first sentence of a room's opening words."""
    path = ROOT / "src" / "inertia" / room
    text = ast.get_docstring(ast.parse(((path / "__init__.py") if path.is_dir() else path.with_suffix(".py")).read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def page():
    """The page, top floor first."""
    read = laws()
    floors = {}
    for room, floor in read["FLOOR"].items():
        if not room.startswith("__") and any((ROOT / "src" / "inertia" / name).exists() for name in (room, f"{room}.py")):
            floors.setdefault(floor, []).append(room)
    parts = ["| floor | room | what it is for |", "|---|---|---|"]
    for floor in sorted(floors, reverse=True):
        parts += [f"| {floor} | `inertia.{room}` | {purpose(room).replace('|', chr(92) + '|')} |" for room in floors[floor]]
    rooms = " and ".join(f"`inertia.{room}`" for room in sorted({room for rooms in read["HEAVY"].values() for room in rooms}))
    return _PAGE.format(
        floors="\n".join(parts),
        function=read["LONGEST_FUNCTION"],
        module=read["LONGEST_MODULE"],
        script=read["LONGEST_SCRIPT"],
        heavy=rooms,
    )
