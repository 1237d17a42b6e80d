// Gradient noise: a transient that momentum shortens, then a floor that momentum raises.

import { geomspace, most, quantile, shaped, stacked, zeros } from "../numerics/arrays.js";
import { method, step, worst } from "../numerics/modes.js";
import { best, fastest, plane, reach, worstRate } from "../numerics/plane.js";
import { normal } from "../numerics/random.js";
import { constantCurves, factors, floor, scheduledCurves } from "../numerics/spectrum.js";
import { words } from "../numerics/words.js";

const START = 1.5, MATCHED = [0, 0.5, 0.9, 0.97], TRADED = [0, 0.5, 0.9, 0.99], SHOWN = 6;

export function view(state) {
  const h = state.curvatures.slice().sort((a, b) => a - b), variance = state.sigma ** 2, { steps, beta } = state, right = reach(h);
  const alpha = Math.min(state.alpha, right), one = method(alpha, beta), constant = state.schedule === "constant", scale = alpha / (1 - beta);
  const weights = h.map((v) => (2 * START) / h.length / v), alphas = factors(state.schedule, steps).map((f) => alpha * f);
  const own = constant ? constantCurves(one, h, weights, variance, steps) : scheduledCurves(alphas, beta, h, weights, variance, steps);
  const total = shaped(own.bias.map((v, k) => v + own.noise[k])), ran = runs(alphas, beta, h, weights, state);
  const level = floor(one, h, variance), size = worstRate(one, h);
  const crossed = constant && size < 1 ? own.bias.findIndex((v, k) => v < own.noise[k]) : -1;
  const matched = stacked(MATCHED.map((b) => { const made = constantCurves(method(scale * (1 - b), b), h, weights, variance, steps); return made.bias.map((v, k) => v + made.noise[k]); }));
  const values = {
    alpha, beta, right, bias: shaped(own.bias), noise: shaped(own.noise), total, ...ran,
    crossing: crossed >= 0 ? crossed : null, floor: level, rate: size, scale, matched, matched_betas: MATCHED,
    fastest: (({ alpha: a, beta: b }) => ({ alpha: a, beta: b }))(best("heavy-ball", h)),
  };
  const alt = `Expected loss split into bias and noise over ${steps} steps, with ${state.runs} seeded runs; floor ${words(level, ".3g")}.`;
  return { values, caption: caption(state, values), alt, costly: { plane: [`${h}`, () => plane("heavy-ball", h, 0, 121)], traded: [`${h}|${state.sigma}`, () => traded(h, variance)] } };
}

// The loss of every run after every step: mean, tenth and ninetieth percentile, and a few single runs.
function runs(alphas, beta, h, weights, { steps, runs: count, seed, sigma }) {
  const kicks = normal(seed, steps * count * h.length), losses = zeros(steps + 1, count), n = h.length, plan = Array.from(alphas, (alpha) => method(alpha, beta));
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < n; i++) {
      let params = Math.sqrt(weights[i]), velocity = 0;
      losses[r] += 0.5 * h[i] * params * params;
      for (let k = 0; k < steps; k++) {
        [params, velocity] = step(plan[k], params, velocity, h[i] * params + sigma * kicks[(k * count + r) * n + i]);
        losses[(k + 1) * count + r] += 0.5 * h[i] * params * params;
      }
    }
  }
  const mean = zeros(steps + 1), low = zeros(steps + 1), high = zeros(steps + 1), single = zeros(Math.min(SHOWN, count), steps + 1);
  for (let k = 0; k <= steps; k++) {
    const row = losses.subarray(k * count, (k + 1) * count), sorted = row.slice().sort();
    mean[k] = row.reduce((t, v) => t + v, 0) / count;
    low[k] = quantile(sorted, 0.1);
    high[k] = quantile(sorted, 0.9);
    for (let r = 0; r < single.shape[0]; r++) single[r * (steps + 1) + k] = row[r];
  }
  return { mean, low, high, single };
}

// For each momentum, steps per digit and floor along the stable learning rates up to the fastest.
function traded(h, variance) {
  const parts = geomspace(1e-3, 1, 61), low = h[0], high = most(h), slow = zeros(TRADED.length, 61), floors = zeros(TRADED.length, 61);
  TRADED.forEach((beta, i) => {
    const top = fastest(h, beta);
    parts.forEach((part, j) => {
      const one = method(top * part, beta);
      slow[i * 61 + j] = Math.log(10) / -Math.log(Math.min(worst(one, low, high), 1));
      floors[i * 61 + j] = floor(one, h, variance);
    });
  });
  return { betas: TRADED, slow, floor: floors };
}

function caption(state, values) {
  if (values.rate >= 1 - 1e-12) return `The rate is *${words(values.rate, ".4f")}*: the loss never settles, with noise or without. Lower α or raise β.`;
  if (state.sigma === 0) return `No noise: each step multiplies the loss by *${words(values.rate ** 2, ".4f")}* in the end, for as long as you like.`;
  if (state.schedule !== "constant") {
    return `At a constant step the floor would be *${words(values.floor, ".3g")}*; the schedule ends at *${words(values.total[state.steps], ".3g")}*, bias and noise together.`;
  }
  let said = `The noise keeps up a loss of *${words(values.floor, ".3g")}*, whatever the start`;
  if (values.crossing !== null) said += `; the start is forgotten after *${values.crossing}* ${values.crossing === 1 ? "step" : "steps"}`;
  let gap = 0;
  for (let k = 0; k <= state.steps; k++) gap = Math.max(gap, Math.abs(values.mean[k] - values.total[k]));
  gap /= Math.max(most(values.total), 1e-300);
  const many = state.runs === 1 ? "The one run" : `The mean of ${state.runs} runs`;
  return `${said}. ${many} stays within ${words(100 * gap, ".2g")} % of the formula, measured on its largest value.`;
}
