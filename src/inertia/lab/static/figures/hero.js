// The opening figure: drag the start, and the path follows.

import { column, row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const ground = kit.panel({
    span: 12, label: "path of the method over the contours of the surface", aspect: (width) => (width < 600 ? 0.7 : 0.4), margin: { left: 0.5, right: 0.5, top: 0.5, bottom: 0.5 },
  });
  const set = (x, y) => {
    const [[left, right], [bottom, top]] = kit.view.domain;
    kit.store.set({ x: Math.min(Math.max(x, left), right), y: kit.view.flat ? kit.store.state.y : Math.min(Math.max(y, bottom), top) });
  };
  kit.row(12, "strip");
  const player = kit.player("step", (index) => walk(index));
  kit.row(4);
  kit.slider("alpha", { high: (view) => view.alpha_high });
  kit.slider("beta");
  const fast = kit.button("fastest close to the optimum", () => kit.store.set({ ...kit.view.fastest, family: "heavy-ball" }));
  kit.flags(["descent", "heavy", "nesterov", "triple", "adam"], "lay over it");
  const loss = kit.panel({ span: 8, label: "loss above the lowest, logarithmic, against step", aspect: (width) => (width < 600 ? 0.6 : 0.4), margin: { top: 22, right: 116 } });
  kit.row(12);
  let kick;
  kit.more(() => {
    kit.choice("surface", { onset: (surface) => kit.store.set({ surface, ...kit.view.surfaces[surface] }) });
    kit.entry("formula", { hide: (state) => state.surface !== "formula" });
    kick = kit.button("kick at random", () => kit.store.set({ kick: kit.store.state.kick + 1 }));
    kit.slider("half", { hide: (state) => state.surface !== "formula" });
    for (const name of ["angle", "low", "high"]) kit.slider(name, { hide: (state) => state.surface !== "quadratic" });
    kit.choice("family");
    kit.slider("gamma", { hide: (state) => state.family !== "any" });
    kit.slider("steps");
    kit.slider("lr", { hide: (state) => !state.adam });
    kit.flag("basin", "map");
  }, "other surfaces, your own function, other methods, a map of all settings");
  const basin = kit.panel({ span: 6, label: "how low the loss ends at every learning rate and momentum", aspect: 0.62, margin: { left: 40, right: 12, top: 22, bottom: 36 } });
  const board = basin.root.parentElement, take = (alpha, beta) => kit.store.set({ alpha: Math.min(Math.max(alpha, 0), kit.view.alpha_high), beta: Math.min(Math.max(beta, 0), 0.99) });
  basin.press(take);
  kit.row(6);
  kit.box.classList.add("beside");
  kit.legend("map", ["lowest", "no lower than the start, or gone"]);
  const key = kit.box;

  // The last loss of every pair of the two numbers, from the start in hand.
  function ends(view, state) {
    const open = state.basin && Boolean(view.basin);
    board.classList.toggle("gone", !open);
    key.classList.toggle("gone", !open);
    if (!open) return;
    if (!basin.width) basin.measure();
    const { grid, right, best } = view.basin;
    basin.domain({ x: [0, right], y: [0, 0.99] });
    basin.pixels(kit.have.basin, grid, "map", { extent: [0, right, 0, 0.99], smooth: false });
    basin.axes({ x: "learning rate α", y: "momentum β", grid: false, yticks: [0, 0.5, 0.9] });
    basin.knob("point", Math.min(state.alpha, right), Math.min(state.beta, 0.99), {
      label: "learning rate and momentum", move: take, step: [right / 200, 0.005], words: `alpha ${nice(state.alpha)}, beta ${nice(state.beta)}`,
    });
    if (best) {
      const near = best.alpha > 0.6 * right;
      basin.ring("best", best.alpha, best.beta, 5, "ring best");
      basin.text("bestwords", best.alpha, best.beta, "lowest end", { dx: near ? -9 : 9, dy: best.beta > 0.85 ? 16 : -6, anchor: near ? "end" : "start" });
    }
  }

  function hold(x, y) {
    ground.knob("start", x, y, { label: "starting point", move: set, radius: 8 });
    ground.text("startwords", x, y, "Starting point", { dx: 16, dy: 5 });
  }

  let shown = null;
  const height = (view) => (view.flat ? view.heights : column(view.path, 1));

  function walk(index) {
    if (!shown) return;
    const xs = shown.xs.subarray(0, index + 1), ys = shown.ys.subarray(0, index + 1);
    ground.line("path", xs, ys, "hot path");
    ground.dots("steps", xs, ys, 2, "dots hot");
    const k = Math.min(index, shown.last);
    if (k > 0 && Number.isFinite(shown.xs[k] + shown.ys[k])) ground.dots("ball", [shown.xs[k]], [shown.ys[k]], 5, "dots ball");
    else ground.dots("ball", [], [], 5, "dots ball");
    if (loss.fx) loss.dots("now", [k], [row(shown.view.excess, 0)[k]], 4, "dots hot");
  }

  function overlays(view) {
    let below = -Infinity;
    view.ghosts.forEach((ghost, i) => {
      const xs = column(ghost.path, 0), ys = column(ghost.path, 1), stroke = tone(i + 1, view.ghosts.length + 1);
      ground.line(`ghost${i}`, xs, ys, `ghost trail${i}`, { stroke });
      ground.dots(`ghostdots${i}`, xs, ys, 1.4, "dots", { fill: stroke });
      let end = xs.length - 1;
      while (end > 0 && !Number.isFinite(xs[end] + ys[end])) end--;
      const at = ground.y(ys[end]);
      below = Math.max(at + 34, below + 16); // each name in a line of its own
      ground.text(`ghostwords${i}`, xs[end], ys[end], ghost.name, { dx: 10, dy: below - at, fill: stroke });
    });
  }

  function losses(view) {
    const rows = view.excess.shape[0], last = view.excess.shape[1] - 1;
    const seen = Array.from(view.excess).filter((value) => value > 0);
    const first = seen.length ? seen[0] : 1;
    const high = Math.max(first * 3, Math.min(Math.max(...seen, 1e-300), first * 1e4)), low = Math.max(Math.min(...seen, first / 1e3), first * 1e-16);
    loss.domain({ x: [0, last], y: [low / 2, high * 1.5], ylog: true });
    const tips = [];
    for (let i = rows - 1; i >= 0; i--) {
      const values = row(view.excess, i), stroke = i ? tone(i, rows) : "";
      loss.line(`loss${i}`, null, values, i ? `trail${i - 1}` : "hot wide", { stroke });
      let end = last;
      while (end > 0 && !(values[end] > low / 2)) end--;
      tips.push({ key: `tip${i}`, y: Math.min(Math.max(values[end] || first, low), high), words: view.names[i], className: i ? "label" : "label hot", fill: stroke });
    }
    loss.ends(tips);
    loss.axes({ x: "step", y: "loss above the lowest" });
    if (view.diverged_at) {
      loss.line("lost", [view.diverged_at, view.diverged_at], [low / 2, high * 1.5], "dash hot");
      loss.text("lostwords", view.diverged_at, high, `diverges at step ${view.diverged_at}`, { dx: 7, dy: 16, className: "label hot" });
    }
  }

  return {
    draw(view, state) {
      ends(view, state);
      ground.domain({ x: view.domain[0], y: view.domain[1] });
      if (view.flat) {
        ground.shade("flat", () => {});
        ground.line("curve", view.contours.curve_x, view.contours.curve_y, "curve");
      } else ground.contours(kit.have.contours, view.contours);
      if (view.diverged_at !== null) ground.text("gone", ground.inner.width / 2, 24, `diverges at step ${view.diverged_at}`, { raw: true, anchor: "middle", className: "label hot big" });
      overlays(view);
      const xs = column(view.path, 0), ys = height(view);
      const last = view.diverged_at === null ? xs.length - 1 : view.diverged_at - 1;
      shown = { xs, ys, last, view };
      losses(view);
      player.set(xs.length - 1);
      view.optima.forEach(([x, y], i) => {
        ground.ring(`optimum${i}`, x, y, 6, "ring");
        ground.text(`optimumwords${i}`, x, y, "Optimum", { dx: 11, dy: 16 });
      });
      if (view.saddle) {
        ground.text("saddle", ...view.saddle, "×", { anchor: "middle", dy: 5, className: "label big" });
        ground.text("saddlewords", ...view.saddle, "Saddle", { dx: 11, dy: 18 });
      }
      hold(xs[0], ys[0]);
      if (view.diverged_at === null && last > 0) ground.text("solution", xs[last], ys[last], "Solution", { dx: -10, dy: -12, anchor: "end", className: "label hot" });
      kick.classList.toggle("gone", kit.store.state.surface !== "wells");
      fast.classList.toggle("gone", !view.fastest);
    },
    echo(state) { if (!kit.view.flat) hold(state.x, state.y); },
  };
}
