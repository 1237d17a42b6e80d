// A figure as one SVG with everything inlined, or as a PNG of it: title, panels, caption and the values they were drawn for.

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "fill-opacity", "stroke-opacity", "paint-order", "font-family", "font-size", "font-weight", "font-style", "text-anchor"];
const NS = "http://www.w3.org/2000/svg";

export function picture(kit, paper) {
  const frame = kit.root.querySelector(".grid").getBoundingClientRect(), out = document.createElementNS(NS, "svg"), width = Math.ceil(frame.width) + 16;
  const ink = getComputedStyle(kit.root).color, soft = getComputedStyle(kit.caption).color, back = add(out, "rect", { width, fill: paper });
  words(out, kit.title, 8, 26, { "font-size": 20, "font-family": "serif", fill: ink });
  const boxes = kit.panels.map((panel) => ({ panel, box: panel.stage.getBoundingClientRect() })).filter(({ box }) => box.width);
  let bottom = 40;
  for (const { panel, left, top } of closed(boxes, frame.left)) {
    bottom = Math.max(bottom, top + panel.height);
    add(out, "image", { x: left, y: top, width: panel.width, height: panel.height, href: panel.canvas.toDataURL("image/png") });
    const copy = panel.svg.cloneNode(true);
    inline(panel.svg, copy);
    copy.setAttribute("x", left);
    copy.setAttribute("y", top);
    out.append(copy);
  }
  for (const line of [...wrapped(kit.caption.textContent, width / 7.4), ...wrapped(values(kit), width / 6.4)]) {
    bottom += 20;
    words(out, line, 8, bottom, { "font-size": 13, "font-family": "sans-serif", fill: soft });
  }
  const height = bottom + 12;
  back.setAttribute("height", height);
  for (const [key, value] of Object.entries({ xmlns: NS, width, height, viewBox: `0 0 ${width} ${height}` })) out.setAttribute(key, value);
  return { text: new XMLSerializer().serializeToString(out), width, height };
}

// Where each panel stands once no controls are between them: rows move up, and to the left where nothing is left of them.
function closed(boxes, edge) {
  const placed = [], rows = new Map();
  boxes.sort((a, b) => a.box.top - b.box.top);
  for (const one of boxes) {
    const key = [...rows.keys()].find((top) => Math.abs(top - one.box.top) < 4) ?? one.box.top;
    rows.set(key, [...(rows.get(key) || []), { panel: one.panel, left: one.box.left - edge + 8, width: one.box.width, height: one.box.height }]);
  }
  const apart = (a, b) => a.left + a.width <= b.left || b.left + b.width <= a.left;
  for (const row of rows.values()) {
    const top = Math.max(40, ...row.flatMap((one) => placed.filter((other) => !apart(one, other)).map((other) => other.top + other.height + 20)));
    const left = Math.min(...row.map((one) => one.left)) - 8, bottom = top + Math.max(...row.map((one) => one.height));
    const free = left > 60 && placed.every((other) => other.top + other.height <= top || other.top >= bottom);
    placed.push(...row.map((one) => ({ ...one, top, left: one.left - (free ? left : 0) })));
  }
  return placed;
}

// What the figure was drawn for: what its open sliders say, and whatever differs from how it opens.
function values(kit) {
  const text = (value) => (typeof value === "number" ? Number(value.toPrecision(5)) : Array.isArray(value) ? value.map(text).join(", ") : value);
  const open = new Set([...kit.root.querySelectorAll(".slider[data-field]")].filter((one) => one.getClientRects().length).map((one) => one.dataset.field));
  const changed = (name, value) => JSON.stringify(value) !== JSON.stringify(kit.store.defaults[name]);
  const told = Object.entries(kit.store.state).filter(([name, value]) => kit.fields[name].kind !== "document" && (open.has(name) || changed(name, value)) && JSON.stringify(value).length < 80);
  return told.map(([name, value]) => `${kit.fields[name].label || name}: ${text(value)}`).join("; ");
}

function wrapped(text, most) {
  const lines = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (lines.length && lines.at(-1).length + word.length < most) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

function words(parent, text, x, y, attributes) { add(parent, "text", { x, y, ...attributes }).textContent = text; }

function add(parent, name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function inline(from, to) {
  const style = getComputedStyle(from);
  for (const name of STYLES) to.style.setProperty(name, style.getPropertyValue(name));
  for (let i = 0; i < from.children.length; i++) inline(from.children[i], to.children[i]);
}

export async function save({ text, width, height }, name, type) {
  let blob = new Blob([text], { type: "image/svg+xml" });
  if (type === "image/png") {
    const url = URL.createObjectURL(blob), image = new Image();
    image.src = url;
    await image.decode();
    const canvas = new OffscreenCanvas(width * 2, height * 2);
    canvas.getContext("2d").drawImage(image, 0, 0, width * 2, height * 2);
    URL.revokeObjectURL(url);
    blob = await canvas.convertToBlob({ type });
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 5000);
}
