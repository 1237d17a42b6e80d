"""Is an operator symmetric, or only rounded? Asked when products look asymmetric, answered by what rounding does to them.

Between unit vectors v and w the numbers <v, A w> and <A v, w> differ by the errors of two products. Up to half the digits
of the products that needs no explanation. Beyond, two more products with the same vector tell the causes apart: the same
product again (a random loss gives another one), and the product with 3 v over 3 (the same operator, rounded elsewhere).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import BadInput

if TYPE_CHECKING:
    from .recurrence import Product

__all__ = ["Symmetry"]

ADVICE = "Lanczos needs a symmetric operator: pass (A + A.T)/2, or make the loss deterministic"


class Symmetry:
    """What is known about an operator's symmetry; `warning` says where it is suspicious but no reason to stop."""

    def __init__(self) -> None:
        self.warning = ""
        self.explained = 0.0  # relative asymmetry that has been looked into

    def judge(self, product: Product, skew: float, vector: Any, rtol: float | None) -> None:
        """Look into an asymmetry of `skew` times the size of the products.

        Raises:
            BadInput: the product is another one when repeated, or it is the same and rounding cannot be the cause of an
                asymmetry larger than the accuracy asked for.
        """
        if skew <= self.explained:
            return
        image, again, scaled = product(vector * 1.0), product(vector * 1.0), product(vector * 3.0)
        space = product.space
        size = space.norm(image)
        again -= image
        repeated = space.norm(again) / size
        scaled /= 3.0
        scaled -= image
        rounding = max(space.norm(scaled) / size, repeated)
        if repeated > max(space.rounding(image)[0] ** 0.5, skew / 2):
            raise BadInput(f"the operator is random: the same product again differs by {repeated:.3g} of its size. {ADVICE}")
        if skew > 2 * rounding and (rtol is None or 2 * skew > rtol):
            raise BadInput(
                f"the operator is not symmetric: <v, A w> and <A v, w> differ by {skew:.3g} of the size of the products, "
                f"whose rounding is {rounding:.2g}. {ADVICE}"
            )
        self.explained = 2 * skew
        cause = "as much as their rounding" if skew <= 2 * rounding else f"more than their rounding, {rounding:.2g}"
        self.warning = f"products are asymmetric by {skew:.2g} of their size, {cause}; the bars are widened by it"
