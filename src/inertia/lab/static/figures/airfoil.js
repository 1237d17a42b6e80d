// Real stochastic runs on the airfoil data: with momentum, and with the velocity forgotten after every step.

import { row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const chart = kit.panel({ span: 8, label: "loss above the best fit against step, median and 90 % band", aspect: (width) => (width < 600 ? 0.66 : 0.46), margin: { right: 100, top: 22 } });
  let presets;
  kit.column(4, () => {
    kit.row(12);
    kit.slider("rate");
    kit.slider("beta");
    presets = kit.buttons("printed in a course", [[0.02, 0.5, "0.243"], [0.01, 0.9, "0.250"], [0.005, 0.9, "0.278"]].map(([rate, beta, words]) => [words, () => kit.store.set({ rate, beta, batch: "10", epochs: 2 })]));
    kit.choice("batch");
    kit.more(() => {
      kit.slider("epochs");
      kit.slider("runs");
    });
  });
  const ends = kit.panel({ span: 4, label: "final losses, one dot a run", aspect: (width) => (width > 330 ? 0.8 : 0.86), margin: { left: 50, right: 10, top: 22, bottom: 36 } });
  const plane = kit.panel({ span: 4, label: "learning rate and momentum", aspect: 0.86, margin: { left: 40, right: 12, top: 22, bottom: 36 } });
  const sweep = kit.panel({ span: 4, label: "final loss of every momentum at the same effective rate", aspect: 0.86, margin: { left: 50, right: 10, top: 22, bottom: 36 } });

  const move = (rate, beta) => kit.store.set({ rate: Math.min(Math.max(rate, 0.0005), 0.2), beta: Math.min(Math.max(beta, 0), 0.98) });
  plane.press(move);
  const knob = (state) => plane.knob("point", state.rate, state.beta, { label: "learning rate and momentum", move, step: [state.rate * 0.04, 0.01], words: `rate ${nice(state.rate)}, beta ${nice(state.beta)}` });
  const hues = () => ["", tone(2, 3)];

  function runs(view) {
    const last = view.steps[view.steps.length - 1], excess = (values) => Array.from(values, (v) => v - view.floor);
    const all = [0, 1].flatMap((i) => [...excess(row(view.low, i)), ...excess(row(view.high, i))]).filter((v) => v > 0 && v < 1e3);
    chart.domain({ x: [0, last], y: [Math.max(Math.min(...all) / 1.5, 1e-5), Math.max(...all, 0.3) * 1.3], ylog: true });
    const lift = (values) => values.map((v) => (v > 0 ? Math.min(v, 1e6) : chart.scale.y[0] / 10)), tips = [];
    [1, 0].forEach((i) => {
      chart.area(`band${i}`, view.steps, lift(excess(row(view.low, i))), lift(excess(row(view.high, i))), "band", { fill: hues()[i] });
      chart.line(`middle${i}`, view.steps, excess(row(view.middle, i)), i ? "" : "hot wide", { stroke: hues()[i] });
      tips.push({ key: `tip${i}`, y: Math.max(row(view.middle, i).at(-1) - view.floor, chart.scale.y[0]), words: i ? "velocity lost" : "momentum", className: i ? "label" : "label hot", fill: hues()[i] });
    });
    if (view.printed !== null) {
      const level = view.printed - view.floor;
      chart.line("printed", [0, last], [level, level], "ink dash");
      chart.text("printedwords", 0, level, `printed ${view.printed.toFixed(3)}`, { dx: 8, dy: 16 });
    }
    chart.ends(tips);
    chart.axes({ x: "step", y: "loss above the best fit" });
  }

  function finals(view) {
    const all = Array.from(view.final).filter(Number.isFinite), marks = view.printed === null ? [] : [view.printed];
    const high = Math.min(Math.max(...all, ...marks, view.floor + 0.002), 2), pad = 0.12 * (high - view.floor);
    ends.domain({ x: [-0.6, 1.6], y: [view.floor - pad, high + pad] });
    ends.line("floor", [-0.6, 1.6], [view.floor, view.floor], "grey");
    ends.text("floorwords", 1.6, view.floor, "best fit", { dx: -4, dy: 14, anchor: "end", className: "label quiet" });
    for (const i of [0, 1]) {
      const values = row(view.final, i), count = values.length;
      ends.dots(`runs${i}`, Array.from(values, (_, k) => i + 0.5 * (((k * 0.618034) % 1) - 0.5)), values, 3.2, i ? "dots dim" : "dots hot dim", { fill: hues()[i] });
      const sorted = Array.from(values).sort((a, b) => a - b), middle = (sorted[(count - 1) >> 1] + sorted[count >> 1]) / 2;
      ends.line(`median${i}`, [i - 0.36, i + 0.36], [middle, middle], i ? "" : "hot", { stroke: hues()[i] });
      ends.text(`name${i}`, i, high + pad, i ? "velocity lost" : "momentum", { anchor: "middle", dy: 15, className: i ? "label" : "label hot", fill: hues()[i] });
    }
    if (view.printed !== null) {
      ends.line("printed", [-0.6, 1.6], [view.printed, view.printed], "ink dash");
      ends.text("printedwords", -0.6, view.printed, view.printed.toFixed(3), { dx: 4, dy: view.printed > high - pad ? 15 : -6 });
    }
    ends.axes({ y: "final loss, one dot a run", xticks: [] });
  }

  function map(view, state) {
    plane.domain({ x: [0.0005, 0.2], y: [0, 1], xlog: true });
    const betas = Array.from({ length: 60 }, (_, i) => i / 60);
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1].forEach((scale, i) => plane.line(`iso${i}`, betas.map((b) => scale * (1 - b)), betas, "hair"));
    plane.line("iso", betas.map((b) => view.scale * (1 - b)), betas, "hot dash");
    view.settings.forEach(([rate, beta, value], i) => {
      plane.ring(`set${i}`, rate, beta, 5, "ring best");
      plane.text(`setwords${i}`, rate, beta, value.toFixed(3), { dx: i === 2 ? -11 : 11, dy: i === 2 ? 4 : 4, anchor: i === 2 ? "end" : "start" });
    });
    knob(state);
    plane.axes({ x: "learning rate α", y: "momentum β", grid: false, xticks: [0.001, 0.01, 0.1], yticks: [0, 0.5, 1] });
  }

  function swept(view) {
    const { low, middle, high } = view.sweep, seen = [...low, ...middle, ...high].filter(Number.isFinite);
    const top = Math.min(Math.max(...middle.filter(Number.isFinite), view.floor + 0.004) * 1.06, Math.max(...seen), 2), pad = 0.1 * (top - view.floor);
    sweep.domain({ x: [-0.05, 1.03], y: [view.floor - pad, top + pad] });
    sweep.line("floor", [-0.05, 1.03], [view.floor, view.floor], "grey");
    const xs = [], ys = [];
    view.swept.forEach((beta, i) => { xs.push(beta, beta, NaN); ys.push(low[i], high[i], NaN); });
    sweep.line("ranges", xs, ys, "", { stroke: tone(0, 3) });
    sweep.dots("medians", view.swept, middle, 4, "dots", { fill: tone(2, 3) });
    sweep.text("scale", -0.05, top + pad, `all at α/(1 − β) = ${nice(view.matched)}`, { dx: 6, dy: 15, className: "label quiet" });
    sweep.axes({ x: "momentum β", y: "final loss, median and range", xticks: [0, 0.5, 0.9] });
  }

  return {
    draw(view, state) {
      runs(view);
      finals(view);
      map(view, state);
      swept(view);
      presets.forEach((button, i) => button.classList.toggle("on", view.printed === view.settings[i][2]));
    },
    echo(state) { if (plane.fx) knob(state); },
  };
}
