"""The server as a pure function: every figure answers, every bad request is a named error, nothing is unbounded."""

import contextlib
import io
import json
import math
import os
import re
import time

import golden
import numpy as np
import pytest
from golden_special import SPECIAL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inertia.errors import BadInput
from inertia.lab.api import LONGEST, contents, handle, parsed, snippet
from inertia.lab.fields import Choice, Flag, Number, Numbers, Text, clean
from inertia.lab.twin import data, figure
from inertia.lab.views import discovered, named
from inertia.lab.wire import pack, unpack

FIGURES = list(discovered())
MANY = int(os.environ.get("INERTIA_FUZZ", "150"))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_answers_its_defaults(name):
    reply = unpack(pack(handle({"figure": name, "id": 7})))
    assert "error" not in reply
    assert reply["id"] == 7
    assert len(reply["caption"]) > 20
    assert reply["caption"].count("*") % 2 == 0
    assert len(reply["alt"]) > 20
    assert set(reply["costly"]) == set(reply["keys"])


@pytest.mark.parametrize("name", FIGURES)
def test_what_the_page_has_is_not_sent_again(name):
    first = handle({"figure": name})
    again = handle({"figure": name, "have": first["keys"]})
    assert again["costly"] == {}
    assert len(pack(again)) <= len(pack(first))
    assert len(pack(again)) < 64_000, "one move must stay small"


@pytest.mark.parametrize("name", FIGURES)
def test_one_is_not_said_in_the_plural(name):
    many = re.compile(r"(?<![\d.,√])1\*? (?!as\b|is\b|plus\b)[a-z]+s\b")
    fields = {key: field for key, field in discovered()[name].FIELDS.items() if isinstance(field, Number)}
    for key, field in fields.items():
        reply = handle({"figure": name, "state": {key: min(max(1, field.low), field.high)}})
        assert many.findall(f"{reply['caption']} {reply['alt']}") == [], key


@pytest.mark.parametrize("name", FIGURES)
def test_the_static_twin_draws(name, tmp_path):
    target = tmp_path / "twin.png"
    figure(name).savefig(target, dpi=40)
    assert target.stat().st_size > 4_000


@pytest.mark.parametrize("name", FIGURES)
def test_the_copied_python_runs_as_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = handle({"figure": name, "want": "python", "state": {}})["python"]
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, name, "exec"), {})  # our own text
    assert (tmp_path / f"{name}.png").stat().st_size > 4_000


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow of divergent runs; the captions say it
@pytest.mark.parametrize("name", FIGURES)
def test_the_copied_python_prints_the_caption_of_any_state(name, tmp_path, monkeypatch):
    """Run, but for the picture: the caption first, and the steps by name come to the same numbers."""
    monkeypatch.chdir(tmp_path)
    for state in golden.states(named(name).FIELDS, 6, np.random.default_rng([7, len(name)]), SPECIAL.get(name)):
        if state.get("record") is not None:
            (tmp_path / "record.json").write_text(json.dumps(state["record"]))
        code = "\n".join(line for line in snippet(name, state).splitlines() if not line.startswith("figure("))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, name, "exec"), {})  # our own text
        caption, printed = handle({"figure": name, "state": state})["caption"], said.getvalue()
        assert printed.startswith(caption + "\n"), state
        steps = printed[len(caption) :]
        assert steps.strip(), "the same numbers, step by step"
        if "diverges" not in caption.lower():
            ours, theirs = (set(map(float, golden.NUMBER.findall(text.replace(",", "").replace("−", "-")))) for text in (steps, caption))
            assert ours & theirs, f"{steps!r} has no number of {caption!r}"


def test_a_snippet_names_only_what_was_changed():
    assert 'figure("map", beta=0.9)' in snippet("map", clean(named("map").FIELDS, {"beta": 0.9}))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (None, "a request is an object"),
        ([], "a request is an object"),
        ({"figure": "hero", "path": "/etc/passwd"}, "no name 'path'"),
        ({"figure": "../../etc/passwd"}, "there is no figure"),
        ({"figure": "mapp"}, "did you mean 'map'"),
        ({"figure": 3}, "there is no figure"),
        ({"figure": "map", "want": "eval"}, "want cannot be"),
        ({"figure": "map", "state": 3}, "state must be an object"),
        ({"figure": "map", "have": []}, "have must be an object"),
        ({"figure": "map", "state": {"alhpa": 1}}, "did you mean 'alpha'"),
        ({"figure": "map", "state": {"alpha": "1"}}, "alpha must be a number"),
        ({"figure": "map", "state": {"alpha": True}}, "alpha must be a number"),
        ({"figure": "map", "state": {"alpha": math.nan}}, "not finite"),
        ({"figure": "map", "state": {"alpha": 10**400}}, "not finite"),
        ({"figure": "map", "state": {"family": "adam"}}, "family cannot be 'adam'"),
        ({"figure": "map", "state": {"log": 1}}, "log must be true or false"),
        ({"figure": "map", "state": {"curvatures": [1] * 99}}, "needs a list of 1 to 6 numbers, got a list of 99"),
        ({"figure": "hero", "state": {"surface": "formula", "formula": "x +"}}, "expected a number"),
        ({"figure": "hero", "state": {"formula": "x" * 300}}, "300 characters"),
        ({"figure": "hero", "state": {"formula": 3}}, "formula must be text"),
    ],
)
def test_a_bad_request_is_a_named_error(request_, words):
    reply = handle(request_)
    assert reply["error"]["kind"] == "BadInput"
    assert words in reply["error"]["message"]
    assert len(json.dumps(reply)) < 1_000


def test_messages_are_capped_and_must_be_json():
    with pytest.raises(BadInput, match="at most"):
        parsed("x" * (LONGEST + 1))
    with pytest.raises(BadInput, match="not JSON"):
        parsed("{")
    with pytest.raises(BadInput, match="not JSON"):
        parsed("[" * 100_000)


def test_numbers_are_moved_into_their_range():
    assert clean({"a": Number(1.0, 0.0, 2.0)}, {"a": 9}) == {"a": 2.0}
    assert clean({"n": Number(1, 0, 5, whole=True)}, {"n": 2.6}) == {"n": 3}
    assert clean({"h": Numbers((1.0,), 0.5, 2.0)}, {"h": [0, 1, 9]}) == {"h": [0.5, 1.0, 2.0]}
    assert clean({"t": Text("x"), "c": Choice("a", {"a": ""}), "f": Flag(True)}, {}) == {"t": "x", "c": "a", "f": True}


def test_the_wire_keeps_values_shapes_and_alignment():
    sent = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": [np.arange(3, dtype=np.int64), {"c": np.array([True, False])}],
        "d": math.inf,
        "e": None,
    }
    got = unpack(pack(sent))
    np.testing.assert_array_equal(got["a"], sent["a"])
    np.testing.assert_array_equal(got["b"][0], [0, 1, 2])
    np.testing.assert_array_equal(got["b"][1]["c"], [1, 0])
    assert got["d"] is None
    assert got["e"] is None
    assert unpack(pack({"far": np.array([1e300, -np.inf, np.nan])}))["far"][0] > 3e38
    with pytest.raises(BadInput, match="not a reply"):
        unpack(b"HTTP/1.1")


def test_the_contents_list_every_figure_in_reading_order():
    assert [entry["name"] for entry in contents()] == FIGURES
    orders = [discovered()[name].ORDER for name in FIGURES]
    assert orders == sorted(set(orders))


def test_data_holds_what_the_page_gets():
    assert data("map", alpha=1.0, beta=0.0)["rate"] == pytest.approx(0.0, abs=1e-7)
    with pytest.raises(BadInput, match="unknown field"):
        data("map", alphas=1.0)


NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**12), 10**12), st.sampled_from([0, -0.0, 1e-320, 1e308, -1, 1])
)
LOOSE = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=20), st.lists(NUMBERS, max_size=9), st.dictionaries(st.text(max_size=4), NUMBERS)
)


def fitting(field):
    """Values that look right for a field, many of them at or beyond its ends."""
    if isinstance(field, Number):
        return st.one_of(st.floats(field.low, field.high), st.sampled_from([field.low, field.high, field.default]), NUMBERS)
    if isinstance(field, Numbers):
        return st.lists(
            st.one_of(st.floats(field.low, field.high), st.sampled_from([field.low, field.high])), min_size=field.least, max_size=field.most
        )
    if isinstance(field, Choice):
        return st.sampled_from(list(field.options))
    if isinstance(field, Flag):
        return st.booleans()
    if isinstance(field, Text):
        return st.text(alphabet="xy0123456789.+-*/^() sincolgexp", max_size=40)
    return LOOSE


def requests():
    def one(name):
        fields = discovered()[name].FIELDS
        state = st.fixed_dictionaries(
            {}, optional={key: st.one_of(fitting(field), fitting(field), fitting(field), LOOSE) for key, field in fields.items()}
        )
        return st.fixed_dictionaries({"figure": st.just(name), "state": state})

    return st.one_of(
        st.sampled_from(FIGURES).flatmap(one),
        st.sampled_from(FIGURES).flatmap(one),
        st.dictionaries(st.text(max_size=6), LOOSE, max_size=4),
        LOOSE,
    )


@pytest.fixture(scope="module")
def warm():
    """Every figure asked once: what it imports and solves at first is not what a move costs."""
    for name in FIGURES:
        handle({"figure": name})


@pytest.mark.usefixtures("warm")
@settings(max_examples=MANY, suppress_health_check=list(HealthCheck))
@given(requests())
def test_whatever_comes_is_answered_soon_and_small(request_):
    began = time.thread_time()  # of this thread, so that a busy machine does not fail the test
    reply = handle(request_)
    took = time.thread_time() - began
    packed = pack(reply)
    assert ("error" in reply) != ("view" in reply or "figures" in reply or "python" in reply)
    assert took < 2.0, f"{took:.2f} s for {request_}"
    assert len(packed) < 2_000_000
    if "error" in reply:
        assert reply["error"]["kind"] in {"BadInput", "Unstable", "Diverged", "BadData"}
        assert len(reply["error"]["message"]) < 800
