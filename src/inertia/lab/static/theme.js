// Colours live in the stylesheet; this reads its ramps for canvases and follows the light and dark scheme.

const cache = new Map();
const listeners = new Set();

export function onscheme(listener) { listeners.add(listener); }

// Where the colours are looked up: the page, or in a notebook the figure's own element, which follows the notebook's theme.
let home = document.documentElement;
export function at(element) { home = element; cache.clear(); for (const listener of listeners) listener(); }

function css(name) { return getComputedStyle(home).getPropertyValue(name).trim(); }

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// The colour of ramp `name` at t in [0, 1], as [r, g, b].
export function shade(name, t) {
  const stops = stopsOf(name);
  const place = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(place), stops.length - 2);
  return stops[i].map((from, c) => Math.round(from + (stops[i + 1][c] - from) * (place - i)));
}

export const colour = (name, t) => `rgb(${shade(name, t).join(" ")})`;

// Colour of component i of n, flat to steep.
export const tone = (i, n) => colour("component", n > 1 ? i / (n - 1) : 1);

// 256 colours of a ramp as a flat array, for pixel maps.
export function table(name) {
  const key = `${name} table`;
  if (!cache.has(key)) cache.set(key, Uint8ClampedArray.from({ length: 256 * 3 }, (_, i) => shade(name, Math.floor(i / 3) / 255)[i % 3]));
  return cache.get(key);
}

export function plain(name) {
  if (!cache.has(name)) cache.set(name, css(`--${name}`));
  return cache.get(name);
}

const share = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
const light = (c) => 0.2126 * share(c[0]) + 0.7152 * share(c[1]) + 0.0722 * share(c[2]);

// The same hue, moved towards the ink until words in it can be read on the paper (contrast 4.5 to 1).
export function legible(colour) {
  const key = `legible ${colour}`;
  if (!cache.has(key)) {
    const from = (colour.match(/\d+/g) || []).slice(0, 3).map(Number), ink = rgb(css("--ink")), paper = light(rgb(css("--paper")));
    let mixed = from;
    for (let t = 0; from.length === 3 && t <= 1; t += 0.1) {
      mixed = from.map((v, i) => Math.round(v + (ink[i] - v) * t));
      const [low, high] = [light(mixed), paper].sort((a, b) => a - b);
      if ((high + 0.05) / (low + 0.05) >= 4.5) break;
    }
    cache.set(key, from.length === 3 ? `rgb(${mixed.join(" ")})` : colour);
  }
  return cache.get(key);
}

function stopsOf(name) {
  const key = `ramp-${name}`;
  if (!cache.has(key)) cache.set(key, css(`--${key}`).split(/\s+/).map(rgb));
  return cache.get(key);
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => { cache.clear(); for (const listener of listeners) listener(); });

const still = matchMedia("(prefers-reduced-motion: reduce)");
export const calm = () => still.matches;
