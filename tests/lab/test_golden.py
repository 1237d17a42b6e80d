"""Every figure computed twice: the page's numbers against the library's, on random states drawn here (GOLDEN_SEED draws others)."""

import json
import os
import warnings

import golden
import numpy as np
import pytest
from golden_special import ROUNDING, SPECIAL, comparable, sure

from inertia.errors import InertiaError
from inertia.lab.api import handle
from inertia.lab.views import discovered

pytestmark = pytest.mark.browser
SEED = int(os.environ.get("GOLDEN_SEED", "1"))
COUNT = int(os.environ.get("GOLDEN_COUNT", "200"))
COSTLY = 8  # what is costly (maps, contours, mazes) is compared for every eighth state
ALIKE = {"colour": ["cells", "maze", "seeds"], "graphs": ["seed", "graph", "n"], "hero": ["surface", "formula"], "yours": ["record"]}
_ASK = """([name, states]) => {
  const { answer } = inertia.need("answer"), { packed } = inertia.need("numerics/packing"), view = inertia.need(`views/${name}`);
  return states.map(([state, costly]) => packed(answer(view, { state, costly }), true));
}"""


@pytest.fixture(scope="module")
def asked(plain):
    """Views of many states, computed in the page in a few calls (each reply as text, some figures send a megabyte a state)."""

    def ask(name, marked):
        for first in range(0, len(marked), 40):
            replies = golden.unpacked(plain.page.evaluate(_ASK, [name, marked[first : first + 40]]))
            yield from ((state, reply) for (state, _), reply in zip(marked[first : first + 40], replies, strict=True))

    return ask


def lines(name, state, ours, theirs):
    """Everything in which the two replies differ."""
    if "error" in ours or "error" in theirs:
        return [] if ours.get("error") == theirs.get("error") else [f"{ours.get('error')} against {theirs.get('error')}"]
    rounding = ROUNDING.get(name, 0.0)
    mine, yours, spoken = comparable(name, ours["view"], theirs["view"], state)
    found = golden.differences(mine, yours, rounding=0.0 if name == "views" else rounding)
    if theirs["costly"]:
        off = golden.differences(ours["costly"], theirs["costly"])
        found += off and golden.differences(*sure(name, state, ours["costly"], theirs["costly"]))
    if spoken:
        found += golden.captions(ours["caption"], theirs["caption"], rounding) + golden.captions(ours["alt"], theirs["alt"], rounding)
    return found


def _keys(name, state):
    """The keys of everything costly, so that it is not made."""
    try:
        return {part: costly.key for part, costly in discovered()[name].view(state).costly.items()}
    except InertiaError:
        return {}


@pytest.mark.parametrize("name", list(discovered()))
def test_the_page_computes_what_the_library_computes(name, asked):
    made = golden.states(discovered()[name].FIELDS, COUNT, np.random.default_rng([SEED, len(name)]), SPECIAL.get(name))
    every = 3 * COSTLY if name == "yours" else COSTLY  # a map of it is 703 forecasts
    marked = [[state, index % every == 0] for index, state in enumerate(made)]
    if name in ALIKE:  # in an order in which what is dear to compute, and kept by both sides, is computed once
        marked.sort(key=lambda one: str([one[0][field] for field in ALIKE[name]]))
    for state, theirs in asked(name, marked):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # overflow of divergent runs; the captions say it
            have = {} if theirs.get("costly") else _keys(name, state)
            ours = handle({"figure": name, "state": state, "have": have})
            found = lines(name, state, ours, theirs)
        assert not found, f"seed {SEED}: {json.dumps(state)[:600]}\n" + "\n".join(found[:6])


def test_a_wrong_number_would_be_noticed(asked):
    state = {name: field.clean(name, field.default) for name, field in discovered()["map"].FIELDS.items()}
    ((_, theirs),) = asked("map", [[state, True]])
    assert lines("map", state, handle({"figure": "map", "state": state}), theirs) == []
    assert lines("map", state, handle({"figure": "map", "state": state | {"beta": 0.5500011}}), theirs)
