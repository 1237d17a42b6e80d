// What a figure shows for a state: the page's own api.handle, with the same request and the same reply. Pure; runs in the page or in a worker.

import { BadInput } from "./numerics/formula.js";
// figure is a module of views/; {state, have} -> {view, costly, keys, caption, alt}, or {error}. What is costly is made only where its key has changed.
export function answer(figure, { state, have = {}, costly: wanted = true }) {
  try {
    const { values, caption, alt, costly } = figure.view(state), keys = {}, fresh = {};
    for (const [name, [key, make]] of Object.entries(costly)) {
      keys[name] = key;
      if (wanted && have[name] !== key) fresh[name] = plain(make());
    }
    return { view: plain(values), costly: fresh, keys, caption, alt };
  } catch (error) {
    if (error instanceof BadInput) return { error: { kind: "BadInput", message: error.message } };
    throw error;
  }
}

// Numbers that are not finite become null, as in JSON; arrays keep theirs.
function plain(value) {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object" && !ArrayBuffer.isView(value)) return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
  return value;
}
