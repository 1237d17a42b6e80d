// Larger parts of figures: a player of steps, and the plane of learning rate and momentum.

import { node } from "./dom.js";
import { nice } from "./numbers.js";
import { calm } from "./theme.js";

export const parts = {
  // Play, pause and scrub an index 0..count; the picture follows without computing anything.
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
    // Who asked for less motion gets one step at a press, and is told so.
    const once = () => {
      player.index = player.index >= player.count ? 0 : player.index + Math.max(1, Math.round(player.count / 20));
      show();
      play.setAttribute("title", "your system asks for less motion: each press goes on a few steps");
    };
    play.addEventListener("click", () => {
      if (calm()) { once(); return; }
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
  },

  // Plays a number of the state from one end to the other, in equal ratios: at most one drawing a frame, and none before the last is there.
  running(label, { from, to, at, go }) {
    const play = node("button", { type: "button", class: "play", "aria-label": `play: ${label}` });
    this.box.append(node("div", { class: "player" }, play, node("span", {}, label)));
    const run = { running: false };
    const ended = () => { run.running = false; play.classList.remove("running"); };
    const next = (share) => { const k = Math.max(at(), from()); go(Math.min(Math.max(k * (to() / from()) ** share, k + 1), to())); };
    let last = 0;
    const tick = (now) => {
      if (!run.running) return;
      if (this.fresh) {
        if (at() >= to()) { ended(); return; }
        next(Math.min(now - last, 200) / 9000);
        last = now;
      }
      requestAnimationFrame(tick);
    };
    play.addEventListener("click", () => {
      if (run.running) { ended(); return; }
      if (at() >= to()) go(from());
      else if (calm()) { next(1 / 20); play.setAttribute("title", "your system asks for less motion: each press goes on a few steps"); }
      if (calm()) return;
      run.running = true;
      play.classList.add("running");
      last = performance.now();
      requestAnimationFrame(tick);
    });
    this.store.listeners.add((_, source) => { if (source === "slider" || source === "reset") ended(); });
    return run;
  },

  // A small plane of (alpha, beta) to move in. Returns {draw(view, state), echo(state)}. `low` > 0 makes the learning rate logarithmic from there.
  plane({ span = 4, label = "plane of learning rate and momentum", aspect = 0.72, title = "", top = 1, low = null } = {}) {
    const panel = this.panel({ span, label, aspect, title, margin: { left: 40, bottom: 36, right: 12, top: title ? 12 : 22 } });
    const move = (alpha, beta) => this.store.set({ alpha: Math.min(Math.max(alpha, low ? panel.scale.x[0] : 0), panel.scale.x[1]), beta: Math.min(Math.max(beta, 0), 0.999) });
    panel.press(move);
    const knob = (alpha, beta) => panel.knob("point", Math.max(alpha, panel.scale.x[0]), beta, {
      label: "learning rate and momentum", move, step: [low ? alpha * 0.05 : panel.scale.x[1] / 200, 0.005], words: `alpha ${nice(alpha)}, beta ${nice(beta)}`,
    });
    return {
      panel,
      // `over` shows other bytes in place of the rate: {stamp, grid, best, words}.
      draw: (view, { small = true, over = null } = {}) => {
        const plane = over ? { ...view.plane, grid: over.grid, best: over.best } : view.plane, left = low ? low(view) : 0;
        panel.domain({ x: [left, plane.right], y: [0, top], xlog: Boolean(low) });
        const outline = { x: [left, ...plane.edge_alpha, left], y: [0, ...plane.edge_beta, 1] };
        if (low) this.stretched(panel, plane, left, outline);
        else panel.pixels(over ? over.stamp : this.have.plane, plane.grid, "map", { extent: [0, plane.right, 0, 1], outline });
        panel.axes({ x: "learning rate α", y: "momentum β", grid: false, yticks: [0, 0.5, 1] });
        panel.line("edge", plane.edge_alpha, plane.edge_beta, "edge");
        plane.fringes.forEach((fringe, i) => {
          panel.line(`fringe${i}l`, fringe.left, fringe.beta, "fringe");
          panel.line(`fringe${i}r`, fringe.right, fringe.beta, "fringe");
        });
        knob(view.alpha, view.beta);
        if (plane.best) {
          panel.ring("best", plane.best.alpha, plane.best.beta, small ? 4 : 5, "ring best");
          const near = panel.x(plane.best.alpha) > panel.inner.left + 0.6 * panel.inner.width;
          panel.text("fastest", plane.best.alpha, plane.best.beta, over ? over.words : "fastest", { dx: near ? -9 : 9, dy: plane.best.beta > 0.85 ? 16 : -6, anchor: near ? "end" : "start" });
        }
        if (!low) panel.text("diverges", plane.right, 0, "diverges", { dx: -8, dy: -10, anchor: "end", className: "label quiet" });
      },
      echo: (state) => { if (panel.fx) knob(Math.min(state.alpha, panel.scale.x[1]), state.beta); },
    };
  },

  // The plane's bytes on a logarithmic learning rate: each column of the picture is that of its alpha.
  stretched(panel, plane, left, outline) {
    const [rows, columns] = plane.grid.shape, out = new Uint8Array(rows * 240);
    out.shape = [rows, 240];
    for (let c = 0; c < 240; c++) {
      const place = Math.min((left * (plane.right / left) ** (c / 239) / plane.right) * (columns - 1), columns - 1.001), from = Math.floor(place), t = place - from;
      for (let r = 0; r < rows; r++) out[r * 240 + c] = (1 - t) * plane.grid[r * columns + from] + t * plane.grid[r * columns + from + 1];
    }
    panel.pixels(`${this.have.plane} log`, out, "map", { extent: [left, plane.right, 0, 1], outline });
  },
};
