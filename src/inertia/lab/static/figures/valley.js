// Four printed runs in the valley, the reader's own, and the largest step every method survives.

import { column } from "../numerics/arrays.js";
import { nice, typeset } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const ground = kit.panel({ span: 8, label: "path in the valley", aspect: (width) => (width < 500 ? 0.62 : 0.5), margin: { left: 0.5, right: 0.5, top: 0.5, bottom: 0.5 } });
  let limits;
  kit.column(4, () => {
    kit.row(12);
    kit.slider("alpha");
    kit.slider("beta");
    limits = kit.panel({ label: "largest stable step of each method against momentum", aspect: (width) => (width < 340 ? 0.9 : 0.72), margin: { left: 40, right: 14, top: 22, bottom: 36 } });
    kit.row(12);
    kit.more(() => {
      kit.choice("family");
      kit.slider("gamma", { hide: (state) => state.family !== "any" });
      kit.slider("steps");
    });
  });
  const small = [0, 1, 2, 3].map((index) => {
    const panel = kit.panel({ span: 3, label: `printed run ${index + 1}`, aspect: 0.55, margin: { left: 0.5, right: 0.5, top: 20, bottom: 18 } });
    panel.root.parentElement.classList.add("half");
    const pick = () => kit.when(() => { const run = kit.view.runs[index]; kit.store.set({ alpha: run.alpha, beta: run.beta, family: "heavy-ball" }); });
    panel.svg.classList.add("pick");
    for (const [name, value] of Object.entries({ tabindex: 0, role: "button" })) panel.svg.setAttribute(name, value);
    panel.svg.addEventListener("click", pick);
    panel.svg.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } });
    return panel;
  });
  const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);
  const set = (x, y) => kit.store.set({ x: clamp(x, kit.view.domain[0]), y: clamp(y, kit.view.domain[1]) });
  const knobs = {
    start: (x, y) => ground.knob("start", x, y, { label: "starting point", move: set, radius: 8 }),
    hold: (alpha, beta) => limits.knob("hold", beta, alpha, { label: "momentum and learning rate", step: [0.005, 0.005], move: (b, a) => kit.store.set({ alpha: clamp(a, [0, 1.2]), beta: clamp(b, [0, 0.99]) }) }),
  };

  function shaded(panel, view, path, key) {
    panel.domain({ x: view.domain[0], y: view.domain[1] });
    panel.contours(`${key} ${kit.have.contours}`, view.contours);
    const xs = column(path, 0), ys = column(path, 1);
    panel.line("path", xs, ys, "hot path");
    panel.dots("steps", xs, ys, panel === ground ? 2.6 : 1.8, "dots hot");
    return [xs, ys];
  }

  return {
    draw(view, state) {
      const [xs, ys] = shaded(ground, view, view.path, "own");
      ground.ring("optimum", 0, 0, 6);
      ground.text("optimumwords", 0, 0, "Optimum", { dx: 11, dy: -9 });
      knobs.start(xs[0], ys[0]);
      if (view.diverged_at !== null || state.alpha > view.limit) ground.text("gone", ground.inner.width / 2, 24, "beyond the stable step: it diverges", { raw: true, anchor: "middle", className: "label hot big" });
      view.runs.forEach((run, i) => {
        shaded(small[i], view, run.path, `run${i}`);
        const on = state.family === "heavy-ball" && run.alpha === state.alpha && run.beta === state.beta;
        small[i].text("name", 0, 13, `α = ${run.alpha}, β = ${run.beta}`, { raw: true, className: on ? "axis strong" : "axis" });
        small[i].text("end", 0, small[i].height - 4, `→ ${typeset(view.ends[i])}`, { raw: true, className: "tick" });
        small[i].svg.setAttribute("aria-label", `run with alpha ${run.alpha} and beta ${run.beta}, ends at ${view.ends[i]}; press to take it over`);
      });
      limits.domain({ x: [0, 1], y: [0, 1.2] });
      const rows = view.limits.shape[0], width = view.limits.shape[1];
      limits.line("descent", [0, 1], [0.5, 0.5], "dash grey");
      limits.text("descentwords", 1, 0.5, "gradient descent", { dx: -8, dy: -7, anchor: "end", className: "label quiet" });
      for (let i = 0; i < rows; i++) {
        const values = view.limits.subarray(i * width, (i + 1) * width), stroke = tone(rows - 1 - i, rows), at = [60, 84, 62][i];
        limits.line(`limit${i}`, view.beta, values, "", { stroke });
        limits.text(`limitwords${i}`, view.beta[at], values[at], view.names[i], { dx: i ? 0 : -8, dy: i ? (i === 1 ? 16 : 14) : -7, anchor: i ? "middle" : "end", fill: stroke });
      }
      limits.dots("runs", view.runs.map((run) => run.beta), view.runs.map((run) => run.alpha), 3.5, "dots ink", { over: true });
      limits.axes({ x: "momentum β", y: "largest stable step α", yticks: [0, 0.5, 1], xticks: [0, 0.5, 1] });
      knobs.hold(state.alpha, state.beta);
    },
    echo(state) { knobs.start(state.x, state.y); knobs.hold(state.alpha, state.beta); },
  };
}
