// A small generator, the same in Python (lab/draws.py): every number is a hash of (seed, place), so nothing depends on the order of asking.
// triple32 (Wellons 2018) twice over; 53 bits of two hashes make a number in (0, 1); Box and Muller (1958) make it normal.

import { shaped } from "./arrays.js";

function mixed(x) {
  x ^= x >>> 17; x = Math.imul(x, 0xed5ad4bb);
  x ^= x >>> 11; x = Math.imul(x, 0xac4c1b51);
  x ^= x >>> 15; x = Math.imul(x, 0x31848bab);
  x ^= x >>> 14;
  return x >>> 0;
}

const keyed = (seed) => mixed((seed + 0x9e3779b9) >>> 0);
const hash = (key, place) => mixed((mixed(place >>> 0) + key) >>> 0);

function fraction(key, place) {
  const high = hash(key, 2 * place) >>> 5, low = hash(key, 2 * place + 1) >>> 6;
  return (high * 67108864 + low + 0.5) / 9007199254740992;
}

export function uniform(seed, count) {
  const key = keyed(seed), out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = fraction(key, i);
  return shaped(out);
}

export function normal(seed, count) {
  const key = keyed(seed), out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = Math.sqrt(-2 * Math.log(fraction(key, 2 * i))) * Math.cos(2 * Math.PI * fraction(key, 2 * i + 1));
  return shaped(out);
}

export function permutation(seed, count) {
  const draws = uniform(seed, count);
  return Int32Array.from(draws.keys()).sort((a, b) => draws[a] - draws[b] || a - b);
}
