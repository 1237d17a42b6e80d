// The error by eigencomponent: every curvature decays at its own rate, and the slowest decides.

import { argmax, even, linspace, most, shaped, zeros } from "../numerics/arrays.js";
import { milestones } from "../numerics/milestones.js";
import { descent, heavyBall, left, nesterovQuadratic, rate, step, worst } from "../numerics/modes.js";
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
    kappa: h[n - 1] / h[0],
    digits: digits(h[0], h[n - 1]),
    descent: state.descent ? compared(h, steps) : null,
  };
  const key = `${name}|${name === "any" ? gamma : 0}|${h}`;
  return {
    values,
    caption: caption(state, h, rates, total, peak),
    alt: `Loss of ${n} eigencomponents under ${FAMILIES[name]}; the slowest has rate ${words(most(rates), ".4f")}.`,
    costly: {
      plane: [key, () => plane(name, h, gamma, 121)],
      ...(state.map === "steps" ? { until: [`${key}|${steps}|${state.tolerance}`, () => until(name, h, gamma, right, steps, state.tolerance)] } : {}),
    },
  };
}

// Steps per decimal digit of the error of each method at its best numbers: the article's table; 0 where one step is all.
function digits(low, high) {
  const made = { descent, momentum: heavyBall, nesterov: nesterovQuadratic };
  return Object.fromEntries(Object.entries(made).map(([name, of]) => { const size = worst(of(low, high), low, high); return [name, size > 1e-6 ? -1 / Math.log10(size) : 0]; }));
}

// Total loss of gradient descent at its own best learning rate.
function compared(h, steps) {
  const total = zeros(steps + 1), one = descent(h[0], h[h.length - 1]);
  for (const v of h) { const at = left(one, v); for (let k = 0; k <= steps; k++) total[k] += 0.5 * at(k) ** 2; }
  return total;
}

// First step from which the total loss stays at or below the tolerance, over the plane: 0 to 254, 255 where it does not within `steps`.
function until(name, h, gamma, right, steps, tolerance) {
  const size = Math.trunc(Math.min(41, Math.max(15, Math.sqrt(1.2e6 / (steps * h.length))))), alpha = linspace(0, right, size), beta = linspace(0, 0.999, size);
  const grid = shaped(new Uint8Array(size * size), size, size), n = h.length, params = new Float64Array(n), velocity = new Float64Array(n);
  let found = null;
  for (let r = 0; r < size; r++) {
    for (let c = 0; c < size; c++) {
      const one = family(name, alpha[c], beta[r], gamma);
      let last = -1;
      for (let i = 0; i < n; i++) { params[i] = 1 / Math.sqrt(h[i]); velocity[i] = 0; }
      for (let k = 0; k <= steps; k++) {
        let total = 0;
        for (let i = 0; i < n; i++) {
          total += 0.5 * h[i] * params[i] * params[i];
          [params[i], velocity[i]] = step(one, params[i], velocity[i], h[i] * params[i]);
        }
        if (!(total <= tolerance)) { last = k; if (!(total < 1e100)) { last = steps; break; } }
      }
      grid[r * size + c] = last + 1 <= steps ? even((254 * (last + 1)) / steps) : 255;
      if (last + 1 <= steps && (!found || last + 1 < found.steps)) found = { alpha: alpha[c], beta: beta[r], steps: last + 1 };
    }
  }
  return { grid, right, best: found };
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
