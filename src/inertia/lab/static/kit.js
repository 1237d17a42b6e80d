// What a figure is built from: panels and controls bound to one store, one request in flight, the newest state waiting.

import { Panel, element, nice } from "./panel.js";
import { Store } from "./store.js";
import { calm, onscheme, plain } from "./theme.js";
import { picture, save } from "./picture.js";

let unique = 0;

export function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// Mount one figure: spec from Python ({name, title, fields}), module {prose, build, bare}, transport {ask}.
export function mount(host, spec, module, transport, { alone = false } = {}) {
  return new Kit(host, spec, module, transport, alone);
}

class Kit {
  constructor(host, spec, module, transport, alone) {
    Object.assign(this, { name: spec.name, fields: spec.fields, transport, alone, store: new Store(spec.fields) });
    this.panels = [];
    this.binders = [];
    this.have = {};
    this.costly = {};
    this.view = null;
    this.flying = false;
    this.waiting = false;
    this.version = 0; // of the state
    this.seen = -1; // the version that the picture shows
    this.later = []; // presses that need the drawing they were made on
    this.count = 0;
    this.awake = false;
    this.root = node("section", { class: "figure", id: alone ? null : spec.name, "data-drawn": "0", "aria-label": spec.title });
    const title = node("h2", { class: module.bare ? "unseen" : "" }, spec.title);
    const prose = node("div", { class: "prose" });
    prose.innerHTML = module.prose || "";
    this.grid = node("div", { class: "grid" });
    this.box = this.grid;
    this.caption = node("p", { class: "caption", "aria-live": "polite" });
    this.tools = node("div", { class: "tools" });
    this.root.append(title, prose, node("figure", {}, this.grid, node("figcaption", {}, this.caption, this.tools)));
    host.append(this.root);
    this.parts = module.build(this);
    this.toolbar();
    this.store.listeners.add((changed) => this.changed(changed));
    onscheme(() => this.draw());
    for (const panel of this.panels) panel.onresize = () => this.draw();
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.wake();
    }, { rootMargin: "500px" }).observe(this.root);
  }

  wake() {
    if (this.awake) return;
    this.awake = true;
    this.request();
  }

  // --- state to picture ---------------------------------------------------------------------------------------------
  changed(names) {
    this.version++;
    this.sync();
    if (this.parts.echo && this.view) this.parts.echo(this.store.state, names);
    if (this.onshare) this.onshare(this);
    this.wake();
    this.request();
  }

  async request() {
    if (this.flying) { this.waiting = true; return; }
    this.flying = true;
    this.root.dataset.busy = "yes";
    const asked = this.version;
    const { error, ...reply } = await this.transport.ask({ figure: this.name, state: this.store.state, have: this.have });
    this.flying = false;
    this.seen = asked;
    try {
      if (error) this.failed(error);
      else this.arrived(reply);
    } finally {
      if (this.waiting) { this.waiting = false; this.request(); } else this.settle();
      if (!this.flying) delete this.root.dataset.busy;
    }
  }

  // Whether what is drawn belongs to the present state.
  get fresh() { return this.seen === this.version; }

  // A press that reads the drawing happens on a drawing of the present state: at once, or as soon as there is one.
  when(press) {
    if (this.view && !this.flying) press();
    else this.later.push(press);
  }

  settle() {
    for (const panel of this.panels) if (!this.flying) panel.settle();
    while (this.view && !this.flying && this.later.length) this.later.shift()();
  }

  arrived(reply) {
    for (const [name, data] of Object.entries(reply.costly)) {
      this.costly[name] = data;
      this.have[name] = reply.keys[name];
    }
    this.view = { ...reply.view, ...this.costly };
    this.root.classList.remove("stale");
    this.caption.classList.remove("error");
    if (this.caption.dataset.words !== reply.caption) {
      this.caption.dataset.words = reply.caption;
      this.caption.replaceChildren(...reply.caption.split("*").map((part, i) => (i % 2 ? node("b", {}, part.replace(/-(?=[\d.])/g, "−")) : part)));
    }
    this.grid.setAttribute("aria-label", reply.alt);
    this.grid.setAttribute("role", "group");
    this.draw();
  }

  failed(error) {
    this.root.classList.add("stale");
    this.caption.classList.add("error");
    this.caption.dataset.words = "";
    this.caption.textContent = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
    this.root.dataset.drawn = String(++this.count);
  }

  draw() {
    if (!this.view) return;
    this.sync();
    for (const panel of this.panels) { if (!panel.width) panel.measure(); panel.start(); }
    this.parts.draw(this.view, this.store.state);
    if (!this.fresh && this.parts.echo) this.parts.echo(this.store.state, []); // what the hand holds is never drawn back
    for (const panel of this.panels) panel.done();
    this.root.dataset.drawn = String(++this.count);
  }

  sync() { for (const bind of this.binders) bind(this.store.state); }

  // --- layout -------------------------------------------------------------------------------------------------------
  panel({ span = 12, ...options } = {}) {
    const cell = node("div", { class: `cell span${span}` });
    this.grid.append(cell);
    const made = new Panel(cell, options);
    made.settled = () => !this.flying;
    this.panels.push(made);
    return made;
  }

  // Controls after this call stand in a cell of that many columns.
  row(span = 12, className = "") {
    this.box = node("div", { class: `cell controls span${span} ${className}` });
    this.grid.append(this.box);
    return this.box;
  }

  // Panels and controls after this call stand in one column, until the function returns.
  column(span, fill) {
    const outer = this.grid, cell = node("div", { class: `cell column span${span}` });
    outer.append(cell);
    this.grid = cell;
    fill();
    this.grid = outer;
  }

  // --- controls -----------------------------------------------------------------------------------------------------
  // A slider with a number that can be typed into. `high` and `low` may be functions of the latest view.
  slider(name, { label = null, low = null, high = null, hide = null } = {}) {
    const field = this.fields[name], id = `control${++unique}`, words = label || field.label || name;
    const read = node("input", { class: "read", type: "text", inputmode: "decimal", "aria-label": `${words}, number`, autocomplete: "off", spellcheck: "false" });
    const range = node("input", { id, type: "range", "aria-label": words });
    const wrap = node("div", { class: "slider" }, node("label", { for: id }, words), read, range);
    this.box.append(wrap);
    const ends = () => {
      const view = this.view || {};
      return [low ? low(view) ?? field.low : field.low, high ? high(view) ?? field.high : field.high];
    };
    const log = field.log, to = (v) => (log ? Math.log10(v) : v), from = (v) => (log ? 10 ** v : v);
    range.addEventListener("input", () => {
      const value = from(Number(range.value)), digits = Number(range.max) - Number(range.min) < 2 ? 4 : 3;
      this.store.set({ [name]: log && !field.whole ? Number(value.toPrecision(digits)) : Number(value.toPrecision(6)) });
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
      if (document.activeElement !== read) { const words = shown(field, value); if (read.value !== words) read.value = words; }
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
  }

  choice(name, { label = null, only = null, onset = null } = {}) {
    const field = this.fields[name], group = `control${++unique}`, words = label || field.label || name;
    const chips = node("div", { class: "chips" });
    const inputs = Object.entries(field.options).filter(([key]) => !only || only.includes(key)).map(([key, text]) => {
      const input = node("input", { type: "radio", name: group, value: key, onchange: () => (onset ? this.when(() => onset(key)) : this.store.set({ [name]: key })) });
      chips.append(node("label", { class: "chip" }, input, node("span", {}, text)));
      return input;
    });
    this.box.append(node("fieldset", { class: "choice" }, node("legend", {}, words), chips));
    this.binders.push((state) => { for (const input of inputs) input.checked = input.value === state[name]; });
  }

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
  }

  flag(name, label = "") { this.flags([name], label); }

  button(label, press, { className = "" } = {}) {
    const made = node("button", { type: "button", class: `button ${className}`, onclick: () => this.when(press) }, label);
    this.box.append(made);
    return made;
  }

  // Several buttons under one heading: [[label, press], ...].
  buttons(label, entries) {
    const chips = node("div", { class: "chips" }, ...entries.map(([text, press]) => node("button", { type: "button", class: "button", onclick: () => this.when(press) }, text)));
    this.box.append(node("fieldset", { class: "choice" }, node("legend", {}, label), chips));
    return [...chips.children];
  }

  // A line of text, or a list of numbers between commas.
  entry(name, { label = null, hide = null } = {}) {
    const field = this.fields[name], id = `control${++unique}`, list = field.kind === "numbers";
    const input = node("input", { id, class: "entry", type: "text", autocomplete: "off", spellcheck: "false", maxlength: 400 });
    const wrap = node("div", { class: "slider wide" }, node("label", { for: id }, label || field.label || name), input);
    this.box.append(wrap);
    const send = () => {
      const value = list ? input.value.replace(/−/g, "-").split(/[\s,;]+/).filter(Boolean).map(Number) : input.value;
      const bad = list && (value.some((one) => !Number.isFinite(one)) || value.length < field.least || value.length > field.most);
      input.setAttribute("aria-invalid", bad);
      if (!bad) this.store.set({ [name]: value });
    };
    input.addEventListener(list ? "change" : "input", send);
    this.binders.push((state) => {
      if (hide) wrap.classList.toggle("gone", hide(state));
      if (document.activeElement !== input) input.value = list ? state[name].map((one) => Number(one.toPrecision(6))).join(", ") : state[name];
    });
    return wrap;
  }

  // Play, pause and scrub an index 0..count; the picture follows without asking Python.
  player(label, frame) {
    const play = node("button", { type: "button", class: "play", "aria-label": `play ${label}` });
    const range = node("input", { type: "range", min: 0, step: 1, "aria-label": label });
    const read = node("output", { class: "count" });
    this.box.append(node("div", { class: "player" }, play, range, read));
    const player = { index: Infinity, count: 1, running: false };
    const show = () => {
      const at = Math.min(player.index, player.count);
      range.max = player.count;
      range.value = at;
      range.style.setProperty("--part", at / player.count);
      read.textContent = `${label} ${Math.round(at)}`;
      play.classList.toggle("running", player.running);
      frame(Math.round(at));
    };
    let last = 0;
    const tick = (now) => {
      if (!player.running) return;
      player.index += Math.min(now - last, 100) * player.count / 4500;
      last = now;
      if (player.index >= player.count) { player.index = Infinity; player.running = false; }
      show();
      requestAnimationFrame(tick);
    };
    play.addEventListener("click", () => {
      if (calm()) { player.index = Infinity; show(); return; }
      player.running = !player.running;
      if (player.running && player.index >= player.count) player.index = 0;
      last = performance.now();
      show();
      requestAnimationFrame(tick);
    });
    range.addEventListener("input", () => {
      player.running = false;
      player.index = Number(range.value) >= player.count ? Infinity : Number(range.value);
      show();
    });
    player.set = (count) => { player.count = Math.max(count, 1); show(); };
    return player;
  }

  // A small plane of (alpha, beta) to move in: `plane` data as Python's plane() sends it. Returns {draw(view, state), echo(state)}.
  plane({ span = 4, label = "plane of step size and momentum", aspect = 0.72, title = "", top = 1 } = {}) {
    const panel = this.panel({ span, label, aspect, title, margin: { left: 40, bottom: 36, right: 12, top: title ? 12 : 22 } });
    const move = (alpha, beta) => this.store.set({ alpha: Math.min(Math.max(alpha, 0), panel.scale.x[1]), beta: Math.min(Math.max(beta, 0), 0.999) });
    panel.press(move);
    const knob = (alpha, beta) => panel.knob("point", alpha, beta, {
      label: "step size and momentum", move, step: [panel.scale.x[1] / 200, 0.005], words: `alpha ${nice(alpha)}, beta ${nice(beta)}`,
    });
    return {
      panel,
      draw: (view, { small = true } = {}) => {
        const plane = view.plane;
        panel.domain({ x: [0, plane.right], y: [0, top] });
        const outline = { x: [0, ...plane.edge_alpha, 0], y: [0, ...plane.edge_beta, 1] };
        panel.pixels(this.have.plane, plane.grid, "map", { extent: [0, plane.right, 0, 1], outline });
        panel.axes({ x: "step size α", y: "momentum β", grid: false, yticks: [0, 0.5, 1] });
        panel.line("edge", plane.edge_alpha, plane.edge_beta, "edge");
        plane.fringes.forEach((fringe, i) => {
          panel.line(`fringe${i}l`, fringe.left, fringe.beta, "fringe");
          panel.line(`fringe${i}r`, fringe.right, fringe.beta, "fringe");
        });
        panel.ring("best", plane.best.alpha, plane.best.beta, small ? 4 : 5, "ring best");
        panel.text("fastest", plane.best.alpha, plane.best.beta, "fastest", {
          dx: plane.best.alpha > 0.6 * plane.right ? -9 : 9, dy: plane.best.beta > 0.85 ? 16 : -6, anchor: plane.best.alpha > 0.6 * plane.right ? "end" : "start",
        });
        panel.text("diverges", plane.right, 0, "diverges", { dx: -8, dy: -10, anchor: "end", className: "label quiet" });
        knob(view.alpha, view.beta);
      },
      echo: (state) => { if (panel.fx) knob(Math.min(state.alpha, panel.scale.x[1]), state.beta); },
    };
  }

  // --- tools --------------------------------------------------------------------------------------------------------
  toolbar() {
    const said = node("span", { class: "said", role: "status" });
    const say = (words) => { said.textContent = words; setTimeout(() => { said.textContent = ""; }, 2200); };
    const tool = (words, press) => this.tools.append(node("button", { type: "button", onclick: press }, words));
    tool("reset", () => { this.store.reset(); if (this.parts.reset) this.parts.reset(); });
    tool("copy as Python", async () => {
      const reply = await this.transport.ask({ figure: this.name, state: this.store.state, want: "python" });
      if (reply.python) { await copied(reply.python); this.root.dataset.python = reply.python; say("copied"); } else say(reply.error.message);
    });
    tool("SVG", () => save(picture(this.root, this.panels, plain("paper")), `${this.name}.svg`, "image/svg+xml"));
    tool("PNG", () => save(picture(this.root, this.panels, plain("paper")), `${this.name}.png`, "image/png"));
    if (!this.alone) tool("link", async () => { await copied(this.link()); say("link copied"); });
    this.tools.append(said);
  }

  link() {
    const text = this.store.text();
    return `${location.origin}${location.pathname}#${this.name}${text ? `?${text}` : ""}`;
  }
}

async function copied(text) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = node("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function shown(field, value) {
  if (field.whole) return String(value);
  const digits = field.step ? Math.max(0, Math.min(8, -Math.floor(Math.log10(field.step) + 1e-9))) : null;
  return digits === null ? String(Number(value.toPrecision(4))) : value.toFixed(digits);
}

export { element, nice };
