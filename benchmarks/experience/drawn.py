"""Training jobs drawn at random: data, network, loss and budget by a die, after TaskSet (Metz et al. 2020).

    python benchmarks/experience/drawn.py COUNT         writes drawn.json, the list of the first COUNT

Jobs that somebody thought of are few, and alike in what their author finds natural. These are put together by a die from the pieces
of `drawn_parts.py`; number n is always the same job. Nothing like the problems of `benchmarks/unseen.py` is among the pieces: no
spirals, no product of two factors, no mixture of densities, no linear softmax of features of unlike scales, no convolution along
waves, no counts, no recalled symbol, no quantiles.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    __package__ = "experience"

from .drawn_parts import (
    ACTS,
    CONVEX,
    LOSSES,
    Loss,
    Shape,
    asked,
    blobs,
    causal,
    convolved,
    dense_net,
    linear,
    recurrent,
    rows_of,
    series,
    written,
)
from .jobs import LISTED
from .layers import Built, binary, cross_entropy, half_square, single, split

Net = tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]
MOST = 1e8  # parameters times what is seen of examples and places in a run
TABLES = ("normal", "normal", "heavy", "binary", "kinds", "clusters", "raw", "pixels", "breast", "uniform")
TEACHERS = ("linear", "network", "waves", "products", "prototypes", "steps")


@cache
def drawn(number: int) -> tuple[Built, int, int | None, str, bool]:
    """Job `number`: what it trains, steps, batch size (None: all), "convex" or "network", and whether its loss may go below 0."""
    budget = np.random.default_rng([number, 1126])
    steps, batch = int(round(np.exp(budget.uniform(np.log(120), np.log(1200))), -1)), int(2 ** budget.uniform(2.5, 7))
    for attempt in range(100):
        rng = np.random.default_rng([number, attempt, 2511])
        built, places, kind, negative = rng.choice([_table, _table, _table, _symbols, _series, _pictures, _copied])(rng)
        examples = len(built.data[0])
        size = None if rng.random() < 0.08 or batch >= examples else batch
        parameters = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(built.init, 0)))
        if parameters >= 30 and parameters * (size or examples) * places * steps <= MOST:
            return built, steps, size, kind, negative
    raise AssertionError(number)


def _shape(rng: Any) -> Shape:
    """A network's form."""
    act = str(rng.choice(list(ACTS)))
    gain = float(np.exp(rng.normal(0.1, 0.5)) * (0.5 if act == "square" else 1.0))
    return Shape(
        int(rng.choice([1, 1, 2, 2, 2, 3, 4, 5])), int(rng.choice([8, 12, 16, 24, 32, 48])), act,
        str(rng.choice(["none", "none", "none", "none", "layer", "batch"])), bool(rng.random() < 0.25),
        bool(rng.random() < 0.12), gain, float(rng.choice([0.0, 0.3, 1.0, 1.0, 1.0, 2.0])), bool(rng.random() < 0.2),
    )  # fmt: skip


def _scaled(rng: Any, loss: Loss) -> tuple[Loss, float]:
    """The loss in units of its own, and the weight of a penalty on squares of parameters."""
    unit = float(rng.choice([0.03, 0.3, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0, 30.0]))
    penalty = float(10 ** rng.uniform(-4.5, -2)) if rng.random() < 0.2 else 0.0
    return (lambda out, y: unit * loss(out, y)), unit * penalty


def _made(rng: Any, net: Net, loss: Loss, data: Any, places: int, kind: str = "network", negative: bool = False) -> Any:
    """The job of a network."""
    begun, out = net
    scaled, penalty = _scaled(rng, loss)

    def init(seed: int) -> Any:
        return begun(jax.random.key(seed))

    def whole(params: Any, batch: Any) -> Any:
        squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params)) if penalty else 0.0
        return scaled(out(params, batch[0]), batch[1]) + penalty * squares / 2

    return Built(init, whole, *split(data, len(data[0]) // 6)), places, kind, negative


def _target(rng: Any, x: Any, teacher: str, task: str) -> tuple[Any, int]:
    """What is wanted of every row, and how many outputs that takes."""
    if task == "number":
        outputs = int(rng.choice([1, 1, 1, 2, 5]))
        y = asked(rng, teacher, x, outputs)
        return (y + rng.choice([0.0, 0.05, 0.3, 1.0]) * rng.standard_normal(y.shape)).astype(np.float32), outputs
    if task == "yes or no":
        z = asked(rng, teacher, x, 1) + rng.choice([0.0, 0.3, 1.0]) * rng.standard_normal((len(x), 1))
        return (z > np.quantile(z, rng.uniform(0.3, 0.93))).astype(np.float32), 1
    kinds = int(rng.choice([3, 4, 6, 10, 15]))
    z = asked(rng, teacher, x, kinds) + rng.choice([0.0, 0.3, 0.8]) * rng.standard_normal((len(x), kinds))
    return (z + rng.normal(0, rng.choice([0.0, 0.5]), kinds)).argmax(axis=1).astype(np.int32), kinds


def _table(rng: Any) -> Any:
    """A table, by a linear model or a dense network."""
    flat = rng.random() < 0.22
    columns, count = int(rng.choice([2, 4, 8, 12, 20, 30])), int(rng.choice([150, 300, 600, 1000, 2000]))
    source = str(rng.choice(TABLES))
    x = rows_of(rng, source, count, columns)
    task = str(rng.choice(["number", "yes or no"] if flat else ["number", "number", "yes or no", "kind"]))
    y, outputs = _target(rng, x, str(rng.choice(TEACHERS)), task)
    names = [name for name in LOSSES[task] if not flat or (name in CONVEX and not (name == "squares" and task != "number"))]
    name = str(rng.choice(names))
    if task == "number" and name in ("half squares", "squares", "summed squares", "huber") and rng.random() < 0.15:
        y = y * np.float32(np.exp(rng.normal(0, 1.0))) + np.float32(rng.normal(0, 1.0))  # in units of its own
    wide = outputs * (2 if name == "normal" else 1)
    shape = _shape(rng)
    net = dense_net(Shape(0, 1, "tanh", "none", False, False, 1.0, shape.last, False) if flat else shape, x.shape[1], wide)
    loss = LOSSES[task][name]
    return _made(rng, net, loss, (x.astype(np.float32), y), 1, "convex" if flat else "network", name == "normal")


def _symbols(rng: Any) -> Any:
    """Sequences of symbols: the next one at every place, or which of several sources they come from."""
    length, count = int(rng.choice([6, 8, 12])), int(rng.choice([300, 600, 1200]))
    source, naming = str(rng.choice(["letters", "brackets", "steps", "chains", "chains"])), rng.random() < 0.3
    if naming:
        each = [written(rng, "chains", count // 3, length, 8)[0] for _ in range(3)]
        x, symbols, y = np.vstack(each), 8, np.repeat(np.arange(3), count // 3).astype(np.int32)
    else:
        whole, symbols = written(rng, source, count, length + 1, int(rng.choice([6, 12, 20])))
        x, y = whole[:, :-1], whole[:, 1:].astype(np.int32)
    shape, outputs = _shape(rng), 3 if naming else symbols
    body = _body(rng, shape, shape.width)

    def init(key: Any) -> Any:
        keys = jax.random.split(key, 3)
        table = jax.random.normal(keys[0], (symbols, shape.width)) * shape.gain
        return {"table": table, "body": body[0](keys[1]), "head": linear(keys[2], shape.width, outputs, shape.last)}

    def out(params: Any, tokens: Any) -> Any:
        states = body[1](params["body"], params["table"][tokens])
        states = jnp.mean(states, axis=1) if naming else states
        return states @ params["head"]["w"] + params["head"]["b"]

    return _made(rng, (init, out), cross_entropy, (x.astype(np.int32), y), length)


def _body(rng: Any, shape: Shape, inputs: int) -> Net:
    """What goes along a sequence."""
    kind = str(rng.choice(["plain", "gru", "lstm", "attention", "attention", "convolution"]))
    if kind in ("plain", "gru", "lstm"):
        return recurrent(kind, shape, inputs)
    layers = [causal(kind if k == 0 else str(rng.choice(["attention", "convolution"])), shape) for k in range(int(rng.choice([1, 2])))]

    def init(key: Any) -> Any:
        return [begun(k) for (begun, _), k in zip(layers, jax.random.split(key, len(layers)), strict=True)]

    def out(params: Any, x: Any) -> Any:
        for (_, layer), mine in zip(layers, params, strict=True):
            x = layer(mine, x)
        return x

    return init, out


def _series(rng: Any) -> Any:
    """Series of numbers: the next value, from a window or along the series."""
    length, count = int(rng.choice([8, 12, 16])), int(rng.choice([300, 800]))
    whole = series(rng, str(rng.choice(["logistic", "moving", "sines"])), count, length + 1)
    x, y = whole[:, :-1].astype(np.float32), whole[:, -1:].astype(np.float32)
    shape = _shape(rng)
    name = str(rng.choice(["squares", "half squares", "huber", "normal", "log cosh"]))
    wide = 2 if name == "normal" else 1
    if rng.random() < 0.5:
        return _made(rng, dense_net(shape, length, wide), LOSSES["number"][name], (x, y), 1, negative=name == "normal")
    begun, states = recurrent(str(rng.choice(["plain", "gru", "lstm"])), shape, 1)

    def init(key: Any) -> Any:
        first, second = jax.random.split(key)
        return {"body": begun(first), "head": linear(second, shape.width, wide, shape.last)}

    def out(params: Any, x: Any) -> Any:
        return states(params["body"], x[..., None])[:, -1] @ params["head"]["w"] + params["head"]["b"]

    return _made(rng, (init, out), LOSSES["number"][name], (x, y), length, negative=name == "normal")


def _pictures(rng: Any) -> Any:
    """Small pictures by two convolutions and a linear layer: their kind, or how strong they are."""
    size, kinds = int(rng.choice([8, 10])), int(rng.choice([3, 6, 10]))
    x, y = blobs(rng, int(rng.choice([300, 600])), size, kinds)
    shape, channels = _shape(rng), int(rng.choice([3, 6, 8]))
    act, name = ACTS[shape.act], str(rng.choice(["cross entropy", "cross entropy", "smoothed", "brier", "margins"]))

    def init(key: Any) -> Any:
        keys = jax.random.split(key, 3)
        kernels = [
            {"w": jax.random.normal(k, (3, 3, a, channels)) * shape.gain / np.sqrt(9 * a), "b": jnp.zeros(channels)}
            for k, a in zip(keys, (1, channels), strict=False)
        ]
        return {"kernels": kernels, "last": linear(keys[2], channels * (size // 2) ** 2, kinds, shape.last)}

    def out(params: Any, x: Any) -> Any:
        y = convolved(params["kernels"][0], x[..., None], act, 1)
        y = convolved(params["kernels"][1], y, act, 2)
        return y.reshape(len(x), -1) @ params["last"]["w"] + params["last"]["b"]

    return _made(rng, (init, out), LOSSES["kind"][name], (x, y), size**2 // 8)


def _copied(rng: Any) -> Any:
    """A table through a narrow middle, or with a part of it hidden: what went in is wanted again."""
    columns = int(rng.choice([8, 12, 20]))
    x = rows_of(rng, str(rng.choice([each for each in TABLES if each != "raw"])), int(rng.choice([300, 800])), columns).astype(np.float32)
    hidden, zeros = bool(rng.random() < 0.4), set(np.unique(x)) == {0.0, 1.0}
    seen = x * (rng.random(x.shape) < 0.6) if hidden else x
    shape, middle = _shape(rng), int(rng.choice([2, 3, 5]))
    first, second = dense_net(shape, x.shape[1], middle), dense_net(shape, middle, x.shape[1])

    def init(key: Any) -> Any:
        keys = jax.random.split(key)
        return first[0](keys[0]), second[0](keys[1])

    def out(params: Any, x: Any) -> Any:
        return second[1](params[1], first[1](params[0], x))

    return _made(rng, (init, out), binary if zeros else half_square, single(seen, x), 1)


def listed(first: int, last: int) -> dict[str, list[Any]]:
    """What the list of jobs holds of numbers first..last-1: kind, steps, batch size, and whether the loss may go below 0."""
    found = {}
    for number in range(first, last):
        _, steps, size, kind, negative = drawn(number)
        found[f"drawn-{number}"] = [kind, steps, size, negative]
    return found


def main() -> None:
    rows = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in listed(0, int(sys.argv[1])).items()]
    LISTED.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
