"""A function out of a script, without running the script.

Loading a file runs it, and a script without `if __name__ == "__main__":` would start its training. So only what the
function needs is run: imports, definitions, and those assignments at the top of the file whose names the function (or what
it calls) reads. Bare calls and loops are never run, except those that only set where modules are found.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import BadInput, nearest
from .loaded import theirs

__all__ = ["load_factory"]

SETTINGS = ("sys.path", "os.environ", "os.putenv", "jax.config", "torch.set_default_dtype", "keras.config", "keras.backend")
BINDING = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def load_factory(path: Path, name: str, example: str) -> Callable[..., Any]:
    """The function of that name, with no more of its file run than it needs.

    Raises:
        BadInput: no such file or function, a file that cannot be read as Python, a needed name that only a loop sets.
    """
    if not path.is_file():
        raise BadInput(f"no such file: {path}")
    if importlib.util.spec_from_file_location(path.stem, path) is None:
        raise BadInput(f"{path} is not a Python file: its name must end in .py")
    tree = theirs(path, lambda: ast.parse(path.read_bytes(), filename=str(path)))
    kept, unset = _slice(tree, name)
    for needed, line in unset:
        raise BadInput(
            f"{name} in {path} needs '{needed}', which line {line} sets in a loop or a block; identify runs only imports, definitions and"
            f" plain assignments, so that no training starts: set '{needed}' at the top of the file or inside {name}"
        )
    module = ModuleType(path.stem)
    module.__file__ = str(path.resolve())
    code = compile(ast.Module(kept, []), str(path), "exec")
    sys.path.insert(0, str(path.resolve().parent))  # so that it finds its neighbours
    sys.modules[f"inertia_user_{path.stem}"] = module  # dataclasses and pickles look their module up
    module.__name__ = f"inertia_user_{path.stem}"
    try:
        theirs(path, lambda: exec(code, module.__dict__))
    finally:
        sys.path.pop(0)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    if not any(name in _bound(node) for node in kept):
        if any(name in _bound(node) for node in ast.walk(tree) if isinstance(node, ast.stmt)):
            raise BadInput(f"{name} in {path} is set where identify runs nothing (in a loop or a block): define it at the top of the file")
        raise BadInput(f"{path} has no function '{name}': {nearest(name, functions) if functions else 'it defines none'}")
    factory = getattr(module, name, None)
    if not callable(factory):
        raise BadInput(f"{name} in {path} is a {type(factory).__name__}, not a function: write {example.format(name=name)}")
    return factory  # type: ignore[no-any-return]


def _slice(tree: ast.Module, name: str) -> tuple[list[ast.stmt], list[tuple[str, int]]]:
    """The statements that the name needs, in order, and needed names that only other statements set."""
    plain = [node for node in tree.body if isinstance(node, BINDING) or _quiet_block(node)]
    always = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) or _setting(node)]
    needed, kept, open_names = {name}, set(), [name]
    while open_names:
        wanted = open_names.pop()
        for node in plain:
            if wanted in _bound(node) and id(node) not in kept:
                kept.add(id(node))
                fresh = _read(node) - needed
                needed |= fresh
                open_names += sorted(fresh)
    chosen = [node for node in tree.body if id(node) in kept or node in always]
    set_here = {one for node in chosen for one in _bound(node)}
    others = [node for node in tree.body if node not in chosen and not isinstance(node, BINDING)]
    unset = [
        (one, inner.lineno)
        for node in others
        if not _main_guard(node)
        for inner in ast.walk(node)
        if isinstance(inner, ast.stmt)
        for one in _bound(inner)
        if one in needed - set_here
    ]
    return chosen, unset


def _quiet_block(node: ast.stmt) -> bool:
    """A try or an if (no main guard) that holds nothing but imports, definitions and assignments."""
    if not isinstance(node, ast.Try | ast.If) or _main_guard(node):
        return False
    inner = [*node.body, *node.orelse, *(getattr(node, "finalbody", [])), *(s for h in getattr(node, "handlers", []) for s in h.body)]
    return all(isinstance(one, (*BINDING, ast.Import, ast.ImportFrom, ast.Pass, ast.Raise)) or _quiet_block(one) for one in inner)


def _main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in _read(node.test)


def _setting(node: ast.stmt) -> bool:
    """A call or an assignment that only sets where modules are found or how frameworks compute."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func).startswith(SETTINGS)
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(ast.unparse(target).startswith(SETTINGS) for target in targets)


def _bound(node: ast.AST) -> set[str]:
    """Names that a statement sets at the top of the file."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Try | ast.If):
        return {name for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt | ast.ExceptHandler) for name in _bound(inner)}
    if isinstance(node, ast.ExceptHandler):
        return {name for inner in node.body for name in _bound(inner)}
    return set(_targets(node))


def _targets(node: ast.AST) -> Iterator[str]:
    """Names that an assignment (also to a part: a.b = 1, a[0] = 1), a loop or a with sets."""
    held = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    held += [item.optional_vars for item in getattr(node, "items", []) if isinstance(node, ast.With)]
    for target in held:
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        for inner in ast.walk(target) if isinstance(target, ast.AST) else ():
            if isinstance(inner, ast.Name):
                yield inner.id


def _read(node: ast.AST) -> set[str]:
    """Names that a statement reads from the file's top; a function's own variables are not among them."""
    names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    own: set[str] = set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        shared = {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}
        own = {name.id for name in names if isinstance(name.ctx, ast.Store)} - shared
        own |= {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    return {name.id for name in names} - own
