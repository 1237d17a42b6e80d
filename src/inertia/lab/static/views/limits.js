// What no method can beat: a chain along which news travels one node per step.

import { adamPath } from "../numerics/adam.js";
import { clip, dot, even, linspace, shaped, stacked, unique, zeros } from "../numerics/arrays.js";
import { worstCurvature, worstOptimum } from "../numerics/bounds.js";
import { chebyshevStep, descent, heavyBall, method, nesterovQuadratic, step } from "../numerics/modes.js";
import { words } from "../numerics/words.js";

const NAMES = { descent: "gradient descent", "heavy-ball": "heavy ball", nesterov: "Nesterov", chebyshev: "Chebyshev", conjugate: "conjugate gradients" };
const EXTRA = { adam: "Adam", dense: "dense preconditioner" }, ADAM = 0.05, ROUGH = 9;
const TALL = 104, WIDE = 160;

export function view(state) {
  const { n, kappa, steps, method: chosen } = state, at = Math.min(state.k, steps), all = named(n, kappa, steps), best = worstOptimum(n, kappa);
  const keys = [...Object.keys(NAMES), ...Object.keys(EXTRA).filter((key) => state.beyond || key === chosen)];
  const own = chosen === "own" ? run(chain(n, kappa), () => method(state.alpha, state.beta), steps, best) : null;
  const { path, errors } = own || all(chosen), rows = spread(steps + 1, TALL), columns = spread(n, WIDE), low = worstCurvature(n, kappa, 1), high = worstCurvature(n, kappa, n);
  const part = zeros(rows.length, columns.length), off = zeros(rows.length, columns.length);
  rows.forEach((r, i) => columns.forEach((c, j) => { const v = path[r * n + c]; part[i * columns.length + j] = v; off[i * columns.length + j] = Math.abs(v - best[c]); }));
  const bound = shaped(Float64Array.from({ length: steps + 1 }, (_, k) => (k < n ? best[k] : 0))), fast = heavyBall(low, high);
  const values = {
    k: at,
    chosen,
    n,
    steps,
    weights: bytes(part),
    errors: bytes(off),
    profile: shaped(Float64Array.from(columns, (c) => path[at * n + c])),
    best: shaped(Float64Array.from(columns, (c) => best[c])),
    nodes: shaped(columns.map((c) => c + 1)),
    names: [...keys.map((key) => NAMES[key] || EXTRA[key]), ...(own ? ["yours"] : [])],
    keys: [...keys, ...(own ? ["own"] : [])],
    curves: stacked([...keys.map((key) => all(key).errors), ...(own ? [errors] : [])]),
    bound,
    alpha_high: 4 / high,
    error: errors[at],
    limit: bound[at],
    condition: high / low,
    method: { alpha: fast.alpha, beta: fast.beta },
  };
  const name = NAMES[chosen] || EXTRA[chosen] || "this method", dense = chosen === "dense", heard = dense ? (at ? n : 0) : Math.min(at, n);
  let caption = `After *${at}* ${at === 1 ? "step" : "steps"} the news has reached ${heard} of ${n} nodes; *${n - heard}* still stand at zero. The error of ${dense ? "gradient descent with a " : ""}${name} is `
    + `*${words(values.error, ".3g")}*, and no method that adds up gradients can be below *${words(values.limit, ".3g")}*.`;
  if (dense) caption += " This one does not add up gradients: its dense matrix tells every node of every other at once.";
  if (values.condition < 0.9 * kappa) caption += ` So short a chain has condition number ${words(values.condition, ".4g")}, not ${words(kappa, ".4g")}.`;
  return { values, caption, alt: `Weights and errors of ${name} on a chain of ${n} nodes over ${steps} steps: ${dense ? "every node has moved at step 1" : "nothing beyond node k has moved at step k"}.`, costly: {} };
}

// Evenly spread indices, all of them where they fit.
const spread = (count, atMost) => unique(linspace(0, count - 1, Math.min(count, atMost)).map(even));

const bytes = (values) => shaped(Uint8Array.from(values, (v) => even(255 * Math.sqrt(clip(Number.isNaN(v) ? 1 : v, 0, 1)))), ...values.shape);

const kept = new Map();

function named(n, kappa, steps) {
  const key = `${n} ${kappa} ${steps}`;
  if (!kept.has(key)) {
    if (kept.size >= 6) kept.delete(kept.keys().next().value);
    const low = worstCurvature(n, kappa, 1), high = worstCurvature(n, kappa, n), best = worstOptimum(n, kappa), slope = chain(n, kappa), fixed = (one) => () => one;
    const plans = { descent: fixed(descent(low, high)), "heavy-ball": fixed(heavyBall(low, high)), nesterov: fixed(nesterovQuadratic(low, high)), chebyshev: (k) => chebyshevStep(low, high, k) };
    const others = {
      conjugate: () => conjugate(slope, steps, best),
      adam: () => { const path = adamPath((v, out) => slope(v, out, true), new Float64Array(n), ADAM, 0.9, steps); return { path, errors: largest(path, best, steps) }; },
      dense: () => dense(slope, kappa, [low, high], steps, best),
    };
    const made = {};
    kept.set(key, (name) => (made[name] ||= plans[name] ? run(slope, plans[name], steps, best) : others[name]()));
  }
  return kept.get(key);
}

// out <- A v (and minus the pull on the first node where `pull`), A = (kappa - 1)/4 tridiag(-1, 2, -1) + I.
function chain(n, kappa) {
  const strength = (kappa - 1) / 4;
  return (v, out, pull) => {
    for (let i = 0; i < n; i++) {
      let value = (2 * strength + 1) * v[i];
      if (i > 0) value -= strength * v[i - 1];
      if (i < n - 1) value -= strength * v[i + 1];
      out[i] = value;
    }
    if (pull) out[0] -= strength;
  };
}

function run(slope, plan, steps, best) {
  const n = best.length, path = new Float64Array((steps + 1) * n), params = new Float64Array(n), velocity = new Float64Array(n), gradient = new Float64Array(n);
  for (let k = 0; k < steps; k++) {
    const one = plan(k);
    slope(params, gradient, true);
    for (let i = 0; i < n; i++) [params[i], velocity[i]] = step(one, params[i], velocity[i], gradient[i]);
    path.set(params, (k + 1) * n);
  }
  return { path, errors: largest(path, best, steps) };
}

function largest(path, best, steps) {
  const n = best.length, errors = zeros(steps + 1);
  for (let k = 0; k <= steps; k++) {
    let size = 0;
    for (let i = 0; i < n; i++) { const off = Math.abs(path[k * n + i] - best[i]); if (!(off <= size)) size = off; }
    errors[k] = Number.isFinite(size) ? size : Infinity;
  }
  return errors;
}

// Gradient descent on gradients multiplied by (A + 9)^-1, at the best learning rate for the curvatures that are left.
function dense(slope, kappa, ends, steps, best) {
  const n = best.length, path = new Float64Array((steps + 1) * n), params = new Float64Array(n), gradient = new Float64Array(n);
  const strength = (kappa - 1) / 4, middle = 2 * strength + 1 + ROUGH, pivot = new Float64Array(n), alpha = 2 / ends.reduce((total, h) => total + h / (h + ROUGH), 0);
  for (let i = 0; i < n; i++) pivot[i] = middle - (i ? strength ** 2 / pivot[i - 1] : 0); // elimination down the chain
  for (let k = 0; k < steps; k++) {
    slope(params, gradient, true);
    for (let i = 1; i < n; i++) gradient[i] += (strength / pivot[i - 1]) * gradient[i - 1];
    for (let i = n - 1; i >= 0; i--) gradient[i] = (gradient[i] + (i < n - 1 ? strength * gradient[i + 1] : 0)) / pivot[i];
    for (let i = 0; i < n; i++) params[i] -= alpha * gradient[i];
    path.set(params, (k + 1) * n);
  }
  return { path, errors: largest(path, best, steps) };
}

// Conjugate gradients, iterate by iterate; at rest once the residual is rounding.
function conjugate(slope, steps, best) {
  const n = best.length, path = new Float64Array((steps + 1) * n), params = new Float64Array(n), product = new Float64Array(n), residual = new Float64Array(n);
  slope(params, residual, true);
  for (let i = 0; i < n; i++) residual[i] = -residual[i];
  const direction = residual.slice(), rest = dot(residual, residual) * 1e-30;
  for (let k = 0, energy = dot(residual, residual); k < steps; k++) {
    if (energy > rest) {
      slope(direction, product, false);
      const share = energy / dot(direction, product), before = energy;
      for (let i = 0; i < n; i++) { params[i] += share * direction[i]; residual[i] -= share * product[i]; }
      energy = dot(residual, residual);
      for (let i = 0; i < n; i++) direction[i] = residual[i] + (energy / before) * direction[i];
    }
    path.set(params, (k + 1) * n);
  }
  return { path, errors: largest(path, best, steps) };
}
