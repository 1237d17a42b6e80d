// Momentum is mechanics: a weight on a spring, its drag, and the three ways to come to rest.

import { linspace, shaped, unique, zeros } from "../numerics/arrays.js";
import { critical, method, orbit, rate } from "../numerics/modes.js";
import { criticalDrag, explicitEdge, methodOf, oscillator, particleOf, steppedDamping } from "../numerics/physics.js";
import { words } from "../numerics/words.js";

const ROWS = [0, 0.02, 0.1, 0.25], COLUMNS = [1, 0.985, 0.95, 0.9, 0.85, 0.8], GRID_ALPHA = 0.02, GRID_STEPS = 150, GRID_START = [0.92, 1], LIMIT = 20;

export function view(state) {
  const [one, particle] = both(state), h = state.curvature, count = state.steps + 1, dt = particle.time_step;
  const at = orbit(one, h, state.position, (-state.speed * dt) / one.alpha), position = zeros(count), speed = zeros(count), energy = zeros(count);
  for (let k = 0; k < count; k++) {
    const now = at(k), fast = (-one.alpha * now.velocity) / dt;
    position[k] = kept(now.params);
    speed[k] = kept(fast);
    energy[k] = kept(0.5 * h * now.params ** 2 + 0.5 * particle.mass * fast ** 2);
  }
  const time = shaped(Float64Array.from({ length: count }, (_, k) => k * dt)), fine = linspace(0, time[count - 1], 481);
  const exact = Array.from(fine, (t) => oscillator(particle, h, t, state.position, state.speed)), line = unique([...linspace(0, 1, 241), critical(one.alpha, h)]);
  const values = {
    alpha: one.alpha,
    beta: one.beta,
    particle,
    time,
    position,
    speed,
    energy,
    fine_time: fine,
    fine_position: shaped(Float64Array.from(exact, (pair) => pair[0])),
    fine_speed: shaped(Float64Array.from(exact, (pair) => pair[1])),
    explicit: state.explicit ? explicit(one, h, state, dt) : null,
    line_beta: line,
    line_rate: shaped(line.map((b) => rate(method(one.alpha, b), h))),
    critical: critical(one.alpha, h),
    three: three(one, h, state, dt),
    rate: rate(one, h),
    turn: state.field ? shaped(Float64Array.of(1 - one.alpha * h, dt * one.beta, (-one.alpha * h) / dt, one.beta), 2, 2) : null, // what one step makes of (position, speed)
  };
  const alt = `A weight on a spring of stiffness ${words(h, "g")}, ${named(one, h)}: position and speed over ${state.steps} steps.`;
  return { values, caption: caption(state, one, particle), alt, costly: { grid: ["grid", grid] } };
}

function both(state) {
  if (state.words === "method") {
    const one = method(state.alpha, state.beta);
    return [one, particleOf(one, state.mass)];
  }
  const particle = { mass: state.mass, drag: Math.min(state.drag, (2 * (1 - 1e-15) * state.mass) / state.time_step), time_step: state.time_step };
  return [methodOf(particle), particle];
}

const kept = (value) => (Math.abs(value) < 1e6 ? value : NaN);
const named = (one, h) => (h === 0 ? "free" : steppedDamping(one, h));

// The same weight creeping, critically damped and swinging; null without a spring.
function three(one, h, state, dt) {
  const middle = critical(one.alpha, h), count = state.steps + 1, position = zeros(3, count), speed = zeros(3, count);
  if (!(middle > 0 && middle < 1)) return null;
  const betas = [middle / 4, middle, (1 + middle) / 2];
  betas.forEach((b, i) => {
    const at = orbit(method(one.alpha, b), h, state.position, (-state.speed * dt) / one.alpha);
    for (let k = 0; k < count; k++) { const now = at(k); position[i * count + k] = kept(now.params); speed[i * count + k] = kept((-one.alpha * now.velocity) / dt); }
  });
  return { betas: shaped(Float64Array.from(betas)), position, speed, rates: shaped(Float64Array.from(betas, (b) => rate(method(one.alpha, b), h))) };
}

function explicit(one, h, state, dt) {
  const position = zeros(state.steps + 1), speed = zeros(state.steps + 1);
  let place = state.position, velocity = (-state.speed * dt) / one.alpha;
  for (let k = 0; k <= state.steps; k++) {
    position[k] = place;
    speed[k] = (-one.alpha * velocity) / dt;
    [place, velocity] = Math.abs(place) < LIMIT ? [place - one.alpha * velocity, one.beta * velocity + h * place] : [NaN, NaN];
  }
  return { position, speed, edge: explicitEdge(one) };
}

// All portraits of the article's grid: (rows x columns, steps + 1).
function grid() {
  const count = GRID_STEPS + 1, position = zeros(24, count), velocity = zeros(24, count);
  ROWS.forEach((h, r) => COLUMNS.forEach((b, c) => {
    const at = orbit(method(GRID_ALPHA, b), h, ...GRID_START), from = (r * COLUMNS.length + c) * count;
    for (let k = 0; k < count; k++) { const now = at(k); position[from + k] = now.params; velocity[from + k] = -now.velocity; }
  }));
  return { position, velocity, rows: ROWS, columns: COLUMNS, alpha: GRID_ALPHA, start: { position: GRID_START[0], speed: -GRID_START[1] * Math.sqrt(GRID_ALPHA) } };
}

function caption(state, one, particle) {
  const h = state.curvature, size = rate(one, h), limit = criticalDrag(particle.mass, h);
  const said = {
    free: "No spring: only drag",
    undamped: "*Undamped*: it swings for ever",
    underdamped: "*Underdamped*: it swings through zero and comes back",
    critical: "*Critical*: the fastest way home without swinging",
    overdamped: "*Overdamped*: it creeps, as gradient descent does",
    alternating: "*Alternating*: the steps are too long to follow the motion and jump from side to side",
    divergent: "*Divergent*: the steps are too long for so stiff a spring",
  }[named(one, h)];
  const exact = `${words(limit, ".4g")} for the exact motion`;
  const critical = one.alpha * h <= 1 ? `critical is ${words(limit - h * particle.time_step, ".4g")}, ${exact}` : `critical is ${exact}`;
  return `${said}; each step multiplies the error by *${words(size, ".4f")}*. α = ${words(one.alpha, ".4g")}, β = ${words(one.beta, ".4g")} is mass`
    + ` ${words(particle.mass, ".3g")}, drag ${words(particle.drag, ".4g")}${h ? ` (${critical})` : ""}, time step ${words(particle.time_step, ".4g")}.`;
}
