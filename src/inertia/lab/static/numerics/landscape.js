// Surfaces over the plane: heights to draw contours from, the paths that methods take, what the curvature says. (inertia.lab.landscape)

import { argmin, clip, linspace, quantile, shaped, zeros } from "./arrays.js";
import { formula } from "./formula.js";
import { readout, step } from "./modes.js";

export const FAR = 1e6;
const ACROSS = 193, UP = 129, COUNT = 14;

// 1/2 (w - c)'H(w - c) with the flat eigenvector at `angle` degrees to the x axis.
export function quadratic(angle, low, high, centre = [0, 0]) {
  const turn = (angle * Math.PI) / 180, c = Math.cos(turn), s = Math.sin(turn);
  const a = low * c * c + high * s * s, b = low * c * s - high * c * s, d = low * s * s + high * c * c;
  return bowl("½ wᵀHw", [a, b, b, d], centre, { domain: [[-3.2, 3.2], [-2, 2]], start: [-2.4, 1.3], alpha: 1.8 / high, alphaHigh: 4.2 / high, beta: 0.5 });
}

function bowl(text, [a, b, c, d], [p, q], rest) {
  const u = -(a * p + b * q), v = -(c * p + d * q);
  return {
    text,
    value: (x, y) => 0.5 * ((x - p) * (a * (x - p) + b * (y - q)) + (y - q) * (c * (x - p) + d * (y - q))),
    slope: (x, y) => [a * x + b * y + u, c * x + d * y + v],
    hessian: () => [a, b, d],
    optimum: [p, q],
    bowl: true,
    ...rest,
  };
}

const VALLEY = bowl("0.1 x² + 2 y²", [0.2, 0, 0, 4], [0, 0], { domain: [[-6, 3], [-3, 1.8]], start: [-5, -2], alpha: 0.6, alphaHigh: 1, beta: 0.5 });

export const SURFACES = {
  rosenbrock: {
    text: "(1 - x)² + 20 (3y - x²)²",
    value: (x, y) => (1 - x) ** 2 + 20 * (3 * y - x * x) ** 2,
    slope: (x, y) => { const ridge = 3 * y - x * x; return [-2 * (1 - x) - 80 * x * ridge, 120 * ridge]; },
    hessian: (x, y) => [2 - 240 * y + 240 * x * x, -240 * x, 360],
    domain: [[-2, 2], [-0.4, 1.2]], start: [-1.21, 0.853], optimum: [1, 1 / 3], alpha: 0.003, alphaHigh: 0.006, beta: 0.74,
  },
  valley: VALLEY,
  wells: {
    text: "x⁴ - 2x² + y²",
    value: (x, y) => x ** 4 - 2 * x ** 2 + y ** 2,
    slope: (x, y) => [4 * x * (x * x - 1), 2 * y],
    hessian: (x) => [12 * x * x - 4, 0, 2],
    domain: [[-1.9, 1.9], [-1.2, 1.2]], start: [0, 1], optimum: [1, 0], alpha: 0.1, alphaHigh: 0.5, beta: 0.5,
  },
  quartic: {
    text: "x⁴ - 3x³ + 2",
    value: (x) => x ** 4 - 3 * x ** 3 + 2,
    slope: (x) => [x * x * (4 * x - 9), 0],
    hessian: (x) => [x * (12 * x - 18), 0, 0],
    domain: [[-0.8, 3.2], [-7.5, 4]], start: [-0.5, 0], optimum: [2.25, 0], alpha: 0.05, alphaHigh: 0.25, beta: 0.7, flat: true,
  },
};

const kept = new Map();

// A surface from a reader's formula, drawn around the origin.
export function typed(text, half) {
  const key = `${half} ${text}`;
  if (!kept.has(key)) {
    if (kept.size > 24) kept.delete(kept.keys().next().value);
    kept.set(key, read(text, half));
  }
  return kept.get(key);
}

function read(text, half) {
  const found = formula(text), domain = [[-half, half], [-half * 0.6, half * 0.6]], { xs, ys, grid } = sampled(found.value, domain);
  const sharp = new Float64Array(grid.length);
  for (let r = 0; r < UP; r++) {
    for (let c = 0; c < ACROSS; c++) {
      const [, , , xx, xy, yy] = found.jet(xs[c], ys[r]).map((v) => (Number.isFinite(v) ? Math.abs(v) : 0));
      sharp[r * ACROSS + c] = Math.max(xx + xy, xy + yy);
    }
  }
  const steep = clip(quantile(sharp.sort(), 0.9), 1e-3, 1e6), at = argmin(grid.map((v) => (Number.isFinite(v) ? v : Infinity)));
  const lowest = grid.some(Number.isFinite) ? [xs[at % ACROSS], ys[Math.floor(at / ACROSS)]] : [0, 0];
  return {
    text: found.text, value: found.value, slope: found.slope, domain, start: [-0.7 * half, 0.4 * half],
    hessian: (x, y) => found.jet(x, y).slice(3),
    optimum: settled(found, lowest, domain), alpha: 0.5 / steep, alphaHigh: 4.2 / steep, beta: 0.7,
  };
}

// Newton's steps from the lowest grid point, kept while they lower the value; a minimum only where the gradient vanishes inside the frame
// and no curvature is negative, else null.
function settled({ value, jet }, point, [[left, right], [bottom, top]]) {
  let best = point;
  for (let round = 0; round < 40; round++) {
    const [f, a, b, xx, xy, yy] = jet(...best), det = xx * yy - xy * xy;
    if (![a, b, xx, xy, yy].every(Number.isFinite) || Math.abs(det) < 1e-12) break;
    const trial = [best[0] - (yy * a - xy * b) / det, best[1] - (xx * b - xy * a) / det];
    if (!(value(...trial) <= f)) break;
    const still = trial[0] === best[0] && trial[1] === best[1];
    best = trial;
    if (still) break;
  }
  const [, a, b, xx, xy, yy] = jet(...best), scale = Math.abs(xx) + Math.abs(xy) + Math.abs(yy), size = Math.max(right - left, 1e-12);
  const inside = best[0] > left && best[0] < right && best[1] > bottom && best[1] < top;
  const low = (xx + yy) / 2 - Math.hypot((xx - yy) / 2, xy);
  if (!inside || !(Math.hypot(a, b) <= 1e-6 * scale * size) || !(low >= -1e-9 * scale) || !(scale > 0)) return null;
  return best.map((v) => Math.round(v * 1e12) / 1e12 + 0);
}

export function surface(name, { angle, low, high, formula: text, half }) {
  if (name === "quadratic") return quadratic(angle, Math.min(low, high), Math.max(low, high));
  return name === "formula" ? typed(text, half) : SURFACES[name];
}

// Heights on the grid (rows from the bottom up).
export function sampled(value, [[left, right], [bottom, top]]) {
  const xs = linspace(left, right, ACROSS), ys = linspace(bottom, top, UP), grid = zeros(UP, ACROSS);
  for (let r = 0; r < UP; r++) for (let c = 0; c < ACROSS; c++) grid[r * ACROSS + c] = value(xs[c], ys[r]);
  return { xs, ys, grid };
}

// What contours are drawn from: the matrix of a bowl (its contours are ellipses), else heights on a grid; and the levels.
export function shaded(ground) {
  if (ground.bowl) { const [a, b, d] = ground.hessian(); return ellipses([a, b, b, d], ground.optimum, ground.domain); }
  const { grid } = sampled(ground.value, ground.domain), finite = grid.filter(Number.isFinite).sort();
  if (!finite.length) return { heights: grid, levels: new Float64Array(0), domain: ground.domain };
  const low = finite[0], span = Math.max(quantile(finite, 0.985) - low, 1e-12);
  return { heights: grid, levels: levels(low, span), domain: ground.domain };
}

export function ellipses([a, b, c, d], centre, domain) {
  let far = 0;
  for (const x of domain[0]) for (const y of domain[1]) far = Math.max(far, 0.5 * ((x - centre[0]) * (a * (x - centre[0]) + b * (y - centre[1])) + (y - centre[1]) * (c * (x - centre[0]) + d * (y - centre[1]))));
  return { matrix: shaped(Float64Array.of(a, b, c, d), 2, 2), centre, levels: levels(0, 0.72 * far), domain };
}

const levels = (low, span) => shaped(Float64Array.from({ length: COUNT }, (_, i) => low + span * ((i + 1) / COUNT) ** 2.2));

// Runs of several methods from one start: points (steps + 1, 2) and losses each; not finite after they have left every frame.
export function paths(ground, methods, start, steps) {
  return methods.map((one) => {
    const points = zeros(steps + 1, 2).fill(NaN), losses = zeros(steps + 1).fill(NaN);
    shaped(points, steps + 1, 2);
    let [x, y] = start, u = 0, v = 0, lost = null;
    for (let k = 0; k <= steps; k++) {
      const seen = [readout(one, x, u), readout(one, y, v)];
      if (!(Math.abs(seen[0]) < FAR && Math.abs(seen[1]) < FAR)) { lost = k; break; }
      points[2 * k] = seen[0];
      points[2 * k + 1] = seen[1];
      losses[k] = ground.value(...seen);
      const [across, up] = ground.slope(x, y);
      [x, u] = step(one, x, u, across);
      [y, v] = step(one, y, v, up);
    }
    return { points, losses: shaped(losses), lost };
  });
}

