"""What random fields of a figure cannot know of each other, so that random states are states that a hand can reach."""

import numpy as np

from inertia.lab.landscape import surface
from inertia.lab.mazes import PRESETS, encoded

FORMULAS = (
    "x^2 + 3y^2 + sin(3x) cos(3y)",
    "(1 - x)^2 + 20 (3y - x^2)^2",
    "xy",
    "x^2 y^2 + 0.1 x^2 + tanh(y)^2",
    "exp(-x^2 - y^2) + abs(x)",
    "3y - x^2",
    "sqrt(1 + x^2 + 4y^2)",
)


def _hero(state, rng):
    state["formula"] = str(rng.choice(FORMULAS))
    ground = surface(state["surface"], state["angle"], state["low"], state["high"], state["formula"], state["half"])
    (left, right), (bottom, top) = ground.domain
    state["x"], state["y"] = float(rng.uniform(left, right)), float(rng.uniform(bottom, top))
    state["alpha"], state["kick"] = float(min(ground.alpha_high * rng.uniform(0, 1), 10)), int(rng.choice([0, 0, 1, 77]))
    return state


def _scaled(high):
    def special(state, rng):
        one = max(state["curvatures"]) if "curvatures" in state else 1.0
        state["alpha"] = float(rng.uniform(0, high)) / one
        return state

    return special


def _views(state, rng):
    state["alpha"] = float(rng.uniform(0, 4.2)) / max(state["flat"], state["steep"])
    return state


def _polynomial(state, rng):
    count = int(rng.integers(4, 16))
    state["points"] = np.sort(rng.uniform(-1, 1, count)).round(2).tolist()
    state["targets"] = rng.uniform(-3, 3, count).round(2).tolist()
    if rng.random() < 0.6:
        del state["points"], state["targets"]
    state["hand"] = rng.normal(0, 3, int(rng.integers(1, 9))).tolist()
    return state


def _graphs(state, rng):
    state["flips"] = [-1.0] if rng.random() < 0.4 else rng.integers(0, state["n"], 2 * int(rng.integers(1, 9))).astype(float).tolist()
    state["seed"] = int(rng.integers(0, 20))
    return state


def _colour(state, rng):
    state["maze"] = str(rng.choice([name for name in PRESETS if name != "large"]))
    state["cells"], state["seeds"] = "", [-1.0]
    if rng.random() < 0.7:
        mask = rng.random((int(rng.integers(2, 14)), int(rng.integers(2, 18)))) < 0.75
        mask[0, 0] = True
        state["cells"], state["seeds"] = encoded(mask), [0.0, *rng.integers(0, mask.size, int(rng.integers(0, 4))).astype(float).tolist()]
    state["mode"] = int(rng.integers(1, 7))
    return state


def _limits(state, rng):
    state["n"] = int(rng.integers(3, 200))
    state["kappa"] = float(np.exp(rng.uniform(np.log(2), np.log(1e4))))
    state["alpha"] = float(rng.uniform(1e-4, 4.0)) / state["kappa"]
    return state


def _yours(state, rng):
    if rng.random() < 0.6:
        state["record"] = record(rng)
    state["key"] = ""
    return state


def record(rng):
    """A record such as `inertia tune` writes, of a made-up problem."""
    n, steps = int(rng.integers(1, 25)), int(rng.choice([20, 150, 900]))
    h = np.sort(np.exp(rng.uniform(-7, 2, n)))
    weights, noise = rng.uniform(0, 2, n) / h, rng.uniform(0, 0.01, n) * h * float(rng.random() < 0.8)
    provenance = {"epoch": float(rng.uniform(5, 80))} if rng.random() < 0.5 else {}
    if rng.random() < 0.3:
        provenance |= {"bend": float(rng.uniform(0.2, 1.5)), "knee": float(rng.uniform(0.2, 1)), "slack": float(rng.uniform(0.3, 1))}
    start = float(0.5 * np.sum(h * weights)) * float(rng.uniform(1.0, 1.5))
    method = {"alpha": float(0.5 / h[-1]), "beta": float(rng.uniform(0, 0.99)), "gamma": 0.0}
    curve = {
        "steps": list(range(steps)),
        "loss": [None if rng.random() < 0.01 else float(v) for v in start * np.exp(-np.arange(steps) / steps)],
    }
    return {
        "task": "made up", "steps": steps, "schedule": str(rng.choice(["constant", "linear", "cosine"])), "verdict": "momentum helps",
        "recommendation": method, "measurement": {"loss": start}, "verified_loss": None if rng.random() < 0.5 else start / 3,
        "spectrum": known | {"provenance": provenance},
        "runs": [method | {"alpha": method["alpha"] / 2}, method], "curves": {"actual": [curve, curve], "predicted": [curve, curve]},
    }  # fmt: skip


SPECIAL = {
    "hero": _hero, "modes": _scaled(4.2), "map": _scaled(4.2), "noise": _scaled(0.3), "views": _views, "polynomial": _polynomial,
    "graphs": _graphs, "colour": _colour, "limits": _limits, "yours": _yours,
}  # fmt: skip
ROUNDING = {"views": 1e-6, "limits": 1e-12, "colour": 1e-10}


def comparable(name, view, state):
    """A view without what only one side can know: a record's key, and the sign of what has grown beyond all bounds."""
    if name == "yours":
        view = view | {"key": bool(view["key"])}
    if name == "colour":
        lost = [value is not None and bool(np.isfinite(value) and value > 1e6) for value in view["now"]]
        known = [None if value is None or not np.isfinite(value) else float(value) for value in view["now"]]
        view = view | {
            "pictures": np.where(np.array(lost)[:, None], np.uint8(0), view["pictures"]),
            "now": [1e6 if gone else value for gone, value in zip(lost, known, strict=True)],
            "errors": np.where(view["errors"] > 1e6, 1e6, view["errors"]),
        }
    if name == "hero":
        view = view | {"excess": np.nan_to_num(view["excess"], nan=0.0)}
        for index, last in enumerate(_predictable(state)):
            view["excess"] = np.where(
                (np.arange(view["excess"].shape[1]) > last) & (np.arange(len(view["excess"]))[:, None] == index), 0, view["excess"]
            )
            if index == 0:
                view |= {part: view[part][: last + 1] for part in ("path", "losses", "heights") if part in view}
            else:
                view["ghosts"] = [
                    ghost | {"path": ghost["path"][: last + 1]} if i == index - 1 else ghost for i, ghost in enumerate(view["ghosts"])
                ]
    return view


def _predictable(state):
    """Steps up to which a path shifted by a billionth of a millionth at its start is still the same path: beyond, chaos decides."""
    from inertia.lab.figures import hero

    shifted = state | {"x": state["x"] * (1 + 1e-14) + 1e-14, "y": state["y"] * (1 - 1e-14) + 1e-14}
    one, two = hero.view(state).values, hero.view(shifted).values
    for a, b in zip([one["path"], *(g["path"] for g in one["ghosts"])], [two["path"], *(g["path"] for g in two["ghosts"])], strict=True):
        off = np.nan_to_num(np.abs(a - b).max(axis=-1), nan=0.0) > 1e-9
        off |= np.isnan(a).any(axis=-1) != np.isnan(b).any(axis=-1)
        yield int(np.argmax(off)) - 1 if off.any() else len(a)
