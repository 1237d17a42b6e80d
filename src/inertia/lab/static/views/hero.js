// The opening figure: one path on a surface, and everything that can be changed about it.

import { adamPath } from "../numerics/adam.js";
import { linspace, shaped, zeros } from "../numerics/arrays.js";
import { ends } from "../numerics/ends.js";
import { FAR, SURFACES, paths, shaded, surface } from "../numerics/landscape.js";
import { family } from "../numerics/plane.js";
import { normal } from "../numerics/random.js";
import { words } from "../numerics/words.js";
import { FAMILIES } from "./names.js";

const OVERLAYS = { descent: "descent", heavy: "heavy-ball", nesterov: "nesterov", triple: "triple" };
const KICK = 1e-3;

export function view(state) {
  const ground = surface(state.surface, state), start = kicked(state, ground), chosen = state.family;
  const ghosts = Object.keys(OVERLAYS).filter((name) => state[name] && OVERLAYS[name] !== chosen);
  const methods = [chosen, ...ghosts.map((name) => OVERLAYS[name])].map((name) => family(name, state.alpha, state.beta, state.gamma));
  const ran = paths(ground, methods, start, state.steps), names = [FAMILIES[chosen], ...ghosts.map((name) => FAMILIES[OVERLAYS[name]])];
  if (state.adam) { ran.push(adam(ground, start, state)); names.push("Adam"); }
  const floor = lowest(ground, ran), excess = zeros(ran.length, state.steps + 1);
  ran.forEach((one, i) => one.losses.forEach((loss, k) => { excess[i * (state.steps + 1) + k] = loss - floor > 0 ? loss - floor : NaN; }));
  const values = {
    path: ran[0].points,
    ghosts: names.slice(1).map((name, i) => ({ name, path: ran[1 + i].points })),
    excess,
    names,
    losses: ran[0].losses,
    diverged_at: ran[0].lost,
    optima: optima(state, ground),
    saddle: state.surface === "wells" ? [0, 0] : null,
    domain: ground.domain,
    flat: Boolean(ground.flat),
    alpha_high: ground.alphaHigh,
    text: ground.text,
    fastest: tuned(state, ground),
  };
  if (ground.flat) values.heights = shaped(Float64Array.from(ran[0].losses));
  const costly = { contours: [key(state), () => drawn(ground)], surfaces: ["surfaces", starts] };
  if (state.basin) {
    const asked = [key(state), ...start, state.steps, chosen, chosen === "any" ? state.gamma : 0].join("|");
    costly.basin = [asked, () => ends(ground, [chosen, state.gamma], start, state.steps, state.surface === "formula")];
  }
  return { values, ...said(state, ground, ran[0]), costly };
}

// Adam's path; its first moment has the momentum in hand.
function adam(ground, start, state) {
  const points = shaped(adamPath(([x, y], out) => { [out[0], out[1]] = ground.slope(x, y); }, start, state.lr, state.beta, state.steps), state.steps + 1, 2), losses = zeros(state.steps + 1).fill(NaN);
  let lost = null;
  for (let k = 0; k <= state.steps; k++) {
    const seen = [points[2 * k], points[2 * k + 1]];
    if (lost === null && !(Math.abs(seen[0]) < FAR && Math.abs(seen[1]) < FAR)) lost = k;
    if (lost === null) losses[k] = ground.value(...seen); else points.fill(NaN, 2 * k, 2 * k + 2);
  }
  return { points, losses: shaped(losses), lost };
}

function optima(state, ground) {
  if (!ground.optimum) return [];
  const [x, y] = ground.optimum;
  if (ground.flat) return [[x, ground.value(x, y)]];
  return state.surface === "wells" ? [[x, y], [-x, y]] : [[x, y]];
}

function kicked(state, ground) {
  if (ground.flat) return [state.x, 0];
  if (state.kick === 0) return [state.x, state.y];
  const push = normal(state.kick, 2), size = Math.hypot(push[0], push[1]);
  return [state.x + push[0] * (KICK / size), state.y + push[1] * (KICK / size)];
}

function key(state) {
  const custom = { quadratic: ["angle", "low", "high"], formula: ["formula", "half"] }[state.surface] || [];
  return [state.surface, ...custom.map((name) => String(state[name]))].join("|");
}

function drawn(ground) {
  if (!ground.flat) return shaded(ground);
  const across = linspace(...ground.domain[0], 321);
  return { curve_x: across, curve_y: shaped(across.map((x) => ground.value(x, 0))) };
}

// What is set when the reader changes the surface: a start and a step that belong to it.
function starts() {
  const all = { ...SURFACES, quadratic: surface("quadratic", { angle: 25, low: 1, high: 12 }) }, out = {};
  for (const [name, one] of Object.entries(all)) out[name] = { x: one.start[0], y: one.start[1], alpha: one.alpha, beta: one.beta, kick: 0 };
  out.formula = { x: -1.4, y: 0.8, alpha: 0.05, beta: 0.7, kick: 0 };
  return out;
}

function lowest(ground, ran) {
  let low = Infinity;
  for (const one of ran) for (const loss of one.losses) if (Number.isFinite(loss) && loss < low) low = loss;
  const known = ground.optimum ? ground.value(...ground.optimum) : NaN;
  const found = Math.min(low, Number.isFinite(known) ? known : Infinity);
  return Number.isFinite(found) ? found : 0;
}

// Eigenvalues of the Hessian at the optimum, ascending; null where there is no minimum to speak of.
function curvatures(ground) {
  if (!ground.optimum) return null;
  const [a, b, d] = ground.hessian(...ground.optimum);
  if (![a, b, d].every(Number.isFinite)) return null;
  const middle = (a + d) / 2, half = Math.hypot((a - d) / 2, b);
  return [middle - half, middle + half];
}

// The fastest heavy ball close to the optimum (Polyak 1964), where both curvatures are positive.
function tuned(state, ground) {
  const found = curvatures(ground);
  if (!found || !(found[1] > 0)) return null;
  const low = ground.flat ? found[1] : found[0];
  if (!(low > 1e-9 * found[1])) return null;
  const root = Math.sqrt(low / found[1]);
  return { alpha: (2 / (Math.sqrt(low) + Math.sqrt(found[1]))) ** 2, beta: ((1 - root) / (1 + root)) ** 2 };
}

function said(state, ground, ran) {
  let told;
  if (!Number.isFinite(ran.losses[0])) told = "The function has no finite value at the starting point: drag it elsewhere.";
  else if (ran.lost !== null) {
    const k = ran.lost - 1;
    told = `*Diverges*: beyond all bounds at step *${ran.lost}*, last seen near (${words(ran.points[2 * k], ".3g")}, ${words(ran.points[2 * k + 1], ".3g")}).`;
  } else {
    told = `After *${state.steps}* steps the loss is *${words(ran.losses[state.steps], ".3g")}*.`;
    if (state.surface === "wells" && state.kick === 0 && state.x === 0) told += " Exactly above the *saddle* nothing pushes it sideways: kick it.";
  }
  const place = `(${words(state.x, ".3g")}, ${words(state.y, ".3g")})`;
  return {
    caption: `${told} ${local(state, ground)}`.trim(),
    alt: `Path of ${FAMILIES[state.family]} on ${ground.text} from ${place}. ${told.replaceAll("*", "")}`,
  };
}

function local(state, ground) {
  const found = curvatures(ground);
  if (!found || found[1] <= 0) return state.surface === "formula" ? "No minimum that curves upwards in every direction was found inside the frame." : "";
  const [flat, steep] = found, one = family(state.family, 1, state.beta, state.gamma);
  const limit = 1 + 2 * one.gamma > 0 ? (2 * (1 + one.beta)) / ((1 + 2 * one.gamma) * steep) : 0;
  const ratio = flat > 1e-9 * steep && !ground.flat ? `, condition number ${words(steep / flat, ".4g")}` : "";
  return `At the optimum the steepest curvature is ${words(steep, ".4g")}${ratio}: there α must stay below *${words(limit, ".3g")}*.`;
}
