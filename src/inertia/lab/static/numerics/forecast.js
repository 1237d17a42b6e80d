// What a run will do before it is run: second moments of momentum on a quadratic whose noise follows the loss. (inertia.tuning.predict)

import { factors } from "./spectrum.js";

const CAP = 50, EXACT = 512;

// A model from what a record holds; `floor` is what no method gets below.
export function modelOf({ curvatures, weights, noise, start, epoch = Infinity, knee = 0, bend = 0, slack = 1, upper }) {
  let excess = 0;
  for (let i = 0; i < curvatures.length; i++) excess += 0.5 * curvatures[i] * weights[i];
  const left = start - excess;
  return { curvatures, weights, noise, start, epoch, knee, bend, slack, upper, floor: Math.abs(left) < 1e-11 * Math.abs(start) ? 0 : left };
}

// Expected full loss along a run: {steps, loss}, infinite where it diverges.
export function forecast(model, schedule, one, steps) {
  const { curvatures: h, weights, noise, floor, start } = model, n = h.length, factor = factors(schedule, steps);
  const sums = new Float64Array(steps + 1), ee = Float64Array.from(weights), ev = new Float64Array(n), vv = new Float64Array(n);
  for (let k = 0; k < steps; k++) sums[k + 1] = sums[k] + factor[k];
  const still = noise.every((v) => v === 0), times = [0], losses = [start];
  let now = start;
  for (let from = 0; from < steps;) {
    const room = steps <= EXACT ? 1 : Math.max(1, Math.floor(Math.min(from, steps - from) / 32)), stride = 2 ** Math.floor(Math.log2(room));
    const alpha = one.alpha * ((sums[from + stride] - sums[from]) / stride), left = leftOf(model, now);
    const share = Math.min(Math.max(1 + (now / start - 1), 0), CAP) * (left / model.slack);
    let total = 0;
    for (let i = 0; i < n; i++) {
      let push = still ? 0 : noise[i] * share;
      const curvature = h[i] * left;
      if (!still && Number.isFinite(model.epoch)) {
        const memory = (alpha * curvature * model.epoch) / (1 - one.beta);
        push *= memory / (3 + memory);
      }
      advance(alpha, one, curvature, ee, ev, vv, i, still ? null : push, stride);
      total += ee[i] * h[i];
    }
    from += stride;
    now = floor + 0.5 * total;
    times.push(from);
    losses.push(now);
  }
  return { steps: times, loss: losses.map((v) => (Number.isFinite(v) ? v : Infinity)) };
}

function leftOf(model, loss) {
  if (!model.bend) return 1;
  return model.slack * Math.min(1, Math.max(loss / (model.knee * model.start), 0) ** model.bend);
}

function advance(alpha, { beta, gamma }, h, ee, ev, vv, i, push, stride) {
  const gain = alpha * (1 + gamma);
  if (stride === 1) { // the common case, without making anything
    const a = 1 - gain * h, b = -alpha * ((1 + gamma) * beta - gamma), p = ee[i], q = ev[i], r = vv[i];
    const ap = a * p + b * q, bq = a * q + b * r, dr = h * q + beta * r, more = push === null ? 0 : push;
    ee[i] = a * ap + b * bq + more * (gain * gain);
    ev[i] = h * ap + beta * bq - more * gain;
    vv[i] = h * (h * p + beta * q) + beta * dr + more;
    return;
  }
  let a = 1 - gain * h, b = -alpha * ((1 + gamma) * beta - gamma), c = h, d = beta, pushed = [gain * gain, -gain, 1];
  for (; stride > 1; stride /= 2) {
    const carried = moved(a, b, c, d, ...pushed);
    pushed = carried.map((v, j) => v + pushed[j]);
    [a, b, c, d] = [a * a + b * c, b * (a + d), c * (a + d), d * d + b * c];
  }
  const found = moved(a, b, c, d, ee[i], ev[i], vv[i]);
  ee[i] = push === null ? found[0] : found[0] + push * pushed[0];
  ev[i] = push === null ? found[1] : found[1] + push * pushed[1];
  vv[i] = push === null ? found[2] : found[2] + push * pushed[2];
}

function moved(a, b, c, d, p, q, r) {
  const ap = a * p + b * q, bq = a * q + b * r, dr = c * q + d * r;
  return [a * ap + b * bq, c * ap + d * bq, c * (c * p + d * q) + d * dr];
}
