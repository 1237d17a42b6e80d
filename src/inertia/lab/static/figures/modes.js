// The loss split into its eigencomponents, beside the rate of each at every learning rate.

import { row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  let chart, bars, plane, curves;
  kit.column(8, () => {
    chart = kit.panel({ label: "loss by eigencomponent against step", aspect: (width) => (width < 440 ? 0.74 : 0.58), margin: { right: 82, top: 22 } });
    bars = kit.panel({ label: "steps until each component stays below the tolerance", height: 150, margin: { right: 78, top: 22 }, frame: false });
  });
  kit.column(4, () => {
    kit.row(12);
    kit.slider("alpha", { high: (view) => view.right });
    kit.slider("beta");
    kit.button("fastest point", () => {
      const { until, plane: { best } } = kit.view, { alpha, beta } = (kit.store.state.map === "steps" && until?.best) || best;
      kit.store.set({ alpha, beta });
    });
    plane = kit.plane({ aspect: 0.92 });
    curves = kit.panel({ label: "rate of each component against learning rate", height: 190, margin: { left: 40, right: 12, top: 22 } });
  });
  kit.row(12);
  kit.more(() => {
    kit.entry("curvatures");
    kit.choice("family", { onset: (family) => kit.store.set({ family, ...(family === "descent" ? { beta: 0 } : {}) }) });
    kit.slider("gamma", { hide: (state) => state.family !== "any" });
    kit.slider("tolerance");
    kit.slider("steps");
    kit.flags(["log", "descent"], "loss");
    kit.choice("map");
  }, "other curvatures, methods and scales");

  function losses(view, state) {
    const count = view.losses.shape[0], last = view.losses.shape[1] - 1;
    const names = Array.from(view.curvatures, (h) => `λ = ${nice(Number(h.toPrecision(3)))}`);
    if (state.log) {
      const top = Math.max(4, Math.min(view.peak[1] || 1e6, 1e6)), floor = Math.min(...view.total.filter((v) => v > 0));
      chart.domain({ x: [0, last], y: [Math.max(1e-12, Math.min(floor / 3, 1e-3)), top * 2], ylog: true });
      chart.line("total", null, view.total, "hot broad"); // broad, so that it is seen under the component that it follows
      for (let i = 0; i < count; i++) chart.line(`part${i}`, null, Array.from(row(view.losses, i), (v) => (v > 1e-30 ? v : NaN)), "", { stroke: tone(i, count) });
      const end = (values) => { let k = last; while (k > 0 && !(values[k] > chart.scale.y[0])) k--; return values[k]; };
      chart.ends([{ key: "endtotal", y: end(view.total), words: "total", className: "label hot" },
        ...names.map((words, i) => ({ key: `end${i}`, y: Math.max(end(row(view.losses, i)), chart.scale.y[0]), words, fill: tone(i, count) }))]);
    } else {
      const top = Math.min(Math.max(view.peak[1], 1.2 * view.total[0]), 50);
      chart.domain({ x: [0, last], y: [0, top * 1.04] });
      let lower = new Float32Array(last + 1);
      const tips = [];
      for (let i = 0; i < count; i++) {
        const upper = Float32Array.from(row(view.losses, i), (v, k) => v + lower[k]);
        chart.area(`area${i}`, null, lower, upper, "area", { fill: tone(i, count) });
        tips.push({ key: `end${i}`, y: (lower[last] + upper[last]) / 2, words: names[i], fill: tone(i, count) });
        lower = upper;
      }
      chart.line("total", null, view.total, "hot");
      chart.ends(tips);
    }
    if (view.descent) {
      const tall = chart.scale.y[0], shown = Array.from(view.descent, (v) => (v > tall ? v : NaN)), at = Math.round(0.55 * last);
      chart.line("descent", null, shown, "ink dash");
      chart.text("descentwords", at, Number.isFinite(shown[at]) ? shown[at] : chart.scale.y[1], ["gradient descent at its best", "gradient descent"], { dx: -4, dy: -8, className: "label quiet" });
    }
    chart.line("tolerance", [0, last], [state.tolerance, state.tolerance], "dash grey");
    chart.axes({ x: "step", y: "loss above the minimum" });
  }

  function milestones(view, state) {
    const count = view.milestones.length, last = view.losses.shape[1] - 1;
    bars.domain({ x: [0, last], y: [count + 0.1, -0.3] });
    view.milestones.forEach((k, i) => {
      const end = k === null ? last : Math.min(k, last);
      bars.bar(`bar${i}`, 0, i + 0.18, end, i + 0.62, "bar", { fill: tone(i, count) });
      const beyond = k === null || k > last;
      const words = k === null ? "never" : `${k} steps`;
      const before = beyond || bars.x(end) + 7 + 6.4 * words.length > bars.width; // no room behind the bar
      bars.text(`words${i}`, end, i + 0.52, beyond ? `→ ${words}` : words, { dx: before ? -8 : 7, anchor: before ? "end" : "start", inside: false });
      bars.text(`name${i}`, bars.inner.left - 7, bars.y(i + 0.4) + 4, nice(view.curvatures[i]), { raw: true, anchor: "end", className: "tick" });
    });
    bars.text("title", bars.inner.left, 12, [`steps until a component's loss stays below ${nice(state.tolerance)}`, `steps until a loss stays below ${nice(state.tolerance)}`], { raw: true, className: "axis" });
  }

  function rates(view) {
    curves.domain({ x: [0, view.right], y: [0, 1.15] });
    const count = view.curves.shape[0];
    curves.line("one", [0, view.right], [1, 1], "hair");
    for (let i = 0; i < count; i++) curves.line(`curve${i}`, view.across, row(view.curves, i), "", { stroke: tone(i, count) });
    curves.line("now", [view.alpha, view.alpha], [0, 1.15], "hot thin");
    curves.dots("rates", Array(count).fill(view.alpha), view.rates, 3.5, "dots hot");
    const worst = Math.max(...view.rates);
    curves.knob("hold", view.alpha, Math.min(worst, 1.1), { label: "learning rate", step: [view.right / 200, 0], move: (alpha) => kit.store.set({ alpha: Math.min(Math.max(alpha, 0), view.right) }), radius: 6 });
    curves.axes({ x: "learning rate α", y: "rate of each component", yticks: [0, 0.5, 1] });
  }

  return {
    draw(view, state) {
      losses(view, state);
      milestones(view, state);
      rates(view);
      const { until } = view, over = state.map === "steps" && until ? { stamp: kit.have.until, grid: until.grid, best: until.best, words: until.best && `${until.best.steps} steps` } : null;
      plane.draw(view, { over });
    },
    echo(state) { plane.echo(state); },
  };
}
