// The chain: what each node knows at each step, and every method's error above the bound.

import { row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const maps = ["weights", "errors"].map((name) => kit.panel({
    span: 3, label: `${name} of every node at every step`, aspect: (width) => (width > 300 ? 0.8 : 1.62), margin: { left: 32, right: 8, top: 22 },
  }));
  for (const map of maps) map.root.parentElement.classList.add("half"); // side by side on a telephone too
  let profile, chart;
  kit.column(6, () => {
    kit.row(12);
    kit.slider("k", { high: (view) => view.steps });
    kit.legend("heat", ["0", "1"]);
    profile = kit.panel({ label: "weights at the chosen step, and the solution", aspect: (width) => (width < 420 ? 0.5 : 0.34), margin: { top: 22, right: 16 } });
    chart = kit.panel({ label: "largest error of every method, and the bound, against step", aspect: (width) => (width < 420 ? 0.72 : 0.5), margin: { top: 22, right: 142 } });
  });
  kit.row(12);
  kit.more(() => {
    kit.choice("method", { onset: (method) => kit.store.set({ method, ...(method === "own" ? kit.view.method : {}) }) });
    kit.slider("alpha", { high: (view) => view.alpha_high, hide: (state) => state.method !== "own" });
    kit.slider("beta", { hide: (state) => state.method !== "own" });
    kit.flag("beyond", "lay beside them");
    kit.slider("n");
    kit.slider("kappa");
    kit.slider("steps");
  }, "the method, the length of the chain, its coupling");
  const hold = (k) => kit.store.set({ k: Math.min(Math.max(Math.round(k), 0), kit.view.steps) });
  for (const map of maps) map.press((_, k) => hold(k));

  function map(panel, name, view) {
    const grid = view[name];
    panel.domain({ x: [0.5, view.n + 0.5], y: [view.steps + 0.5, -0.5] });
    panel.pixels(`${name} ${stamp}`, grid, "heat", { extent: [0.5, view.n + 0.5, view.steps + 0.5, -0.5], smooth: grid.shape[1] > 60, up: false });
    const far = Math.min(view.n, view.steps);
    const xs = [0.5], ys = [-0.5];
    if (view.n <= 60) for (let k = 0; k < far; k++) { xs.push(k + 0.5, k + 1.5); ys.push(k + 0.5, k + 0.5); } else { xs.push(far + 0.5); ys.push(far + 0.5); }
    panel.line("cone", xs, ys, "edge");
    panel.line("now", [0.5, view.n + 0.5], [view.k, view.k], "hot");
    if (name === "weights" && view.chosen !== "dense") panel.text("dead", view.n, 0, "dead zone", { dx: -4, dy: 14, anchor: "end", className: "label quiet" });
    panel.axes({ x: "node", y: name === "weights" ? "weights, step by step" : "errors", grid: false });
  }

  let stamp = 0;
  function shape(view) {
    const low = Math.min(0, ...view.profile), high = Math.max(1, ...view.profile.filter(Number.isFinite));
    profile.domain({ x: [0.5, view.n + 0.5], y: [Math.max(Math.min(low, -0.06), -3), Math.min(high * 1.06, 4)] });
    if (view.k < view.n && view.chosen !== "dense") profile.bar("dead", view.k + 0.5, -3, view.n + 0.5, 4, "bar wash");
    profile.line("best", view.nodes, view.best, "grey dash");
    profile.line("profile", view.nodes, view.profile, "hot");
    if (view.n <= 60) profile.dots("dots", view.nodes, view.profile, 2.4, "dots hot");
    const place = Math.floor(view.nodes.length * 0.3);
    profile.text("bestwords", view.nodes[place], view.best[place], "solution", { dx: 8, dy: -8, className: "label quiet" });
    profile.text("nowwords", view.nodes[0], 0, `weights at step ${view.k}`, { dx: 6, dy: -8, className: "label hot" });
    profile.axes({ x: "node", y: "weight", yticks: [0, 1] });
  }

  function errors(view, state) {
    const count = view.curves.shape[0], bottom = Math.max(1e-10, Math.min(...view.curves.filter((v) => v > 1e-13), 0.1) / 2);
    chart.domain({ x: [0, view.steps], y: [bottom, 3], ylog: true });
    const live = Array.from(view.bound, (v) => (v > bottom ? v : bottom / 10));
    chart.area("under", null, live.map(() => bottom / 10), live, "area wash");
    const tips = [];
    for (let i = 0; i < count; i++) {
      const values = Array.from(row(view.curves, i), (v) => (v > 1e-13 ? v : NaN)), mine = view.keys[i] === state.method;
      chart.line(`curve${i}`, null, values, mine ? "hot wide" : "", { stroke: mine ? "" : tone(i, count) });
      let end = view.steps;
      while (end > 0 && !(values[end] > bottom)) end--;
      if (end < 0.9 * view.steps) chart.text(`tip${i}`, end, values[end] || bottom, view.names[i], { dx: -8, dy: 10, anchor: "end", spare: !mine, className: mine ? "label hot" : "label", fill: mine ? "" : tone(i, count) });
      else tips.push({ key: `tip${i}`, y: Math.min(values[end] || bottom, 3), words: view.names[i], className: mine ? "label hot" : "label", fill: mine ? "" : tone(i, count) });
    }
    chart.line("bound", null, Array.from(view.bound, (v) => (v > 0 ? v : NaN)), "ink wide");
    chart.ends(tips);
    chart.text("limit", 0, bottom, view.keys.includes("dense") ? "no sum of gradients gets here" : "no method reaches here", { dx: 8, dy: -9, spare: true });
    chart.line("now", [view.k, view.k], [bottom, 3], "hot thin");
    chart.knob("step", view.k, Math.min(Math.max(view.error, bottom), 3), { label: "step", move: hold, step: [1, 0], radius: 6, words: `step ${view.k}, error ${nice(view.error)}` });
    chart.axes({ x: "step", y: "largest error of any node" });
  }

  return {
    draw(view, state) { stamp++; map(maps[0], "weights", view); map(maps[1], "errors", view); shape(view); errors(view, state); },
  };
}
