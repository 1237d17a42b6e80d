// The error by eigencomponent: every curvature decays at its own rate, and the slowest decides.

import { argmax, linspace, most, shaped, zeros } from "../numerics/arrays.js";
import { milestones } from "../numerics/milestones.js";
import { left, rate } from "../numerics/modes.js";
import { best, family, plane, reach } from "../numerics/plane.js";
import { words } from "../numerics/words.js";
import { FAMILIES } from "./names.js";

export function view(state) {
  const { family: name, gamma, steps } = state, h = state.curvatures.slice().sort((a, b) => a - b), n = h.length, right = reach(h, name, gamma);
  const alpha = Math.min(state.alpha, right), one = family(name, alpha, state.beta, gamma), losses = zeros(n, steps + 1), total = zeros(steps + 1);
  h.forEach((v, i) => {
    const at = left(one, v);
    for (let k = 0; k <= steps; k++) total[k] += losses[i * (steps + 1) + k] = 0.5 * at(k) ** 2;
  });
  const across = linspace(0, right, 301), curves = zeros(n, 301);
  across.forEach((a, j) => { const there = family(name, a, state.beta, gamma); h.forEach((v, i) => { curves[i * 301 + j] = rate(there, v); }); });
  const rates = shaped(Float64Array.from(h, (v) => rate(one, v))), peak = argmax(total.map((v) => (Number.isFinite(v) ? v : Infinity)));
  const values = {
    alpha,
    beta: one.beta,
    right,
    curvatures: shaped(Float64Array.from(h)),
    losses,
    total,
    across,
    curves,
    rates,
    milestones: milestones(one, h, h.map((v) => 1 / v), h.map(() => state.tolerance)),
    peak: [peak, total[peak]],
    fastest: (({ alpha: a, beta: b }) => ({ alpha: a, beta: b }))(best(name, h, gamma)),
  };
  const key = `${name}|${name === "any" ? gamma : 0}|${h}`;
  return {
    values,
    caption: caption(state, h, rates, total, peak),
    alt: `Loss of ${n} eigencomponents under ${FAMILIES[name]}; the slowest has rate ${words(most(rates), ".4f")}.`,
    costly: { plane: [key, () => plane(name, h, gamma, 121)] },
  };
}

function caption(state, h, rates, total, peak) {
  const worst = most(rates);
  if (worst > 1 + 1e-9) return `The steepest component has rate *${words(worst, ".4f")}*: it *diverges*. Lower α, or raise β: momentum widens the range of steps.`;
  let said = `The slowest component is λ = ${words(h[argmax(rates)], "g")}, shrinking by *${words(worst, ".4f")}* a step, its loss by ${words(worst ** 2, ".4f")}.`;
  if (peak > 0 && total[peak] > 1.02 * total[0]) {
    said += ` Before it falls the loss rises to *${words(total[peak], ".3g")}* at step ${peak}: where two roots meet, the error goes`
      + " like k·rateᵏ, and the fastest method in the long run is not the fastest at the start.";
  }
  return said;
}
