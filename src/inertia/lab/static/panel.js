// A panel: a canvas for shading under an SVG for lines, knobs and labels, both in the units of the data.
// Elements are kept by key: drawing again moves what exists; what a draw no longer names disappears.

import { colour, legible, plain, table } from "./theme.js";

const NS = "http://www.w3.org/2000/svg";
const FAR = 1e5; // pixels; SVG coordinates beyond this help nobody
let unique = 0;

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

const px = (value) => Math.round(Math.min(Math.max(value, -FAR), FAR) * 100) / 100;

export class Panel {
  constructor(host, { label, aspect = 0.6, height = 0, margin = {}, title = "", frame = true } = {}) {
    this.id = `panel${++unique}`;
    this.margin = { left: 46, right: 14, top: 12, bottom: 34, ...margin };
    this.aspect = aspect;
    this.fixed = height;
    this.root = document.createElement("div");
    this.root.className = "panel";
    if (title) { const head = document.createElement("h3"); head.textContent = title; this.root.append(head); }
    this.stage = document.createElement("div");
    this.stage.className = "stage";
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.svg = element("svg", { role: "group", "aria-label": label });
    this.stage.append(this.canvas, this.svg);
    this.root.append(this.stage);
    host.append(this.root);
    const clip = element("clipPath", { id: `${this.id}clip` }, element("defs", {}, this.svg));
    this.clipRect = element("rect", {}, clip);
    this.back = element("g", { class: "back" }, this.svg);
    this.plot = element("g", { "clip-path": `url(#${this.id}clip)` }, this.svg);
    this.frame = frame ? element("rect", { class: "frame" }, this.svg) : null;
    this.front = element("g", { class: "front" }, this.svg);
    this.items = new Map();
    this.painters = [];
    this.painted = "";
    this.scale = { x: [0, 1], y: [0, 1], xlog: false, ylog: false };
    this.onresize = () => {};
    this.settled = () => true; // whether what is drawn is the newest there will be
    this.measure();
    new ResizeObserver(() => { if (this.measure()) this.onresize(); }).observe(this.stage);
  }

  measure() {
    const width = Math.round(this.stage.clientWidth);
    if (!width || width === this.width) return false;
    this.width = width;
    this.height = Math.round(this.fixed || width * (typeof this.aspect === "function" ? this.aspect(width) : this.aspect));
    this.stage.style.height = `${this.height}px`;
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", this.height);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    const { left, right, top, bottom } = this.margin;
    this.narrow = width < 440 && right > 60;  // no room beside the frame: labels move inside
    this.inner = { left, top, width: width - left - (this.narrow ? 16 : right), height: this.height - top - bottom };
    for (const rect of [this.clipRect, this.frame]) {
      if (!rect) continue;
      for (const [key, value] of Object.entries({ x: left, y: top, width: this.inner.width, height: this.inner.height })) rect.setAttribute(key, value);
    }
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${this.height}px`;
    this.painted = "";
    return true;
  }

  // --- scales -------------------------------------------------------------------------------------------------------
  domain({ x, y, xlog = false, ylog = false }) {
    this.scale = { x, y, xlog, ylog };
    put(this.svg, "data-domain", JSON.stringify({ ...this.scale, inner: this.inner }));
    const part = ([low, high], log) => (log ? (v) => (Math.log(v) - Math.log(low)) / (Math.log(high) - Math.log(low)) : (v) => (v - low) / (high - low));
    this.fx = part(x, xlog);
    this.fy = part(y, ylog);
  }

  x(value) { return this.inner.left + this.fx(value) * this.inner.width; }
  y(value) { return this.inner.top + (1 - this.fy(value)) * this.inner.height; }

  // The data under a pointer position (client coordinates).
  at(event) {
    const box = this.svg.getBoundingClientRect();
    return this.back_(event.clientX - box.left, event.clientY - box.top);
  }

  back_(left, top) {
    const s = (left - this.inner.left) / this.inner.width;
    const t = 1 - (top - this.inner.top) / this.inner.height;
    const value = (u, [low, high], log) => (log ? low * (high / low) ** u : low + u * (high - low));
    return [value(s, this.scale.x, this.scale.xlog), value(t, this.scale.y, this.scale.ylog)];
  }

  // --- keyed elements -----------------------------------------------------------------------------------------------
  start() { for (const item of this.items.values()) item.live = false; }

  done() {
    for (const [key, item] of this.items) {
      if (!item.live) { item.node.remove(); this.items.delete(key); }
    }
    this.paint();
  }

  item(key, name, group, className) {
    let found = this.items.get(key);
    if (!found) {
      found = { node: element(name, {}, group) };
      found.node.dataset.key = key;
      this.items.set(key, found);
    }
    if (found.className !== className) { found.node.setAttribute("class", className); found.className = className; }
    found.live = true;
    return found.node;
  }

  line(key, xs, ys, className = "line", { stroke = "", close = false, over = false } = {}) {
    const node = this.item(key, "path", over ? this.front : this.plot, `line ${className}`);
    let d = "", pen = false;
    for (let i = 0; i < ys.length; i++) {
      const left = this.x(xs ? xs[i] : i), top = this.y(ys[i]);
      if (!Number.isFinite(left + top)) { pen = false; continue; }
      d += `${pen ? "L" : "M"}${px(left)} ${px(top)}`;
      pen = true;
    }
    put(node, "d", close && d ? `${d}Z` : d);
    put(node, "stroke", stroke);
    return node;
  }

  // All dots of a series in one path.
  dots(key, xs, ys, radius = 2, className = "dots", { fill = "", from = 0, to = Infinity, over = false } = {}) {
    const node = this.item(key, "path", over ? this.front : this.plot, className);
    let d = "";
    for (let i = from; i < Math.min(ys.length, to); i++) {
      const left = this.x(xs ? xs[i] : i), top = this.y(ys[i]);
      if (!Number.isFinite(left + top) || Math.abs(left) > FAR || Math.abs(top) > FAR) continue;
      d += `M${px(left - radius)} ${px(top)}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0`;
    }
    put(node, "d", d);
    put(node, "fill", fill);
    return node;
  }

  // Vertical stems from a base line to each value.
  stems(key, xs, ys, className = "stem", { base = 0, stroke = "" } = {}) {
    const node = this.item(key, "path", this.plot, className);
    let d = "";
    for (let i = 0; i < ys.length; i++) {
      const left = this.x(xs ? xs[i] : i), top = this.y(ys[i]);
      if (Number.isFinite(left + top)) d += `M${px(left)} ${px(this.y(base))}V${px(top)}`;
    }
    put(node, "d", d);
    put(node, "stroke", stroke);
    return node;
  }

  // The band between two curves.
  area(key, xs, lower, upper, className = "area", { fill = "" } = {}) {
    const node = this.item(key, "path", this.plot, className);
    const there = [], back = [];
    for (let i = 0; i < upper.length; i++) {
      const left = px(this.x(xs ? xs[i] : i));
      there.push(`${left} ${px(this.y(upper[i]))}`);
      back.push(`${left} ${px(this.y(lower[i]))}`);
    }
    put(node, "d", `M${there.join("L")}L${back.reverse().join("L")}Z`);
    put(node, "fill", fill);
    return node;
  }

  bar(key, x0, y0, x1, y1, className = "bar", { fill = "" } = {}) {
    const node = this.item(key, "rect", this.plot, className);
    const left = Math.min(this.x(x0), this.x(x1)), top = Math.min(this.y(y0), this.y(y1));
    put(node, "x", px(left));
    put(node, "y", px(top));
    put(node, "width", px(Math.abs(this.x(x1) - this.x(x0))));
    put(node, "height", px(Math.abs(this.y(y1) - this.y(y0))));
    put(node, "fill", fill);
    return node;
  }

  ring(key, x, y, radius = 6, className = "ring") {
    const node = this.item(key, "circle", this.front, className);
    put(node, "cx", px(this.x(x)));
    put(node, "cy", px(this.y(y)));
    put(node, "r", radius);
    return node;
  }

  // A label with a halo in the colour of the paper; kept inside the panel.
  text(key, x, y, words, { dx = 0, dy = 0, anchor = "start", className = "label", fill = "", raw = false, inside = true } = {}) {
    const node = this.item(key, "text", this.front, className);
    if (node.textContent !== words) node.textContent = words;
    let left = (raw ? x : this.x(x)) + dx, top = (raw ? y : this.y(y)) + dy;
    if (inside && !raw) {
      const wide = words.length * 6.4, share = { start: 0, middle: 0.5, end: 1 }[anchor];
      const low = this.inner.left + 4 + share * wide, high = this.inner.left + this.inner.width - 4 - (1 - share) * wide;
      left = Math.max(low, Math.min(left, high));
      top = Math.max(this.inner.top + 14, Math.min(top, this.inner.top + this.inner.height - 6));
    }
    put(node, "x", px(left));
    put(node, "y", px(top));
    put(node, "text-anchor", anchor);
    put(node, "fill", fill ? legible(fill) : "");
    return node;
  }

  // Direct labels at the ends of curves, pushed apart where they would touch: [{key, y, words, className, fill}].
  ends(labels, { x = this.scale.x[1], dx = 6, gap = 14 } = {}) {
    const placed = labels.map((one) => ({ ...one, top: Math.min(Math.max(this.y(one.y), this.inner.top + 8), this.inner.top + this.inner.height - 2) }));
    placed.sort((a, b) => a.top - b.top);
    for (let i = 1; i < placed.length; i++) placed[i].top = Math.max(placed[i].top, placed[i - 1].top + gap);
    const over = placed.length ? placed.at(-1).top - (this.inner.top + this.inner.height + 2) : 0;
    for (const [i, one] of placed.entries()) {
      const top = over > 0 ? Math.min(one.top, this.inner.top + this.inner.height + 2 - (placed.length - 1 - i) * gap) : one.top;
      const place = { raw: true, className: one.className || "label", fill: one.fill || "" };
      if (this.narrow) this.text(one.key, this.x(x) - dx, top - 5, one.words, { ...place, anchor: "end" });
      else this.text(one.key, Math.min(this.x(x) + dx, this.width - 7 * one.words.length), top + 4, one.words, place);
    }
  }

  // --- axes ---------------------------------------------------------------------------------------------------------
  axes({ x = "", y = "", xticks = null, yticks = null, grid = true, xformat = nice, yformat = nice } = {}) {
    const { left, top, width, height } = this.inner;
    const across = xticks || ticks(this.scale.x, this.scale.xlog, Math.max(2, Math.round(width / 110)));
    const up = yticks || ticks(this.scale.y, this.scale.ylog, Math.max(2, Math.round(height / 60)));
    let d = "";
    across.forEach((value, i) => {
      const place = this.x(value);
      const anchor = place < left + 12 ? "start" : place > left + width - 12 ? "end" : "middle";
      this.text(`xtick${i}`, place, top + height + 15, xformat(value), { raw: true, anchor, className: "tick" });
      d += `M${px(place)} ${top + height}v4`;
    });
    put(this.item("xmarks", "path", this.back, "mark"), "d", d);
    d = "";
    up.forEach((value, i) => {
      const place = this.y(value);
      this.text(`ytick${i}`, left - 7, Math.max(place + 4, top + 9), yformat(value), { raw: true, anchor: "end", className: "tick" });
      if (grid && place > top + 1 && place < top + height - 1) d += `M${left} ${px(place)}h${width}`;
    });
    put(this.item("grid", "path", this.back, "gridlines"), "d", d);
    if (x) this.text("xlabel", left + width / 2, top + height + 30, x, { raw: true, anchor: "middle", className: "axis" });
    if (y) this.text("ylabel", left, top - 7, y, { raw: true, anchor: "start", className: "axis" });
  }

  // --- what the hand holds ------------------------------------------------------------------------------------------
  // move(x, y) is told where the hand is, in units of the data; step is one arrow key's worth, or `keys` counts them itself; local: the page alone moves it.
  knob(key, x, y, { label, move, step = null, keys = null, words = null, radius = 7, className = "", local = false }) {
    const fresh = !this.items.has(key);
    const group = this.item(key, "g", this.front, `knob ${className}`);
    const item = this.items.get(key);
    Object.assign(item, { x, y, move, step, keys, local });
    if (fresh) {
      item.owed = [0, 0];
      element("circle", { r: 20, class: "reach" }, group);
      element("circle", { r: radius + 4, class: "halo" }, group);
      element("circle", { r: radius, class: "core" }, group);
      for (const [name, value] of Object.entries({ tabindex: 0, role: "slider" })) group.setAttribute(name, value);
      this.drag(group, (event) => item.move(...this.at(event)), () => [item.x, item.y]);
      group.addEventListener("keydown", (event) => this.nudge(event, item));
    }
    const left = px(this.x(x)), top = px(this.y(y));
    put(group, "transform", `translate(${Number.isFinite(left) ? left : -99} ${Number.isFinite(top) ? top : -99})`);
    put(group, "aria-label", label);
    put(group, "aria-valuenow", x);
    put(group, "aria-valuetext", words || `${nice(x)}, ${nice(y)}`);
    return group;
  }

  drag(node, move, origin = null) {
    let slip = [0, 0];
    node.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      node.setPointerCapture(event.pointerId);
      event.preventDefault();
      event.stopPropagation();
      node.focus({ preventScroll: true });
      slip = [0, 0];
      if (origin) {
        const box = this.svg.getBoundingClientRect(), [x, y] = origin();
        slip = [box.left + this.x(x) - event.clientX, box.top + this.y(y) - event.clientY];
      }
      node.classList.add("held");
    });
    node.addEventListener("pointermove", (event) => {
      if (node.hasPointerCapture(event.pointerId)) move({ clientX: event.clientX + slip[0], clientY: event.clientY + slip[1] });
    });
    for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, () => node.classList.remove("held"));
  }

  // An arrow key counts from where the knob will be. While a move is still on its way to Python the drawn place is an old one,
  // so keys are added up, and paid as soon as the drawing has followed: none is lost, however fast they come.
  nudge(event, item) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1], PageDown: [0, -10], PageUp: [0, 10] }[event.key];
    if (!way) return;
    event.preventDefault();
    const many = event.shiftKey ? 10 : 1, [across, up] = this.stride(item);
    const [x, y] = across && up ? way : [way[0] + way[1], way[0] + way[1]]; // with one direction only, any arrow means more or less
    item.owed = [item.owed[0] + x * many, item.owed[1] + y * many];
    if (item.local || item.keys || this.settled()) this.pay(item);
  }

  stride(item) { return item.step || [0.01 * (this.scale.x[1] - this.scale.x[0]), 0.01 * (this.scale.y[1] - this.scale.y[0])]; }

  pay(item) {
    const [x, y] = item.owed, [across, up] = this.stride(item);
    item.owed = [0, 0];
    if (item.keys) item.keys(x, y);
    else item.move(item.x + x * across, item.y + y * up);
  }

  settle() {
    for (const item of this.items.values()) if (item.owed && (item.owed[0] || item.owed[1]) && this.settled()) this.pay(item);
  }

  // Press anywhere in the panel.
  press(move) {
    this.svg.classList.add("pressable");
    this.drag(this.svg, (event) => move(...this.at(event)));
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      move(...this.at(event));
      const knobs = this.front.querySelectorAll(".knob");
      if (knobs.length === 1) knobs[0].focus({ preventScroll: true }); // the arrow keys go on from here
    });
  }

  // --- canvas -------------------------------------------------------------------------------------------------------
  // Painters run only when their stamp, the size or the colour scheme has changed.
  shade(stamp, painter) { this.painters = [{ stamp, painter }]; }

  paint() {
    const stamp = `${this.painters.map((one) => one.stamp).join()}|${JSON.stringify(this.scale)}|${this.width}|${plain("paper")}`;
    if (stamp === this.painted) return;
    this.painted = stamp;
    const brush = this.canvas.getContext("2d"), ratio = devicePixelRatio || 1;
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, this.width, this.height);
    brush.save();
    brush.beginPath();
    brush.rect(this.inner.left, this.inner.top, this.inner.width, this.inner.height);
    brush.clip();
    for (const { painter } of this.painters) painter(brush, this);
    brush.restore();
  }

  // Filled contours as api sends them: points (N, 2), rings (starts), levels (last ring of each).
  contours(stamp, data) {
    this.shade(`contours ${stamp}`, (brush) => {
      const { left, top, width, height } = this.inner, count = data.levels.length;
      brush.fillStyle = colour("contour", 0);
      brush.fillRect(left, top, width, height);
      brush.lineWidth = 0.6;
      brush.strokeStyle = plain("isoline");
      let first = 0;
      for (let level = 0; level < count; level++) {
        brush.beginPath();
        for (let ring = first; ring < data.levels[level]; ring++) {
          for (let i = data.rings[ring]; i < data.rings[ring + 1]; i++) {
            const px_ = this.x(data.points[2 * i]), py = this.y(data.points[2 * i + 1]);
            if (i === data.rings[ring]) brush.moveTo(px_, py); else brush.lineTo(px_, py);
          }
          brush.closePath();
        }
        first = data.levels[level];
        brush.fillStyle = colour("contour", (level + 1) / count);
        brush.fill("evenodd");
        brush.stroke();
      }
    });
  }

  // A grid of bytes (rows from the bottom up), coloured by a ramp and stretched over extent [x0, x1, y0, y1]; outline clips it.
  pixels(stamp, grid, ramp, { extent = [...this.scale.x, ...this.scale.y], outline = null, smooth = true, up = true } = {}) {
    this.shade(`pixels ${stamp}`, (brush) => {
      const [rows, columns] = grid.shape, colours = table(ramp);
      const image = new ImageData(columns, rows);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const from = 3 * grid[(up ? rows - 1 - r : r) * columns + c], to = 4 * (r * columns + c);
          image.data[to] = colours[from]; image.data[to + 1] = colours[from + 1]; image.data[to + 2] = colours[from + 2]; image.data[to + 3] = 255;
        }
      }
      const buffer = new OffscreenCanvas(columns, rows);
      buffer.getContext("2d").putImageData(image, 0, 0);
      if (outline) {
        brush.beginPath();
        outline.x.forEach((value, i) => brush[i ? "lineTo" : "moveTo"](this.x(value), this.y(outline.y[i])));
        brush.closePath();
        brush.clip();
      }
      brush.imageSmoothingEnabled = smooth;
      brush.imageSmoothingQuality = "high";
      const [x0, x1, y0, y1] = extent;
      brush.drawImage(buffer, this.x(x0), this.y(y1), this.x(x1) - this.x(x0), this.y(y0) - this.y(y1));
    });
  }
}

// --- numbers in words ---------------------------------------------------------------------------------------------------
const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";

export function nice(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value), power = Math.floor(Math.log10(size) + 1e-9);
  if (power >= 5 || power < -3) {
    const lead = Number((value / 10 ** power).toPrecision(3));
    const raised = `10${power < 0 ? "⁻" : ""}${[...String(Math.abs(power))].map((digit) => SUPER[digit]).join("")}`;
    return lead === 1 ? raised : `${String(lead).replace("-", "−")}·${raised}`;
  }
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

export function ticks(ends, log, count) {
  const [low, high] = ends[0] < ends[1] ? ends : [ends[1], ends[0]]; // an axis may run downwards
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const stride = Math.max(1, Math.ceil((last - first) / count));
    const out = [];
    for (let power = last; power >= first; power -= stride) out.push(10 ** power);
    return out;
  }
  const raw = (high - low) / count, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * unit).find((s) => s >= raw - 1e-12);
  const out = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) out.push(Number(value.toPrecision(12)));
  return out;
}
