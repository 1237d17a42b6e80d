"""What the landscape is: curvatures, how far the start is along each, and how noisy the gradient is there.

Every question is asked of a pair (method, spectrum); this is the second half of the pair. It holds known spectra (exact)
and measured ones (Ritz values with error bars) in the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from .arrays import real

__all__ = ["Spectrum", "given", "spectrum"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Curvatures h (n,) with squared start distances, noise variances, an upper bar and where they come from.

    The excess loss at the start is 1/2 sum h weights. `upper` is a curvature that the true largest one does not exceed
    (exactly for known spectra, in probability for measured ones); a recommendation must use it. Build with `spectrum`.
    """

    curvatures: Array  # (n,) ascending
    weights: Array  # (n,) squared distance of the start from the optimum along each curvature
    noise: Array  # (n,) variance of the gradient noise along each curvature
    density: Array  # (n,) share of the dimensions at each curvature; sums to 1
    errors: Array  # (n,) half-width of each curvature's error bar; 0 = exact
    upper: float  # upper bar of the largest curvature
    provenance: Mapping[str, Any] = field(default_factory=dict)  # how it was obtained: method, seed, dimension, cost

    @property
    def L(self) -> float:
        """Largest curvature (a point estimate where measured; see `upper`)."""
        return float(self.curvatures[-1])

    @property
    def mu(self) -> float:
        """Smallest curvature."""
        return float(self.curvatures[0])

    @property
    def kappa(self) -> float:
        """Condition number L/mu; infinite where mu is not positive."""
        return self.L / self.mu if self.mu > 0 else float("inf")

    @property
    def dimension(self) -> int:
        """Number of parameters the curvatures speak for."""
        return int(self.provenance.get("dimension", len(self.curvatures)))

    @property
    def excess(self) -> float:
        """Excess loss at the start, 1/2 sum h weights."""
        return float(0.5 * np.sum(self.curvatures * self.weights))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists; `Spectrum.from_json` reads them back."""
        arrays = ("curvatures", "weights", "noise", "density", "errors")
        return {name: getattr(self, name).tolist() for name in arrays} | {"upper": self.upper, "provenance": dict(self.provenance)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Spectrum:
        """The spectrum that `to_json` wrote."""
        fields = {name: data[name] for name in ("curvatures", "weights", "noise", "density", "errors", "upper")}
        return spectrum(fields.pop("curvatures"), **fields, provenance=data.get("provenance", {}))


def given(values: Any) -> Spectrum:
    """The Spectrum itself, or the sentence that says how to make one of what came.

    Raises:
        BadInput: something else.

    >>> given(spectrum([1.0])).L
    1.0
    """
    if not isinstance(values, Spectrum):
        shown = repr(values) if len(repr(values)) < 60 else f"a {type(values).__name__}"
        raise BadInput(f"{shown} is no Spectrum: build one from curvatures, inertia.spectrum([0.2, 4.0])")
    return values


def spectrum(
    curvatures: ArrayLike,
    weights: ArrayLike = 1.0,
    noise: ArrayLike = 0.0,
    *,
    density: ArrayLike | None = None,
    errors: ArrayLike = 0.0,
    upper: float | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Spectrum:
    """A Spectrum from curvatures and whatever else is known; scalars are spread, curvatures sorted.

    `weights` are squared start distances (default 1 each), `noise` gradient-noise variances (default none), `density`
    shares of the dimensions (default equal), `upper` defaults to the largest curvature plus its error.

    Raises:
        BadInput: no curvatures, a matrix in place of its eigenvalues, masked, complex or non-finite numbers, negative weights, noise
            or errors, upper below the largest curvature.

    >>> spectrum([100.0, 1.0]).kappa
    100.0
    >>> spectrum(np.linalg.eigvalsh([[2.0, 1.0], [1.0, 2.0]])).kappa  # of a matrix
    3.0
    """
    h = np.atleast_1d(real(curvatures, "curvatures"))
    if h.ndim > 1 and h.size > max(h.shape):
        raise BadInput(f"curvatures have the shape {h.shape}: of a Hessian give its eigenvalues, np.linalg.eigvalsh(matrix)")
    h = h.ravel()
    if h.size == 0:
        raise BadInput("a spectrum needs at least one curvature, and none came")
    if not np.all(np.isfinite(h)):
        raise BadInput(f"curvature {h[~np.isfinite(h)][0]} is not finite: check the matrix or the loss it came from")
    order = np.argsort(h, kind="stable")
    shares = np.full(h.shape, 1.0 / h.size) if density is None else density
    rest = {}
    for name, values in {"weights": weights, "noise": noise, "density": shares, "errors": errors}.items():
        given = real(values, name)
        try:
            array = np.array(np.broadcast_to(given, h.shape))[order]
        except ValueError as error:
            raise BadInput(f"{name} have shape {given.shape} for {h.size} curvatures: give one number, or one for each") from error
        if not np.all(np.isfinite(array)) or np.any(array < 0):
            raise BadInput(f"{name} must be finite and >= 0, got {array[~(array >= 0) | ~np.isfinite(array)][0]}")
        rest[name] = array
    h = h[order]
    bars = real(h[-1] + rest["errors"][-1] if upper is None else upper, "upper")
    if bars.size != 1:
        raise BadInput(f"upper has {bars.size} entries: it is one number, an upper bar of the largest curvature")
    top = float(bars.item())
    if not np.isfinite(top) or top < h[-1]:
        raise BadInput(f"upper = {top:g} is below the largest curvature {h[-1]:g}: an upper bar must not be")
    return Spectrum(curvatures=h, upper=top, provenance=dict(provenance or {}), **rest)
