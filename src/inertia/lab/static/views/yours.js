// The reader's own problem: what `inertia tune` measured of it, and what it predicts for every learning rate and momentum.

import { clip, even, geomspace, least, picked, shaped, zeros } from "../numerics/arrays.js";
import { forecast } from "../numerics/forecast.js";
import { edge, method } from "../numerics/modes.js";
import { capital, words } from "../numerics/words.js";
import { example, kept, loaded } from "../numerics/records.js";

const ACROSS = 37, UP = 19, DRAWN = 161;

export function view(state) {
  const mine = state.record ? loaded(state.record) : state.key ? kept(state.key) : example(), { model, steps } = mine, nesterov = state.form === "nesterov";
  const one = method(state.alpha, state.beta, nesterov ? state.beta : 0), ahead = forecast(model, mine.schedule, one, steps), at = picked(ahead.steps.length - 1, DRAWN);
  const { upper: top, curvatures, weights } = model, final = ahead.loss[ahead.loss.length - 1];
  const values = {
    key: mine.key === "example" ? "" : mine.key,
    task: mine.task,
    steps,
    at: shaped(Float64Array.from(at, (i) => ahead.steps[i])),
    loss: shaped(Float64Array.from(at, (i) => ahead.loss[i])),
    final,
    floor: model.floor,
    start: model.start,
    curvatures: shaped(curvatures),
    share: shaped(curvatures.map((h, i) => (h * weights[i]) / 2)),
    noise: shaped(model.noise),
    upper: top,
    edge: edge(one) / top,
    recommended: { alpha: mine.recommended.alpha, beta: mine.recommended.beta, form: mine.recommended.gamma ? "nesterov" : "heavy-ball" },
    low: 2 ** -12 / top,
    high: 8 / top,
    runs: mine.runs.map(drawn),
  };
  const alt = `Predicted loss of ${mine.task} after ${steps} steps over learning rate and momentum; ${words(final, ".4g")} in hand.`;
  return { values, caption: caption(mine, values, state), alt, costly: { map: [`${mine.key}|${nesterov}`, () => map(mine, nesterov)] } };
}

function drawn(run) {
  const thin = (steps, values) => { const at = picked(steps.length - 1, DRAWN); return [shaped(Float64Array.from(at, (i) => steps[i])), shaped(Float64Array.from(at, (i) => values[i]))]; };
  const [steps, loss] = thin(run.steps, run.loss), [predicted_steps, predicted] = thin(run.predicted_steps, run.predicted);
  return { alpha: run.method.alpha, beta: run.method.beta, steps, loss, predicted_steps, predicted };
}

// Predicted final loss over learning rate and memory 1/(1 - beta), both logarithmic, and the edge of stability.
function map({ model, schedule, steps }, nesterov) {
  const top = model.upper, alphas = shaped(geomspace(2 ** -12, 8, ACROSS).map((v) => v / top)), betas = shaped(geomspace(1, 0.01, UP).map((v) => 1 - v));
  const final = zeros(UP, ACROSS).fill(Infinity), scaled = (b) => edge(method(1, b, nesterov ? b : 0)) / top;
  shaped(final, UP, ACROSS);
  betas.forEach((b, r) => alphas.forEach((a, c) => {
    if (scaled(b) / a > 1) { const { loss } = forecast(model, schedule, method(a, b, nesterov ? b : 0), steps); final[r * ACROSS + c] = loss[loss.length - 1]; }
  }));
  const lowest = least(final), place = final.indexOf(lowest), base = Math.max(lowest - model.floor, 1e-6 * Math.abs(model.start - model.floor), 1e-300);
  const span = Math.max(Math.log(Math.max(model.start - model.floor, 2 * base) / base), 1e-9);
  const height = (v) => Math.log(Math.max(v - model.floor, base) / base) / span;
  return {
    grid: shaped(Uint8Array.from(final, (v) => even(255 * clip(Number.isFinite(height(v)) ? height(v) : 1, 0, 1))), UP, ACROSS),
    alphas,
    betas,
    final: shaped(final.map((v) => (Number.isFinite(v) ? v : NaN)), UP, ACROSS),
    edge: shaped(betas.map(scaled)),
    best: { alpha: alphas[place % ACROSS], beta: betas[Math.floor(place / ACROSS)], loss: lowest },
  };
}

function caption(mine, values, state) {
  const name = mine.key === "example" ? "An example, until you load a record of your own" : capital(mine.task);
  let said = `${name}: after ${mine.steps} ${mine.steps === 1 ? "step" : "steps"} the predicted loss is *${words(values.final, ".4g")}*, from ${words(mine.model.start, ".4g")} at the start`;
  said += `; α may grow *${words(values.edge, ".2g")}* times before it breaks.`;
  if (values.edge <= 1) said = `${name}: beyond the edge of stability, the run *diverges*. At this momentum α must stay below *${words(state.alpha * values.edge, ".3g")}*.`;
  if (mine.verified !== null) said += ` The recommended run ended at *${words(mine.verified, ".4g")}*.`;
  return said + (mine.verdict ? ` The tuner's verdict: ${mine.verdict.replace(/\.+$/, "")}.` : "");
}

