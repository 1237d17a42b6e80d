"""Random states of a figure, and the comparison of what the page answers with what the library answers."""

import base64
import math
import re

import numpy as np

from inertia.lab.fields import Choice, Document, Flag, Number, Numbers, clean

NUMBER = re.compile(r"[-−]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


def drawn(field, rng):
    """A random value that a field allows."""
    if isinstance(field, Number):
        low, high = field.low, field.high
        if field.log or (field.whole and field.low >= 1 and high >= 10 * low):  # sizes and counts, too: as many small as large ones
            value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        elif high > 100 * max(abs(field.default), 1e-9) and low >= 0:  # a range far wider than the figure: around the default
            value = float(np.clip(field.default * np.exp(rng.normal(0, 1)), low, high))
        else:
            value = float(rng.uniform(low, high))
        if rng.random() < 0.1:
            value = float(rng.choice([low, high, field.default]))
        return field.clean("", value)
    if isinstance(field, Numbers):
        count = int(rng.integers(field.least, field.most + 1))
        return [float(value) for value in np.exp(rng.uniform(np.log(max(field.low, 1e-3)), np.log(field.high), count))]
    if isinstance(field, Choice):
        return str(rng.choice(list(field.options)))
    if isinstance(field, Flag):
        return bool(rng.random() < 0.5)
    return None if isinstance(field, Document) else field.default


def states(fields, count, rng, special=None):
    """`count` random states; `special(state, rng)` mends what random fields cannot know of each other."""
    made = []
    for _ in range(count):
        state = {name: drawn(field, rng) for name, field in fields.items()}
        made.append(clean(fields, special(state, rng) if special else state))
    return made


def unpacked(value):
    """What static/numerics/packing.js packed as text."""
    if isinstance(value, dict) and set(value) == {"$"}:
        kind, shape, text = value["$"]
        return np.frombuffer(base64.b64decode(text), {"f8": "<f8", "i4": "<i4", "u1": "u1"}[kind]).reshape(shape)
    if isinstance(value, dict):
        return {name: unpacked(part) for name, part in value.items()}
    return [unpacked(part) for part in value] if isinstance(value, list) else value


def plain(value):
    """A scalar as the page sends it: what is not finite becomes None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def differences(ours, theirs, tolerance=1e-6, path="", rounding=0.0):
    """Everything in which two trees differ by more than `tolerance` of the array's scale, as lines of text.

    A number that is `rounding` or less on both sides is rounding: the error of a method that has arrived.
    """
    ours = plain(ours)
    if isinstance(ours, dict):
        if not isinstance(theirs, dict) or set(ours) != set(theirs):
            return [f"{path}: {sorted(ours)} against {sorted(theirs) if isinstance(theirs, dict) else theirs!r}"]
        return [line for name in ours for line in differences(ours[name], theirs[name], tolerance, f"{path}.{name}", rounding)]
    if isinstance(ours, list | tuple) and not isinstance(theirs, np.ndarray):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            return [f"{path}: {ours!r:.80} against {theirs!r:.80}"]
        return [
            line
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
            for line in differences(a, b, tolerance, f"{path}[{i}]", rounding)
        ]
    if isinstance(ours, np.ndarray | list | tuple):
        return _arrays(np.asarray(ours), theirs, tolerance, path)
    if isinstance(ours, bool) or isinstance(theirs, bool) or isinstance(ours, str) or ours is None or theirs is None:
        return [] if ours == theirs else [f"{path}: {ours!r} against {theirs!r}"]
    return [] if abs(ours - theirs) <= max(tolerance * abs(ours), rounding, 1e-300) else [f"{path}: {ours!r} against {theirs!r}"]


def _arrays(ours, theirs, tolerance, path):
    if not isinstance(theirs, np.ndarray) or ours.shape != theirs.shape:
        return [f"{path}: shape {ours.shape} against {getattr(theirs, 'shape', theirs)!r:.60}"]
    if ours.dtype == np.uint8:  # drawn in 256 colours: a value between two of them may fall to either
        off = np.abs(ours.astype(int) - theirs.astype(int))
        same = off.max(initial=0) <= 1 and np.count_nonzero(off) <= max(2, 1e-3 * off.size)  # a pair, by symmetry
        return [] if same else [f"{path}: bytes off by {off.max()}, {np.count_nonzero(off)} of {off.size}"]
    ours, theirs = ours.astype(float), theirs.astype(float)
    live = np.isfinite(ours)
    if not np.array_equal(live, np.isfinite(theirs)):  # both diverge where one does; inf or nan is a matter of order
        where = np.flatnonzero((live != np.isfinite(theirs)).ravel())
        pair = ours.ravel()[where[:3]], theirs.ravel()[where[:3]]
        return [f"{path}: finite in one and not in the other at {where[:5]} of {ours.size}: {pair}"]
    if not live.any():
        return []
    # The scale of an array is its largest number; of a run that grows beyond bounds, that of what it grew to so far.
    scale = np.abs(ours[live]).max()
    if scale > 1e6:
        scale = np.maximum.accumulate(np.abs(np.where(live, ours, 0.0)), axis=int(np.argmax(ours.shape)))
    with np.errstate(over="ignore"):
        off = np.where(live, np.abs(np.where(live, ours, 0) - np.where(live, theirs, 0)), 0.0)
    bad = off > tolerance * np.maximum(scale, 1e-300)
    if not bad.any():
        return []
    worst = np.unravel_index(np.argmax(off / np.maximum(scale, 1e-300)), off.shape)
    return [f"{path}{list(map(int, worst))}: {ours[worst]!r} against {theirs[worst]!r}, {np.count_nonzero(bad)} of {bad.size}"]


def captions(ours, theirs, rounding=0.0):
    """Differences of two captions: the words must be equal, numbers may differ by their last digit (or be below `rounding`)."""
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return [f"caption: {ours!r} against {theirs!r}"]
    for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        one, two = (float(text.replace(",", "").replace("−", "-")) for text in (a, b))
        digits = a.replace(",", "").lstrip("-−").split("e")[0]
        last = 10.0 ** -len(digits.partition(".")[2]) * 10.0 ** int(a.partition("e")[2] or 0)
        if abs(one - two) > 1.01 * last and max(abs(one), abs(two)) > rounding:
            return [f"caption: {a} against {b} in {ours!r}"]
    return []
