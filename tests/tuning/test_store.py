"""A journal keeps what is finished, goes on where it was cut, and refuses what is damaged, edited, of another tuning, or in use."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.errors import BadInput
from inertia.tuning.recipe import Recipe
from inertia.tuning.store import JOURNAL, Journal, Memory
from inertia.tuning.stored import from_plain, to_plain
from inertia.tuning.trainable import Run

ASKED = {"task": "t", "steps": 20}


def run(number, end=b"end"):
    marks = np.array([0, 10, 20])
    return Run(
        Recipe(0.1 * (number + 1), 0.9), number, 20, marks, np.array([1.0, 1 / 3, 0.1 * number]), np.full(3, np.nan), gradients=40, end=end
    )


def whole(folder, stop=None, resume=False):
    """A little tuning: one measurement, two proposals, a run each; `stop` = facts after which it is killed."""
    store, made = Journal(folder, resume=resume), []

    def count(make):
        def counted(*given):
            if stop is not None and len(made) >= stop:
                raise KeyboardInterrupt
            made.append(1)
            return make(*given)

        return counted

    try:
        store.open(ASKED)
        seen = store.fact("measured", count(lambda: {"loss": 1.0}))
        runs = []
        for number in range(2):
            store.fact("proposed", count(lambda number=number: [number]))
            runs += store.runs(count(lambda lacking, number=number: [run(number)]), 1)
        return seen, runs, [store.end(0), store.end(1)], store.resumed
    finally:
        store.close()


@pytest.mark.parametrize("stop", range(5))
def test_a_tuning_cut_anywhere_is_taken_up_to_the_same_bytes(tmp_path, stop):
    once = whole(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        whole(tmp_path / "b", stop=stop)
    again = whole(tmp_path / "b", resume=True)
    assert (tmp_path / "a" / JOURNAL).read_bytes() == (tmp_path / "b" / JOURNAL).read_bytes()
    assert [(r.recipe, r.training.tolist()) for r in again[1]] == [(r.recipe, r.training.tolist()) for r in once[1]]
    assert again[2] == [b"end", b"end"]


def test_every_cut_of_the_last_line_is_survived(tmp_path):
    whole(tmp_path)
    data = (tmp_path / JOURNAL).read_bytes()
    start = data[:-1].rfind(b"\n") + 1
    for end in range(start, len(data), 7):
        (tmp_path / JOURNAL).write_bytes(data[:end])
        whole(tmp_path, resume=True)
        assert (tmp_path / JOURNAL).read_bytes() == data


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("journal")
    whole(folder)
    return folder, (folder / JOURNAL).read_bytes()


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_no_changed_byte_is_believed(finished, place, byte):
    folder, data = finished
    at = int(place * len(data[: data[:-1].rfind(b"\n")]))  # any byte before the last line
    changed = data[:at] + bytes([byte]) + data[at + 1 :]
    if changed == data:
        return
    (folder / JOURNAL).write_bytes(changed)
    with pytest.raises(BadInput, match=r"damaged or was edited \(line"):
        whole(folder, resume=True)


def test_another_tuning_is_refused_and_each_difference_is_named(tmp_path):
    whole(tmp_path)
    store = Journal(tmp_path, resume=True)
    with pytest.raises(BadInput, match="steps was 20, is now 30"):
        store.open(ASKED | {"steps": 30})
    store.close()


@pytest.mark.parametrize("empty", ["", None, []])
def test_what_was_not_given_has_a_word(tmp_path, empty):
    first = Journal(tmp_path)
    first.open({"experience": empty})
    first.close()
    second = Journal(tmp_path, resume=True)
    with pytest.raises(BadInput, match="experience was not given, is now a folder"):
        second.open({"experience": "a folder"})
    second.close()


def test_two_tunings_cannot_share_a_folder(tmp_path):
    code = "import sys; from inertia.tuning.store import Journal; j = Journal(sys.argv[1]); print('locked', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(BadInput, match="another tuning is writing"):
            Journal(tmp_path)
        other.kill()
        other.wait()
        Journal(tmp_path).close()  # a kill takes the lock away
    finally:
        other.kill()
        other.communicate()


def test_a_symbolic_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("kept")
    os.symlink(tmp_path / "precious", tmp_path / JOURNAL)
    with pytest.raises(BadInput, match="symbolic link"):
        Journal(tmp_path)
    assert (tmp_path / "precious").read_text() == "kept"


def test_memory_keeps_ends():
    store = Memory()
    assert len(store.runs(lambda lacking: [run(0), run(1, None)], 2)) == 2
    assert (store.end(0), store.end(1)) == (b"end", None)


def test_a_run_survives_the_way_to_disk():
    kept = from_plain(Run, json.loads(json.dumps(to_plain(run(1, None)))))
    assert kept.recipe == run(1).recipe
    np.testing.assert_array_equal(kept.training, run(1).training)
    assert kept.marks.dtype == np.int64
    assert np.isnan(kept.validation).all()
