// What a panel draws: lines, dots, stems, bands, bars, rings, labels and axes; every element kept under a key.

import { nice, ticks } from "./numbers.js";
import { FAR, put, px } from "./svg.js";
import { legible } from "./theme.js";

// How wide a label is: measured on a canvas, once for each word, without asking the page to lay anything out.
const widths = new Map(), brush = document.createElement("canvas").getContext("2d");
function measured(words) {
  if (!widths.has(words)) {
    brush.font = `600 12.5px ${getComputedStyle(document.documentElement).getPropertyValue("--sans") || "sans-serif"}`;
    widths.set(words, brush.measureText(words).width);
  }
  return widths.get(words);
}

export const marks = {
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
  },

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
  },

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
  },

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
  },

  bar(key, x0, y0, x1, y1, className = "bar", { fill = "" } = {}) {
    const node = this.item(key, "rect", this.plot, className);
    const left = Math.min(this.x(x0), this.x(x1)), top = Math.min(this.y(y0), this.y(y1));
    put(node, "x", px(left));
    put(node, "y", px(top));
    put(node, "width", px(Math.abs(this.x(x1) - this.x(x0))));
    put(node, "height", px(Math.abs(this.y(y1) - this.y(y0))));
    put(node, "fill", fill);
    return node;
  },

  ring(key, x, y, radius = 6, className = "ring") {
    const node = this.item(key, "circle", this.front, className);
    put(node, "cx", px(this.x(x)));
    put(node, "cy", px(this.y(y)));
    put(node, "r", radius);
    return node;
  },

  // A label with a halo in the colour of the paper; kept inside the panel. Of several wordings, the longest first, the first that has room.
  text(key, x, y, words, { dx = 0, dy = 0, anchor = "start", className = "label", fill = "", raw = false, inside = true, spare = false } = {}) {
    const node = this.item(key, "text", this.front, className), each = className.includes("big") ? 8.6 : 6.4, share = { start: 0, middle: 0.5, end: 1 }[anchor];
    let left = (raw ? x : this.x(x)) + dx, top = (raw ? y : this.y(y)) + dy;
    if (Array.isArray(words)) {
      const room = !raw && inside ? this.inner.width - 8 : Math.min(share < 1 ? (this.width - left) / (1 - share) : Infinity, share > 0 ? left / share : Infinity);
      words = words.find((one) => each * one.length <= room) || words.at(-1);
    }
    if (node.textContent !== words) node.textContent = words;
    const wide = words.length * each;
    if (inside && !raw) {
      const low = this.inner.left + 4 + share * wide, high = this.inner.left + this.inner.width - 4 - (1 - share) * wide;
      left = Math.max(low, Math.min(left, high));
      top = Math.max(this.inner.top + 14, Math.min(top, this.inner.top + this.inner.height - 6));
      if (className.startsWith("label")) {
        const free = this.free(key, left - share * wide, wide, top);
        if (free === null && spare) node.textContent = ""; // what can be spared is not said where there is no room
        top = free ?? top;
      }
    }
    this.taken.set(key, [left - share * wide, wide, top, className.includes("big") ? 17 : 13]);
    put(node, "x", px(left));
    put(node, "y", px(top));
    put(node, "text-anchor", anchor);
    put(node, "fill", fill ? legible(fill) : "");
    return node;
  },

  // The height nearest to the wished one at which a label touches no other.
  free(key, left, wide, wished) {
    const low = this.inner.top + 12, high = this.inner.top + this.inner.height - 4;
    const hits = (top) => [...this.taken].some(([other, [x, w, y, tall]]) => other !== key && left < x + w && x < left + wide && Math.abs(top - y) < tall);
    for (const off of [0, 14, -14, 28, -28, 42, -42, 56, -56, 70, -70]) if (wished + off >= low && wished + off <= high && !hits(wished + off)) return wished + off;
    return null;
  },

  // Direct labels at the ends of curves, pushed apart where they would touch: [{key, y, words, className, fill}].
  ends(labels, { x = this.scale.x[1], dx = 6, gap = 14 } = {}) {
    if (this.narrow) { this.above(labels); return; }
    const placed = labels.map((one) => ({ ...one, top: Math.min(Math.max(this.y(one.y), this.inner.top + 8), this.inner.top + this.inner.height - 2) }));
    placed.sort((a, b) => a.top - b.top);
    for (let i = 1; i < placed.length; i++) placed[i].top = Math.max(placed[i].top, placed[i - 1].top + gap);
    const over = placed.length ? placed.at(-1).top - (this.inner.top + this.inner.height + 2) : 0;
    for (const [i, one] of placed.entries()) {
      const top = over > 0 ? Math.min(one.top, this.inner.top + this.inner.height + 2 - (placed.length - 1 - i) * gap) : one.top;
      const place = { raw: true, className: one.className || "label", fill: one.fill || "" };
      this.text(one.key, Math.min(this.x(x) + dx, this.width - 7 * one.words.length), top + 4, one.words, place);
    }
  },

  // The same labels in lines above the frame, on a telephone. Where they need other room than was kept, the panel is laid out again.
  above(labels) {
    let left = this.inner.left, line = 0;
    const placed = labels.map((one) => {
      const wide = measured(one.words) + 12;
      if (left + wide > this.width + 8 && left > this.inner.left) { left = this.inner.left; line++; }
      left += wide;
      return { ...one, left: left - wide, line };
    });
    const lines = labels.length ? line + 1 : 0;
    for (const one of placed) this.text(one.key, one.left, this.inner.top - 7 - 15 * (lines - 1 - one.line), one.words, { raw: true, className: one.className || "label", fill: one.fill || "" });
    if (lines === this.legend) return;
    this.legend = lines;
    this.width = 0;
    this.measure();
    queueMicrotask(() => this.onresize());
  },

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
    if (y) this.text("ylabel", left, top - 7 - (this.narrow ? 15 * this.legend : 0), y, { raw: true, anchor: "start", className: "axis" });
  },
};
