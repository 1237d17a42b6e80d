"""What every test shares: fixed seeds for hypothesis, quiet threads, and data found beside the checkout."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("KERAS_BACKEND", "jax")  # else Keras looks for tensorflow, and its tests skip
SHARED = Path(__file__).parents[2] / "shared" / "data"
if SHARED.is_dir():
    os.environ.setdefault("INERTIA_DATA", str(SHARED))

from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")
