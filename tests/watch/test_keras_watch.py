"""KerasWatch on both backends, each in a process of its own: Keras chooses its backend once."""

import json
import math
from pathlib import Path

import pytest

from inertia.watching.journal import watched

CASE = Path(__file__).parent / "keras_case.py"


@pytest.mark.parametrize(("backend", "name", "edge"), [("torch", "adamw", 3800.0), ("jax", "sgd", 76.0)])
def test_keras_is_followed_and_trains_the_same(keras_process, tmp_path, backend, name, edge):
    place = tmp_path / "run.jsonl"
    code, out, err = keras_process(backend, CASE, name, place)
    assert code == 0, err[-2000:]
    found = json.loads(out.splitlines()[-1])
    assert found["backend"] == backend
    assert found["same"], "the watch changed the run"
    assert found["steps"] == 12
    assert found["edges"] == pytest.approx([edge] * 3, rel=0.01)
    assert all(slope < 0 for slope in found["slopes"])
    assert all(math.isfinite(along) for along in found["along"])  # looks at the whole probe leave nothing out
    assert found["facts"] == "{}"
    assert [said.split(" is ")[0] for said in found["refused"]] == ["budget = 0", "budget = 1.5", "every = 0"]
    run = watched(place)
    assert [look.sharpness for look in run.looks] == found["sharpness"]
    assert [look.step for look in run.looks] == [4, 8, 12]
    assert len(run.losses) == 12
