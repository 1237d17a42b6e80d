"""What random fields of a figure cannot know of each other, so that random states are states that a hand can reach."""

import copy
import functools

import numpy as np

from inertia.lab.figures import hero, yours
from inertia.lab.figures.colour import _maze
from inertia.lab.landscape import surface
from inertia.lab.mazes import PRESETS, conjugate, decoded, encoded
from inertia.lab.views import expanded

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


def _oscillator(state, rng):
    """Now and then exactly critical: as steps, or as the motion that they follow."""
    if rng.random() < 0.2:
        state["curvature"] = float(rng.uniform(0.1, 1)) / state["alpha"] if state["alpha"] > 0.1 else state["curvature"]
        state["beta"] = float((1 - np.sqrt(min(state["alpha"] * state["curvature"], 1.0))) ** 2)
    elif rng.random() < 0.1:
        state["drag"] = float(2 * np.sqrt(state["mass"] * state["curvature"]) - state["curvature"] * state["time_step"])
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
    state["n"] = int(np.exp(rng.uniform(np.log(3), np.log(200))))
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
    losses = start * np.exp(-np.arange(steps) / steps)
    curve = {"steps": list(range(steps)), "loss": [None if rng.random() < 0.01 else float(v) for v in losses]}
    known = {"curvatures": h.tolist(), "weights": weights.tolist(), "noise": noise.tolist(), "upper": float(1.1 * h[-1])}
    return {
        "task": "made up", "steps": steps, "schedule": str(rng.choice(["constant", "linear", "cosine"])), "verdict": "momentum helps",
        "recommendation": method, "measurement": {"loss": start}, "verified_loss": None if rng.random() < 0.5 else start / 3,
        "spectrum": known | {"provenance": provenance},
        "runs": [method | {"alpha": method["alpha"] / 2}, method], "curves": {"actual": [curve, curve], "predicted": [curve, curve]},
    }  # fmt: skip


SPECIAL = {
    "hero": _hero, "modes": _scaled(4.2), "map": _scaled(4.2), "noise": _scaled(0.3), "views": _views, "polynomial": _polynomial,
    "oscillator": _oscillator,
    "graphs": _graphs, "colour": _colour, "limits": _limits, "yours": _yours,
}  # fmt: skip
ROUNDING = {"views": 1e-6, "limits": 1e-12, "colour": 1e-10}


def comparable(name, ours, theirs, state):
    """Both views without what rounding alone decides, and whether their captions can be compared."""
    mend = {
        "yours": _any_key,
        "colour": _without_rounding,
        "hero": _without_chaos,
        "polynomial": _without_blown_up,
        "noise": _without_overflow,
    }.get(name)
    return mend(ours, theirs, state) if mend else (ours, theirs, True)


def _any_key(ours, theirs, _):
    """Either language names a record in its own way."""
    return ours | {"key": bool(ours["key"])}, theirs | {"key": bool(theirs["key"])}, True


def sure(name, state, ours, theirs):
    """What is costly without what rounding alone decides: forecasts beyond the edge that a change by a few last digits moves."""
    if name != "yours" or state["record"] is None or "map" not in ours:
        return ours, theirs
    other = copy.deepcopy(state["record"])
    other["spectrum"]["weights"] = [w * (1 + 4e-15 * (-1) ** i) for i, w in enumerate(other["spectrum"]["weights"])]
    moved = expanded(yours.view(state | {"record": other}))["map"]
    final = ours["map"]["final"]
    with np.errstate(invalid="ignore"):
        shaky = ~(np.abs(moved["final"] - final) <= 1e-9 * np.abs(final)) & ~(np.isnan(final) & np.isnan(moved["final"]))
    assert shaky.sum() <= 0.02 * final.size, "only a few cells may be left out"
    return tuple(
        side
        | {
            "map": side["map"]
            | {"final": np.where(shaky, 0.0, side["map"]["final"]), "grid": np.where(shaky, np.uint8(0), side["map"]["grid"])}
        }
        for side in (ours, theirs)
    )


def _without_overflow(ours, theirs, _):
    """A run that has left what is finite, or is about to: on which step it does is rounding."""
    return *(_capped(view) for view in (ours, theirs)), True


def _capped(value):
    if isinstance(value, dict):
        return {name: _capped(part) for name, part in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.where(np.abs(value) > 1e290, np.copysign(np.inf, value), value)
    return float(np.copysign(np.inf, value)) if isinstance(value, float) and abs(value) > 1e290 else value


def _without_blown_up(ours, theirs, _):
    """Where the run diverges in both, its coefficients are of any size and what they add up to is rounding: that is left out."""
    if ours["stable"] or theirs["stable"]:
        return ours, theirs, True
    grown = {"scatter", "band", "coefficients", "features", "learned", "misfit", "sum", "unit"}
    kept = [{name: value for name, value in view.items() if name not in grown} for view in (ours, theirs)]
    return *kept, False


def _without_rounding(ours, theirs, state):
    """The sign of what has grown beyond all bounds, the last of the faint modes, and of conjugate gradients what rounding decides:
    the page may be as far from the library as the library is from itself on the same maze turned over, times ten."""
    same = np.allclose(ours["errors"][3], theirs["errors"][3], 1e-8, 0, equal_nan=True) and ours["now"][3] is not None
    same = same and theirs["now"][3] is not None and np.isclose(ours["now"][3], theirs["now"][3], 1e-8, 0, equal_nan=True)
    doubt = np.zeros(1_000_001) if same else _doubt(*_maze(state))
    last, count = len(doubt) - 1, min(len(ours["values"]), len(theirs["values"]))
    steps, here = ours["steps"].astype(int), min(state["k"], last)
    errors, now = (
        [np.where(view["errors"] > 1e6, 1e6, view["errors"]) for view in (ours, theirs)],
        [_sizes(view) for view in (ours, theirs)],
    )
    with np.errstate(invalid="ignore"):
        alike = np.abs(errors[0][3] - errors[1][3]) <= 10 * doubt[np.minimum(steps, last)]
    errors[1][3] = np.where(alike | (steps > last), errors[0][3], errors[1][3])
    followed = None not in (now[0][3], now[1][3])
    if followed and abs(now[0][3] - now[1][3]) <= 10 * doubt[here]:
        now[1][3] = now[0][3]
    lost = np.array([value is not None and value >= 1e6 for value in now[0][:3]] + [bool(doubt[here] > 1e-8)])
    made = [
        view
        | {"pictures": np.where(lost[:, None], np.uint8(0), view["pictures"]), "errors": error, "now": size}
        | {part: view[part][:count] for part in ("values", "done", "shares")}
        for view, error, size in zip((ours, theirs), errors, now, strict=True)
    ]
    return *made, not followed or 10 * doubt[here] <= 1e-3 * max(now[0][3], ROUNDING["colour"])


def _sizes(view):
    """The errors now, those beyond all bounds as one number, those that are not known as None."""
    return [None if value is None or not np.isfinite(value) else min(float(value), 1e6) for value in view["now"]]


@functools.lru_cache(maxsize=6)
def _doubt(text, seeds):
    """By how much the error of conjugate gradients hangs on the order of summation, at this step or before: over the maze mirrored
    and turned, whose sums are taken in other orders."""
    mask, pins = decoded(text), np.zeros(decoded(text).shape, dtype=bool)
    pins.flat[[seed for seed in seeds if 0 <= seed < mask.size]] = True
    ran = conjugate(text, seeds).errors
    doubt = np.zeros(len(ran))
    for turned in (np.fliplr, np.flipud, np.transpose):
        other = conjugate(encoded(turned(mask)), tuple(int(seed) for seed in np.flatnonzero(turned(pins)))).errors
        both = min(len(ran), len(other))
        doubt[:both] = np.maximum(doubt[:both], np.abs(ran[:both] - other[:both]))
        doubt[both:] = np.inf
    return np.maximum.accumulate(doubt)


def _without_chaos(ours, theirs, state):
    """Losses that are 0 to rounding, and paths beyond the step where one that starts a trillionth away goes elsewhere."""
    shifted = hero.view(state | {"x": state["x"] * (1 + 1e-14) + 1e-14, "y": state["y"] * (1 - 1e-14) + 1e-14}).values
    made, sure = [ours | {"excess": np.nan_to_num(ours["excess"])}, theirs | {"excess": np.nan_to_num(theirs["excess"])}], True
    paths = [(ours["path"], shifted["path"])] + [(a["path"], b["path"]) for a, b in zip(ours["ghosts"], shifted["ghosts"], strict=True)]
    for index, (a, b) in enumerate(paths):
        off = (np.nan_to_num(np.abs(a - b).max(axis=-1)) > 1e-9) | (np.isnan(a).any(axis=-1) != np.isnan(b).any(axis=-1))
        last = int(np.argmax(off)) if off.any() else len(a)
        sure = sure and not (index == 0 and off.any())
        for view in made:
            view["excess"][index, last:] = 0
            if index == 0:
                view |= {part: view[part][:last] for part in ("path", "losses", "heights") if part in view}
            else:
                view["ghosts"] = [g | {"path": g["path"][:last]} if i == index - 1 else g for i, g in enumerate(view["ghosts"])]
    return *made, sure
