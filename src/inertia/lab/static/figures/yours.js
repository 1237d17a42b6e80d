// The reader's own record: what was measured, what is predicted everywhere, what was run.

import { node } from "../dom.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const map = kit.panel({ span: 7, label: "predicted final loss over learning rate and memory", aspect: (width) => (width < 420 ? 0.86 : 0.84), margin: { left: 48, right: 14, top: 22, bottom: 36 } });
  let chart, lines;
  kit.column(5, () => {
    kit.row(12);
    kit.slider("alpha", { low: (view) => view.low, high: (view) => view.high });
    kit.slider("beta");
    kit.buttons("go to", [
      ["lowest forecast", () => kit.store.set({ alpha: kit.view.map.best.alpha, beta: Math.min(kit.view.map.best.beta, 0.99) })],
      ["recommended", () => kit.store.set(kit.view.recommended)],
    ]);
    chart = kit.panel({ label: "predicted loss against step, and the runs of the record", aspect: 0.6, margin: { left: 46, right: 14, top: 22 } });
    lines = kit.panel({ label: "curvatures: share of the loss and of the noise", aspect: 0.4, margin: { left: 46, right: 14, top: 22 } });
  });
  kit.row(12, "wide");
  const file = node("input", { type: "file", accept: ".json,.html,.htm,application/json,text/html", "aria-label": "record.json or report.html of inertia tune", class: "file" });
  const said = node("p", { class: "hint", role: "status" });
  kit.box.append(node("label", { class: "filelabel" }, "load a record or report", file), said);
  kit.legend("map", ["low forecast", "high"]);
  kit.more(() => kit.choice("form"));
  file.addEventListener("change", () => file.files.length && read(file.files[0]));
  kit.root.addEventListener("dragover", (event) => event.preventDefault());
  kit.root.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) read(event.dataTransfer.files[0]);
  });

  const NEEDED = ["task", "steps", "schedule", "verdict", "recommendation", "spectrum", "measurement", "runs", "verified_loss"];
  const thin = (curve) => {
    const count = curve?.steps?.length || 0, stride = Math.ceil(count / 400), keep = (_, i) => i % stride === 0 || i === count - 1;
    return count ? { steps: curve.steps.filter(keep), loss: curve.loss.filter(keep) } : curve;
  };
  // A report carries its record as a block of data. The page is not parsed: its styles are none of ours.
  const carried = (text) => /<script type="application\/json" id="record">([\s\S]*?)<\/script>/.exec(text)?.[1];
  // Only what the figure needs is sent on; Python checks every part of it.
  async function read(chosen) {
    said.textContent = "";
    if (chosen.size > 64e6) { said.textContent = `${chosen.name} is larger than 64 MB: a record is far smaller.`; return; }
    let whole = null;
    const text = await chosen.text(), report = /^\s*</.test(text), inside = report ? carried(text) : text;
    if (inside === undefined) { said.textContent = `${chosen.name} carries no record: load the record.json beside it.`; return; }
    try { whole = JSON.parse(inside); } catch { said.textContent = `${chosen.name} is not JSON: load the record.json or the report of inertia tune.`; return; }
    if (!whole || typeof whole !== "object" || Array.isArray(whole)) { said.textContent = `${chosen.name} holds no record.`; return; }
    said.textContent = chosen.name;
    open(whole);
  }

  function open(whole) {
    const record = Object.fromEntries(NEEDED.filter((name) => name in whole).map((name) => [name, whole[name]]));
    const part = (name) => (Array.isArray(whole.curves?.[name]) ? whole.curves[name].map(thin) : []);
    record.curves = { predicted: part("predicted"), actual: part("actual") };
    kit.store.set({ record, key: "" });
  }

  const memory = (beta) => 1 / (1 - beta);
  const move = (alpha, m) => kit.store.set({ alpha: Math.min(Math.max(alpha, kit.view.low), kit.view.high), beta: Math.min(Math.max(1 - 1 / Math.max(m, 1), 0), 0.99) });
  map.press(move);
  const knob = (state) => map.knob("point", state.alpha, memory(state.beta), {
    label: "learning rate and momentum", move, step: [state.alpha * 0.05, memory(state.beta) * 0.08], words: `rate ${nice(state.alpha)}, beta ${nice(state.beta)}`,
  });

  function plane(view, state) {
    const over = view.map, rows = Array.from(over.betas, memory), left = over.alphas[0], right = over.alphas[over.alphas.length - 1];
    map.domain({ x: [left, right], y: [1, 100], xlog: true, ylog: true });
    const edge = Array.from(over.edge, (a) => Math.min(Math.max(a, left), right));
    map.pixels(kit.have.map, over.grid, "map", { extent: [left, right, 1, 100], outline: { x: [left, ...edge, left], y: [1, ...rows, 100] } });
    map.line("edge", over.edge, rows, "edge");
    for (let i = -12; i <= 4; i += 2) map.line(`iso${i}`, rows.map((m) => (2 ** i / view.upper) / m), rows, "fringe faint");
    view.runs.forEach((run, i) => {
      map.ring(`run${i}`, run.alpha, memory(run.beta), 4, "ring best");
      if (view.runs.length <= 8) map.text(`runwords${i}`, run.alpha, memory(run.beta), `run ${i + 1}`, { dx: 8, dy: 4, className: "label quiet" });
    });
    const wish = over.best, near = map.x(wish.alpha) > map.inner.left + 0.6 * map.inner.width;
    map.ring("best", wish.alpha, memory(wish.beta), 5, "ring best");
    map.text("bestwords", wish.alpha, memory(wish.beta), "lowest forecast", { dx: near ? -12 : 12, dy: 20, anchor: near ? "end" : "start" });
    map.text("diverges", right, 1, "diverges", { dx: -6, dy: -10, anchor: "end", className: "label quiet" });
    knob(state);
    map.axes({ x: "learning rate α", y: "momentum β", grid: false, yticks: [1, 2, 10, 100], yformat: (m) => nice(Number((1 - 1 / m).toPrecision(3))) });
  }

  function curves(view) {
    const top = view.start + 0.25 * Math.abs(view.start - view.floor), bottom = Math.min(view.floor, ...view.runs.flatMap((run) => Array.from(run.loss).filter(Number.isFinite)));
    const log = bottom > 0 && top > 10 * bottom; // runs that differ late would lie on each other
    chart.domain({ x: [0, view.steps], y: log ? [0.8 * bottom, top] : [bottom - 0.04 * (top - bottom), top], ylog: log });
    chart.line("floor", [0, view.steps], [view.floor, view.floor], "grey");
    view.runs.forEach((run, i) => {
      chart.line(`run${i}`, run.steps, run.loss, "", { stroke: tone(i, view.runs.length) });
      chart.text(`name${i}`, chart.inner.left + chart.inner.width - 8, chart.inner.top + 32 + 15 * i, `run ${i + 1}: α ${nice(run.alpha)}, β ${nice(run.beta)}`, { raw: true, anchor: "end", fill: tone(i, view.runs.length) });
    });
    chart.line("ahead", view.at, Array.from(view.loss, (v) => (Number.isFinite(v) ? Math.min(v, 1e6 * Math.abs(top)) : NaN)), "hot wide");
    chart.text("aheadwords", chart.inner.left + chart.inner.width - 8, chart.inner.top + 17, view.edge > 1 ? `forecast: ${nice(view.final)}` : "forecast: diverges", { raw: true, anchor: "end", className: "label hot" });
    chart.axes({ x: "step", y: `loss of ${view.task}` });
  }

  function spectrum(view) {
    const live = Array.from(view.curvatures).filter((h) => h > 0), low = Math.min(...live, view.upper) / 1.6, high = view.upper * 2.4;
    const most = Math.max(...view.share, 1e-300), loud = Math.max(...view.noise, 1e-300);
    lines.domain({ x: [low, high], y: [0, 1.5], xlog: true });
    lines.stems("share", view.curvatures, Array.from(view.share, (v) => v / most), "stem strong", { stroke: tone(2, 3) });
    lines.stems("noise", Array.from(view.curvatures, (h) => h * 1.05), Array.from(view.noise, (v) => (view.noise.some((n) => n > 0) ? v / loud : NaN)), "stem hot strong");
    lines.line("upper", [view.upper, view.upper], [0, 1.5], "ink dash");
    lines.text("w1", lines.inner.left + 8, 37, "share of the loss", { raw: true, fill: tone(2, 3) });
    lines.text("w2", lines.inner.left + 124, 37, "noise", { raw: true, className: "label hot" });
    if (lines.inner.width > 260) lines.text("upperwords", view.upper, 1.5, "largest curvature", { dx: -5, dy: 15, anchor: "end", className: "label quiet" });
    lines.axes({ x: "curvature", y: "measured spectrum, each over its largest", yticks: [0, 1], grid: false });
  }

  return {
    open,
    draw(view, state) {
      // An answer from before the record was chosen knows nothing of it.
      if (kit.fresh && view.key && view.key !== state.key) kit.store.set({ key: view.key, record: null, ...view.recommended });
      plane(view, state);
      curves(view);
      spectrum(view);
    },
    echo(state) { if (map.fx && kit.view.map) knob(state); },
  };
}
