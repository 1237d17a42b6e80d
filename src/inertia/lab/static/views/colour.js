// Colour spreading through a maze: four methods side by side, and the maze is the reader's to change.

import { clip, even, geomspace, shaped, unique, zeros } from "../numerics/arrays.js";
import { PRESETS, conjugate, decoded, encoded, picture, preset, reduced, vector } from "../numerics/mazes.js";
import { chebyshevLeft, descent, heavyBall, left, method, rate } from "../numerics/modes.js";
import { counted, words } from "../numerics/words.js";

const SHOWN = 48, DONE = 1e-3, STEPS = unique([0, ...geomspace(1, 1e6, 100).map((v) => Math.floor(v))]);

export function view(state) {
  const { text, seeds } = maze(state), found = kept(text, seeds), mask = decoded(text), h = found.values, n = h.length, low = h[0], high = h[n - 1], { k } = state;
  const one = method(state.alpha, state.beta), { ran, others } = found, parts = [(v) => left(descent(low, high), v)(k), (v) => pushed(one, v)(k), (v) => chebyshevLeft(low, high, v, k)];
  const factors = parts.map((part) => h.map(part)), pictures = shaped(new Uint8Array(4 * mask.length), 4, mask.length), here = Math.min(k, ran.errors.length - 1);
  [...factors.map((row) => picture(found, row)), ran.weights[here]].forEach((row, i) => row.forEach((w, c) => { pictures[i * mask.length + found.cells[c]] = even(127 * clip(Number.isNaN(w) ? 2 : w, 0, 2)); }));
  const now = shaped(Float64Array.from([...factors.map((row) => size(row, found.shares)), k > here && !ran.done ? NaN : ran.errors[here]]));
  const shown = found.known.slice(0, SHOWN), hand = Math.min(state.mode - 1, shown.length - 1), pick = (row) => shaped(Float64Array.from(shown, (j) => row[j]));
  const shape = vector(found, shown[hand]), tall = shape.reduce((t, v) => Math.max(t, Math.abs(v)), 0), sign = Math.sign(found.signs[shown[hand]]), mode = shaped(new Uint8Array(mask.length).fill(127));
  shape.forEach((v, c) => { mode[found.cells[c]] = even(127 + (127 * sign * v) / tall); });
  const best = heavyBall(low, high), errors = zeros(4, STEPS.length), momentum = line(found, (v) => pushed(one, v));
  [others[0], momentum, others[1], others[2]].forEach((row, i) => errors.set(row, i * STEPS.length));
  const values = {
    k,
    pictures,
    steps: STEPS,
    errors,
    now,
    values: pick(h),
    done: shaped(pick(h).map((v) => Math.log(DONE) / Math.log(Math.min(rate(one, v), 1)))),
    shares: pick(found.shares),
    mode,
    hand,
    kappa: high / low,
    best: { alpha: best.alpha, beta: best.beta },
    alpha_high: 4.2 / high,
    rate: h.reduce((t, v) => Math.max(t, rate(one, v)), 0),
    reached: found.cells.length,
    cells: mask.reduce((t, v) => t + v, 0),
  };
  const [rows, columns] = mask.shape, alt = `A maze of ${rows} by ${columns} cells after ${k} ${counted(k, "step")} of four methods; condition number ${words(values.kappa, ".4g")}.`;
  const plan = () => {
    const live = shaped(new Uint8Array(mask.length), rows, columns);
    for (const cell of found.cells) live[cell] = 1;
    return { mask, live, seeds: seeds.filter((s) => s >= 0 && s < mask.length), text };
  };
  return { values, caption: caption(values), alt, costly: { maze: [`${text}|${seeds}`, plan], presets: ["presets", presets] } };
}

function maze(state) {
  const built = preset(state.maze), seeds = state.seeds.map(Math.trunc);
  return { text: state.cells || encoded(built.mask), seeds: seeds.length === 1 && seeds[0] === -1 ? built.seeds : seeds };
}

const presets = () => Object.fromEntries(PRESETS.map((name) => { const { mask, seeds } = preset(name); return [name, { cells: encoded(mask), seeds }]; }));

const mazes = new Map();

// The last few mazes in their basis, with what does not depend on the momentum in hand.
function kept(text, seeds) {
  const key = `${text}|${seeds}`;
  if (!mazes.has(key)) {
    if (mazes.size >= 4) mazes.delete(mazes.keys().next().value);
    const found = reduced(text, seeds), ran = conjugate(text, seeds), h = found.values, low = h[0], high = h[h.length - 1], last = ran.errors.length - 1;
    const followed = shaped(STEPS.map((k) => (k > last || ran.errors[k] < 1e-13 ? NaN : ran.errors[k])));
    const others = [line(found, (v) => left(descent(low, high), v)), line(found, (v) => (k) => chebyshevLeft(low, high, v, k)), followed];
    mazes.set(key, { ...found, ran, others });
  }
  return mazes.get(key);
}

function size(row, shares) {
  let total = 0;
  for (let i = 0; i < row.length; i++) total += row[i] * row[i] * shares[i];
  return Math.sqrt(total);
}

function pushed(one, h) {
  const at = left(one, h);
  return (k) => { const v = at(k); return clip(Number.isNaN(v) ? 0 : v, -1e30, 1e30); };
}

// Error of a method over the steps drawn.
function line(found, factor) {
  const total = zeros(STEPS.length);
  found.values.forEach((h, j) => {
    if (found.shares[j] < 1e-34) return;
    const at = factor(h);
    STEPS.forEach((k, i) => { total[i] += at(k) ** 2 * found.shares[j]; });
  });
  return shaped(total.map(Math.sqrt));
}

function caption(values) {
  const { now } = values, lost = values.cells - values.reached;
  let said = `Condition number *${words(values.kappa, ",.0f")}*. After *${words(values.k, ",.0f")}* ${values.k === 1 ? "step" : "steps"} the error is ${words(now[0], ".3g")} for gradient descent, `;
  said += values.rate >= 1 ? "momentum *diverges* here (its step is beyond 2(1 + β)/λ), " : `*${words(now[1], ".3g")}* with momentum, `;
  said += `${words(now[2], ".3g")} for Chebyshev`;
  said += Number.isFinite(now[3]) ? ` and ${words(now[3], ".3g")} for conjugate gradients.` : "; conjugate gradients are shown where they were followed.";
  if (!lost) return said;
  return `${said} ${lost} ${lost === 1 ? "cell is" : "cells are"} walled off: no colour ever reaches ${lost === 1 ? "it" : "them"}.`;
}
