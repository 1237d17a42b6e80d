// What noise adds: expected loss split in two, seeded runs around it, momenta compared at one effective learning rate.

import { row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const chart = kit.panel({ span: 8, label: "expected loss, its two parts, and the runs, against step", aspect: (width) => (width < 600 ? 0.72 : 0.55), margin: { right: 66, top: 22 } });
  let plane;
  kit.column(4, () => {
    kit.row(12);
    kit.slider("alpha", { low: (view) => view.right / 1e3, high: (view) => view.right });
    kit.slider("beta");
    kit.choice("schedule");
    plane = kit.plane({ aspect: 0.86, low: (view) => view.right / 1e3 });
  });
  const alike = kit.panel({ span: 4, label: "loss of four momenta at one effective learning rate", aspect: 0.78, margin: { top: 22, right: 12, left: 40 } });
  const traded = kit.panel({ span: 4, label: "floor against steps per digit", aspect: 0.78, margin: { top: 22, left: 44, right: 12 } });
  kit.row(4);
  kit.more(() => {
    kit.slider("sigma");
    kit.button("fastest point", () => kit.store.set({ alpha: kit.view.plane.best.alpha, beta: kit.view.plane.best.beta }));
    kit.button("roll again", () => kit.store.set({ seed: (kit.store.state.seed + 1) % 10000 }));
    kit.flag("log", "scale");
    kit.slider("steps");
    kit.slider("runs");
    kit.entry("curvatures");
  }, "strength of the noise, other curvatures, more runs");

  const lifted = (values) => Array.from(values, (v) => (v > 0 ? v : NaN));

  function main(view, state) {
    const last = view.total.length - 1;
    const top = Math.min(Math.max(...view.total.filter(Number.isFinite), ...view.high.filter(Number.isFinite)), 60);
    const least = Math.min(...view.total.filter((v) => v > 0));
    chart.domain(state.log ? { x: [0, last], y: [Math.max(least / 30, 1e-9), top * 2], ylog: true } : { x: [0, last], y: [0, top * 1.06] });
    const fit = state.log ? lifted : (values) => values;
    chart.area("band", null, state.log ? view.low.map((v) => Math.max(v, chart.scale.y[0] / 10)) : view.low, view.high, "band");
    for (let i = 0; i < view.single.shape[0]; i++) chart.line(`single${i}`, null, fit(row(view.single, i)), "hot thin faint");
    if (!state.log) {
      chart.area("bias", null, view.noise, view.total, "area soft", { fill: tone(0, 3) });
      chart.area("noise", null, new Float32Array(last + 1), view.noise, "area soft", { fill: tone(2, 3) });
    } else {
      chart.line("biasline", null, lifted(view.bias), "", { stroke: tone(0, 3) });
      chart.line("noiseline", null, lifted(view.noise), "", { stroke: tone(2, 3) });
    }
    chart.line("total", null, fit(view.total), "ink");
    chart.line("mean", null, fit(view.mean), "hot");
    const end = (values) => Math.min(Math.max(values[last], chart.scale.y[0]), chart.scale.y[1]);
    const tips = [{ key: "tipmean", y: end(view.mean), words: "runs", className: "label hot" }];
    if (view.noise[last] > 0.001 * top || state.log) tips.push({ key: "tipnoise", y: state.log ? end(view.noise) : view.noise[last] / 2, words: "noise", fill: tone(2, 3) });
    chart.ends(tips);
    const first = Math.min(last, Math.max(2, Math.round(last * 0.02)));
    chart.text("tipbias", first, state.log ? view.bias[first] : (view.noise[first] + view.total[first]) / 2, "bias", { dx: 8, dy: 4, fill: tone(0, 3) });
    if (view.crossing !== null) {
      chart.line("cross", [view.crossing, view.crossing], chart.scale.y, "dash grey");
      const wide = chart.x(view.crossing) > chart.inner.left + 90;
      if (wide) chart.text("before", view.crossing, chart.scale.y[1], "transient", { dx: -8, dy: 18, anchor: "end", className: "label quiet" });
      chart.text("after", view.crossing, chart.scale.y[1], wide ? "fine-tuning" : "transient | fine-tuning", { dx: wide ? 8 : 6, dy: 18, className: "label quiet" });
    }
    chart.axes({ x: "step", y: "expected loss" });
  }

  function matched(view) {
    const count = view.matched.shape[0], last = view.matched.shape[1] - 1;
    const ends = Array.from({ length: count }, (_, i) => row(view.matched, i)[last]).filter(Number.isFinite);
    alike.domain({ x: [0, last], y: [0, Math.min(Math.max(1.8, 1.7 * Math.max(...ends, 0)), 100)] });
    const order = [];
    for (let i = 0; i < count; i++) {
      alike.line(`m${i}`, null, row(view.matched, i), "", { stroke: tone(i, count) });
      order.push({ key: `mt${i}`, words: `β = ${view.matched_betas[i]}`, fill: tone(i, count) });
    }
    order.forEach((one, i) => alike.text(one.key, alike.inner.left + alike.inner.width - 10, alike.inner.top + 18 + 15 * i, one.words, { raw: true, anchor: "end", fill: one.fill }));
    alike.axes({ x: "step", y: `loss at α/(1 − β) = ${nice(view.scale)}` });
  }

  function trade(view) {
    const { slow, floor, betas } = view.traded, all = Array.from(floor).filter((v) => v > 0 && Number.isFinite(v));
    const reach = Array.from(slow).filter(Number.isFinite);
    const high = all.length ? Math.max(...all) * 1.6 : 1, low = all.length ? Math.max(Math.min(...all) / 1.6, high * 1e-6) : 0.1;
    traded.domain({ x: [Math.max(Math.min(...reach) / 1.4, 0.05), Math.min(Math.max(...reach), 1e5)], y: [low, high], xlog: true, ylog: true });
    betas.forEach((beta, i) => traded.line(`t${i}`, row(slow, i), lifted(row(floor, i)), "", { stroke: tone(i, betas.length) }));
    betas.forEach((beta, i) => traded.text(`tt${i}`, traded.inner.left + traded.inner.width - 10, traded.inner.top + 18 + 15 * i, `β = ${beta}`, { raw: true, anchor: "end", fill: tone(i, betas.length) }));
    if (view.rate < 1 && view.floor > 0) traded.dots("now", [Math.log(10) / -Math.log(view.rate)], [view.floor], 5, "dots hot");
    traded.axes({ x: "steps per digit, early on", y: "floor of the loss" });
  }

  return {
    draw(view, state) { main(view, state); matched(view); trade(view); plane.draw(view); },
    echo(state) { plane.echo(state); },
  };
}
