"""What the theory is given: lists as fields, nan, things that are no method or spectrum, and every scale of curvature."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import inertia
from inertia import Method, best, edge, loss_curve, rate, spectrum, steps_to
from inertia.core.schedule import linear
from inertia.errors import BadInput
from inertia.theory import noise, quadratic
from inertia.theory.milestones import milestones
from inertia.theory.modes import coefficients, iterate, regime, roots, stable
from inertia.theory.physics import Particle
from inertia.theory.sequences import conjugate_gradient_curve

NAN = float("nan")
SPECTRUM = spectrum([0.2, 4.0], noise=0.1)
LISTS, ARRAYS = Method([0.1, 0.3], [0.5, 0.9], [0.0, 0.9]), Method(np.array([0.1, 0.3]), np.array([0.5, 0.9]), np.array([0.0, 0.9]))


@pytest.mark.parametrize(
    "ask",
    [
        edge, lambda m: rate(m, 1.0), lambda m: regime(m, 1.0), lambda m: stable(m, 1.0), lambda m: roots(m, 1.0),
        lambda m: coefficients(m, 1.0)[0],
        lambda m: iterate(m, 1.0, 5).params, lambda m: steps_to(m, spectrum([0.2, 4.0])), lambda m: milestones(m, SPECTRUM),
        lambda m: loss_curve(m, SPECTRUM, 9), lambda m: quadratic.loss_at(m, SPECTRUM, 9), lambda m: noise.floor(m, SPECTRUM),
        lambda m: noise.crossing(m, SPECTRUM), lambda m: quadratic.worst_rate(m, SPECTRUM),
    ],
)  # fmt: skip
def test_lists_as_fields_are_arrays(ask):
    np.testing.assert_array_equal(ask(LISTS), ask(ARRAYS))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: regime(Method(NAN), 1.0), lambda: regime(Method(0.1), NAN), lambda: regime(Method(0.1), [1.0, NAN]), lambda: edge(0.1),
        lambda: steps_to(Method(NAN), SPECTRUM), lambda: steps_to(Method(0.1, beta=NAN), SPECTRUM), lambda: edge(Method("a")),
        lambda: rate(0.1, 1.0), lambda: best([0.2, 4]), lambda: steps_to(Method(0.1), [0.2, 4]), lambda: iterate(Method(NAN), 1.0, 3),
        lambda: loss_curve(Method(0.1), [0.2, 4], 5), lambda: quadratic.worst_rate(Method(0.1), [0.2, 4]),
        lambda: noise.floor(Method(0.1), [1]), lambda: conjugate_gradient_curve([0.2, 4], 3),
    ],
)  # fmt: skip
def test_what_is_no_method_or_spectrum_is_one_sentence(ask):
    with pytest.raises(BadInput) as caught:
        ask()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-158, 1e154, 1e200, 1e290])
def test_every_scale_of_curvature_gives_the_same_answers(scale):
    """The law of units: curvatures times s and alpha over s leave every path alone, and multiply the loss by s."""
    method, h, weights = Method(0.3, 0.6, 0.4), np.array([0.2, 1.0, 4.0]), [1.0, 2.0, 0.5]
    here, there, moved = spectrum(h, weights), spectrum(h * scale, weights), method._replace(alpha=0.3 / scale)
    np.testing.assert_allclose(rate(moved, there.curvatures), rate(method, here.curvatures), rtol=1e-12)
    assert steps_to(moved, there) == steps_to(method, here)
    np.testing.assert_allclose(loss_curve(moved, there, 30) / scale, loss_curve(method, here, 30), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(quadratic.loss_at(moved, there, 30) / scale, quadratic.loss_at(method, here, 30), rtol=1e-10, atol=1e-15)
    plan, other = linear(moved, 30), linear(method, 30)
    np.testing.assert_allclose(loss_curve(plan, there, 30) / scale, loss_curve(other, here, 30), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(edge(moved) / scale, edge(method), rtol=1e-12)
    for name in ("heavy-ball", "nesterov", "triple-momentum", "gradient-descent", "robust-momentum"):
        one, two = best(there, name), best(here, name)
        np.testing.assert_allclose([one.method.alpha * scale, *one.method[1:], one.rate], [*two.method, two.rate], rtol=1e-12)
    np.testing.assert_allclose(conjugate_gradient_curve(there, 3)[:3] / scale, conjugate_gradient_curve(here, 3)[:3], rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-155, 1e-100, 1e100, 1e150])
def test_noise_of_every_scale_gives_the_same_answers(scale):
    method, loud = Method(0.3, 0.6, 0.4), [0.1, 0.2, 0.3]
    here = spectrum([0.2, 1.0, 4.0], noise=loud)
    there, moved = spectrum(np.array([0.2, 1.0, 4.0]) * scale, noise=np.array(loud) * scale * scale), method._replace(alpha=0.3 / scale)
    for ask in (
        lambda m, s: noise.floor(m, s),
        lambda m, s: loss_curve(m, s, 30),
        lambda m, s: quadratic.loss_at(m, s, 30),
        lambda m, s: loss_curve(linear(m, 30), s, 30),
    ):
        np.testing.assert_allclose(ask(moved, there) / scale, ask(method, here), rtol=1e-9)
    assert inertia.steps_to(moved, there, 0.5) == inertia.steps_to(method, here, 0.5)


GIVEN = {
    "method": Method(0.1, 0.5), "curvature": 1.0, "spectrum": SPECTRUM, "k": 3, "steps": 5, "beta": 0.5, "alpha": 0.1, "kappa": 10.0,
    "params": 1.0, "velocity": 0.0, "particle": Particle(1.0, 0.1, 0.1), "lr": 0.1, "beta1": 0.9, "shrink": 0.1, "decay": 0.1, "n": 8,
    "form": "coupled", "count": 4, "fraction": 0.5, "gradient": 1.0, "variance": 1.0, "degree": 3, "mu": 0.2, "L": 4.0, "p": 1.0, "q": 0.2,
    "learning_rate": 0.1, "nu": 0.5, "total": 1.0, "product": 0.2, "mass": 1.0, "time": 1.0, "position": 1.0, "speed": 0.0, "rho": 0.9,
    "alphas": [0.1], "betas": [0.5], "target": [1.0], "tolerance": 0.01, "momentum": 0.5, "matvec": lambda x: x,
}  # fmt: skip
NO_NUMBERS = {
    "complex array": np.array([1 + 2j, 2.0]), "complex": 1 + 2j, "masked": np.ma.masked_array([0.5, 0.2], [True, False]), "text": "0.5",
    "texts": ["0.5", "0.2"], "none": None, "holes": [0.5, None], "dates": np.array(["2026-01-01"], dtype="M8[D]"),
}  # fmt: skip
LEFT = ("name", "spectrum", "form", "matvec", "particle", "method")


def asked_functions():
    for module in pkgutil.iter_modules(inertia.theory.__path__):
        room = importlib.import_module(f"inertia.theory.{module.name}")
        for name in getattr(room, "__all__", ()):
            function = getattr(room, name)
            # explicit_step, as core's step, is arithmetic on anything; a grid's sides are plain arguments
            if inspect.isfunction(function) and name not in ("cite", "named", "grid_condition", "grid_curvatures", "explicit_step"):
                yield pytest.param(function, id=f"{module.name}.{name}")


@pytest.mark.parametrize("ask", list(asked_functions()))
def test_every_number_that_is_none_is_refused_in_one_sentence(ask):
    """Complex, masked, missing and written numbers: whatever numpy would make of them, part of what was meant is lost."""
    parameters = inspect.signature(ask).parameters
    given = {name: GIVEN[name] for name in parameters if name in GIVEN}
    ask(**given)
    calls = [(name, value) for name in given if name not in LEFT for value in NO_NUMBERS.values()]
    if "method" in given:
        calls += [("method", GIVEN["method"]._replace(**{field: value})) for field in ("alpha", "beta") for value in NO_NUMBERS.values()]
    for name, value in calls:
        if value is None and parameters[name].default is None:
            continue
        with pytest.raises(BadInput) as caught:
            ask(**given | {name: value})
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200
