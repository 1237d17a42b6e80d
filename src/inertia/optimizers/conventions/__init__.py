"""The frameworks' words and Method, in both directions, with what is lost said out loud.

Everyone's momentum is the same three numbers at a constant learning rate. What differs is where the learning rate sits
(inside or outside the buffer), the sign and scale of the buffer, which point the parameters hold, and the first step.
`convert` translates settings, `convert_state` a run in progress; each says if it is exact, exact only at constant
learning rate, or not expressible, and why.
"""

from .adaptive import DIALECTS, AdaptiveConversion, AdaptiveMethod, convert_adaptive, read_adaptive
from .conversion import CONSTANT, EXACT, NOT, Conversion, convert, read, write
from .moments import (
    Moments,
    convert_moments,
    read_keras_moments,
    read_optax_moments,
    read_torch_moments,
    write_keras_moments,
    write_optax_moments,
    write_torch_moments,
)
from .state import State, convert_state, read_optax, read_torch, write_optax, write_torch
from .table import CONVENTIONS, Convention

__all__ = [
    "CONSTANT",
    "CONVENTIONS",
    "DIALECTS",
    "EXACT",
    "NOT",
    "AdaptiveConversion",
    "AdaptiveMethod",
    "Convention",
    "Conversion",
    "Moments",
    "State",
    "convert",
    "convert_adaptive",
    "convert_moments",
    "convert_state",
    "read",
    "read_adaptive",
    "read_keras_moments",
    "read_optax",
    "read_optax_moments",
    "read_torch",
    "read_torch_moments",
    "write",
    "write_keras_moments",
    "write_optax",
    "write_optax_moments",
    "write_torch",
    "write_torch_moments",
]
