// One curvature at a time: the two roots of z^2 - p z + q, how fast, in which way, and where the k-th iterate is. (inertia.theory.modes)

import { clip } from "./arrays.js";

const MARGIN = 1e-12, DOUBLE = 16 * Number.EPSILON, ONE_STEP = 1e-7;

export const method = (alpha, beta = 0, gamma = 0, delta = 0) => ({ alpha, beta, gamma, delta });

// One step of the method on a number: the velocity is a plain sum of past gradients, alpha stays outside.
export function step(one, params, velocity, slope) {
  const fresh = one.beta * velocity + slope;
  return [params - one.alpha * ((1 + one.gamma) * fresh - one.gamma * velocity), fresh];
}

export const readout = (one, params, velocity) => params - one.alpha * (one.delta - one.gamma) * velocity;

export function coefficients(one, h) {
  const ah = one.alpha * h;
  return [1 + one.beta - ah * (1 + one.gamma), one.beta - ah * one.gamma];
}

// 0 where the discriminant is rounding: its square root would make 1e-8 of an exact double root's 1e-16.
function split(p, q) {
  const disc = p * p - 4 * q;
  return Math.abs(disc) <= DOUBLE * p * p ? 0 : disc;
}

const sized = (p, q, disc) => (disc < 0 ? Math.sqrt(Math.max(q, 0)) : (Math.abs(p) + Math.sqrt(Math.max(disc, 0))) / 2);

export function rate(one, h) {
  const [p, q] = coefficients(one, h);
  return sized(p, q, split(p, q));
}

// [[re, im], [re, im]], the larger modulus first.
export function roots(one, h) {
  const [p, q] = coefficients(one, h), disc = split(p, q);
  if (disc < 0) {
    const half = Math.sqrt(-disc) / 2;
    return [[p / 2, half], [p / 2, -half]];
  }
  const big = ((Math.abs(p) + Math.sqrt(disc)) / 2) * (p < 0 ? -1 : 1);
  return [[big, 0], [big === 0 ? 0 : q / big, 0]];
}

export function stable(one, h) {
  const [p, q] = coefficients(one, h);
  return Math.abs(q) < 1 && Math.abs(p) < 1 + q;
}

// Largest curvature the method survives.
export function edge({ alpha, beta, gamma }) {
  const flip = 1 + 2 * gamma > 0 ? (2 * (1 + beta)) / (alpha * (1 + 2 * gamma)) : Infinity;
  const grow = gamma < 0 ? (1 - beta) / (-alpha * gamma) : Infinity;
  return Math.abs(beta) <= 1 ? Math.max(Math.min(flip, grow), 0) : 0;
}

export function regime(one, h) {
  const [p, q] = coefficients(one, h), size = sized(p, q, p * p - 4 * q);
  if (size > 1 + MARGIN) return "divergent";
  if (size >= 1 - MARGIN) return "undamped";
  if (size < ONE_STEP) return "one-step";
  return split(p, q) < 0 ? "ripples" : p < 0 ? "alternating" : "monotone";
}

export const worst = (one, low, high) => Math.max(rate(one, low), rate(one, high));

// k -> S_k / rate^(k-1), S_k = (r1^k - r2^k)/(r1 - r2), by the sine or the geometric form; exact at double roots.
function lucas(p, q) {
  const disc = p * p - 4 * q, side = Math.abs(p);
  const turn = (value, k) => (k === 0 ? 0 : p < 0 && k % 2 === 0 ? -value : value);
  if (disc < 0) {
    const angle = Math.atan2(Math.sqrt(-disc), side), base = Math.sin(angle);
    return (k) => turn(Math.sin(k * angle) / base, k);
  }
  const big = (side + Math.sqrt(disc)) / 2, ratio = big === 0 ? 0 : q / (big * big);
  if (ratio < 0) return (k) => turn((1 - Math.abs(ratio) ** k * (k % 2 === 0 ? 1 : -1)) / (1 - ratio), k);
  const gap = Math.sqrt(disc) / (big === 0 ? 1 : big), slope = Math.log1p(-Math.min(gap, 1));
  if (gap === 0) return (k) => turn(k, k);
  if (gap >= 1) return (k) => turn(1, k);
  return (k) => turn(-Math.expm1(k * slope) / gap, k);
}

const times = (scale, value) => (value === 0 ? 0 : scale * value);

// The state after k steps in closed form, as a function of k: k = 10^9 costs what k = 10 costs.
export function orbit(one, h, params = 1, velocity = 0) {
  const [p, q] = coefficients(one, h), size = sized(p, q, p * p - 4 * q), lucasAt = lucas(p, q);
  const { alpha, beta, gamma } = one, mixed = alpha * (beta + beta * gamma - gamma);
  return (k) => {
    const now = lucasAt(k), then = (k > 0 ? size : 1) * lucasAt(k + 1), scale = size ** Math.max(k - 1, 0);
    return {
      params: times(scale, (then - beta * now) * params - mixed * now * velocity),
      velocity: times(scale, h * now * params + (then - (p - beta) * now) * velocity),
    };
  };
}

// Only the params, from 1: the share of the error that k steps leave.
export function left(one, h) {
  const [p, q] = coefficients(one, h), size = sized(p, q, p * p - 4 * q), lucasAt = lucas(p, q), { beta } = one;
  return (k) => times(size ** Math.max(k - 1, 0), (k > 0 ? size : 1) * lucasAt(k + 1) - beta * lucasAt(k));
}

export const critical = (alpha, h) => (alpha * h > 0 && alpha * h <= 1 ? (1 - Math.sqrt(alpha * h)) ** 2 : h === 0 ? 1 : 0);

// --- named methods (inertia.theory.catalog) ---------------------------------------------------------------------------
export const descent = (low, high) => method(2 / (high + low));

export function heavyBall(low, high) {
  const a = Math.sqrt(low), b = Math.sqrt(high);
  return method((2 / (b + a)) ** 2, ((b - a) / (b + a)) ** 2);
}

export function nesterovQuadratic(low, high) {
  const root = Math.sqrt((3 * high) / low + 1), beta = (root - 2) / (root + 2);
  return method(4 / (3 * high + low), beta, beta);
}

// T_k((L + mu - 2h)/(L - mu))/T_k((L + mu)/(L - mu)) without overflow: what Chebyshev's k steps leave of a mode.
export function chebyshevLeft(low, high, h, k) {
  if (high - low <= 1e-12 * high) return k === 0 ? 1 : 0;
  const growth = k * Math.acosh((high + low) / (high - low));
  const wave = Math.cos(k * Math.acos(clip((high + low - 2 * h) / (high - low), -1, 1)));
  return (wave * 2 * Math.exp(-growth)) / (1 + Math.exp(-2 * growth));
}

// The method of step k of Chebyshev's semi-iteration. (inertia.theory.sequences)
export function chebyshevStep(low, high, k) {
  const limit = heavyBall(low, high), c = limit.beta;
  if (k === 0) return method(2 / (high + low));
  const before = (1 + c ** Math.max(k - 1, 0)) / (1 + c ** Math.max(k, 1));
  return method((limit.alpha * (1 + c ** k)) / (1 + c ** (k + 1)), c * before ** 2 * (k === 1 ? 0.5 : 1));
}
