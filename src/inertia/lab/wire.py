"""One reply as bytes: a JSON header, then the raw arrays, little-endian, each at a multiple of eight bytes.

    4 bytes  b"INRT"
    4 bytes  length of the header (little-endian), padding included
    header   JSON, padded with spaces; an array stands in it as {"$": [offset, dtype, shape]}, offsets from the end of the header
    arrays

The page reads them as typed arrays without copying. Numbers in the header that are not finite become null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import BadInput

__all__ = ["pack", "unpack"]

_MAGIC = b"INRT"
_ALIGN = 8
# float64 travels as float32: a screen has 12 bits of width. Paths are drawn within a tenth of a pixel of Python's numbers.
_DTYPES = {"f": "<f4", "i": "<i4", "u": "<u1", "b": "<u1"}
_HUGE = float(np.finfo(np.float32).max)


def pack(reply: Mapping[str, Any]) -> bytes:
    """The reply as bytes; arrays may stand anywhere in nested dicts and lists.

    >>> unpack(pack({"loss": np.array([1.0, 0.5])}))["loss"].tolist()
    [1.0, 0.5]
    """
    blocks: list[bytes] = []
    header = json.dumps(_header(reply, blocks, [0]), allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGN)
    return b"".join([_MAGIC, len(header).to_bytes(4, "little"), header, *blocks])


def unpack(data: bytes) -> dict[str, Any]:
    """What `pack` packed, for tests and Python clients.

    Raises:
        BadInput: the bytes do not begin as a reply does.
    """
    if data[:4] != _MAGIC:
        raise BadInput(f"not a reply of the laboratory: it begins with {data[:4]!r}, not {_MAGIC!r}")
    start = 8 + int.from_bytes(data[4:8], "little")

    def restore(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"$"}:
            offset, dtype, shape = value["$"]
            return np.frombuffer(data, dtype, math.prod(shape), start + offset).reshape(shape)
        if isinstance(value, dict):
            return {name: restore(entry) for name, entry in value.items()}
        return [restore(entry) for entry in value] if isinstance(value, list) else value

    return restore(json.loads(data[8:start]))


def _header(value: Any, blocks: list[bytes], used: list[int]) -> Any:
    if isinstance(value, np.ndarray):
        return {"$": _block(value, blocks, used)}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _header(entry, blocks, used) for name, entry in value.items()}
    return [_header(entry, blocks, used) for entry in value] if isinstance(value, list | tuple) else value


def _block(array: np.ndarray, blocks: list[bytes], used: list[int]) -> list[Any]:
    dtype = _DTYPES[array.dtype.kind]
    if array.dtype.kind == "f":  # infinities stay, numbers beyond float32 become its largest: no overflow warning
        array = np.where(np.isfinite(array), np.clip(array, -_HUGE, _HUGE), array)
    raw = np.ascontiguousarray(array, dtype=dtype).tobytes()
    raw += b"\0" * (-len(raw) % _ALIGN)
    offset = used[0]
    blocks.append(raw)
    used[0] += len(raw)
    return [offset, dtype, list(array.shape)]
