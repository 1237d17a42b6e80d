"""Values as plain JSON and back, whichever way their types are spelled."""

import dataclasses
import json
import sys
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from inertia.tuning import stored
from inertia.tuning.stored import from_plain, to_plain

typing_extensions = pytest.importorskip("typing_extensions")
S = TypeVar("S", bound=np.generic)
# As numpy writes it from 2.5 on: `type NDArray[S] = np.ndarray[Any, np.dtype[S]]`.
ALIAS = typing_extensions.TypeAliasType("ALIAS", np.ndarray[Any, np.dtype[S]], type_params=(S,))
AGAIN = typing_extensions.TypeAliasType("AGAIN", ALIAS[np.float64])


@dataclasses.dataclass
class Held:
    old: NDArray[np.float64]
    new: ALIAS[np.float64]
    twice: AGAIN
    whole: ALIAS[np.int64]
    maybe: ALIAS[np.float64] | None = None


def test_an_array_comes_back_as_one_under_every_spelling_of_its_type():
    value = Held(np.array([1.0, np.inf]), np.array([[1.5, np.nan]]), np.array([2.0]), np.array([2**60 + 1]), np.array([0.1]))
    back = from_plain(Held, json.loads(json.dumps(to_plain(value))))
    for field in dataclasses.fields(Held):
        one, two = getattr(value, field.name), getattr(back, field.name)
        assert isinstance(two, np.ndarray)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement came with Python 3.12")
def test_the_type_statement_of_python_is_read():
    space: dict[str, Any] = {"np": np}
    exec("type Row[S: np.generic] = np.ndarray[tuple[int, ...], np.dtype[S]]", space)
    assert isinstance(from_plain(space["Row"][np.float64], [1.0, "inf"]), np.ndarray)


def test_a_ladder_of_learning_rates_comes_back_whole():
    """What every measurement in a journal holds."""
    from inertia.tuning.ladder import Ladder

    ladder = Ladder("sgd", 4, np.array([-2.0, -1.0, 0.0]), np.array([1.0, 0.5, 2.0]), 3.0)
    back = from_plain(Ladder, json.loads(json.dumps(to_plain(ladder))))
    assert back.best == ladder.best
    assert stored.to_plain(back) == stored.to_plain(ladder)
