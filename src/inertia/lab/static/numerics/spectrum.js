// The expected loss of a whole spectrum, split by eigencomponent into bias and noise; its floor. (inertia.theory.quadratic and noise)

import { zeros } from "./arrays.js";
import { coefficients, stable } from "./modes.js";

// Expected bias and noise after 0..steps steps, summed over the curvatures: two arrays (steps + 1). A method that never changes.
export function constantCurves(one, h, weights, variance, steps) {
  const bias = zeros(steps + 1), noise = zeros(steps + 1);
  for (let i = 0; i < h.length; i++) {
    squares(one, h[i], Math.sqrt(weights[i]), 0, steps, bias, 0);
    if (variance > 0) {
      const kick = one.alpha * Math.sqrt(variance); // one unit of noise, one step ago: velocity 1, xi = -alpha
      squares(one, h[i], -kick, kick, steps - 1, noise, 1);
    }
  }
  for (let k = 1; k <= steps; k++) noise[k] += noise[k - 1];
  return { bias: bias.map(grown), noise: noise.map(grown) };
}

function squares({ alpha, beta, gamma }, h, x, u, steps, out, from) {
  const ah = alpha * h, q = beta - ah * gamma;
  for (let k = 0; k <= steps; k++) {
    if (k) { u = u * q + ah * x; x -= u; }
    const params = gamma ? x - gamma * u : x;
    out[k + from] += 0.5 * h * params * params;
  }
}

// The same for a table of learning rates (heavy ball): mean and covariance, step by step.
export function scheduledCurves(alphas, beta, h, weights, variance, steps) {
  const bias = zeros(steps + 1), noise = zeros(steps + 1);
  for (let i = 0; i < h.length; i++) {
    let y = Math.sqrt(weights[i]), v = 0, yy = 0, yv = 0, vv = 0;
    bias[0] += 0.5 * h[i] * y * y;
    for (let k = 0; k < steps; k++) {
      const alpha = alphas[k];
      v = beta * v + h[i] * y;
      y -= alpha * v;
      bias[k + 1] += 0.5 * h[i] * y * y;
      const cross = beta * yv + h[i] * yy, before = beta * vv + h[i] * yv, after = beta * before + h[i] * cross + variance;
      yy = yy + alpha * alpha * after - 2 * alpha * cross;
      yv = cross - alpha * after;
      vv = after;
      noise[k + 1] += 0.5 * h[i] * yy;
    }
  }
  return { bias: bias.map(grown), noise: noise.map(grown) };
}

const grown = (value) => (Number.isNaN(value) ? Infinity : value);

// Loss that constant noise keeps up for ever: 1/2 sum h Var params.
export function floor(one, curvatures, variance) {
  if (variance === 0) return 0;
  let total = 0;
  for (const h of curvatures) {
    if (!stable(one, h)) return Infinity;
    const q = coefficients(one, h)[1], unit = variance / ((1 - q) * (2 * (1 + q) - one.alpha * h)), { alpha, gamma } = one;
    total += h * ((alpha * (1 + q) * unit) / h + 2 * gamma * (1 + gamma) * alpha ** 2 * unit);
  }
  return 0.5 * total;
}

// The factor of alpha at steps 0..steps-1. (inertia.core.schedule)
export function factors(name, steps) {
  const half = Math.max(1, Math.floor(steps / 2));
  const shapes = {
    constant: () => 1,
    linear: (k) => Math.max(0, 1 - k / steps),
    cosine: (k) => 0.5 + 0.5 * Math.cos(Math.PI * Math.min(k / steps, 1)),
    halves: (k) => 0.1 ** Math.floor(k / half),
  };
  return Float64Array.from({ length: steps }, (_, k) => shapes[name](k));
}
