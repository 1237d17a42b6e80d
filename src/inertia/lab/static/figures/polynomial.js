// Data to drag, features to scrub, and what is learned when.

import { row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const model = kit.panel({ span: 5, label: "data and fitted polynomial; points can be dragged", aspect: 0.86, margin: { left: 30, right: 10, top: 22 } });
  let errors, bars;
  kit.column(7, () => {
    kit.row(12);
    kit.slider("k");
    kit.buttons("try", [
      ["gradient descent", () => kit.store.set({ alpha: 1.8, beta: 0, by: "steps" })],
      ["tuned momentum", () => kit.store.set({ ...kit.view.best, k: 2000, by: "steps" })],
      ["shake the data", () => kit.store.set({ targets: kit.view.shaken, seed: (kit.store.state.seed + 1) % 10000 })],
    ]);
    errors = kit.panel({ label: "error on the data and on a point left out, against steps", aspect: (width) => (width < 420 ? 0.6 : 0.42), margin: { right: 84, top: 22 } });
    bars = kit.panel({ label: "steps until each feature is learned to three digits", height: 128, margin: { right: 84, top: 4, bottom: 22 }, frame: false });
  });
  const features = kit.panel({ span: 12, label: "features times their coefficients; drag up or down to change one", aspect: (width) => (width < 600 ? 0.52 : 0.235), margin: { left: 1, right: 1, top: 34, bottom: 26 } });
  kit.row(12);
  kit.more(() => {
    kit.slider("alpha");
    kit.slider("beta");
    kit.choice("by", { onset: (by) => by === "hand" ? byHand() : kit.store.set({ by }) });
    kit.choice("basis", { onset: (basis) => kit.store.set({ basis, by: kit.store.state.by === "hand" ? "fit" : kit.store.state.by }) });
    kit.flags(["ridge", "spread"], "lay over it");
    kit.slider("degree");
    kit.slider("point", { high: (view) => view.count });
    kit.slider("feature", { high: (view) => view.eigenvalues?.length });
  }, "learning rate and momentum, features, coefficients by hand");

  const chosen = (name, count) => Math.min(kit.store.state[name], count) - 1;
  const byHand = (patch = {}) => kit.store.set({ by: "hand", hand: Array.from(kit.view.coefficients), ...patch });
  const moved = (x, y) => {
    const i = chosen("point", kit.view.count), points = [...kit.store.state.points], targets = [...kit.store.state.targets];
    points[i] = Math.min(Math.max(x, -1), 1);
    targets[i] = Math.min(Math.max(y, -2.95), 2.95);
    kit.store.set({ points, targets });
  };
  let slip = [0, 0];
  model.svg.addEventListener("pointerdown", (event) => {
    if (!kit.view) return;
    const [x, y] = model.at(event), data = kit.view.data;
    let best = 0, near = Infinity;
    for (let i = 0; i < kit.view.count; i++) {
      const away = Math.hypot(model.x(row(data, 0)[i]) - model.x(x), model.y(row(data, 1)[i]) - model.y(y));
      if (away < near) { near = away; best = i; }
    }
    kit.store.set({ point: best + 1 });
    slip = [row(data, 0)[best] - x, row(data, 1)[best] - y];
  });
  model.press((x, y) => moved(x + slip[0], y + slip[1]));
  const scrub = (_, y) => {
    const i = chosen("feature", kit.view.eigenvalues.length), hand = Array.from(kit.view.coefficients);
    hand[i] = Math.min(Math.max(y, -2.9), 2.9) * kit.view.unit[i];
    kit.store.set({ by: "hand", hand });
  };
  let grip = 0;
  features.svg.addEventListener("pointerdown", (event) => {
    if (!kit.view) return;
    const [x, y] = features.at(event), i = Math.min(Math.max(Math.floor(x), 0), kit.view.eigenvalues.length - 1);
    kit.store.set({ feature: i + 1 });
    grip = kit.view.coefficients[i] / kit.view.unit[i] - y;
  });
  features.press((x, y) => scrub(x, y + grip));

  function fit(view, state) {
    model.domain({ x: [-1, 1], y: [-3, 3] });
    if (state.spread && state.by !== "hand" && view.stable) {
      const side = (sign) => Array.from(view.sum, (v, i) => Math.min(Math.max(v + sign * view.band[i], -9), 9));
      model.area("spread", view.x, side(-1), side(1), "area scatter");
    }
    model.line("exact", view.x, view.fit, "grey dash");
    if (state.ridge && state.by === "steps") model.line("ridge", view.x, view.ridge_curve, "ink thin");
    model.line("sum", view.x, view.sum, "hot wide");
    const xs = row(view.data, 0), ys = row(view.data, 1);
    model.dots("data", xs, ys, 4, "dots ink");
    xs.forEach((x, j) => model.ring(`grip${j}`, x, ys[j], 16, "grip")); // a finger that lands here drags, it does not scroll
    const i = chosen("point", view.count);
    model.knob("held", xs[i], ys[i], { label: `point ${i + 1} of ${view.count}`, move: moved, step: [0.02, 0.1], radius: 4, className: "quiet" });
    model.text("exactwords", model.inner.left + model.inner.width - 8, model.inner.top + model.inner.height - 10, "dashed: exact fit", { raw: true, anchor: "end", className: "label quiet" });
    model.axes({ x: "x", y: "drag any point", yticks: [-3, 0, 3], xticks: [-1, 0, 1] });
  }

  function curves(view, state) {
    const shown = [view.train, view.held, ...(state.ridge ? [view.held_ridge] : [])].flatMap((line) => Array.from(line)).filter((v) => v > 0);
    const high = Math.max(...shown, 0.2) * 1.25, low = Math.max(Math.min(...shown, 1) / 1.4, 1e-3);
    const right = bars.narrow ? 6e7 : 2e6; // room for the numbers behind the bars
    errors.domain({ x: [1, right], y: [low, high], xlog: true, ylog: true });
    errors.line("train", view.steps, view.train, "", { stroke: tone(1, 3) });
    if (state.ridge) errors.line("ridge", view.steps, view.held_ridge, "ink dash");
    errors.line("held", view.steps, view.held, "hot wide");
    const last = view.steps.length - 1;
    errors.ends([{ key: "t1", y: view.train[last] || low, words: "on the data", fill: tone(1, 3) }, { key: "t2", y: view.held[last] || high, words: "left out", className: "label hot" },
      ...(state.ridge ? [{ key: "t3", y: view.held_ridge[last] || high, words: "ridge" }] : [])]);
    errors.knob("now", state.k, view.now ?? high, { label: "steps", move: (k) => kit.store.set({ k: Math.min(Math.max(k, 1), 2e6), by: "steps" }), step: [Math.max(1, 0.1 * state.k), 0], radius: 6, words: `${state.k} steps` });
    const marks = [1, 100, 1e4, 1e6], levels = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5].filter((v) => v >= low && v <= high);
    errors.axes({ y: "root mean square error", xticks: marks, yticks: levels.length > 4 ? levels.filter((_, i) => i % 2) : levels, xformat: () => "" });
    const count = view.eigenvalues.length;
    bars.domain({ x: [1, right], y: [count, 0], xlog: true });
    for (let i = 0; i < count; i++) {
      const end = Math.min(Math.max(view.milestones[i], 1.1), 2e6), done = view.milestones[i] <= state.k;
      bars.bar(`b${i}`, 1, i + 0.2, end, i + 0.78, done ? "bar spent" : "bar", { fill: tone(count - 1 - i, count) });
      const words = nice(view.milestones[i]), beside = bars.x(end) + 6 + 6 * words.length < bars.width; // else before the end of the bar
      const from = bars.x(end) + 6, now = bars.x(state.k), crossed = beside && now > from - 3 && now < from + 6 * words.length + 3; // the line of the step in hand
      if (view.stable && bars.x(end) < bars.inner.left + bars.inner.width - 4 && count < 8) bars.text(`bt${i}`, crossed ? now + 5 : bars.x(end) + (beside ? 6 : -4), bars.y(i + 0.5) + 4, words, { raw: true, anchor: beside ? "start" : "end", className: "tick halo" });
      bars.text(`bn${i}`, bars.inner.left - 7, bars.y(i + 0.5) + 4, String(i + 1), { raw: true, anchor: "end", className: "tick" });
    }
    bars.line("now", [state.k, state.k], [0, count], "hot");
    bars.axes({ xticks: marks, yticks: [], grid: false });
    bars.text("title", bars.inner.left + bars.inner.width, bars.y(0) + 12, view.stable ? "learned to 3 digits" : "diverges: never learned", { raw: true, dx: 0, anchor: "end", className: "tick halo" });
  }

  function panels(view, state) {
    const count = view.eigenvalues.length, roomy = features.inner.width / count > 84;
    features.domain({ x: [0, count], y: [-3.2, 3.2] });
    const at = chosen("feature", count), eigen = state.basis === "eigen";
    for (let i = 0; i < count; i++) {
      const xs = Float32Array.from(view.x, (x) => i + 0.5 + 0.44 * x), stroke = tone(count - 1 - i, count);
      if (i) features.line(`wall${i}`, [i, i], [-3.2, 3.2], "hair");
      if (i === at) features.bar("chosen", i, -3.2, i + 1, 3.2, "bar wash");
      features.line(`base${i}`, [i + 0.06, i + 0.94], [0, 0], "hair");
      features.line(`f${i}`, xs, row(view.features, i), "", { stroke });
      features.ring(`grip${i}`, i + 0.5, Math.min(Math.max(view.coefficients[i] / view.unit[i], -2.9), 2.9), 20, "grip");
      const left = features.x(i) + 6;
      features.text(`c${i}`, left, 13, roomy ? `${nice(view.coefficients[i])}${eigen ? ` · p${"₁₂₃₄₅₆₇₈₉"[i]}` : i ? ` · x${"⁰¹²³⁴⁵⁶⁷⁸"[i]}` : ""}` : short(view.coefficients[i]), { raw: true, className: roomy ? "" : "tick" });
      const scattered = state.spread && state.by !== "hand" && view.stable;
      if (scattered) features.text(`s${i}`, left, features.height - 6, `± ${roomy ? nice(Number(view.scatter[i].toPrecision(3))) : short(view.scatter[i])}`, { raw: true, className: "tick" });
      if (eigen && state.by === "steps") {
        const wide = features.x(1) - features.x(0) - 14;
        if (!scattered) features.text(`l${i}`, left, features.height - 6, roomy ? `λ = ${nice(view.eigenvalues[i])}` : nice(Number(view.eigenvalues[i].toPrecision(1))), { raw: true, className: "tick" });
        const base = 20, share = Math.min(Math.max(view.learned[i], 0), 1);
        features.line(`g${i}`, [i + 6 / (wide + 14), i + 1 - 8 / (wide + 14)], [1, 1].map(() => level(base)), "gauge", { over: true });
        features.line(`h${i}`, [i + 6 / (wide + 14), i + (6 + wide * share) / (wide + 14)], [1, 1].map(() => level(base)), "gauge hot", { over: true });
        if (state.ridge) features.line(`r${i}`, [0, 0].map(() => i + (6 + wide * Math.min(view.kept[i], 1)) / (wide + 14)), [level(base - 4), level(base + 4)], "ink", { over: true });
      }
    }
    features.knob("hand", at + 0.5, Math.min(Math.max(view.coefficients[at] / view.unit[at], -2.9), 2.9), { label: `coefficient of feature ${at + 1}`, move: scrub, step: [0, 0.05], radius: 5, words: nice(view.coefficients[at]) });
  }
  const short = (value) => Math.abs(value) >= 1e5 ? `${value < 0 ? "−" : ""}${nice(10 ** Math.round(Math.log10(Math.abs(value))))}` : nice(Number(Math.abs(value) < 10 ? value.toFixed(2) : value.toPrecision(2))); // in a narrow cell
  const level = (top) => 3.2 - ((top - features.inner.top) / features.inner.height) * 6.4;

  return {
    draw(view, state) { fit(view, state); curves(view, state); panels(view, state); },
  };
}
