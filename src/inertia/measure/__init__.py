"""A matvec becomes a Spectrum, batches become gradient noise: measuring, with error bars."""

from .density import Density, density, smooth, spectrum
from .lanczos import Lanczos, lanczos

__all__ = ["Density", "Lanczos", "density", "lanczos", "smooth", "spectrum"]
