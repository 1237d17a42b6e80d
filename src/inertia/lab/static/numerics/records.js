// A record of `inertia tune`, checked number by number before anything is computed from it. (inertia.lab.loaded)

import { geomspace, sum } from "./arrays.js";
import { forecast, modelOf } from "./forecast.js";
import { BadInput } from "./formula.js";
import { method } from "./modes.js";
import { words } from "./words.js";

const LONGEST = 4096, MOST_STEPS = 100000, MOST_RUNS = 24, SHAPES = ["constant", "linear", "cosine"], store = new Map();

export function loaded(document) {
  const key = digest(JSON.stringify(document));
  if (!store.has(key)) {
    if (store.size >= 8) store.delete(store.keys().next().value);
    store.set(key, checked(key, document));
  }
  return store.get(key);
}

export function kept(key) {
  if (!store.has(key)) throw new BadInput("this record is no longer in memory: load it again");
  return store.get(key);
}

// Two 32-bit hashes (FNV-1a, Fowler, Noll and Vo) side by side: enough to tell a handful of records apart.
function digest(text) {
  let a = 0x811c9dc5, b = 0x01000193;
  for (let i = 0; i < text.length; i++) { a = Math.imul(a ^ text.charCodeAt(i), 0x01000193); b = Math.imul(b ^ text.charCodeAt(text.length - 1 - i), 0x01000193); }
  return [a, b].map((v) => (v >>> 0).toString(16).padStart(8, "0")).join("");
}

let shown = null;

// A made-up task for readers without a record: twenty curvatures from 0.001 to 1, noise that follows the loss, 200 steps.
export function example() {
  if (shown) return shown;
  const h = geomspace(1e-3, 1, 20), share = h.map((v) => Math.exp(-((Math.log10(v) + 1.2) ** 2))), all = sum(share);
  const model = modelOf({ curvatures: h, weights: h.map((v, i) => (2 * share[i]) / all / v), noise: h.map((v) => 0.004 * v), upper: 1.04, start: 1.05 });
  shown = { key: "example", task: "example", steps: 200, schedule: "linear", verdict: "", model, recommended: method(0.5, 0.9), runs: [], verified: null };
  return shown;
}

function checked(key, document) {
  const advice = part(document, "recommendation"), steps = Math.trunc(number(document, "steps", 1, MOST_STEPS)), { schedule } = document;
  if (!SHAPES.includes(schedule)) throw new BadInput(`the record's schedule '${String(schedule).slice(0, 40)}' is none of ${SHAPES.join(", ")}`);
  const best = methodOf(advice), known = spectrum(part(document, "spectrum")), start = number(part(document, "measurement"), "loss", -1e12, 1e12);
  const model = modelOf({ ...known, start, ...rest(known.provenance) }), runs = runsOf(document);
  if (!Number.isFinite(forecast(model, schedule, method(best.alpha * 1e-3, best.beta, best.gamma), steps).loss.at(-1))) {
    throw new BadInput("the record's spectrum gives no forecast: its curvatures or noise are out of all proportion");
  }
  const ended = document.verified_loss, verified = ended === null || ended === undefined ? null : number(document, "verified_loss", -1e300, 1e300);
  const [task, verdict] = ["task", "verdict"].map((name) => String(document[name] ?? "").slice(0, 400));
  return { key, task: task || "a task", steps, schedule, verdict, model, recommended: best, runs, verified };
}

function rest(known) {
  const limits = { epoch: 1e12, bend: 2, knee: 1, slack: 1 };
  const fine = Object.fromEntries(Object.entries(limits).filter(([name, top]) => typeof known[name] === "number" && known[name] > 0 && known[name] <= top).map(([name]) => [name, known[name]]));
  if ("bend" in fine && "knee" in fine && "slack" in fine) return fine;
  return "epoch" in fine ? { epoch: fine.epoch } : {};
}

function spectrum(given) {
  const [h, weights, noise] = ["curvatures", "weights", "noise"].map((name) => numbers(given, name, -1e9, 1e9));
  if (h.length !== weights.length || h.length !== noise.length) throw new BadInput("the record's curvatures, weights and noise have different lengths: it is damaged");
  const upper = number(given, "upper", -1e9, 1e9), order = Array.from(h.keys()).sort((a, b) => h[a] - h[b]), sorted = (row) => Float64Array.from(order, (i) => row[i]);
  const bad = [...weights, ...noise].find((v) => v < 0), top = Math.max(...h);
  if (bad !== undefined) throw new BadInput(`the record's spectrum cannot be used: weights and noise must be >= 0, got ${bad}`);
  if (upper < top) throw new BadInput(`the record's spectrum cannot be used: upper = ${words(upper, "g")} is below the largest curvature ${words(top, "g")}`);
  if (upper <= 0) throw new BadInput("the record's largest curvature is not positive: there is no edge to stay below");
  const { provenance } = given;
  return { curvatures: sorted(h), weights: sorted(weights), noise: sorted(noise), upper, provenance: provenance && typeof provenance === "object" ? provenance : {} };
}

function runsOf(document) {
  const listed = document.runs ?? [], curves = document.curves ?? {}, pairs = ["actual", "predicted"].map((name) => (plain(curves) ? curves[name] ?? [] : []));
  if (![listed, ...pairs].every(Array.isArray)) throw new BadInput("the record's runs and curves must be lists: it is damaged");
  return listed.slice(0, Math.min(MOST_RUNS, pairs[0].length, pairs[1].length)).map((run, i) => {
    const [actual, predicted] = pairs.map((row) => row[i]);
    if (![run, actual, predicted].every(plain)) throw new BadInput("one of the record's runs is not an object: it is damaged");
    const [steps, loss] = curve(actual), [predicted_steps, ahead] = curve(predicted);
    return { method: methodOf(run), steps, loss, predicted_steps, predicted: ahead };
  });
}

const plain = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function curve(given) {
  const steps = numbers(given, "steps", 0, MOST_STEPS), loss = numbers(given, "loss", -1e300, 1e300, true);
  if (steps.length !== loss.length) throw new BadInput("a curve of the record has other steps than losses: it is damaged");
  return [steps, loss];
}

const methodOf = (given) => method(number(given, "alpha", 1e-12, 1e12), number(given, "beta", 0, 1), number(given, "gamma", -1, 10));

function part(document, name) {
  if (!plain(document[name])) throw new BadInput(`this is no record of \`inertia tune\`: it has no '${name}'; load the record.json that --out DIR wrote`);
  return document[name];
}

function number(given, name, low, high) {
  const value = given[name];
  if (typeof value !== "number" || !(low <= value && value <= high)) {
    throw new BadInput(`the record's ${name} must be a number from ${words(low, "g")} to ${words(high, "g")}, got '${String(value).slice(0, 40)}'`);
  }
  return value;
}

function numbers(given, name, low, high, gaps = false) {
  const values = given[name];
  if (!Array.isArray(values) || values.length < 1 || values.length > LONGEST) throw new BadInput(`the record's ${name} must be a list of 1 to ${LONGEST} numbers`);
  return Float64Array.from(values, (value) => (gaps && value === null ? NaN : number({ [name]: value }, name, low, high)));
}
