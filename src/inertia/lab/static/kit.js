// What a figure is built from: panels and controls bound to one store, one request in flight, the newest state waiting.

import { controls } from "./controls.js";
import { node } from "./dom.js";
import { typeset } from "./numbers.js";
import { Panel } from "./panel.js";
import { parts } from "./parts.js";
import { Store } from "./store.js";
import { onscheme } from "./theme.js";
import { toolbar } from "./toolbar.js";

const LATE = 350; // milliseconds after which a figure says that what stands there is an old answer

// Mount one figure: spec {name, title, fields}, module {build}, transport {ask}.
export function mount(host, spec, module, transport, { alone = false } = {}) {
  return new Kit(host, spec, module, transport, alone);
}

class Kit {
  constructor(host, spec, module, transport, alone) {
    Object.assign(this, { name: spec.name, title: spec.title, fields: spec.fields, transport, alone, store: new Store(spec.fields) });
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
    this.drawnfor = new Set(); // who else wants to know of every drawing: the reacting formulas
    this.root = node("div", { class: "figure waiting", id: alone ? null : spec.name, "data-drawn": "0", role: "group", "aria-label": spec.title });
    this.grid = node("div", { class: "grid" });
    this.box = this.grid;
    this.caption = node("p", { class: "caption", "aria-live": "polite" }, "computing …");
    this.tools = node("div", { class: "tools" });
    this.root.append(node("figure", {}, this.grid, node("figcaption", {}, this.caption, this.tools)));
    host.append(this.root);
    this.parts = module.build(this);
    toolbar(this);
    this.store.listeners.add((changed, source) => this.changed(changed, source));
    onscheme(() => this.draw());
    this.sync();
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
  changed(names, source) {
    this.version++;
    this.sync();
    if (this.parts.echo && this.view) this.parts.echo(this.store.state, names);
    if (this.onshare && source !== "hover") this.onshare(this);
    this.wake();
    this.request();
  }

  async request() {
    if (this.flying) { this.waiting = true; return; }
    this.flying = true;
    this.root.dataset.busy = "yes";
    const late = setTimeout(() => this.root.classList.add("late"), LATE);
    const asked = this.version;
    const { error, ...reply } = await this.transport.ask({ figure: this.name, state: this.store.state, have: this.have });
    clearTimeout(late);
    this.root.classList.remove("late");
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
    this.root.classList.remove("stale", "waiting");
    this.caption.classList.remove("error");
    if (this.caption.dataset.words !== reply.caption) {
      this.caption.dataset.words = reply.caption;
      this.caption.replaceChildren(...typeset(reply.caption).split("*").map((part, i) => (i % 2 ? node("b", {}, part) : part)));
    }
    this.grid.setAttribute("aria-label", reply.alt);
    this.grid.setAttribute("role", "group");
    this.draw();
  }

  failed(error) {
    this.root.classList.add("stale");
    this.root.classList.remove("waiting");
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
    for (const listener of this.drawnfor) listener(this);
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

  // Panels and controls after this call stand in one column, until the function returns.
  column(span, fill) {
    const outer = this.grid, cell = node("div", { class: `cell column span${span}` });
    outer.append(cell);
    this.grid = cell;
    fill();
    this.grid = outer;
  }

  link() { return `${location.href.split("#")[0]}#${[this.name, this.store.text()].filter(Boolean).join("?")}`; }
}

Object.assign(Kit.prototype, controls, parts);
