// Momentum is mechanics: alpha = dt^2/m, beta = 1 - c dt/m; and the exact motion of a weight on a spring. (inertia.theory.physics)

import { method, regime } from "./modes.js";

const EQUAL = 1e-12;

export const methodOf = ({ mass, drag, time_step }) => method(time_step ** 2 / mass, 1 - (drag * time_step) / mass);

export function particleOf(one, mass) {
  const time_step = Math.sqrt(one.alpha * mass);
  return { mass, drag: ((1 - one.beta) * mass) / time_step, time_step };
}

export const criticalDrag = (mass, h) => 2 * Math.sqrt(mass * h);

// What the steps themselves are, by their two roots: a step has more friction than the motion that it follows.
export function steppedDamping(one, h) {
  const ah = one.alpha * h, found = regime(one, h);
  if (ah > 0 && ah <= 1 && one.beta < 1 && Math.abs(one.beta - (1 - Math.sqrt(ah)) ** 2) <= EQUAL) return "critical";
  return { ripples: "underdamped", monotone: "overdamped", "one-step": "critical" }[found] || found;
}

// m x'' + c x' + h x = 0 at time t: [position, speed].
export function oscillator({ mass, drag }, h, t, x0, v0) {
  const r = drag / (2 * mass), square = r * r - h / mass, w = Math.sqrt(Math.abs(square)), turn = w * t;
  let even, odd;
  if (square < 0) {
    even = Math.cos(turn) * Math.exp(-r * t);
    odd = (turn === 0 ? t : Math.sin(turn) / w) * Math.exp(-r * t);
  } else {
    const slow = Math.exp((w - r) * t);
    even = (slow + Math.exp(-(w + r) * t)) / 2;
    odd = turn === 0 ? t * Math.exp(-r * t) : (-Math.expm1(-2 * turn) * slow) / (w === 0 ? 1 : 2 * w);
  }
  return [even * x0 + odd * (r * x0 + v0), even * v0 - odd * (r * v0 + (h / mass) * x0)];
}

export const explicitEdge = (one) => (1 - one.beta) / one.alpha;
