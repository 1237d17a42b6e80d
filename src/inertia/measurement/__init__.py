"""A matvec becomes a Spectrum, batches become gradient noise: measuring, with error bars."""

from .density import Density, density, smooth, spectrum
from .lanczos import Lanczos, lanczos
from .noise import Noise, noise

__all__ = ["Density", "Lanczos", "Noise", "density", "lanczos", "noise", "smooth", "spectrum"]
