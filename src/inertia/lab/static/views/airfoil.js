// The airfoil runs of the source slides: many seeds, with the velocity and with it forgotten.

import { picked, quantile, shaped, sum, zeros, least, most, median, dot } from "../numerics/arrays.js";
import { TABLE } from "../numerics/airfoil.js";
import { normal, permutation } from "../numerics/random.js";
import { counted, words } from "../numerics/words.js";

const EXAMPLES = 1500, SWEPT = [0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98], SWEEP_RUNS = 10, DRAWN = 151;
const PRINTED = [[0.02, 0.5, 0.243], [0.01, 0.9, 0.25], [0.005, 0.9, 0.278]];

export function view(state) {
  const { rate, beta, epochs, runs } = state, batch = Number(state.batch), { floor } = regression(), steps = Math.floor((epochs * EXAMPLES) / batch);
  const at = picked(steps, DRAWN), all = [beta, 0].map((one) => losses(rate, one, batch, epochs, runs, at)), parts = { low: 0.05, middle: 0.5, high: 0.95 };
  const curves = Object.fromEntries(Object.keys(parts).map((name) => [name, zeros(2, at.length)])), final = zeros(2, runs);
  all.forEach((one, i) => {
    at.forEach((_, j) => {
      const row = one.slice(j * runs, (j + 1) * runs).sort();
      for (const [name, share] of Object.entries(parts)) curves[name][i * at.length + j] = quantile(row, share);
    });
    final.set(one.subarray((at.length - 1) * runs), i * runs);
  });
  const scale = Number((rate / (1 - beta)).toPrecision(2)), printed = PRINTED.find(([lr, b]) => Math.abs(lr - rate) < 1e-9 && Math.abs(b - beta) < 1e-9 && batch === 10 && epochs === 2);
  const values = { steps: at, ...curves, final, floor, printed: printed ? printed[2] : null, settings: PRINTED, scale: rate / (1 - beta), matched: scale, swept: SWEPT };
  const middle = [0, 1].map((i) => median(final.subarray(i * runs, (i + 1) * runs)));
  const alt = `Final losses of ${runs} ${counted(runs, "run")}: median ${words(middle[0], ".4g")} with momentum, ${words(middle[1], ".4g")} without.`;
  return { values, caption: caption(values, middle, runs), alt, costly: { sweep: [`${scale}|${batch}|${epochs}`, () => sweep(scale, batch, epochs)] } };
}

let table = null;

// Standardised features with intercept (1500, 6), targets, mean-squares Hessian, best fit, its loss.
function regression() {
  if (table) return table;
  const rows = TABLE.length / 6, z = new Float64Array(TABLE.length), x = zeros(EXAMPLES, 6), y = zeros(EXAMPLES);
  for (let c = 0; c < 6; c++) {
    let mean = 0, spread = 0;
    for (let r = 0; r < rows; r++) mean += TABLE[r * 6 + c] / rows;
    for (let r = 0; r < rows; r++) spread += (TABLE[r * 6 + c] - mean) ** 2 / rows;
    for (let r = 0; r < rows; r++) z[r * 6 + c] = (TABLE[r * 6 + c] - mean) / Math.sqrt(spread);
  }
  const hessian = zeros(6, 6), pull = zeros(6);
  for (let r = 0; r < EXAMPLES; r++) {
    x.set(z.subarray(r * 6, r * 6 + 5), r * 6);
    x[r * 6 + 5] = 1;
    y[r] = z[r * 6 + 5];
    for (let i = 0; i < 6; i++) { pull[i] += (x[r * 6 + i] * y[r]) / EXAMPLES; for (let j = 0; j < 6; j++) hessian[i * 6 + j] += (x[r * 6 + i] * x[r * 6 + j]) / EXAMPLES; }
  }
  const best = solve(hessian, pull);
  let floor = 0;
  for (let r = 0; r < EXAMPLES; r++) floor += (0.5 * (dot(best, x.subarray(r * 6, r * 6 + 6)) - y[r]) ** 2) / EXAMPLES;
  table = { x, y, hessian, best, floor };
  return table;
}

// Gauss with pivots on a small system.
function solve(matrix, right) {
  const n = right.length, rows = Array.from({ length: n }, (_, i) => [...matrix.subarray(i * n, i * n + n), right[i]]);
  for (let c = 0; c < n; c++) {
    let big = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(rows[r][c]) > Math.abs(rows[big][c])) big = r;
    [rows[c], rows[big]] = [rows[big], rows[c]];
    for (let r = 0; r < n; r++) if (r !== c) { const f = rows[r][c] / rows[c][c]; for (let j = c; j <= n; j++) rows[r][j] -= f * rows[c][j]; }
  }
  return Float64Array.from(rows, (row, i) => row[n] / row[i]);
}

const orders = new Map();

// The order of the examples of every run: fresh shuffles, each epoch its own.
function order(run, epoch) {
  const key = run * 8 + epoch;
  if (!orders.has(key)) orders.set(key, permutation(key + 1000, EXAMPLES));
  return orders.get(key);
}

// Full loss of every run after the steps in `at` (ascending): (at, runs). Starts N(0, 0.01^2), intercept 0.
function losses(rate, beta, batch, epochs, runs, at) {
  const { x, y, hessian, best, floor } = regression(), perEpoch = Math.floor(EXAMPLES / batch), steps = epochs * perEpoch, out = zeros(at.length, runs);
  const off = new Float64Array(6), loss = (w) => {
    let value = 0;
    for (let i = 0; i < 6; i++) off[i] = w[i] - best[i];
    for (let i = 0; i < 6; i++) for (let j = 0; j < 6; j++) value += off[i] * hessian[i * 6 + j] * off[j];
    const all = floor + 0.5 * value;
    return Number.isFinite(all) ? all : Infinity;
  };
  const w = new Float64Array(6), velocity = new Float64Array(6);
  for (let run = 0; run < runs; run++) {
    w.set(start(run));
    velocity.fill(0);
    let next = 0, rows = null, from = EXAMPLES;
    if (at[0] === 0) out[next++ * runs + run] = loss(w);
    for (let k = 0; k < steps; k++, from += batch) {
      if (k % perEpoch === 0) { rows = order(run, k / perEpoch); from = 0; }
      const [a, b, c, d, e, f] = w; // six numbers by name: half of the time of a loop over them
      let ga = 0, gb = 0, gc = 0, gd = 0, ge = 0, gf = 0;
      for (let i = from; i < from + batch; i++) {
        const p = rows[i] * 6, xa = x[p], xb = x[p + 1], xc = x[p + 2], xd = x[p + 3], xe = x[p + 4];
        const miss = xa * a + xb * b + xc * c + xd * d + xe * e + f - y[rows[i]];
        ga += miss * xa; gb += miss * xb; gc += miss * xc; gd += miss * xd; ge += miss * xe; gf += miss;
      }
      velocity[0] = beta * velocity[0] + ga / batch; velocity[1] = beta * velocity[1] + gb / batch; velocity[2] = beta * velocity[2] + gc / batch;
      velocity[3] = beta * velocity[3] + gd / batch; velocity[4] = beta * velocity[4] + ge / batch; velocity[5] = beta * velocity[5] + gf / batch;
      for (let j = 0; j < 6; j++) w[j] -= rate * velocity[j];
      if (k + 1 === at[next]) out[next++ * runs + run] = loss(w);
    }
  }
  return out;
}

const starts = new Map();

function start(run) {
  if (!starts.has(run)) starts.set(run, Float64Array.from([...normal(run, 5)].map((v) => 0.01 * v).concat(0)));
  return starts.get(run);
}

// Final losses at equal rate/(1 - beta): median and range over the runs, for every momentum.
function sweep(scale, batch, epochs) {
  const last = [Math.floor((epochs * EXAMPLES) / batch)], finals = SWEPT.map((beta) => losses(scale * (1 - beta), beta, batch, epochs, SWEEP_RUNS, last)), of = (f) => shaped(Float64Array.from(finals, f));
  return { low: of(least), middle: of(median), high: of(most) };
}

function caption(values, [kept, lost], runs) {
  if (!(kept <= values.middle[0])) return `At this rate momentum *diverges*; without its velocity the run ends at ${words(lost, ".4g")}. Lower the rate or β.`;
  let said = `Median final loss *${words(kept, ".4g")}* with momentum, *${words(lost, ".4g")}* if the velocity is forgotten after every step`;
  if (values.printed !== null) {
    const close = [0, 1].map((i) => sum(Array.from(values.final.subarray(i * runs, (i + 1) * runs), (v) => (Math.abs(v - values.printed) <= 0.0005 ? 1 : 0))) / runs);
    said += `; the course prints ${words(values.printed, ".3f")}. Of ${runs} ${counted(runs, "run")}, ${words(close[0], ".0%")} with momentum round to that, ${words(close[1], ".0%")} without`;
  }
  return `${said}. The best fit has ${words(values.floor, ".4f")}.`;
}
