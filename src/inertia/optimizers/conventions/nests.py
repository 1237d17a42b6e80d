"""Buffers wherever a framework nests them: arrays of any framework, holes where nothing is kept, states inside states.

Nothing is imported for this: a tensor is what numpy can read (bfloat16 after widening), a hole is None or a named tuple without
fields (optax.MaskedNode), a state is a named tuple, a dataclass, a mapping, a list or a tuple.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ...errors import BadInput

__all__ = ["array", "found_fields", "is_hole", "mapped", "merged", "replaced_fields", "split_like"]


def array(leaf: Any) -> Any:
    """A numpy array of the leaf: gradients detached, other devices copied, bfloat16 tensors widened to float32.

    >>> array([1.0, 2.0])
    array([1., 2.])
    """
    for plain in ("detach", "cpu"):
        leaf = getattr(leaf, plain)() if hasattr(leaf, plain) else leaf
    try:
        return np.asarray(leaf)
    except TypeError:
        return np.asarray(leaf.float())


def is_hole(leaf: Any) -> bool:
    """Whether nothing is kept here: None, or a named tuple without fields.

    >>> is_hole(None), is_hole(0.0)
    (True, False)
    """
    return leaf is None or getattr(leaf, "_fields", None) == ()


def _children(node: Any) -> list[tuple[Any, Any]]:
    """The named parts of a state; none for an array."""
    if hasattr(node, "_fields"):
        return [(name, getattr(node, name)) for name in node._fields]
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return [(field.name, getattr(node, field.name)) for field in dataclasses.fields(node)]
    if isinstance(node, Mapping):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list | tuple) else []


def _with(node: Any, parts: dict[Any, Any]) -> Any:
    if hasattr(node, "_fields"):
        return node._replace(**parts)
    if isinstance(node, Mapping):
        try:
            return type(node)(parts)  # type: ignore[call-arg]
        except TypeError:
            return dict(parts)
    if isinstance(node, list | tuple):
        return type(node)(parts.values())
    return dataclasses.replace(node, **parts)


def found_fields(node: Any, names: tuple[str, ...]) -> Iterator[Any]:
    """The values of the fields of these names in named tuples and dataclasses, however deep, in order."""
    fields = hasattr(node, "_fields") or dataclasses.is_dataclass(node)
    for name, value in _children(node):
        if fields and name in names:
            yield value
        else:
            yield from found_fields(value, names)


def replaced_fields(node: Any, names: tuple[str, ...], values: Iterator[Any]) -> Any:
    """The same state with those fields taken from `values`, in the order of `found_fields`."""
    fields = hasattr(node, "_fields") or dataclasses.is_dataclass(node)
    children = _children(node)
    if not children:
        return node
    new = {name: next(values) if fields and name in names else replaced_fields(value, names, values) for name, value in children}
    return node if all(new[name] is value for name, value in children) else _with(node, new)


def merged(trees: list[Any]) -> Any:
    """One tree out of several that each keep a part, with holes elsewhere.

    Raises:
        BadInput: two of them keep the same leaf.
    """
    whole = [tree for tree in trees if not is_hole(tree)]
    if len(whole) <= 1:
        return whole[0] if whole else trees[0]
    first = whole[0]
    if not _children(first) or any(type(tree) is not type(first) for tree in whole):
        raise BadInput(
            "this state holds several momentum buffers for the same parameters: "
            "take the part that you mean (opt_state[0], opt_state.inner_states['a'])"
        )
    rows = [dict(_children(tree)) for tree in whole]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return _with(first, {key: merged([row[key] for row in rows if key in row]) for key in keys})


def split_like(tree: Any, like: Any) -> Any:
    """The part of the tree that `like` keeps: its holes stay, leaves get the dtype they had.

    Raises:
        BadInput: a leaf of another shape, or no leaf where one is kept.
    """
    if is_hole(like):
        return like
    children = _children(like)
    if children:
        own = dict(_children(tree))
        missing = [key for key, value in children if key not in own and not _hollow(value)]
        if missing:
            raise BadInput(f"the new buffers have nothing at {missing[0]!r}: give one for every parameter that the state keeps one for")
        return _with(like, {key: split_like(own.get(key), value) for key, value in children})
    if is_hole(tree) or np.shape(tree) != np.shape(like):
        raise BadInput(f"a buffer of shape {np.shape(like)} cannot be replaced by {'nothing' if is_hole(tree) else np.shape(tree)}")
    kept = getattr(like, "dtype", None)
    if kept is None or getattr(tree, "dtype", None) == kept:
        return tree
    return tree.astype(kept) if hasattr(tree, "astype") else np.asarray(tree, kept)


def _hollow(tree: Any) -> bool:
    return is_hole(tree) or (bool(_children(tree)) and all(_hollow(value) for _, value in _children(tree)))


def mapped(leaf: Callable[[Any, Any], Any], params: Any, buffer: Any) -> Any:
    """leaf over two nests of the same shape: lists, tuples and dicts of arrays; a hole in the buffers is passed on."""
    if is_hole(buffer) and isinstance(params, Mapping | list | tuple):
        keys = dict(_children(params))
        return _with(params, {key: mapped(leaf, value, buffer) for key, value in keys.items()})
    if isinstance(params, Mapping):
        if not isinstance(buffer, Mapping) or set(params) != set(buffer):
            raise BadInput(f"parameters are named {sorted(map(str, params))}, buffers are not: give one buffer per parameter")
        return {key: mapped(leaf, value, buffer[key]) for key, value in params.items()}
    if isinstance(params, list | tuple):
        if not isinstance(buffer, list | tuple) or len(params) != len(buffer):
            raise BadInput(
                f"{len(params)} parameters but {len(buffer) if hasattr(buffer, '__len__') else 1} buffers: give one buffer for each"
            )
        parts = (mapped(leaf, p, v) for p, v in zip(params, buffer, strict=True))
        return type(params)(*parts) if hasattr(params, "_fields") else type(params)(parts)
    if not is_hole(buffer) and np.shape(params) != np.shape(buffer):
        raise BadInput(
            f"a parameter has shape {np.shape(params)} and its buffer {np.shape(buffer)}: they belong to each other and must agree"
        )
    return leaf(params, buffer)
