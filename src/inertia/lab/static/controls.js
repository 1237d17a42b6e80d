// Controls bound to one store: sliders with a number to type into, choices, flags, buttons, lines of text.

import { node } from "./dom.js";
import { nice } from "./numbers.js";
import { unique } from "./unique.js";

function shown(field, value) {
  if (field.whole) return String(value);
  const digits = field.step ? Math.max(0, Math.min(8, -Math.floor(Math.log10(field.step) + 1e-9))) : null;
  if (digits === null) return String(Number(value.toPrecision(4)));
  const plain = value.toFixed(digits);
  return Math.abs(Number(plain) - value) > 1e-9 * Math.abs(value) ? String(Number(value.toPrecision(5))) : plain;
}

export const controls = {
  // Controls after this call stand in a cell of that many columns.
  row(span = 12, className = "") {
    this.box = node("div", { class: `cell controls span${span} ${className}` });
    this.grid.append(this.box);
    return this.box;
  },

  // What is made in `fill` folds away behind one word: not every reader needs it.
  more(fill, label = "more") {
    const outer = this.box, inside = node("div", { class: "controls folded" });
    const fold = node("details", { class: "more" }, node("summary", {}, label), inside);
    outer.append(fold);
    this.box = inside;
    fill();
    this.box = outer;
    return fold;
  },

  // `high` and `low` may be functions of the latest view.
  slider(name, { label = null, low = null, high = null, hide = null } = {}) {
    const field = this.fields[name], id = unique("control"), words = label || field.label || name;
    const read = node("input", { class: "read", type: "text", inputmode: "decimal", "aria-label": `${words}, number`, autocomplete: "off", spellcheck: "false" });
    const range = node("input", { id, type: "range", "aria-label": words });
    const wrap = node("div", { class: "slider", "data-field": name }, node("label", { for: id }, words), read, range);
    this.box.append(wrap);
    const ends = () => {
      const view = this.view || {};
      return [low ? low(view) ?? field.low : field.low, high ? high(view) ?? field.high : field.high];
    };
    const log = field.log, to = (v) => (log ? Math.log10(v) : v), from = (v) => (log ? 10 ** v : v);
    range.addEventListener("input", () => {
      const value = from(Number(range.value)), digits = Number(range.max) - Number(range.min) < 2 ? 4 : 3;
      this.store.set({ [name]: log && !field.whole ? Number(value.toPrecision(digits)) : Number(value.toPrecision(6)) }, "slider");
    });
    if (field.whole && log) range.addEventListener("keydown", (event) => {  // a key is worth one at least: 1.04 would be rounded back to 1
      const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key], value = this.store.state[name];
      if (!way) return;
      event.preventDefault();
      const next = Math.round(from(to(value) + way * Number(range.step)));
      this.store.set({ [name]: Math.min(Math.max(next === value ? value + way : next, ends()[0]), ends()[1]) });
    });
    read.addEventListener("change", () => {
      this.store.set({ [name]: Number(read.value.replace("−", "-").replace(",", ".")) });
      read.value = shown(field, this.store.state[name]);
    });
    read.addEventListener("focus", () => read.select());
    let stands = "", held = NaN;
    this.binders.push((state) => {
      if (hide) wrap.classList.toggle("gone", hide(state));
      const [first, last] = ends(), value = state[name], now = `${first} ${last} ${value}`;
      if (document.activeElement !== read) { const text = shown(field, value); if (read.value !== text) read.value = text; }
      if (now === stands && Number(range.value) === held) return;
      stands = now;
      range.min = to(first);
      range.max = to(last);
      range.step = field.whole && !log ? field.step || 1 : log ? (to(last) - to(first)) / 400 : last === field.high && field.step ? field.step : Math.max((last - first) / 500, field.step);
      range.value = to(value);
      held = Number(range.value);
      range.style.setProperty("--part", Math.min(Math.max((to(value) - to(first)) / (to(last) - to(first)), 0), 1));
      range.setAttribute("aria-valuetext", nice(value));
    });
    return wrap;
  },

  choice(name, { label = null, only = null, onset = null } = {}) {
    const field = this.fields[name], group = unique("control"), words = label || field.label || name;
    const chips = node("div", { class: "chips" });
    const inputs = Object.entries(field.options).filter(([key]) => !only || only.includes(key)).map(([key, text]) => {
      const input = node("input", { type: "radio", name: group, value: key, onchange: () => (onset ? this.when(() => onset(key)) : this.store.set({ [name]: key })) });
      chips.append(node("label", { class: "chip" }, input, node("span", {}, text)));
      return input;
    });
    this.box.append(node("fieldset", { class: "choice", "data-field": name }, node("legend", {}, words), chips));
    this.binders.push((state) => { for (const input of inputs) input.checked = input.value === state[name]; });
  },

  // Several flags side by side under one heading.
  flags(names, label) {
    const chips = node("div", { class: "chips" });
    const inputs = names.map((name) => {
      const input = node("input", { type: "checkbox", onchange: () => this.store.set({ [name]: input.checked }) });
      chips.append(node("label", { class: "chip" }, input, node("span", {}, this.fields[name].label || name)));
      return [name, input];
    });
    this.box.append(node("fieldset", { class: "choice" }, node("legend", {}, label), chips));
    this.binders.push((state) => { for (const [name, input] of inputs) input.checked = state[name]; });
  },

  // What the colours of a picture mean: a strip of the ramp between words.
  legend(ramp, words) {
    const strip = node("span", { class: `ramp ramp-${ramp}`, "aria-hidden": "true" });
    this.box.append(node("div", { class: "legend" }, strip, node("div", { class: "ends" }, ...words.map((word) => node("span", {}, word)))));
  },

  flag(name, label = "") { this.flags([name], label); },

  button(label, press, { className = "" } = {}) {
    const made = node("button", { type: "button", class: `button ${className}`, onclick: () => this.when(press) }, label);
    this.box.append(made);
    return made;
  },

  // Several buttons under one heading: [[label, press], ...].
  buttons(label, entries) {
    const chips = node("div", { class: "chips" }, ...entries.map(([text, press]) => node("button", { type: "button", class: "button", onclick: () => this.when(press) }, text)));
    this.box.append(node("fieldset", { class: "choice" }, node("legend", {}, label), chips));
    return [...chips.children];
  },

  // A line of text, or a list of numbers between commas; what cannot be read is said, and changes nothing.
  entry(name, { label = null, hide = null } = {}) {
    const field = this.fields[name], id = unique("control"), list = field.kind === "numbers", told = node("p", { class: "told", role: "status" });
    const input = node("input", { id, class: "entry", type: "text", autocomplete: "off", spellcheck: "false", maxlength: 400 });
    const wrap = node("div", { class: "slider wide", "data-field": name }, node("label", { for: id }, label || field.label || name), input, told);
    this.box.append(wrap);
    const wrong = (value) => {
      if (value.some((one) => !Number.isFinite(one))) return "numbers with commas between them";
      if (value.length < field.least || value.length > field.most) return `${field.least} to ${field.most} numbers`;
      return value.some((one) => one < field.low || one > field.high) ? `numbers from ${nice(field.low)} to ${nice(field.high)}` : "";
    };
    const send = () => {
      const value = list ? input.value.replace(/−/g, "-").trim().split(/\s*[,;]\s*|\s+/).map((one) => (one ? Number(one) : NaN)) : input.value, bad = list ? wrong(value) : "";
      input.setAttribute("aria-invalid", Boolean(bad));
      told.textContent = bad ? `Please give ${bad}.` : "";
      if (!bad) this.store.set({ [name]: value });
    };
    input.addEventListener(list ? "change" : "input", send);
    this.binders.push((state) => {
      if (hide) wrap.classList.toggle("gone", hide(state));
      if (document.activeElement !== input && !told.textContent) input.value = list ? state[name].map((one) => Number(one.toPrecision(6))).join(", ") : state[name];
    });
    return wrap;
  },
};
