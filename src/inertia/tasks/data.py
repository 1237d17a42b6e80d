"""Real data that does not come with a package: found in INERTIA_DATA, else in the cache, else downloaded, always checked.

The file named by `AIRFOIL` is accepted by its sha256, as published (CRLF line ends) or with LF line ends: the same text.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, MissingExtra, require
from ..problems.base import Array

__all__ = ["AIRFOIL", "AIRFOIL_URL", "airfoil_at_hand", "airfoil_table"]

AIRFOIL = "airfoil_self_noise.dat"
AIRFOIL_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/00291/airfoil_self_noise.dat"
_AIRFOIL_SHA256 = "74c75fd71783f1e6b71f8a622b993dc592897a97cd689c5090a07147a1b097b3"  # of the CRLF text
_TIMEOUT = 10.0  # seconds: a machine without a network should say so, not hang


def airfoil_table(url: str = AIRFOIL_URL) -> Array:
    """NASA airfoil self-noise, (1503, 6): frequency, angle, chord, speed, displacement thickness; target sound level last.

    Searched in the folder named by the environment variable INERTIA_DATA, then in pooch's cache, then downloaded.
    (Brooks, Pope and Marcolini 1989, doi 10.24432/C5VW2C, CC BY 4.0.)

    Raises:
        BadData: a file that is not the published one, or a download that failed.
        MissingExtra: pooch is not installed and INERTIA_DATA does not hold the file.
    """
    given = _given(AIRFOIL)
    path = given or _fetched(AIRFOIL, url)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadData(f"{path} cannot be read ({error.strerror}): check that it is a file with read permission") from error
    found = hashlib.sha256(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")).hexdigest()
    if found != _AIRFOIL_SHA256:
        if given is None:
            path.unlink(missing_ok=True)  # what a download brought is ours to drop, so that the next call tries again
        raise BadData(
            f"{path} is not the file it should be: sha256 {hashlib.sha256(raw).hexdigest()}, expected {_AIRFOIL_SHA256}. "
            f"{'Try again' if given is None else 'Delete it'}, or put the file from {AIRFOIL_URL} into the folder INERTIA_DATA names"
        )
    return np.array([line.split() for line in raw.splitlines()], dtype=float)


def airfoil_at_hand() -> bool:
    """Whether `airfoil_table` finds the file on this machine, in INERTIA_DATA or the cache, without a download."""
    if _given(AIRFOIL) is not None:
        return True
    try:
        pooch: Any = require("pooch", "tasks")
    except MissingExtra:
        return False
    return (Path(os.environ.get("INERTIA_CACHE") or pooch.os_cache("inertia")) / AIRFOIL).exists()


def _given(name: str) -> Path | None:
    """The file in INERTIA_DATA, where there is one."""
    folder = os.environ.get("INERTIA_DATA")
    path = Path(folder) / name if folder else None
    return path if path is not None and path.exists() else None


def _fetched(name: str, url: str) -> Path:
    """The file in pooch's cache, downloaded where it is not there yet."""
    pooch: Any = require("pooch", "tasks")
    cache = Path(os.environ.get("INERTIA_CACHE") or pooch.os_cache("inertia"))
    if (cache / name).exists():
        return cache / name
    pooch.get_logger().setLevel("WARNING")  # it would greet every download on stderr
    try:
        downloader = pooch.HTTPDownloader(timeout=_TIMEOUT)
        return Path(pooch.retrieve(url, known_hash=None, fname=name, path=cache, downloader=downloader))
    except Exception as error:  # whatever the network stack raises, the answer is the same
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadData(
            f"{name} could not be downloaded from {url} ({reason}): get it elsewhere and set INERTIA_DATA to its folder"
        ) from error
