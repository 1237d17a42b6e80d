// What the hand holds: knobs that are dragged, walked with arrow keys, or sent where one presses.

import { nice } from "./numbers.js";
import { element, put, px } from "./svg.js";

export const hold = {
  // move(x, y) is told where the hand is, in units of the data; step is one arrow key's worth, or `keys` counts them itself; local: the page alone moves it.
  knob(key, x, y, { label, move, step = null, keys = null, words = null, radius = 7, className = "", local = false }) {
    const fresh = !this.items.has(key);
    const group = this.item(key, "g", this.front, `knob ${className}`);
    const item = this.items.get(key);
    Object.assign(item, { x, y, move, step, keys, local });
    if (fresh) {
      item.owed = [0, 0];
      element("circle", { r: 22, class: "reach" }, group);
      element("circle", { r: radius + 4, class: "halo" }, group);
      element("circle", { r: radius, class: "core" }, group);
      for (const [name, value] of Object.entries({ tabindex: 0, role: "slider" })) group.setAttribute(name, value);
      this.drag(group, (event) => item.move(...this.at(event)), () => [item.x, item.y]);
      group.addEventListener("keydown", (event) => this.nudge(event, item));
    }
    const left = px(this.x(x)), top = px(this.y(y));
    put(group, "transform", `translate(${Number.isFinite(left) ? left : -99} ${Number.isFinite(top) ? top : -99})`);
    this.taken.set(key, [left - 13, 26, top + 5, 20]); // words make way for it
    put(group, "aria-label", label);
    put(group, "aria-valuenow", x);
    put(group, "aria-valuetext", words || `${nice(x)}, ${nice(y)}`);
    return group;
  },

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
  },

  // An arrow key counts from where the knob will be. While a move is being computed the drawn place is an old one,
  // so keys are added up, and paid as soon as the drawing has followed: none is lost, however fast they come.
  nudge(event, item) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1], PageDown: [0, -10], PageUp: [0, 10] }[event.key];
    if (!way) return;
    event.preventDefault();
    const many = event.shiftKey ? 10 : 1, [across, up] = this.stride(item);
    const [x, y] = across && up ? way : [way[0] + way[1], way[0] + way[1]]; // with one direction only, any arrow means more or less
    item.owed = [item.owed[0] + x * many, item.owed[1] + y * many];
    if (item.local || item.keys || this.settled()) this.pay(item);
  },

  stride(item) { return item.step || [0.01 * (this.scale.x[1] - this.scale.x[0]), 0.01 * (this.scale.y[1] - this.scale.y[0])]; },

  pay(item) {
    const [x, y] = item.owed, [across, up] = this.stride(item);
    item.owed = [0, 0];
    if (item.keys) item.keys(x, y);
    else item.move(item.x + x * across, item.y + y * up);
  },

  settle() {
    for (const item of this.items.values()) if (item.owed && (item.owed[0] || item.owed[1]) && this.settled()) this.pay(item);
  },

  // Press anywhere in the panel. A finger that moves up or down scrolls the page; one that taps or moves sideways moves the knob.
  press(move) {
    this.svg.classList.add("pressable");
    let began = null;
    const act = (event) => {
      move(...this.at(event));
      const knobs = this.front.querySelectorAll(".knob");
      if (knobs.length === 1) knobs[0].focus({ preventScroll: true }); // the arrow keys go on from here
    };
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      began = event.pointerType === "touch" ? [event.clientX, event.clientY] : null;
      this.svg.setPointerCapture(event.pointerId);
      if (began) return;
      event.preventDefault();
      act(event);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!this.svg.hasPointerCapture(event.pointerId)) return;
      if (began && Math.hypot(event.clientX - began[0], event.clientY - began[1]) < 8) return;
      began = null;
      move(...this.at(event));
    });
    this.svg.addEventListener("pointerup", (event) => { if (began) act(event); began = null; });
    this.svg.addEventListener("pointercancel", () => { began = null; });
  },
};
