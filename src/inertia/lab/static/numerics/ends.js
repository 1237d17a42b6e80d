// Where runs from one start end, over the plane of learning rate and momentum. (inertia.lab.ends)

import { clip, even, linspace, most, shaped } from "./arrays.js";
import { FAR } from "./landscape.js";
import { readout, step } from "./modes.js";
import { family } from "./plane.js";

const WORK = 240000, SLOW = 40000, DECADES = 12;

export function ends(ground, [name, gamma], start, steps, slow = false) {
  const cells = Math.floor((slow ? SLOW : WORK) / steps), columns = Math.min(48, Math.max(12, Math.trunc(Math.sqrt(1.5 * cells)))), rows = Math.min(32, Math.max(8, Math.floor(cells / columns)));
  const alpha = linspace(0, ground.alphaHigh, columns), beta = linspace(0, 0.99, rows), final = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) final[r * columns + c] = last(ground, family(name, alpha[c], beta[r], gamma), start, steps);
  const first = ground.value(...start);
  let at = -1;
  final.forEach((value, i) => { if (Number.isFinite(value) && (at < 0 || value < final[at])) at = i; });
  const known = ground.optimum ? ground.value(...ground.optimum) : at < 0 ? Infinity : final[at], grid = shaped(new Uint8Array(rows * columns), rows, columns);
  const decades = final.map((value) => {
    const found = value <= known ? DECADES : -Math.log10((value - known) / (first - known));
    return Number.isFinite(value) && !Number.isNaN(found) ? clip(found, 0, DECADES) : 0;
  }), top = Math.max(most(decades), 1);
  final.forEach((value, i) => { grid[i] = Number.isFinite(value) ? even(254 * (1 - decades[i] / top)) : 255; });
  return { grid, right: ground.alphaHigh, best: at < 0 ? null : { alpha: alpha[at % columns], beta: beta[Math.floor(at / columns)] } };
}

// Loss after the last step, NaN where the run has left.
function last(ground, one, [x, y], steps) {
  let u = 0, v = 0;
  for (let k = 0; k < steps; k++) {
    const [across, up] = ground.slope(x, y);
    [x, u] = step(one, x, u, across);
    [y, v] = step(one, y, v, up);
    if (!(Math.abs(readout(one, x, u)) < FAR && Math.abs(readout(one, y, v)) < FAR)) return NaN;
  }
  return ground.value(readout(one, x, u), readout(one, y, v));
}
