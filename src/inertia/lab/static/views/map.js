// The map of convergence: how fast a method is at every (alpha, beta), and why, from its two roots.

import { linspace, most, shaped, zeros } from "../numerics/arrays.js";
import { left, method, regime, roots } from "../numerics/modes.js";
import { family, plane, reach, worstRate } from "../numerics/plane.js";
import { capital, counted, words } from "../numerics/words.js";
import { FAMILIES } from "./names.js";

const STEPS = 40;
const REGIMES = { ripples: [0.15, 0.9], monotone: [0.15, 0.125], "one step": [1, 0], alternating: [2, 0.05], divergent: [2.5, 0.235] };
const SAID = {
  "one-step": "both roots are zero: the error is gone after a step or two",
  monotone: "real positive roots: the error shrinks without ever changing sign",
  ripples: "complex roots: the error swings around zero while it shrinks, at a rate that the momentum sets",
  alternating: "a negative root dominates: the error jumps from side to side",
  undamped: "a root on the unit circle: the error never settles",
  divergent: "a root outside the unit circle: the error grows",
};

export function view(state) {
  const { family: name, gamma } = state, h = state.curvatures.slice().sort((a, b) => a - b), right = reach(h, name, gamma);
  const alpha = Math.min(state.alpha, right), one = family(name, alpha, state.beta, gamma), found = h.map((v) => roots(one, v));
  const sizes = found.map(([first]) => Math.hypot(...first)), slowest = sizes.indexOf(most(sizes)), size = sizes[slowest], kind = regime(one, h[slowest]);
  const errors = zeros(h.length, STEPS + 1), flat = shaped(Float64Array.from(found.flat(2)), h.length, 2, 2);
  h.forEach((v, i) => { const at = left(one, v); for (let k = 0; k <= STEPS; k++) errors[i * (STEPS + 1) + k] = at(k); });
  const values = {
    alpha,
    beta: one.beta,
    right,
    rate: size,
    regime: kind,
    roots: flat,
    errors,
    slice_alpha: shaped(linspace(0, right, 241).map((a) => worstRate(family(name, a, state.beta, gamma), h))),
    slice_beta: shaped(linspace(0, 1, 121).map((b) => worstRate(family(name, alpha, b, gamma), h))),
    regimes: Object.fromEntries(Object.entries(REGIMES).map(([word, [a, b]]) => [word, [a / most(h), b]])),
  };
  return {
    values,
    caption: `${speed(size)} ${capital(kind)}: ${SAID[kind]}.`,
    alt: `Rate of ${FAMILIES[name]} over learning rate and momentum; the chosen point has rate ${words(size, ".4f")} and is ${kind}.`,
    costly: { plane: [`${name}|${name === "any" ? gamma : 0}|${h}`, () => plane(name, h, gamma)], five: ["five", five] },
  };
}

// The five behaviours of the heavy ball side by side: errors of one curvature.
function five() {
  const names = Object.keys(REGIMES), errors = zeros(names.length, STEPS + 1);
  names.forEach((word, i) => { const at = left(method(...REGIMES[word]), 1); for (let k = 0; k <= STEPS; k++) errors[i * (STEPS + 1) + k] = at(k); });
  return { errors, names };
}

function speed(size) {
  if (size > 1 + 1e-9) return `Each step multiplies the error by *${words(size, ".4f")}*, eventually: it diverges.`;
  if (size > 1 - 1e-9) return "Each step multiplies the error by *1*: it never settles.";
  if (size < 1e-6) return "The error is gone *at once*.";
  const digits = words(Math.log(10) / -Math.log(size), ".0f");
  return `Each step multiplies the error by *${words(size, ".4f")}*, eventually: about *${digits}* ${counted(Number(digits), "step")} per digit.`;
}
