"""A tuning that is taken up rests on the experience it began with, whatever the folder has gained since, by itself or by others."""

import json
import re

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.problems import least_squares
from inertia.tuning.asking import Asked, ask
from inertia.tuning.factors import budget_of
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.store import JOURNAL

BUDGET = budget_of(60, steps=40, batch_size=10)


def made(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, 4)) * np.geomspace(1, 0.2, 4)
    return ProblemJob(least_squares(x, x @ rng.standard_normal(4) + 0.3 * rng.standard_normal(60)))


def asked(folder, optimizer="sgd"):
    return Asked(runs=2, optimizer=optimizer, experience=folder, prove=True)


def told(found):
    """All of the answer but how much of it was taken up, and how long it took."""
    return untimed(json.dumps(found.to_json() | {"notes": None}, sort_keys=True)), found.experience


def untimed(text):
    """Without the seconds that measuring took, and without the check sums that cover them."""
    return re.sub(r'"(seconds|check)": ("\w+"|[\d.e+-]+)', "", text)


@pytest.mark.parametrize("optimizer", ["sgd", "any"])
@pytest.mark.parametrize("before", [0, 1])
def test_a_finished_tuning_gives_the_same_answer_again(tmp_path, optimizer, before):
    for seed in range(before):
        ask(made(seed), BUDGET, asked(tmp_path / "mine"))
    first = ask(made(5), BUDGET, asked(tmp_path / "mine", optimizer), journal=tmp_path / "out")
    kept = sorted((tmp_path / "mine").iterdir())
    assert len(kept) > before  # it has grown by that very tuning
    lines = (tmp_path / "out" / JOURNAL).read_bytes()
    again = ask(made(5), BUDGET, asked(tmp_path / "mine", optimizer), journal=tmp_path / "out", resume=True)
    assert told(again) == told(first)
    assert again.notes["resumed"] == 3
    assert sorted((tmp_path / "mine").iterdir()) == kept
    assert (tmp_path / "out" / JOURNAL).read_bytes() == lines


def test_cut_anywhere_it_goes_on_to_the_same_though_others_were_finished_meanwhile(tmp_path):
    ask(made(0), BUDGET, asked(tmp_path / "mine"))
    first = ask(made(5), BUDGET, asked(tmp_path / "mine"), journal=tmp_path / "out")
    ask(made(1), BUDGET, asked(tmp_path / "mine"))
    place = tmp_path / "out" / JOURNAL
    whole = place.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(1, len(lines)):
        place.write_bytes(b"".join(lines[:cut]) + lines[cut][:9])
        again = ask(made(5), BUDGET, asked(tmp_path / "mine"), journal=tmp_path / "out", resume=True)
        assert place.read_bytes()[: len(b"".join(lines[:cut]))] == b"".join(lines[:cut])
        assert untimed(place.read_text()) == untimed(whole.decode())
        assert told(again) == told(first)


def test_without_what_it_began_with_it_is_refused(tmp_path):
    ask(made(0), BUDGET, asked(tmp_path / "mine"))
    (first,) = (tmp_path / "mine").iterdir()
    ask(made(5), BUDGET, asked(tmp_path / "mine"), journal=tmp_path / "out")
    text = first.read_text()
    for spoil in (first.unlink, lambda: first.write_text(text.replace("mine", "ours").replace("0.", "0.1", 1))):
        spoil()
        with pytest.raises(BadInput, match="holds another tuning .*experience was .*, is now"):
            ask(made(5), BUDGET, asked(tmp_path / "mine"), journal=tmp_path / "out", resume=True)
    first.write_text(text)
    ask(made(5), BUDGET, asked(tmp_path / "mine"), journal=tmp_path / "out", resume=True)
