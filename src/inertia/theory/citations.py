"""Who found what: one BibTeX entry per source, by a short key, so that a method and its reference travel together."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import BadInput, nearest

__all__ = ["SOURCES", "Source", "cite"]


class Source(NamedTuple):
    """One reference: the kind of entry, who, what, when, and the remaining BibTeX fields."""

    kind: str
    author: str
    title: str
    year: int
    fields: dict[str, str]

    @property
    def short(self) -> str:
        """Author and year, as one says it: 'Polyak 1964', 'Cyrus et al. 2018'."""
        names = [name.split(",")[0] for name in self.author.split(" and ")]
        who = names[0] + (" et al." if len(names) > 2 else f" and {names[1]}" if len(names) == 2 else "")
        return f"{who} {self.year}"


SOURCES: dict[str, Source] = {
    "polyak1964": Source(
        "article",
        "Polyak, Boris T.",
        "Some methods of speeding up the convergence of iteration methods",
        1964,
        {"journal": "USSR Computational Mathematics and Mathematical Physics", "volume": "4", "number": "5", "pages": "1--17"},
    ),
    "polyak1987": Source(
        "book", "Polyak, Boris T.", "Introduction to Optimization", 1987, {"publisher": "Optimization Software, New York"}
    ),
    "nesterov1983": Source(
        "article",
        "Nesterov, Yurii",
        "A method of solving a convex programming problem with convergence rate {O}(1/k^2)",
        1983,
        {"journal": "Soviet Mathematics Doklady", "volume": "27", "number": "2", "pages": "372--376"},
    ),
    "nesterov2018": Source("book", "Nesterov, Yurii", "Lectures on Convex Optimization", 2018, {"publisher": "Springer", "edition": "2nd"}),
    "nemirovski1983": Source(
        "book",
        "Nemirovski, Arkadi and Yudin, David",
        "Problem Complexity and Method Efficiency in Optimization",
        1983,
        {"publisher": "Wiley-Interscience"},
    ),
    "beck2009": Source(
        "article",
        "Beck, Amir and Teboulle, Marc",
        "A fast iterative shrinkage-thresholding algorithm for linear inverse problems",
        2009,
        {"journal": "SIAM Journal on Imaging Sciences", "volume": "2", "number": "1", "pages": "183--202"},
    ),
    "golub1961": Source(
        "article",
        "Golub, Gene H. and Varga, Richard S.",
        "Chebyshev semi-iterative methods, successive overrelaxation iterative methods, and second order {R}ichardson iterative methods",
        1961,
        {"journal": "Numerische Mathematik", "volume": "3", "pages": "147--168"},
    ),
    "hestenes1952": Source(
        "article",
        "Hestenes, Magnus R. and Stiefel, Eduard",
        "Methods of conjugate gradients for solving linear systems",
        1952,
        {"journal": "Journal of Research of the National Bureau of Standards", "volume": "49", "number": "6", "pages": "409--436"},
    ),
    "lessard2016": Source(
        "article",
        "Lessard, Laurent and Recht, Benjamin and Packard, Andrew",
        "Analysis and design of optimization algorithms via integral quadratic constraints",
        2016,
        {"journal": "SIAM Journal on Optimization", "volume": "26", "number": "1", "pages": "57--95"},
    ),
    "taylor2018": Source(
        "inproceedings",
        "Taylor, Adrien and Van Scoy, Bryan and Lessard, Laurent",
        "Lyapunov functions for first-order methods: tight automated convergence guarantees",
        2018,
        {"booktitle": "International Conference on Machine Learning"},
    ),
    "vanscoy2018": Source(
        "article",
        "Van Scoy, Bryan and Freeman, Randy A. and Lynch, Kevin M.",
        "The fastest known globally convergent first-order method for minimizing strongly convex functions",
        2018,
        {"journal": "IEEE Control Systems Letters", "volume": "2", "number": "1", "pages": "49--54"},
    ),
    "cyrus2018": Source(
        "inproceedings",
        "Cyrus, Saman and Hu, Bin and Van Scoy, Bryan and Lessard, Laurent",
        "A robust accelerated optimization algorithm for strongly convex functions",
        2018,
        {"booktitle": "American Control Conference"},
    ),
    "ma2019": Source(
        "inproceedings",
        "Ma, Jerry and Yarats, Denis",
        "Quasi-hyperbolic momentum and {A}dam for deep learning",
        2019,
        {"booktitle": "International Conference on Learning Representations"},
    ),
    "sutskever2013": Source(
        "inproceedings",
        "Sutskever, Ilya and Martens, James and Dahl, George and Hinton, Geoffrey",
        "On the importance of initialization and momentum in deep learning",
        2013,
        {"booktitle": "International Conference on Machine Learning"},
    ),
    "qian1999": Source(
        "article",
        "Qian, Ning",
        "On the momentum term in gradient descent learning algorithms",
        1999,
        {"journal": "Neural Networks", "volume": "12", "number": "1", "pages": "145--151"},
    ),
    "su2016": Source(
        "article",
        "Su, Weijie and Boyd, Stephen and Candes, Emmanuel J.",
        "A differential equation for modeling {N}esterov's accelerated gradient method: theory and insights",
        2016,
        {"journal": "Journal of Machine Learning Research", "volume": "17", "number": "153", "pages": "1--43"},
    ),
    "odonoghue2015": Source(
        "article",
        "O'Donoghue, Brendan and Candes, Emmanuel",
        "Adaptive restart for accelerated gradient schemes",
        2015,
        {"journal": "Foundations of Computational Mathematics", "volume": "15", "number": "3", "pages": "715--732"},
    ),
    "goh2017": Source(
        "article",
        "Goh, Gabriel",
        "Why momentum really works",
        2017,
        {"journal": "Distill", "doi": "10.23915/distill.00006", "url": "https://distill.pub/2017/momentum"},
    ),
}

# What has no (mu, L) -> Method of its own, and so does not stand in the catalogue.
_SEQUENCES = {"chebyshev": "golub1961", "nesterov-convex": "nesterov1983", "conjugate-gradient": "hestenes1952"}


def cite(name: str) -> str:
    """BibTeX of a source, or of the source of a catalogue entry or sequence.

    Args:
        name: key of a source ("polyak1964"), or name of a catalogue entry or sequence ("heavy-ball").

    Raises:
        BadInput: an unknown name (the nearest one is suggested).

    >>> print(cite("heavy-ball").splitlines()[0])
    @article{polyak1964,
    """
    from .catalog import CATALOG  # the catalogue cites its sources: looked up late, so that either may be read alone

    known = {entry.name: entry.cite for entry in CATALOG.values()} | _SEQUENCES
    key = known.get(name, name)
    if key not in SOURCES:
        raise BadInput(f"no source called '{name}': {nearest(name, [*known, *SOURCES])}")
    source = SOURCES[key]
    rows = {"author": source.author, "title": source.title, "year": str(source.year)} | source.fields
    return f"@{source.kind}{{{key},\n" + ",\n".join(f"  {field} = {{{value}}}" for field, value in rows.items()) + "\n}"
