// When is it done: the first step from which the loss stays below a level, though losses may ripple. (inertia.theory.milestones)
// Each mode lies under an envelope rate^k (start + slope k) that decreases; where their sum is below the level nothing rises again.
// That step is found by bisection, and from there the closed form is read backwards to the last step that is still above.

import { left as leftOf, coefficients, rate } from "./modes.js";

const SETTLES = 1 - 1e-12;

function envelope(one, h, weight) {
  const [p, q] = coefficients(one, h), size = rate(one, h), start = Math.sqrt(weight);
  const second = start * (1 - one.alpha * (1 + one.gamma) * h), done = size === 0;
  const made = { h, weight, start, size, log: Math.log(done ? 0.5 : Math.min(size, SETTLES)), at: leftOf(one, h) };
  if (done || weight === 0) return { ...made, far: done ? Infinity : 0, minor: 0, share: 0, near: done && weight > 0 ? 4 * (start + Math.abs(second)) : start, slope: 0 };
  let far, minor = 0, share = 0, slope;
  if (p * p < 4 * q) {
    slope = second / size - (start * p) / (2 * size);
    far = Math.hypot(start, slope / (Math.sqrt(4 * q - p * p) / (2 * size)));
  } else {
    const big = p < 0 ? -size : size, small = q / big, gap = big - small;
    slope = second / big - start;
    far = Math.abs((second - small * start) / gap);
    minor = Math.abs((big * start - second) / gap);
    share = Math.abs(small) / size;
  }
  const tight = Number.isFinite(far + minor) && far + minor <= 4 * (start + Math.abs(slope));
  return { ...made, far, minor, share, near: tight ? Infinity : start, slope: Math.abs(slope) };
}

function bound(modes, k) {
  let total = 0;
  for (const one of modes) {
    if (one.weight === 0) continue;
    let far = one.minor === 0 ? one.far : one.far + one.minor * one.share ** k;
    if (Number.isNaN(far)) far = Infinity;
    const near = one.near === Infinity ? Infinity : one.near + one.slope * k, high = Math.exp(k * one.log) * Math.min(far, near);
    total += one.h * high * high;
  }
  return 0.5 * total;
}

function loss(modes, k) {
  let total = 0;
  for (const one of modes) total += one.h * (one.start * one.at(k)) ** 2;
  return 0.5 * total;
}

// First step from which 1/2 sum h weight (share left)^2 stays at or below `level`; infinite where it never does.
export function settled(one, curvatures, weights, level) {
  const modes = Array.from(curvatures, (h, i) => envelope(one, h, weights[i])).filter((mode) => mode.h !== 0 && mode.weight > 0);
  if (modes.some((mode) => !(mode.size <= SETTLES)) || !(level > 0)) return Infinity;
  if (!modes.length) return 0;
  const room = level * (1 - 1e-12);
  let low = Math.ceil(Math.max(...modes.map((mode) => (mode.near === Infinity ? 0 : -1 / mode.log)))), high = Math.max(low, 1);
  while (bound(modes, high) > room) high *= 2;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (bound(modes, middle) <= room) high = middle; else low = middle + 1;
  }
  for (let k = high - 1; k >= 0; k--) if (loss(modes, k) > level) return k + 1;
  return 0;
}

// Of every eigencomponent by itself, each measured against `level` of its own (an array).
export const milestones = (one, curvatures, weights, levels) => Array.from(curvatures, (h, i) => settled(one, [h], [weights[i]], levels[i]));
