// A formula in x and y, typed by a reader: read by a small grammar, differentiated exactly, never evaluated as code. (inertia.lab.formula)
//   sum = product (("+" | "-") product)*        product = signed (("*" | "/")? signed)*        signed = ("+" | "-")* power
//   power = atom (("^" | "**") signed)?         atom = number | x | y | pi | function "(" sum ")" | "(" sum ")"

import { FUNCTIONS, exp, inverse, log, plus, raised, scaled, times } from "./jets.js";

const LONGEST = 200, DEEPEST = 24;
const TOKEN = /\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z]+)|(\*\*|[-+*/^()]))/y;

export class BadInput extends Error {}

// {text, value(x, y), slope(x, y) -> [fx, fy], jet(x, y) -> [f, fx, fy, fxx, fxy, fyy]}
export function formula(text) {
  if (text.length > LONGEST) throw new BadInput(`the formula has ${text.length} characters, at most ${LONGEST} are read: shorten it`);
  const reader = new Reader(text), node = reader.sum(0);
  if (reader.token) throw new BadInput(`unexpected '${reader.token}' ${reader.place()}: a closing parenthesis has no opening one`);
  return {
    text: text.trim(),
    value: (x, y) => node([x, 1, 0], [y, 0, 1])[0],
    slope: (x, y) => node([x, 1, 0], [y, 0, 1]).slice(1),
    jet: (x, y) => node([x, 1, 0, 0, 0, 0], [y, 0, 1, 0, 0, 0]),
  };
}

const constant = (value) => (x) => (x.length > 3 ? [value, 0, 0, 0, 0, 0] : [value, 0, 0]);

class Reader {
  constructor(text) {
    Object.assign(this, { text, position: 0, start: 0, token: "", variables: 0 });
    this.advance();
  }

  place() { return this.token ? `at character ${this.start + 1} of '${this.text.trim()}'` : `at the end of '${this.text.trim()}'`; }

  advance() {
    const before = this.token, end = this.position;
    if (!this.text.slice(this.position).trim()) { this.start = this.text.length; this.token = ""; return; }
    TOKEN.lastIndex = this.position;
    const found = TOKEN.exec(this.text);
    if (!found) throw new BadInput(`cannot read '${this.text.slice(this.position).trim()[0]}' in '${this.text.trim()}': use numbers, x, y, + - * / ^ ( )`);
    this.token = found[1] ?? found[2] ?? found[3];
    this.start = TOKEN.lastIndex - this.token.length;
    // x and y written together are a product, as 3xy is on paper; the rest of the run is read next.
    if (found[2] && found[2].length > 1 && /^[xy]+$/.test(found[2])) this.token = found[2][0];
    this.position = this.start + this.token.length;
    if (found[1] && before) this.apart(before, this.start === end);
  }

  // 1.1.1 is no number, and x10 may mean x^10 or 10 x.
  apart(before, touching) {
    if (/^[\d.]/.test(before)) throw new BadInput(`two numbers '${before}' and '${this.token}' stand side by side ${this.place()}: write * between them, or one number`);
    if (touching && /^[A-Za-z]/.test(before) && !/^[A-Za-z(]/.test(this.text.slice(this.position))) {
      throw new BadInput(`'${before}${this.token}' may mean a power or a product ${this.place()}: write ${before}^${this.token} or ${this.token} ${before}`);
    }
  }

  sum(depth) {
    if (depth > DEEPEST) throw new BadInput(`more than ${DEEPEST} parentheses or powers inside each other: simplify the formula`);
    let total = this.product(depth);
    while (this.token === "+" || this.token === "-") {
      const minus = this.token === "-", left = total;
      this.advance();
      const right = this.product(depth);
      total = minus ? (x, y) => plus(left(x, y), scaled(right(x, y), -1)) : (x, y) => plus(left(x, y), right(x, y));
    }
    return total;
  }

  product(depth) {
    let total = this.signed(depth);
    while (this.token && this.token !== "+" && this.token !== "-" && this.token !== ")") {
      const divide = this.token === "/", left = total;
      if (divide || this.token === "*") this.advance();
      const right = this.signed(depth);
      total = divide ? (x, y) => times(left(x, y), inverse(right(x, y))) : (x, y) => times(left(x, y), right(x, y));
    }
    return total;
  }

  signed(depth) {
    let sign = 1;
    while (this.token === "+" || this.token === "-") {
      if (this.token === "-") sign = -sign;
      this.advance();
    }
    const inner = this.power(depth);
    return sign > 0 ? inner : (x, y) => scaled(inner(x, y), -1);
  }

  power(depth) {
    const base = this.atom(depth);
    if (this.token !== "^" && this.token !== "**") return base;
    this.advance();
    if (depth > DEEPEST) throw new BadInput(`more than ${DEEPEST} parentheses or powers inside each other: simplify the formula`);
    const seen = this.variables, power = this.signed(depth + 1);
    if (this.variables === seen) return (x, y) => raised(base(x, y), power(x, y)[0]);
    return (x, y) => exp(times(power(x, y), log(base(x, y))));
  }

  atom(depth) {
    const token = this.token, place = this.place();
    if (!token || "*/^**)".includes(token)) throw new BadInput(`expected a number, x, y or a function ${place}, got ${token ? `'${token}'` : "nothing"}`);
    this.advance();
    if (token === "(") return this.closed(this.sum(depth + 1), place);
    if (/^[\d.]/.test(token)) return constant(Number(token));
    if (token === "x" || token === "y") {
      this.variables++;
      return token === "x" ? (x) => x : (_, y) => y;
    }
    if (token === "pi") return constant(Math.PI);
    if (!Object.hasOwn(FUNCTIONS, token)) throw new BadInput(`unknown name '${token}' ${place}: ${nearest(token, ["x", "y", "pi", ...Object.keys(FUNCTIONS)])}`);
    if (this.token !== "(") throw new BadInput(`${token} needs its argument in parentheses ${place}: write ${token}(x)`);
    this.advance();
    const inner = this.closed(this.sum(depth + 1), place), call = FUNCTIONS[token];
    return (x, y) => call(inner(x, y));
  }

  closed(inner, place) {
    if (this.token !== ")") throw new BadInput(`the parenthesis ${place} is not closed: add ')'`);
    this.advance();
    return inner;
  }
}

function nearest(word, known) {
  const close = known.map((one) => [distance(word, one), one]).sort((a, b) => a[0] - b[0])[0];
  return close[0] <= Math.max(1, word.length / 2) ? `did you mean '${close[1]}'?` : `known are ${known.join(", ")}`;
}

function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
