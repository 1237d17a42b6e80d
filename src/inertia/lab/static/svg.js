// SVG elements: made once, written to only where something changes.

const NS = "http://www.w3.org/2000/svg";
export const FAR = 1e5; // pixels; SVG coordinates beyond this help nobody

export function element(name, attributes = {}, parent = null) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

// What stands there already is not written again: the browser would lay it out and paint it anew.
const known = new WeakMap();

export function put(node, name, value) {
  let seen = known.get(node);
  if (!seen) known.set(node, (seen = {}));
  if (seen[name] === value) return;
  seen[name] = value;
  if (name === "fill" || name === "stroke") node.style[name] = value;
  else node.setAttribute(name, value);
}

export const px = (value) => Math.round(Math.min(Math.max(value, -FAR), FAR) * 100) / 100;
