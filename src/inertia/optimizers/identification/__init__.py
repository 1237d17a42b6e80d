"""Any optimizer as a black box, and the method it really is.

A momentum method moves by a short linear recursion in its gradients. Feeding it designed gradients (or reading what a
training loop did) and solving for the coefficients tells which method it is, whether the learning rate sits inside the
buffer, how much weight decay there is, and whether the momentum that was asked for is there at all.
"""

from .identified import Identified
from .probe import identify
from .series import Series
from .verdict import judge

__all__ = ["Identified", "Series", "identify", "judge"]
