"""The laws of the house, read from the syntax tree: imports point down, bounds hold, the core is light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "inertia"
FILES = sorted(SRC.rglob("*.py"))
SCRIPTS = sorted(SRC.rglob("*.js"))

# A room may import rooms of a lower floor, or stay inside itself.
FLOOR = {
    "version": 0, "errors": 0,
    "core": 1,
    "theory": 2, "optimizers": 2, "measurement": 2, "problems": 2,
    "tuning": 3, "watching": 3,
    "jax": 4, "torch": 4, "report": 4,
    "tasks": 5, "hf": 5, "keras": 5, "lightning": 5, "optuna": 5,
    "callbacks": 6, "verbs": 6,
    "lab": 7, "reproduce": 7,
    "cli": 8,
    "__init__": 9, "__main__": 9,
}  # fmt: skip

# Heavy packages, and the only rooms that may import them.
HEAVY = {"jax": {"jax", "tasks", "callbacks"}, "optax": {"jax", "tasks"}, "torch": {"torch", "tasks", "callbacks"}}
LONGEST_FUNCTION, LONGEST_MODULE, LONGEST_SCRIPT = 60, 260, 380  # in statements
WIDEST = 9  # names that one assignment may set
REFUSED = {"utils", "util", "misc", "helpers", "common"}


def room(path):
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def rooms_imported_by(path):
    here = path.relative_to(SRC).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):  # also sees functions and TYPE_CHECKING
        if isinstance(node, ast.ImportFrom) and node.level:  # we import ourselves relatively
            whole = here[: len(here) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
            yield from [whole[0]] if whole else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "inertia":
            pytest.fail(f"{path}:{node.lineno} imports inertia absolutely: use a relative import")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_imports_only_point_down(path):
    assert room(path) in FLOOR, f"{path} is in a room without a floor: add it to FLOOR"
    for target in rooms_imported_by(path):
        allowed = target == room(path) or FLOOR[target] < FLOOR[room(path)]
        assert allowed, f"{path} reaches up to {target}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_frameworks_stay_in_their_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in (n.split(".")[0] for n in names):
            assert room(path) in HEAVY.get(name, {room(path)}), f"{path}:{node.lineno} imports {name}"


def statements(node):
    """How many statements a piece of code holds, however it is broken into lines."""
    return sum(isinstance(part, ast.stmt) for part in ast.walk(node)) - isinstance(node, ast.stmt)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_nothing_is_too_long(path):
    tree = ast.parse(path.read_text())
    assert statements(tree) <= LONGEST_MODULE, f"{path} has {statements(tree)} statements"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert statements(node) <= LONGEST_FUNCTION, f"{path}:{node.name} has {statements(node)} statements"
        if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store):
            assert len(node.elts) <= WIDEST, f"{path}:{node.lineno} packs {len(node.elts)} assignments into one"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: str(p.relative_to(SRC)))
def test_no_script_of_the_page_is_too_long(path):
    javascript = pytest.importorskip("tree_sitter_javascript", reason="tree-sitter-javascript, which counts statements, is not installed")
    from tree_sitter import Language, Parser

    waiting, count = [Parser(Language(javascript.language())).parse(path.read_bytes()).root_node], 0
    while waiting:
        node = waiting.pop()
        count += node.type.endswith(("_statement", "_declaration"))
        waiting += node.children
    assert count <= LONGEST_SCRIPT, f"{path} has {count} statements"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_names_say_what_is_inside(path):
    assert not REFUSED & {part.removesuffix(".py").lstrip("_") for part in path.relative_to(SRC).parts}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_every_module_opens_with_its_idea_and_nothing_is_left_half_done(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path} has no opening docstring"
    assert not re.search(r"TODO|FIXME|XXX|NotImplementedError", text)


def test_the_facade_is_short_sorted_and_complete():
    import inertia

    names = [n for n in inertia.__all__ if not n.startswith("__")]
    assert len(names) <= 20
    assert list(inertia.__all__) == sorted(inertia.__all__), "keep __all__ sorted"
    for name in names:
        assert getattr(inertia, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'momemtum'"):
        inertia.momemtum  # noqa: B018


def test_the_core_needs_only_numpy():
    heavy = "{'jax', 'torch', 'optax', 'matplotlib', 'scipy', 'rich', 'typer', 'sklearn', 'starlette'}"
    code = f"import sys, inertia; inertia.rate(inertia.Method(0.1), 1.0); print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=_env()).strip() == "[]"


def test_importing_loads_little_beside_numpy():
    """Counted in modules, as seconds depend on the machine: numpy itself loads some 140, `inertia` two of its own."""
    code = (
        "import sys; start = set(sys.modules); import numpy; peer = set(sys.modules); import inertia; bare = set(sys.modules);"
        "inertia.rate(inertia.Method(0.1), 1.0); inertia.spectrum([1.0]); used = set(sys.modules);"
        "print(len(peer - start), len(bare - peer), len(used - peer));"
        "print(sorted({n.partition('.')[0] for n in used - peer} - sys.stdlib_module_names))"
    )
    numbers = subprocess.check_output([sys.executable, "-c", code], text=True, env=_env()).split(maxsplit=3)
    peer, bare, used = (int(number) for number in numbers[:3])
    assert bare <= 4
    assert used < peer  # that import inertia costs less than numpy beside it is kept even where it is used
    assert numbers[3].strip() == "['inertia', 'numpy']"  # numpy.typing, which numpy leaves for later


def _env():
    import os

    return os.environ | {"PYTHONPATH": str(SRC.parent)}


THEORY = [path for path in FILES if path.is_relative_to(SRC / "theory") and path.name != "__init__.py"]


@pytest.mark.parametrize("path", THEORY, ids=lambda p: p.name)
def test_a_public_function_of_the_theory_says_what_each_argument_is(path):
    tree = ast.parse(path.read_text())
    shown = {
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for name in ast.literal_eval(node.value)
    }
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name not in shown:
            continue
        arguments = [one.arg for one in node.args.posonlyargs + node.args.args + node.args.kwonlyargs]
        _, _, section = ast.get_docstring(node).partition("Args:\n")
        entries = re.findall(r"^ {4}([\w, ]+): \S", section, re.MULTILINE)
        named = [name for entry in entries for name in entry.split(", ")]
        assert [name for name in named if name in arguments] == arguments, f"{path.name}: {node.name}"


def test_the_files_that_are_begun_first_are_there():
    names = (SRC.parents[1] / "tests" / "longest.txt").read_text().split()
    assert len(names) == len(set(names)) > 20
    assert [name for name in names if not (SRC.parents[1] / "tests" / name).exists()] == []
