// The plane of (alpha, beta): families of methods, the rate everywhere, exact boundaries, the best point. (inertia.lab.plane)

import { clip, even, geomspace, least, linspace, most, shaped, unique } from "./arrays.js";
import { edge, method, worst } from "./modes.js";

export function family(name, alpha, beta, gamma = 0) {
  if (name === "descent") return method(alpha, 0);
  if (name === "nesterov") return method(alpha, beta, beta);
  if (name === "triple") {
    const rho = (Math.sqrt(beta * beta + 8 * beta) - beta) / 2;
    return method(alpha, beta, beta / (1 + rho), (rho * rho) / Math.max(1 - rho * rho, 1e-9));
  }
  return method(alpha, beta, name === "any" ? gamma : 0);
}

export const worstRate = (one, curvatures) => worst(one, least(curvatures), most(curvatures));

function edgeAlpha(name, beta, gamma) {
  const found = edge(family(name, 1, beta, gamma));
  return Number.isFinite(found) ? found : 0;
}

// The right end of the alpha axis: a little beyond the largest stable step.
export function reach(curvatures, name = "heavy-ball", gamma = 0) {
  return (1.05 * most(linspace(0, 1, 33).map((b) => edgeAlpha(name, b, gamma)))) / most(curvatures);
}

// The speed over [0, reach] x [0, 1] as bytes (0 fastest, 255 stands still), the stable region, the best point.
export function plane(name, curvatures, gamma = 0, size = 201) {
  const right = reach(curvatures, name, gamma), alpha = linspace(0, right, size), beta = linspace(0, 1, size);
  const low = least(curvatures), high = most(curvatures), place = best(name, curvatures, gamma), top = worst(place, low, high);
  const scale = Math.log(clip(top, 0.1, 1 - 1e-9)), grid = shaped(new Uint8Array(size * size), size, size);
  for (let r = 0; r < size; r++) {
    for (let c = 0; c < size; c++) {
      const speed = Math.log(clip(worst(family(name, alpha[c], beta[r], gamma), low, high), 1e-12, 1)) / scale;
      grid[r * size + c] = even(255 * (1 - clip(speed, 0, 1) ** 0.7));
    }
  }
  return {
    grid,
    right,
    edge_alpha: shaped(beta.map((b) => Math.min(edgeAlpha(name, b, gamma) / high, right))),
    edge_beta: beta,
    fringes: [...new Set([low, high])].map((h) => fringe(name, h, gamma, right)),
    best: { alpha: place.alpha, beta: place.beta, rate: top },
  };
}

// Where the roots of one curvature meet: two branches alpha(beta), nan beyond `right` or where there is none.
export function fringe(name, curvature, gamma, right) {
  const line = linspace(0, 1, 161), b = unique([...line, ...line.map((v) => v ** 3), ...line.map((v) => 1 - (1 - v) ** 3)]);
  const sides = [-1, 1].map((sign) => shaped(b.map((v) => {
    const g = family(name === "descent" ? "heavy-ball" : name, 1, v, gamma).gamma, middle = (1 + v) * (1 + g) - 2 * g;
    const disc = middle * middle - ((1 + g) * (1 - v)) ** 2;
    const side = (middle + sign * Math.sqrt(disc >= 0 ? disc : NaN)) / (1 + g) ** 2 / curvature;
    return side <= right ? side : NaN;
  })));
  return { beta: b, left: sides[0], right: sides[1] };
}

// The fastest method of the family: closed form where one is known, else a grid refined eight times.
export function best(name, curvatures, gamma = 0) {
  const low = least(curvatures), high = most(curvatures);
  if (name === "descent") return method(2 / (low + high), 0);
  if (name === "heavy-ball") {
    const root = Math.sqrt(low / high);
    return method((2 / (Math.sqrt(low) + Math.sqrt(high))) ** 2, ((1 - root) / (1 + root)) ** 2);
  }
  return searched(name, low, high, gamma);
}

function searched(name, low, high, gamma) {
  const right = reach([low, high], name, gamma);
  let [left, end, bottom, top] = [right / 400, right, 0, 0.9999], a = left, b = bottom;
  for (let round = 0; round < 8; round++) {
    const alpha = linspace(left, end, 41), beta = linspace(bottom, top, 41);
    let found = Infinity;
    for (const v of beta) {
      for (const u of alpha) {
        const size = worst(family(name, u, v, gamma), low, high);
        if (size < found) [found, a, b] = [size, u, v];
      }
    }
    const wide = (end - left) / 8, tall = (top - bottom) / 8;
    [left, end, bottom, top] = [Math.max(a - wide, right * 1e-6), Math.min(a + wide, right), Math.max(b - tall, 0), Math.min(b + tall, 0.9999)];
  }
  return family(name, a, b, gamma);
}

// The learning rate of least rate at this momentum, on a logarithmic grid: where both ends of the spectrum are equally slow.
export function fastest(curvatures, beta) {
  if (beta === 0) return best("descent", curvatures).alpha;
  const low = least(curvatures), high = most(curvatures);
  let at = 0, size = Infinity;
  for (const part of geomspace(1e-7, 1, 600)) {
    const alpha = (part * 2 * (1 + beta)) / high, now = Number(worst(method(alpha, beta), low, high).toFixed(12));
    if (now < size) [size, at] = [now, alpha];
  }
  return at;
}
