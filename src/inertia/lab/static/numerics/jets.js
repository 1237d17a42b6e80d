// Values that carry their gradient, and where asked their Hessian: [f, fx, fy, fxx, fxy, fyy]; a derivative is exact to rounding.

// Written out, without loops over parts: a map of a reader's formula takes tens of thousands of these.
function chain(u, value, slope, bend) {
  const a = u[1], b = u[2];
  if (u.length === 3) return [value, slope * a, slope * b];
  return [value, slope * a, slope * b, slope * u[3] + bend * a * a, slope * u[4] + bend * a * b, slope * u[5] + bend * b * b];
}

export function plus(u, v) {
  if (u.length === 3) return [u[0] + v[0], u[1] + v[1], u[2] + v[2]];
  return [u[0] + v[0], u[1] + v[1], u[2] + v[2], u[3] + v[3], u[4] + v[4], u[5] + v[5]];
}

export const scaled = (u, factor) => chain(u, factor * u[0], factor, 0);

export function times(u, v) {
  const f = u[0], a = u[1], b = u[2], g = v[0], c = v[1], d = v[2];
  if (u.length === 3) return [f * g, f * c + g * a, f * d + g * b];
  return [f * g, f * c + g * a, f * d + g * b, f * v[3] + g * u[3] + 2 * a * c, f * v[4] + g * u[4] + (a * d + b * c), f * v[5] + g * u[5] + 2 * b * d];
}

export function inverse(u) {
  const one = 1 / u[0];
  return chain(u, one, -one * one, 2 * one * one * one);
}

// u^power for a constant power; whole powers by multiplication, as Python does them.
export function raised(u, power) {
  const at = (p) => whole(u[0], p);
  const slope = power !== 0 ? power * at(power - 1) : 0, bend = u.length > 3 && power !== 0 && power !== 1 ? power * (power - 1) * at(power - 2) : 0;
  return chain(u, at(power), slope, bend);
}

function whole(base, power) {
  if (!Number.isInteger(power) || Math.abs(power) > 64) return base ** power;
  let made = 1;
  for (let i = 0; i < Math.abs(power); i++) made *= base;
  return power < 0 ? 1 / made : made;
}

export function exp(u) {
  const e = Math.exp(u[0]);
  return chain(u, e, e, e);
}

export const log = (u) => chain(u, Math.log(u[0]), 1 / u[0], -1 / (u[0] * u[0]));

export const FUNCTIONS = {
  abs: (u) => chain(u, Math.abs(u[0]), Math.sign(u[0]), 0),
  cos: (u) => chain(u, Math.cos(u[0]), -Math.sin(u[0]), -Math.cos(u[0])),
  exp,
  log,
  sin: (u) => chain(u, Math.sin(u[0]), Math.cos(u[0]), -Math.sin(u[0])),
  sqrt: (u) => raised(u, 0.5),
  tanh: (u) => { const t = Math.tanh(u[0]); return chain(u, t, 1 - t * t, -2 * t * (1 - t * t)); },
};
