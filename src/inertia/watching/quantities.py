"""What is known of one moment of a run: a look (curvature, noise, the step really taken) and a reading (what the buffers hold)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["Look", "Noise", "Reading", "Step", "from_plain", "plain"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Noise:
    """Gradient noise on the probe, in the optimizer's metric: scatter of single examples, and the gradient it hides.

    `trace` = tr(Sigma) of one example, from the gradients of the probe's parts; `signal` = |G|^2 of the true gradient, an
    unbiased estimate (it can be negative where the noise rules); critical batch = trace/signal (McCandlish et al. 2018).
    """

    trace: float
    signal: float
    examples: int  # of the probe

    @property
    def critical_batch(self) -> float:
        """The batch from which on a larger one helps less and less; infinite where the gradient is lost in the noise."""
        return self.trace / self.signal if self.signal > 0 else math.inf


@dataclasses.dataclass(frozen=True)
class Step:
    """The step really taken, u, on the probe's loss: L(x + u) = L(x) + slope + bend to second order."""

    slope: float  # g.u: negative while it descends
    bend: float  # u.H u/2

    @property
    def of_best(self) -> float:
        """Its length over the best along it, eta/eta*: 1 is best, beyond 2 the loss rises; not a number where it does not descend."""
        return 2 * self.bend / -self.slope if self.slope < 0 else math.nan


@dataclasses.dataclass(frozen=True)
class Look:
    """One look at the run, at the parameters from which step `step` was taken.

    Curvatures are those of the loss in the optimizer's metric P (P = 1 for SGD): eigenvalues of P^(-1) H. The largest lies between
    `sharpness`, the largest Ritz value, and that plus `bar`, in 39 of 40 looks at least, but for rounding. `edge` is the largest
    curvature that the method in use survives; None where it has no linear recursion in a metric (Lion, Muon, ...).
    """

    step: int
    loss: float  # of the probe
    learning_rate: float
    sharpness: float
    bar: float
    edge: float | None
    along_gradient: float  # curvature along the (rescaled) gradient
    in_top: float  # loss held in the sharpest direction, (g.v)^2/(2 sharpness)
    gradient_norm: float
    method: tuple[float, float, float] | None  # alpha, beta, gamma in the metric
    noise: Noise | None
    taken: Step | None
    step_noise: float | None = None  # |step's own gradient - the probe's|^2
    step_signal: float | None = None  # step's own gradient times the probe's
    turning: float | None = None  # length of the gradient of the sharpness across its direction: what turns an oscillation back
    renewing: float = 0.0  # share of sharpness^3 x^2 by which an oscillation of size x renews the metric in one step
    excess: float | None = None  # loss here less the loss at the averaged weights
    part: float = 1.0  # share of the probe's examples that was looked at: less while no more is earned
    products: int = 0
    seconds: float = 0.0
    layers: Mapping[str, float] | None = None  # sharpness of each layer alone, where asked for
    updates: Mapping[str, float] | None = None  # |update|/|weights| of each layer, where asked for

    @property
    def of_edge(self) -> float | None:
        """Sharpness over the edge."""
        return None if self.edge is None else self.sharpness / self.edge

    @property
    def upper_of_edge(self) -> float | None:
        """Sharpness with its bar, over the edge."""
        return None if self.edge is None else (self.sharpness + self.bar) / self.edge


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the optimizer's buffers of one parameter group held after a step, read without computing anything of the model."""

    step: int
    group: int
    learning_rate: float
    asked: float | None  # momentum in the settings
    held: float | None  # momentum that relates this buffer to the one before: <v - g, v_before>/|v_before|^2
    error: float  # of `held`: |v - held v_before - g|/|v_before|
    gradient_norm: float
    velocity_of_gradient: float | None  # |velocity|/|gradient|, the velocity in gradient units
    cosine: float | None  # of gradient and velocity
    update_of_weight: float  # |update|/|weights|

    @property
    def step_length(self) -> float | None:
        """alpha/(1 - beta): how far a steady gradient moves the parameters in the end."""
        beta = self.held if self.held is not None else self.asked or 0.0
        return self.learning_rate / (1 - beta) if beta < 1 else None


def plain(data: Any) -> Any:
    """A dataclass of these as plain JSON data; a number that is not finite becomes None.

    >>> plain(Noise(2.0, math.inf, 8))
    {'trace': 2.0, 'signal': None, 'examples': 8}
    """
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {field.name: plain(getattr(data, field.name)) for field in dataclasses.fields(data)}
    if isinstance(data, Mapping):
        return {str(name): plain(value) for name, value in data.items()}
    if isinstance(data, tuple | list):
        return [plain(value) for value in data]
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    return data


def from_plain(kind: type[T], data: Mapping[str, Any]) -> T:
    """The dataclass that `plain` wrote; unknown keys are left out, a missing number is not a number.

    >>> from_plain(Noise, {"trace": 2.0, "signal": None, "examples": 8}).critical_batch
    inf
    """
    inner: dict[str, type[Any]] = {"noise": Noise, "taken": Step}
    made: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in data and field.default is not dataclasses.MISSING:
            continue
        value = data.get(field.name)
        if field.name in inner and isinstance(value, Mapping):
            value = from_plain(inner[field.name], value)
        elif value is None and field.type == "float":
            value = math.nan
        elif field.name == "method" and value is not None:
            value = tuple(value)
        made[field.name] = value
    return kind(**made)
