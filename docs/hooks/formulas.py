"""Formulas of docstrings as MathML, which browsers typeset by themselves: no script, nothing fetched.

The convention is how the docstrings are written anyway, so `help()` stays plain text: Greek letters by name, a product is a space,
powers `^`, indices `_` or `[...]`, `sqrt`, `sum`, norms `|x|`; more than one sign in braces, `x_{k+1}`; code in backticks. An indented
block is displayed, one formula or several with two spaces between them to a line; elsewhere, what can only be a formula is set within
its line. What cannot be read whole stays as it was typed.
"""

import re
from dataclasses import dataclass
from html import escape
from itertools import pairwise

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "lambda": "λ",
    "lam": "λ",
}
GREEK |= {
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
}
GREEK |= {"eps": "ε", "Gamma": "Γ", "Delta": "Δ", "Sigma": "Σ", "Omega": "Ω"}
FUNCTIONS = {"log", "log2", "ln", "exp", "sin", "cos", "sinh", "cosh", "tanh", "min", "max"}
FUNCTIONS |= {"Re", "Var", "Cov", "clip", "conj", "diag", "floor", "dist", "proj"}
OPERATORS = {"grad": "∇", "sum": "∑"}
WORDS = {
    "params",
    "velocity",
    "noise",
    "loss",
    "weights",
    "error",
    "rate",
    "start",
    "floor",
    "mean",
    "bias",
    "momentum",
    "gain",
    "fraction",
}
WORDS |= {"lr", "dt", "decay", "shrink", "buffer", "previous", "knee", "trace", "new", "old"}
PRODUCTS = {"rt", "wt", "ah"}  # written without a space
MARKS = {"hat": "^", "bar": "¯"}
RELATIONS = {"=": "=", "<": "<", ">": ">", "<=": "≤", ">=": "≥", "!=": "≠", "<-": "←", "<<": "≪", ">>": "≫", "-=": "−=", "+=": "+="}
SIGNS = {"+": "+", "-": "−", "+-": "±"}
BRACKETS = {"(": "(", ")": ")", "[": "&#91;", "]": "&#93;", "{": "{", "}": "}"}  # Markdown reads links
CLOSING = {"(": ")", "[": "]", "{": "}"}

_TOKEN = re.compile(r"\s+|\d+(?:\.\d+)?(?:e-?\d+(?!\w))?|[A-Za-z]+\d*|<=|>=|!=|<-(?= )|<<|>>|-=|\+=|\+-|==|--|\*\*|\.\.+|.", re.DOTALL)
_LETTER = re.compile(r"([A-Za-z]|" + "|".join(GREEK) + r")(\d*)")
_QUANTITY = re.compile(_LETTER.pattern + r"|\d+")
_LONG = 28  # signs of a formula that a line may have to break


class NotAFormula(Exception):
    """What follows cannot be read as a formula."""


@dataclass
class Reader:
    """Reads one formula from tokens; `free` takes any word for a quantity, `display` sets fractions upright."""

    tokens: list[str]
    at: int = 0
    free: bool = False
    display: bool = False
    signs: int = 0  # what makes a formula: relations, operations, powers, indices
    depth: int = 0  # of brackets
    flat: int = 0  # within powers and indices fractions lie flat

    def next(self, ahead: int = 0) -> str:
        """The token, a space included, or nothing at the end."""
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def after_space(self) -> str:
        """The token after a space, if there is one."""
        return self.next(1) if self.next().isspace() else self.next()

    def skip(self) -> None:
        """Past a space."""
        self.at += self.next().isspace()

    def attempt(self, what, *arguments):
        """What it reads, or None with everything as it was."""
        before = self.at, self.signs, self.flat, self.depth
        try:
            return what(*arguments)
        except NotAFormula:
            self.at, self.signs, self.flat, self.depth = before
            return None

    def statement(self, after: bool = False) -> list[str]:
        """Sides and the relations between them, as pieces between which a line may break."""
        pieces = self.side(after)
        while self.after_space() in RELATIONS and self.after_space():
            more = self.attempt(self.related)
            if more is None:
                break
            pieces += more
        return pieces

    def related(self) -> list[str]:
        """A relation and its right side."""
        spaced = self.next().isspace()
        self.skip()
        sign = self.next()
        self.at += 1
        if spaced != self.next().isspace() or (sign == "=" and not spaced and not self.flat):  # `lr=0.1` is code
            raise NotAFormula
        self.skip()
        pieces = self.side(after=True)
        self.signs += 1
        return [f'<mo form="infix">{escape(RELATIONS[sign])}</mo>{pieces[0]}', *pieces[1:]]

    def side(self, after: bool = False) -> list[str]:
        """Terms with their signs."""
        lead = ""
        if after and self.next() in SIGNS:
            lead = f'<mo form="prefix">{SIGNS[self.next()]}</mo>'
            self.at += 1
            self.skip()
        pieces = [lead + self.term(after)]
        while self.after_space() in SIGNS:
            more = self.attempt(self.added)
            if more is None:
                break
            pieces.append(more)
        return pieces

    def added(self) -> str:
        """A sign and a term."""
        spaced = self.next().isspace()
        self.skip()
        sign = self.next()
        self.at += 1
        if spaced != self.next().isspace():
            raise NotAFormula
        self.skip()
        numbers = self.next()[:1].isdigit() and self.tokens[self.at - 2][:1].isdigit()
        if numbers and not spaced and not self.flat:  # from 5-95 is no difference
            raise NotAFormula
        term = self.term(True)
        self.signs += 1
        return f'<mo form="infix">{SIGNS[sign]}</mo>{term}'

    def term(self, after: bool) -> str:
        """A product, with its fractions."""
        parts, first = [], 0
        parts.append(self.factor(after))
        while True:
            spaced = self.next().isspace() and self.next(1) == "/" and self.next(2).isspace()
            if spaced or self.next() == "/":
                below = self.attempt(self.divisor)
                if below is None:
                    break
                first = min(first, len(parts) - 1)  # a/b/c divides a/b by c
                above = parts[first:]
                parts[first:] = [self.fraction(above, below)]
                first = len(parts)
                continue
            if self.next().isspace() and self.next(1) == "*" and self.next(2).isspace():
                more = self.attempt(self.times)
            else:
                more = self.attempt(self.another, parts[-1])
            if more is None:
                break
            if parts[-1].startswith('<mrow class="over"'):
                first = len(parts)
            parts.append(more)
        return product(parts)

    def times(self) -> str:
        """A product that is written with a star."""
        self.at += 3
        return "<mo>·</mo>" + self.factor(True)

    def divisor(self) -> str:
        """What a quotient divides by: one factor."""
        self.skip()
        self.at += 1
        self.skip()
        below = self.factor(True)
        self.signs += 1
        return below

    def fraction(self, above: list[str], below: str) -> str:
        """Upright where it is displayed or compound, else with a slash."""
        top = product(above)
        compound = len(above) > 1 or "fence" in top or "fence" in below
        if self.flat or not (self.display or compound):
            return f'<mrow>{top}<mo lspace=".06em" rspace=".06em">/</mo>{below}</mrow>'
        return f"<mfrac><mrow>{bare(top) if len(above) == 1 else top}</mrow><mrow>{bare(below)}</mrow></mfrac>"

    def another(self, before: str) -> str:
        """One more factor of a product."""
        spaced = self.next().isspace()
        self.skip()
        token = self.next()
        follows = self.next(1).strip() or self.next(2)
        if not token or (token[0].isdigit() and not before.startswith('<mrow class="over"')):
            raise NotAFormula
        if token == "a" and self.next(1) not in ("^", "_", "/", ")"):
            raise NotAFormula
        if not spaced and token[0].isalpha() and not before.endswith(("</mn>", "′</mo></mrow></msup>", "′</mo></mrow></msubsup>")):
            raise NotAFormula
        ends = not follows or follows in RELATIONS or follows in SIGNS or follows in (")", ",", ";", ".", "/", "^", "_")
        named = token in WORDS and ends and before.startswith(("<mi", "<msub", '<mrow class="fence"'))
        return self.factor(named)

    def factor(self, after: bool) -> str:
        """A base with its powers, indices and primes; `after` an operation a quantity may be a word."""
        base = self.base(after)
        if base.startswith('<mrow class="o'):
            return base
        low = high = ""
        while True:
            token = self.next()
            if token == "(" and base.startswith("<mi"):  # a function of what stands in the brackets
                base, low, high = f"<mrow>{scripted(base, low, high)}<mo>&#8289;</mo>{self.group()}</mrow>", "", ""
                continue
            if token == "^" and not high:
                self.at += 1
                high = self.raised()
                self.signs += 1
            elif token == "_" and not low and base.startswith("<mi"):
                mark = MARKS.get(self.next(1))
                self.at += 1
                if mark:
                    self.at += 1
                    base = f"<mover>{base}<mo>{mark}</mo></mover>"
                else:
                    self.signs += bool(_LETTER.fullmatch(self.next()) or self.next() == "{" or self.next().isdigit())
                    low = self.raised()
            elif token == "[" and not low and base.startswith("<mi"):
                low = self.lowered()
                self.signs += 1
            elif token == "'" and not (self.next(1)[:1].isalpha() and not _LETTER.fullmatch(self.next(1))) and self.next(1) != "s":
                self.at += 1
                high += "<mo>′</mo>"
            elif token == "*" and base.startswith("<mi") and not high and not re.match(r"[\w(*]", self.next(1)[:1].replace("_", "")):
                self.at += 1
                high = "<mo>∗</mo>"
            else:
                return scripted(base, low, high)

    def raised(self) -> str:
        """A power or an index: one sign, or braces."""
        self.flat += 1
        sign = ""
        if self.next() in ("-", "+"):
            sign = f'<mo form="prefix">{SIGNS[self.next()]}</mo>'
            self.at += 1
        token = self.next()
        if token in CLOSING:
            made = bare(self.group())
        elif token and token[0].isdigit():
            self.at += 1
            made = f"<mn>{token}</mn>"
            if self.next().isalpha():
                made += self.word(True)
        elif token[:1].isalpha():
            made = self.word(True)
        else:
            raise NotAFormula
        self.flat -= 1
        return f"<mrow>{sign}{made}</mrow>"

    def lowered(self) -> str:
        """An index in brackets: `x[k+1]`."""
        self.flat += 1
        made = bare(self.group())
        self.flat -= 1
        return f"<mrow>{made}</mrow>"

    def base(self, after: bool) -> str:
        """A number, a letter, a word, or what stands in brackets or bars."""
        token = self.next()
        if not token or token.isspace():
            raise NotAFormula
        if token == "..." and (after or self.depth):
            self.at += 1
            return "<mo>…</mo>"
        if token[0].isdigit():
            self.at += 1
            large = re.fullmatch(r"(.*)e(-?)(\d+)", token)
            if not large:
                return f"<mn>{token}</mn>"
            times = "" if large[1] == "1" else f"<mn>{large[1]}</mn><mo>·</mo>"
            return f"<mrow>{times}<msup><mn>10</mn><mrow>{'<mo>−</mo>' * bool(large[2])}<mn>{large[3]}</mn></mrow></msup></mrow>"
        if token == "|":
            self.at += 1
            within = "".join(self.side(True))
            if self.next() != "|":
                raise NotAFormula
            self.at += 1
            return f'<mrow><mo form="prefix" stretchy="true">&#124;</mo>{within}<mo form="postfix" stretchy="true">&#124;</mo></mrow>'
        if token in ("(", "["):
            return self.group()
        if token == "sqrt":
            self.at += 1
            self.skip()
            within = self.group() if self.next() == "(" else self.factor(True)
            self.signs += 1
            return f"<msqrt><mrow>{bare(within)}</mrow></msqrt>"
        if token in OPERATORS and not (
            token == "grad" and self.next(1) in ("[", ")", " ") and not re.match(r"[A-Za-z(]", self.next(1 + (self.next(1) == " ")))
        ):
            return self.operator()
        if token in FUNCTIONS and (token != "floor" or self.next(1) == "("):
            return self.function()
        return self.word(after or self.free or self.next(1) in ("^", "["))

    def operator(self) -> str:
        """A sum with its limits, or a gradient; what it acts on stands beside it."""
        name = self.next()
        self.at += 1
        low = ""
        if self.next() == "_":
            self.at += 1
            low = self.raised()
        if name == "sum" and not low and not re.match(r"[A-Za-z|(\d]", self.after_space()):
            raise NotAFormula
        sign = f"<munder><mo>{OPERATORS[name]}</mo>{low}</munder>" if low else f"<mo>{OPERATORS[name]}</mo>"
        if name == "grad":
            self.skip()
            return f'<mrow class="of">{sign}{self.factor(True)}</mrow>'
        ahead = self.at
        self.skip()
        self.factor(True)  # there must be something to add up
        self.at = ahead
        self.signs += bool(low)  # "the sum p of the roots" is words
        return f'<mrow class="over">{sign}</mrow>'

    def function(self) -> str:
        """A named function and its argument, in brackets or not."""
        name = f"<mi>{self.next()}</mi>" if self.next() != "log2" else "<msub><mi>log</mi><mn>2</mn></msub>"
        self.at += 1
        if self.next() == "^":
            self.at += 1
            name = scripted(name, "", self.raised())
        elif self.next() == "_":
            self.at += 1
            name = scripted(name, self.raised(), "")
        gap = "" if self.next() in ("(", "[") else '<mspace width=".17em"></mspace>'
        self.skip()
        number = self.next()[:1].isdigit()
        inner = self.group() if self.next() in ("(", "[") else self.factor(True)
        if number and self.next() == "/":  # log 1/x: of the quotient, or a quotient of logarithms?
            raise NotAFormula
        self.signs += 1
        return f'<mrow class="of">{name}<mo>&#8289;</mo>{gap}{inner}</mrow>'

    def word(self, any_word: bool) -> str:
        """A letter, Latin or Greek, with its number as an index, or a word for a quantity."""
        token = self.next()
        found = _LETTER.fullmatch(token)
        self.at += 1
        if found:
            letter = f"<mi>{GREEK.get(found[1], found[1])}</mi>"
            return scripted(letter, f"<mn>{found[2]}</mn>" if found[2] else "", "")
        if token == "inf":
            return "<mi>∞</mi>"
        if token in PRODUCTS:
            return "<mrow>" + "".join(f"<mi>{sign}</mi>" for sign in token) + "</mrow>"
        if token in ("lr", "dt") or (token.isalpha() and any_word and (self.free or self.flat or token in WORDS or token == "grad")):
            return f'<mi mathvariant="normal">{token}</mi>'
        raise NotAFormula

    def group(self) -> str:
        """What stands in brackets, with commas."""
        opening = self.next()
        self.at += 1
        self.depth += 1
        self.skip()
        made = "".join(self.statement_within())
        while self.next() in (",", ";"):
            sign = self.next()
            self.at += 1
            self.skip()
            made += f'<mo separator="true">{sign}</mo>' + "".join(self.statement_within())
        self.skip()
        if (
            self.next() != CLOSING.get(opening)
            and not (opening == "[" and self.next() == ")")
            and not (opening == "(" and self.next() == "]")
        ):
            raise NotAFormula
        closing = self.next()
        self.at += 1
        self.depth -= 1
        first, last = (f'<mo lspace="0" rspace="0">{BRACKETS[sign]}</mo>' for sign in (opening, closing))
        return f'<mrow class="fence">{first}{made}{last}</mrow>'

    def statement_within(self) -> list[str]:
        """A statement that may begin with a sign."""
        pieces = self.side(True)
        while self.after_space() in RELATIONS and self.after_space():
            pieces += self.related()
        return pieces


def product(parts: list[str]) -> str:
    """Factors side by side; a narrow space where one is a word or a function."""
    made = parts[0]
    for before, part in pairwise(parts):
        wide = any('mathvariant="normal"' in one or one.startswith('<mrow class="of"') for one in (before, part))
        made += ('<mspace width=".17em"></mspace>' if wide and not part.startswith("<mo>") else "") + part
    return made


def bare(made: str) -> str:
    """Without the brackets that a fraction's bar, a root or an exponent makes needless."""
    return re.sub(r'^<mrow class="fence"><mo [^>]*>[^<]*</mo>(.*)<mo [^>]*>[^<]*</mo></mrow>$', r"\1", made)


def scripted(base: str, low: str, high: str) -> str:
    """A base with an index, a power, or both."""
    if high and not high.startswith("<mrow>"):
        high = f"<mrow>{high}</mrow>"
    if low and high:
        return f"<msubsup>{base}{low}{high}</msubsup>"
    if low:
        return f"<msub>{base}{low}</msub>"
    return f"<msup>{base}{high}</msup>" if high else base


def tokens(text: str) -> list[str]:
    """The signs of a formula, spaces included."""
    return _TOKEN.findall(text)


def mathml(pieces: list[str], signs: int, display: bool = False) -> str:
    """One formula for the page; a long one in pieces, so that a narrow window can break it."""
    upright = ' displaystyle="true"' if display else ""
    parts = pieces if signs > _LONG else ["".join(pieces)]
    return '<span class="formula">' + "&#8203;".join(f"<math{upright}><mrow>{part}</mrow></math>" for part in parts) + "</span>"


def whole(text: str) -> str | None:
    """A displayed formula, with the commas, the stop and the remark in brackets that may end it; None where it is not one.

    >>> whole("so that") is None
    True
    """
    for free in (False, True):
        unknown = [word not in KNOWN and len(word) > 1 for word in re.findall(r"[A-Za-z]+", text)]
        if free and (
            sum(unknown) > 2
            or re.search(r"\b(?:for|from|with|of|by|the|in|at|and|or)\b", text)
            or [True, True] in map(list, pairwise(unknown))
        ):
            return None
        reader = Reader(tokens(text.rstrip(" ,.;")), free=free, display=True)
        known = reader.attempt(_listed, reader)
        if known and reader.at == len(reader.tokens) and reader.signs:
            made = [mathml(one, signs, True) for one, signs in known]
            return ", ".join(made) + text[len(text.rstrip(" ,.;")) :]
    return None


def _listed(reader: Reader) -> list[tuple[list[str], int]]:
    """Formulas with commas between them, each with its length."""
    made, start = [], 0
    while True:
        made.append((reader.statement_within(), len("".join(reader.tokens[start : reader.at]))))
        if reader.next() != ",":
            return made
        reader.at += 1
        reader.skip()
        start = reader.at


def block(lines: list[str]) -> str | None:
    """An indented block as rows of formulas and words; None where no piece of it is a formula.

    >>> block(["    plain words"]) is None
    True
    """
    rows = [re.split(r"\s{2,}", re.sub(r"\s{2,}(?=[=<>])", " ", line.strip())) for line in lines]
    if any(piece.count(opening) != piece.count(CLOSING[opening]) for row in rows for piece in row for opening in "(["):
        return None  # a matrix, drawn over several lines
    made = [[(whole(piece), piece) for piece in row] for row in rows]
    if not any(found for row in made for found, _ in row):
        return None
    shown = [[found or words(piece) for found, piece in row] for row in made]
    if len(rows) > 1 and len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
        cells = "".join("<tr>" + "".join(f"<td>{piece}</td>" for piece in row) + "</tr>" for row in shown)
        return f'<div class="formulas"><table class="formulas">{cells}</table></div>'
    return (
        '<div class="formulas">'
        + "".join("<div>" + "".join(f"<span>{piece}</span> " for piece in row) + "</div>" for row in shown)
        + "</div>"
    )


def words(text: str) -> str:
    """Words within HTML, their formulas set."""
    made = "".join(piece if found else escape(piece, quote=False) for piece, found in inline(text))
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", made)


def inline(text: str) -> list[tuple[str, bool]]:
    """Words as (piece, whether it is MathML), in order.

    >>> [(piece, made) for piece, made in inline("the steps for beta = 0 only")][::2]
    [('the steps for ', False), (' only', False)]
    """
    signs, found, at, start = tokens(text), [], 0, 0
    while at < len(signs):
        if not _may_begin(signs, at):
            at += 1
            continue
        reader = Reader(signs, at)
        follows = "".join(signs[at + 1 : at + 3]).strip()
        pieces = reader.attempt(reader.statement, signs[at] in WORDS and (follows in RELATIONS or follows in SIGNS or follows[:1] == "/"))
        if pieces is None or not reader.signs or not _may_end(signs, reader.at):
            at += 1
            continue
        found.append(("".join(signs[start:at]), False))
        found.append((mathml(pieces, len("".join(signs[at : reader.at]))), True))
        at = start = reader.at
    return [*found, ("".join(signs[start:]), False)]


def _may_begin(signs: list[str], at: int) -> bool:
    """Whether a formula may begin here: after a space or a bracket, and not in the middle of one, nor with the article."""
    sign, back = signs[at], at - 1
    if sign.isspace() or (at and not (signs[back].isspace() or signs[back] in ("(", ",", "["))):
        return False
    following = signs[at + 2] if signs[at + 1 : at + 2] == [" "] and at + 2 < len(signs) else ""
    if sign in ("a", "A", "I") and (
        following in ("(", "|") or (following[:1].isalpha() and not (sign == "A" and _LETTER.fullmatch(following)))
    ):
        return False
    if back >= 1 and signs[back] == "(" and re.match(r"[\w)]", signs[back - 1][-1:]):
        return False  # the arguments of a call
    if back >= 1 and signs[back] == " " and signs[back - 1] not in ("a", "A", "I") and _QUANTITY.fullmatch(signs[back - 1]):
        return False  # a factor that could not be read stands before
    while back >= 0 and signs[back] in ("(", "[", " ", "\n"):
        back -= 1
    bullet = back >= 0 and signs[back] == "-" and (back == 0 or "\n" in signs[back - 1])
    return back < 0 or bullet or signs[back] not in RELATIONS.keys() | SIGNS.keys() | {"/", "*", "@", "~", "^", "_", "|"}


def _may_end(signs: list[str], at: int) -> bool:
    """Whether a formula may end before this sign: nothing is left of it, and no word is cut."""
    rest = "".join(signs[at : at + 12])
    if not re.match(r"$|\s|[,;:?)\]]|\.+(?:\s|$|\))", rest):
        return False
    rest = re.sub(r"^[)\]]+", "", rest)
    if re.match(r"[\^/_\[(]", rest):
        return False
    if re.match(r"\s+(?:<=|>=|<-|!=|<<|>>|[=<>+*/@%~|]|-=|\+-|\((?:[\d(+-]|[b-zB-Z]\b))", rest) or re.match(r" - ", rest):
        return False
    following = re.match(r"\s+(\w+)(.?)", rest)
    cut = FUNCTIONS - {"min", "max", "floor"} | OPERATORS.keys() | {"weights", "velocity", "params", "new", "old"}
    return not following or not (following[1] in cut or (following[1] in WORDS and following[2] in ("/", "(")))


KNOWN = {*GREEK, *FUNCTIONS, *OPERATORS, *WORDS, *PRODUCTS, "sqrt", "inf"}
