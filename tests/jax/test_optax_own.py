"""optax's own tests of its optimizers, from its wheel, with our transformation as the only row of their table."""

import importlib.util
import types
import unittest
from pathlib import Path

import pytest

optax = pytest.importorskip("optax")
pytest.importorskip("absl")
pytest.importorskip("sklearn")

from inertia.jax import momentum  # noqa: E402

SOURCE = Path(importlib.util.find_spec("optax").origin).parent / "_src" / "alias_test.py"
ROWS = """(
    {'opt_name': 'inertia', 'opt_kwargs': {'learning_rate': 1e-3, 'momentum': 0.9}},
)"""
APPLY = (
    "test_optimization", "test_optimizers_accept_extra_args", "test_optimizers_can_be_wrapped_in_inject_hyperparams",
    "test_preserve_dtype", "test_state_shape_dtype_shard_stability", "test_gradient_accumulation",
)  # fmt: skip


def own_tests():
    if not SOURCE.is_file():
        return []
    text = SOURCE.read_text()
    begin = text.index("_OPTIMIZERS_UNDER_TEST = (") + len("_OPTIMIZERS_UNDER_TEST = ")
    module = types.ModuleType("optax_alias_test")
    exec(compile(text[:begin] + ROWS + text[text.index("\n)\n", begin) + 2 :], str(SOURCE), "exec"), module.__dict__)
    module._get_opt = lambda test, name: momentum
    loader, found = unittest.TestLoader(), []
    for thing in vars(module).values():
        if isinstance(thing, type) and issubclass(thing, unittest.TestCase) and "LBFGS" not in thing.__name__.upper():
            found += [(thing, name) for name in loader.getTestCaseNames(thing) if name.rstrip("0123456789") in APPLY]
    return found


TESTS = own_tests()


def test_each_of_optax_s_tests_that_applies_was_found():
    if TESTS:
        assert {name.rstrip("0123456789") for _, name in TESTS} == set(APPLY)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("case", "name"), TESTS, ids=[name for _, name in TESTS])
def test_optax_s_own_test_passes(case, name):
    result = unittest.TestResult()
    case(name).run(result)
    assert result.testsRun == 1
    assert not result.failures + result.errors, "\n".join(text for _, text in result.failures + result.errors)[-3000:]
