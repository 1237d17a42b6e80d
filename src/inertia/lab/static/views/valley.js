// The valley: the reader's run and four printed ones, the zigzag, and how far each method's step may go.

import { linspace, stacked } from "../numerics/arrays.js";
import { SURFACES, paths, shaded } from "../numerics/landscape.js";
import { edge } from "../numerics/modes.js";
import { family } from "../numerics/plane.js";
import { words } from "../numerics/words.js";
import { FAMILIES } from "./names.js";

const RUNS = [[0.4, 0], [0.6, 0], [0.6, 0.5], [0.6, 0.25]], LIMITS = ["heavy-ball", "nesterov", "triple"], STEEP = 4, FLAT = 0.2;

export function view(state) {
  const ground = SURFACES.valley, one = family(state.family, state.alpha, state.beta, state.gamma), b = linspace(0, 0.99, 100);
  const ran = paths(ground, [one, ...RUNS.map(([alpha, beta]) => family("heavy-ball", alpha, beta))], [state.x, state.y], state.steps);
  const path = ran[0].points;
  let turns = 0;
  for (let k = 1; k <= state.steps; k++) if (path[2 * k + 1] * path[2 * k - 1] < 0) turns++;
  const limit = edge(family(state.family, 1, state.beta, state.gamma)) / STEEP;
  const values = {
    path,
    runs: RUNS.map(([alpha, beta], i) => ({ alpha, beta, path: ran[1 + i].points })),
    ends: RUNS.map((_, i) => end(ran[1 + i].points, state.steps)),
    diverged_at: ran[0].lost,
    turns,
    beta: b,
    limits: stacked(LIMITS.map((name) => b.map((v) => edge(family(name, 1, v)) / STEEP))),
    limit,
    names: LIMITS.map((name) => FAMILIES[name]),
    domain: ground.domain,
    curvatures: [FLAT, STEEP],
  };
  const alt = `Path in a narrow valley with step ${words(state.alpha, "g")} and momentum ${words(state.beta, "g")}; it ends at ${end(path, state.steps)}.`;
  return { values, caption: caption(state, path, turns, limit), alt, costly: { contours: ["valley", () => shaded(ground)] } };
}

const plain = (value) => words(value, ".4g").replaceAll("-", "−");

function end(path, steps) {
  return Number.isFinite(path[2 * steps]) ? `(${plain(path[2 * steps])}, ${plain(path[2 * steps + 1])})` : `gone before step ${steps}`;
}

function caption(state, path, turns, limit) {
  const ended = end(path, state.steps).replace("(", "(*").replace(", ", "*, *").replace(")", "*)");
  const said = state.alpha > limit * (1 + 1e-12)
    ? `Beyond *${words(limit, ".4g")}*, the largest step that ${FAMILIES[state.family]} survives here, it *diverges*.`
    : `After ${state.steps} ${state.steps === 1 ? "step" : "steps"}: ${ended}.`;
  return `${said} It crossed the floor *${turns}* ${turns === 1 ? "time" : "times"}. Along the floor one step alone is worth ${words(state.alpha * FLAT, ".3g")} of the way.`;
}
