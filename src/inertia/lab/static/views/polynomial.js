// Fitting a polynomial: what the data can tell apart is learned first, so stopping early is a regulariser.

import { filled, geomspace, least, linspace, most, shaped, unique, zeros } from "../numerics/arrays.js";
import { BadInput } from "../numerics/formula.js";
import { svd } from "../numerics/linear.js";
import { milestones } from "../numerics/milestones.js";
import { heavyBall, left, method, stable } from "../numerics/modes.js";
import { normal } from "../numerics/random.js";
import { counted, words } from "../numerics/words.js";

const GRID = linspace(-1, 1, 121), STEPS = unique(geomspace(1, 2e6, 140).map((v) => Math.floor(v))), SHAKE = 0.5, SIZE = 1.5;
const ALIKE = 1e-6; // losses within this share of the least are as low

export function view(state) {
  const { points: x, targets: d, k: at } = state;
  if (x.length !== d.length) throw new BadInput(`there are ${x.length} x and ${d.length} y: give as many of one as of the other`);
  const found = eigenfeatures(x, d, Math.min(state.degree, x.length - 2)), h = found.eigenvalues, n = h.length;
  const one = method(state.alpha / h[0], state.beta), fastest = heavyBall(h[n - 1], h[0]), steady = h.every((v) => stable(one, v));
  const learned = shaped(h.map((v) => learnt(one, v)(at))), weights = coefficients(state, found, learned, x), rest = leftOut(x, d, n - 1);
  const etas = STEPS.map((k) => (1 - one.beta) / (one.alpha * k)), eta = (1 - one.beta) / (one.alpha * at);
  const held = steady ? heldOut(rest, one, STEPS) : shaped(STEPS.map(() => NaN)), within = (1 + ALIKE) * least(held);
  const lowest = steady ? Array.from(held).findIndex((miss) => miss <= within) : 0;
  const values = {
    x: GRID,
    eigenvalues: h,
    coefficients: weights.now,
    unit: weights.unit,
    features: features(state, found, weights.now),
    sum: curve(found, state.basis === "eigen" ? weights.now : turned(found, weights.now)),
    fit: curve(found, found.coefficients),
    ridge_curve: curve(found, found.coefficients.map((c, i) => (c * h[i]) / (h[i] + eta))),
    learned,
    ...scattered(state, found, learned),
    kept: shaped(h.map((v) => v / (v + eta))),
    steps: STEPS,
    train: steady ? misfit(found, x, d, one) : held,
    held,
    held_ridge: heldRidge(rest, etas),
    milestones: steady ? shaped(Float64Array.from(milestones(one, h, h.map(() => 1), h.map((v) => 0.5 * v * 1e-6)))) : shaped(h.map(() => Infinity)),
    best: { alpha: fastest.alpha * h[0], beta: fastest.beta },
    count: x.length,
    data: shaped(Float64Array.from([...x, ...d]), 2, x.length),
    shaken: Array.from(normal(state.seed + 3, d.length), (v, i) => Math.round(Math.min(Math.max(d[i] + SHAKE * v, -3), 3) * 1000) / 1000),
    stable: steady,
    lowest: STEPS[lowest],
    now: steady ? heldOut(rest, one, [at])[0] : null,
    misfit: rms(x.map((v, i) => design(v, n - 1).reduce((t, z, j) => t + z * monomialWeights(state, found, weights.now)[j], 0) - d[i])),
  };
  return { values, caption: caption(state, values) + told(state, values), alt: `Polynomial of degree ${n - 1} after ${at} ${counted(at, "step")}, its features and its errors.`, costly: {} };
}

const design = (v, degree) => Array.from({ length: degree + 1 }, (_, j) => v ** j);
const rms = (values) => Math.sqrt(values.reduce((t, v) => t + v * v, 0) / values.length);

function eigenfeatures(x, d, degree) {
  const z = shaped(Float64Array.from(x.flatMap((v) => design(v, degree))), x.length, degree + 1), { u, s, v } = svd(z), n = degree + 1;
  if (s[n - 1] <= x.length * Number.EPSILON * s[0]) {
    throw new BadInput(`${new Set(x).size} different points cannot fix ${n} coefficients: lower degree`);
  }
  const out = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    let big = 0;
    for (let i = 1; i < n; i++) if (Math.abs(v[i * n + j]) > Math.abs(v[big * n + j])) big = i;
    const sign = Math.sign(v[big * n + j]);
    for (let i = 0; i < n; i++) v[i * n + j] *= sign;
    for (let i = 0; i < x.length; i++) out[j] += ((d[i] * u[i * n + j]) / s[j]) * sign;
  }
  return { eigenvalues: shaped(s.map((value) => value * value)), vectors: v, coefficients: shaped(out) };
}

// The share of a coefficient learned after k steps from 0; exact also where alpha lambda is tiny and k huge.
function learnt(one, h) {
  if (one.beta !== 0) { const at = left(one, h); return (k) => 1 - at(k); }
  const product = one.alpha * h;
  if (product < 0.5) { const slope = Math.log1p(-product); return (k) => -Math.expm1(k * slope); }
  return (k) => 1 - (1 - product < 0 && k % 2 === 1 ? -1 : 1) * Math.abs(1 - product) ** k;
}

function coefficients(state, found, learned, x) {
  const n = found.eigenvalues.length, eigen = state.basis === "eigen", unit = new Float64Array(n), now = new Float64Array(n);
  for (let i = 0; i < n; i++) unit[i] = SIZE / (eigen ? Math.sqrt(found.eigenvalues[i]) : Math.max(Math.sqrt(x.reduce((t, v) => t + v ** (2 * i), 0)), 1e-12));
  if (state.by === "hand") for (let i = 0; i < Math.min(n, state.hand.length); i++) now[i] = state.hand[i];
  else {
    const trained = found.coefficients.map((c, i) => (state.by === "steps" ? c * learned[i] : c));
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) now[i] += eigen ? (i === j ? trained[j] : 0) : found.vectors[i * n + j] * trained[j];
  }
  return { now: shaped(now), unit: shaped(unit) };
}

// Standard deviations of the coefficients and of the curve if every y carried independent noise of 0.5; none by hand.
function scattered(state, found, learned) {
  const n = learned.length, each = Array.from(learned, (v, i) => (state.by === "hand" ? 0 : (SHAKE * (state.by === "steps" ? v : 1)) / Math.sqrt(found.eigenvalues[i])));
  const across = (row) => Math.sqrt(each.reduce((t, s, j) => t + (row(j) * s) ** 2, 0));
  const scatter = state.basis === "eigen" ? shaped(Float64Array.from(each)) : filled(n, (i) => across((j) => found.vectors[i * n + j]));
  return { scatter, band: shaped(GRID.map((v) => { const here = at(found, v); return across((j) => here[j]); })) };
}

function told(state, values) {
  if (!state.spread || state.by === "hand" || !values.stable) return "";
  const n = values.scatter.length;
  return ` Measured again with noise of ${SHAKE} on every y, the first coefficient would scatter by ${words(values.scatter[0], ".3g")}, the last by *${words(values.scatter[n - 1], ".3g")}*.`;
}

// Monomial weights from the chosen basis, and eigen coefficients from monomial ones.
function monomialWeights(state, found, now) {
  if (state.basis !== "eigen") return now;
  const n = now.length;
  return now.map((_, i) => { let t = 0; for (let j = 0; j < n; j++) t += found.vectors[i * n + j] * now[j]; return t; });
}

const turned = (found, now) => now.map((_, j) => now.reduce((t, w, i) => t + w * found.vectors[i * now.length + j], 0));

// Every eigenfeature at v: (n).
function at(found, v) {
  const n = found.eigenvalues.length, z = design(v, n - 1), out = new Float64Array(n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) out[j] += z[i] * found.vectors[i * n + j];
  return out;
}

const curve = (found, coefficients_) => shaped(GRID.map((v) => at(found, v).reduce((t, f, j) => t + f * coefficients_[j], 0)));

function features(state, found, now) {
  const n = now.length, out = zeros(n, GRID.length);
  GRID.forEach((v, c) => { const row = state.basis === "eigen" ? at(found, v) : design(v, n - 1); for (let i = 0; i < n; i++) out[i * GRID.length + c] = row[i] * now[i]; });
  return out;
}

function misfit(found, x, d, one) {
  const rows = x.map((v) => at(found, v)), shares = Array.from(found.eigenvalues, (h) => learnt(one, h));
  return shaped(STEPS.map((k) => {
    const c = found.coefficients.map((v, j) => v * shares[j](k));
    return rms(rows.map((row, i) => row.reduce((t, f, j) => t + f * c[j], 0) - d[i]));
  }));
}

// For every point, the problem of the others: eigenvalues, and what each component of their fit says at the point.
function leftOut(x, d, degree) {
  return x.map((v, out) => {
    const xs = x.filter((_, i) => i !== out), ds = d.filter((_, i) => i !== out), n = degree + 1;
    const { u, s, v: turn } = svd(shaped(Float64Array.from(xs.flatMap((w) => design(w, degree))), xs.length, n)), z = design(v, degree), parts = new Float64Array(n);
    for (let j = 0; j < n; j++) {
      let fit = 0, here = 0;
      for (let i = 0; i < xs.length; i++) fit += u[i * n + j] * ds[i];
      for (let i = 0; i < n; i++) here += z[i] * turn[i * n + j];
      parts[j] = s[j] > 1e-10 * s[0] ? (fit / s[j]) * here : 0;
    }
    return { h: s.map((value) => value * value), parts, target: d[out] };
  });
}

function heldOut(rest, one, steps) {
  const total = new Float64Array(steps.length);
  for (const { h, parts, target } of rest) {
    const shares = Array.from(h, (v) => learnt(one, v));
    steps.forEach((k, i) => { let made = -target; for (let j = 0; j < h.length; j++) made += parts[j] * shares[j](k); total[i] += made * made; });
  }
  return shaped(total.map((v) => Math.sqrt(v / rest.length)));
}

const heldRidge = (rest, etas) => shaped(etas.map((eta) => rms(rest.map(({ h, parts, target }) => parts.reduce((t, p, j) => t + (p * h[j]) / (h[j] + eta), -target)))));

function caption(state, values) {
  if (state.by === "hand") return `Your own coefficients miss the points by *${words(values.misfit, ".3g")}* (root mean square).`;
  if (!values.stable) return "This step is beyond *2(1 + β)*/λ₁: the first feature *diverges*. Lower the learning rate, or raise β.";
  const done = values.milestones.filter((m) => m <= state.k).length, last = most(values.milestones);
  return `After *${words(state.k, ",.0f")}* ${counted(state.k, "step")} ${done} of ${values.eigenvalues.length} features ${counted(done, "is", "are")} learned to three digits; the last needs *${words(last, ",.0f")}*. `
    + `A point that is left out is missed by *${words(values.now, ".3g")}*; stopping at ${words(values.lowest, ",.0f")} would make that ${words(least(values.held), ".3g")}.`;
}
