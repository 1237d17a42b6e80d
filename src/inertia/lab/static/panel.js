// A panel: a canvas for shading under an SVG for lines, knobs and labels, both in the units of the data.
// Elements are kept by key: drawing again moves what exists; what a draw no longer names disappears.

import { hold } from "./hold.js";
import { marks } from "./marks.js";
import { shading } from "./shading.js";
import { element, put } from "./svg.js";
import { plain } from "./theme.js";
import { unique } from "./unique.js";

export class Panel {
  constructor(host, { label, aspect = 0.6, height = 0, margin = {}, title = "", frame = true } = {}) {
    this.id = unique("panel");
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
    this.taken = new Map(); // where the words of this drawing stand: [left, width, base line]
    this.painters = [];
    this.painted = "";
    this.legend = 0; // lines of labels above the frame, where there is no room beside it
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
    const above = this.narrow ? 15 * this.legend : 0;
    this.inner = { left, top: top + above, width: width - left - (this.narrow ? 16 : right), height: this.height - top - above - bottom };
    for (const rect of [this.clipRect, this.frame]) {
      if (!rect) continue;
      for (const [key, value] of Object.entries({ x: left, y: this.inner.top, width: this.inner.width, height: this.inner.height })) rect.setAttribute(key, value);
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
  start() { this.taken.clear(); for (const item of this.items.values()) item.live = false; }

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
}

Object.assign(Panel.prototype, marks, hold, shading);
