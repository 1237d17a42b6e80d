// A function of many variables: its path in a plane, its loss, its curvatures under the edge. Computed in Python.

import { column, row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  kit.row(12);
  kit.entry("formula", { label: "your function, for example x1^2 + 10 x2^2 or sum(i=1..n, i x[i]^2)" });
  kit.row(12, "wide");
  kit.slider("n");
  kit.entry("start");
  const ground = kit.panel({ span: 8, label: "path of the method in the plane of two directions", aspect: (width) => (width < 500 ? 0.8 : 0.56), margin: { left: 46, right: 14, top: 22 } });
  let plane;
  kit.column(4, () => {
    kit.row(12);
    kit.slider("alpha", { low: (view) => view.alpha_high / 1e4, high: (view) => view.alpha_high });
    kit.slider("beta");
    plane = kit.plane({ aspect: 0.72, low: (view) => view.plane.right / 1e3, label: "rate over learning rate and momentum" });
  });
  const loss = kit.panel({ span: 7, label: "loss above the lowest, logarithmic, against step", aspect: (width) => (width < 500 ? 0.6 : 0.42), margin: { top: 22, right: 116 } });
  const bars = kit.panel({ span: 5, label: "curvatures, and the edge of stability", aspect: (width) => (width < 420 ? 0.6 : 0.6), margin: { left: 50, right: 12, top: 22 } });
  kit.row(12);
  kit.more(() => {
    kit.button("fastest close to the minimum", () => kit.view.rate !== null && kit.store.set({ alpha: kit.view.plane.best.alpha, beta: kit.view.plane.best.beta }));
    kit.choice("family");
    kit.flag("descent", "lay over it");
    kit.slider("steps");
    kit.choice("view");
    kit.slider("across", { high: (view) => view.names?.length || 1, hide: (state) => state.view !== "curvature" });
    kit.slider("up", { high: (view) => view.names?.length || 1, hide: (state) => state.view !== "curvature" });
    kit.button("back to the start typed", () => kit.store.set({ push_across: 0, push_up: 0 }));
  }, "method, steps, and the plane it is seen in");

  const held = (view, x, y) => {
    const [[left, right], [bottom, top]] = view.domain, inside = (v, low, high) => Math.min(Math.max(v, low), high);
    kit.store.set({ push_across: inside(x, left, right) - view.base[0], ...(view.flat ? {} : { push_up: inside(y, bottom, top) - view.base[1] }) });
  };
  const hold = (x, y) => {
    ground.knob("start", x, y, { label: "starting point", move: (a, b) => held(kit.view, a, b), radius: 8, step: [0.01 * (ground.scale.x[1] - ground.scale.x[0]), kit.view.flat ? 0 : 0.01 * (ground.scale.y[1] - ground.scale.y[0])] });
    ground.text("startwords", x, y, "Start", { dx: 14, dy: 5 });
  };

  function paths(view) {
    ground.domain({ x: view.domain[0], y: view.domain[1] });
    if (view.flat) {
      ground.shade("flat", () => {});
      ground.line("curve", view.contours.curve_x, view.contours.curve_y, "curve");
    } else ground.contours(kit.have.contours, view.contours);
    if (view.ghost) ground.line("ghost", column(view.ghost, 0), column(view.ghost, 1), "ghost", { stroke: tone(1, 2) });
    const xs = column(view.path, 0), ys = column(view.path, 1), last = view.diverged_at === null ? xs.length - 1 : view.diverged_at - 1;
    ground.line("path", xs, ys, "hot path");
    ground.dots("steps", xs, ys, 2, "dots hot");
    if (!view.flat && view.found) {
      ground.ring("minimum", 0, 0, 6, "ring");
      ground.text("minimumwords", 0, 0, "Minimum", { dx: 11, dy: 16 });
    }
    if (view.diverged_at !== null) ground.text("gone", ground.inner.left + ground.inner.width / 2, ground.inner.top + 24, `diverges at step ${view.diverged_at}`, { raw: true, anchor: "middle", className: "label hot big" });
    else ground.text("end", xs[last], ys[last], `step ${last}`, { dx: -10, dy: -12, anchor: "end", className: "label hot" });
    hold(xs[0], ys[0]);
    ground.axes({ x: view.axes[0], y: view.axes[1], grid: false });
  }

  function losses(view) {
    const rows = view.excess.shape[0], last = view.excess.shape[1] - 1, seen = Array.from(view.excess).filter((value) => value > 0), first = seen.length ? seen[0] : 1;
    const high = Math.max(first * 3, Math.min(Math.max(...seen, 1e-300), first * 1e4)), low = Math.max(Math.min(...seen, first / 1e3), first * 1e-16), tips = [];
    loss.domain({ x: [0, last], y: [low / 2, high * 1.5], ylog: true });
    for (let i = rows - 1; i >= 0; i--) {
      const values = row(view.excess, i), stroke = i ? tone(i, 2) : "";
      loss.line(`loss${i}`, null, values, i ? "" : "hot wide", { stroke });
      let end = last;
      while (end > 0 && !(values[end] > low / 2)) end--;
      tips.push({ key: `tip${i}`, y: Math.min(Math.max(values[end] || first, low), high), words: view.methods[i], className: i ? "label" : "label hot", fill: stroke });
    }
    loss.ends(tips);
    loss.axes({ x: "step", y: "loss above the lowest" });
  }

  function spectrum(view, state) {
    const all = Array.from(view.curvatures), live = all.filter((h) => h > 1e-9 * all.at(-1)), count = all.length;
    const low = Math.min(...live, view.edge) / 2, high = Math.max(...live, view.edge) * 2;
    if (!live.length || !Number.isFinite(high / low)) { bars.domain({ x: [0, 1], y: [0, 1] }); bars.text("none", 8, bars.inner.top + 18, "nothing is curved upwards here", { raw: true, className: "label" }); return; }
    bars.domain({ x: [0.3, count + 0.7], y: [low, high], ylog: true });
    all.forEach((h, i) => { if (h > 0) bars.bar(`b${i}`, i + 0.64, low, i + 1.36, Math.max(h, low), h > view.edge ? "bar hot" : "bar", { fill: h > view.edge ? "" : tone(i, count) }); });
    bars.line("edge", [0.3, count + 0.7], [view.edge, view.edge], "hot dash");
    bars.text("edgewords", 0.3, view.edge, "edge of stability", { dx: 6, dy: -6, className: "label hot" });
    bars.axes({ y: `${count} curvatures${live.length < count ? `, ${count - live.length} not above zero` : ""}`, xticks: count < 9 ? all.map((_, i) => i + 1) : [1, Math.round(count / 2), count], grid: false });
    bars.svg.setAttribute("aria-label", `curvatures from ${nice(all[0])} to ${nice(all.at(-1))}, edge of stability ${nice(view.edge)}`);
  }

  // A new function has other scales: a learning rate that would diverge on it, or crawl, is set to half of what it stands.
  let known = null;
  function scaled(view, state) {
    const now = JSON.stringify([state.formula, state.n, state.start]);
    if (known !== null && known !== now && view.rate !== null && kit.fresh) {
      const limit = (view.edge * view.alpha) / view.curvatures[view.curvatures.length - 1];
      if (!(view.alpha < limit && view.alpha > limit / 300)) kit.store.set({ alpha: Number((limit / 2).toPrecision(3)), push_across: 0, push_up: 0 });
    }
    if (kit.fresh) known = now;
  }

  return {
    draw(view, state) {
      paths(view);
      losses(view);
      spectrum(view, state);
      if (view.rate !== null) plane.draw(view);
      scaled(view, state);
    },
    echo(state) {
      if (!kit.view || !ground.fx) return;
      if (!kit.view.flat) hold(kit.view.base[0] + state.push_across, kit.view.base[1] + state.push_up);
      if (kit.view.rate !== null) plane.echo(state);
    },
  };
}
