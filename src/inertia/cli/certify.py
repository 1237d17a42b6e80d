"""Commands about all smooth strongly convex functions: `certify` proves or refutes, `verify` checks a stored certificate."""

from __future__ import annotations

import json as notation
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Gamma, Json, LearningRate, Momentum, Nesterov, method_of, place
from .output import emit, number, screen, table, tell

if TYPE_CHECKING:
    from ..core.method import Method
    from ..theory.certify.certificate import Certificate

__all__ = ["certify", "register", "verify"]

PLACE = 25
_MOST = 2_000_000  # bytes of a file that is looked at: ours have some ten thousand
_SIDE = 60  # nodes of a map along each axis

Smallest = Annotated[float, typer.Option("--mu", help="Strong convexity: smallest curvature.")]
Largest = Annotated[float, typer.Option("--L", help="Smoothness: largest curvature.")]
Memory = Annotated[int, typer.Option("--memory", help="Past gradients that a Lyapunov function may see at most.")]
Stored = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", parser=place, help="Write the certificate there, for `inertia verify`.")
]
Drawn = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE", parser=place, help="Draw certified beside quadratic rates over (alpha, beta): .png or .svg."),
]


def register(app: typer.Typer) -> None:
    """Add `certify` and `verify`."""
    app.command(epilog="Example: inertia certify --lr 0.1111111 --momentum 0.4444444 --mu 1 --L 25")(certify)
    app.command(epilog="Example: inertia verify proof.json")(verify)


def certify(
    lr: LearningRate,
    mu: Smallest,
    largest: Largest,
    momentum: Momentum = 0.0,
    nesterov: Nesterov = False,
    gamma: Gamma = None,
    memory: Memory = 3,
    json: Json = False,
    out: Stored = None,
    drawn: Drawn = None,
) -> None:
    """The worst case over every strongly convex smooth function: proved (and re-checked exactly), refuted, or open."""
    from ..theory.certify.search import certify as decide

    method = method_of(lr, momentum, nesterov, gamma)
    for file in (out, drawn):
        _writable(file)
    kind = _kind(drawn)
    found = decide(method, mu, largest, memory)
    answer = found.to_json()
    if out is not None:
        _write(out, (notation.dumps(answer, indent=1) + "\n").encode())
    caption = None if drawn is None else _draw(drawn, kind, method, mu, largest)
    if json:
        emit(answer | ({} if drawn is None else {"map": str(drawn), "caption": caption}))
    else:
        _say(found)
        for file in (out, drawn):
            if file is not None:
                tell(f"wrote {file}")
        if caption is not None:
            tell(caption)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=place, help="A certificate that `inertia certify --out` wrote.")],
    json: Json = False,
) -> None:
    """Check a stored certificate in exact arithmetic, without any solver; a false one is refused with what fails."""
    from ..theory.certify.certificate import from_json
    from ..theory.certify.certificate import verify as confirmed

    data = _read(file)
    says = confirmed(data)
    if json:
        certificate = from_json(data)
        constant = None if certificate.known is None else certificate.known.constant
        facts = {"file": str(file), "verdict": certificate.verdict, "rate": certificate.rate, "constant": constant}
        emit(facts | {"checked": True, "says": says})
    else:
        tell(says)


def _read(file: Path) -> dict[str, Any]:
    """The object in a JSON file; whatever else came is refused in a sentence, however large or deep it is."""
    from ..errors import BadData
    from ..theory.certify.certificate import Rejected

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name stands in it twice")
        return found

    try:
        if not file.is_file():
            raise BadData(f"cannot read {file}: {'it is no regular file' if file.exists() else 'No such file or directory'}")
        with file.open("rb") as opened:
            content = opened.read(_MOST + 1)
    except OSError as error:
        raise error if isinstance(error, BadData) else BadData(f"cannot read {file}: {error.strerror or error}") from error
    if len(content) > _MOST:
        raise Rejected(f"{file} is larger than any certificate, {_MOST} bytes")
    try:
        data = notation.loads(content.decode("utf-8"), object_pairs_hook=once)
    except ValueError as error:
        raise Rejected(f"{file} is not a certificate: it is not JSON ({error})") from error
    except RecursionError as error:
        raise Rejected(f"{file} is not a certificate: it is nested too deeply") from error
    if not isinstance(data, dict):
        raise Rejected(f"{file} is not a certificate: it holds a {type(data).__name__}, not an object")
    return data


def _say(found: Certificate) -> None:
    from ..report.words import named, pace

    say = tell
    words = named(found.method)
    say(f"{found.verdict.capitalize()}. {words[0].upper()}{words[1:]}: {found.reason}.")
    if found.rate is not None:
        say(f"Re-checked in exact rational arithmetic: {pace(found.rate)}, whatever the function and its dimension.")
        if math.isfinite(found.constant):
            say(
                f"From rest, the distance to the minimum after k steps is at most {found.constant:.6g} x {found.rate:.6g}^k of what it was."
            )
    counter = found.counterexample
    if counter is not None and counter.kind == "quadratic":
        say(f"Curvature {number(counter.curvature)} is enough. Checked exactly.")
    elif counter is not None:
        points = ", ".join("(" + ", ".join(f"{value:.5g}" for value in point) + ")" for point in counter.cycle()[:6])
        say(f"It goes round through {points}{' ...' if len(counter.cycle()) > 6 else ''}. Checked exactly.")
    rows = [["verdict", found.verdict], ["rate", number(found.rate, 8) if found.rate is not None else "none"]]
    rows += [["rate on quadratics", number(found.quadratic_rate, 8)], ["condition number", number(found.kappa, 6)]]
    table(rows)


def _draw(target: Path, kind: str, method: Method, mu: float, largest: float) -> str:
    import numpy as np

    from ..report.certified import certified_maps, picture
    from ..theory.certify.maps import certified_rate_map

    share = 0.0 if method.beta == 0 else float(method.gamma / method.beta)
    high = max(1.1 * float(method.alpha), (4.0 if share <= 0.5 else 2.2) / largest)
    alphas, betas = np.linspace(high / _SIDE, high, _SIDE), np.linspace(0, 0.99, _SIDE)
    with screen().status("proving every point of the map ..."):
        made = certified_rate_map(alphas, betas, mu, largest, gamma=share * betas)
    view = certified_maps(made, method)
    _write(target, picture(view, kind))
    return view.caption


def _kind(target: Path | None) -> str:
    from ..errors import BadInput

    kind = "png" if target is None else target.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise BadInput(f"--map {target} does not end in .png or .svg: name the picture map.png")
    return kind


def _writable(target: Path | None) -> None:
    """Refuse an unwritable target before the work, not after it."""
    from ..errors import BadInput

    if target is not None and (target.is_dir() or not os.access(target.parent, os.W_OK)):
        why = "it is a folder" if target.is_dir() else f"{target.parent} is not a folder that can be written"
        raise BadInput(f"cannot write {target}: {why}; choose another file")


def _write(target: Path, data: bytes) -> Any:
    from ..errors import BadInput

    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BadInput(f"cannot write {target}: {error.strerror or error}; choose another file") from error
