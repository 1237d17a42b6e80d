// One path, twice: in the parameters and in the basis of the eigenvectors.

import { column, row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { tone } from "../theme.js";

export function build(kit) {
  const square = { aspect: (width) => (width + 21.5) / width, margin: { left: 0.5, right: 0.5, top: 22, bottom: 0.5 } };
  const left = kit.panel({ span: 4, label: "the path in the parameters w", ...square });
  const right = kit.panel({ span: 4, label: "the path in eigen coordinates x", ...square });
  for (const panel of [left, right]) panel.root.parentElement.classList.add("half"); // one hand moves both: side by side on a telephone, too
  kit.row(4);
  kit.slider("alpha", { high: (view) => view.alpha_high });
  kit.slider("beta");
  kit.slider("angle");
  kit.more(() => {
    kit.slider("flat");
    kit.slider("steep");
    kit.slider("steps");
    kit.choice("family");
    kit.slider("gamma", { hide: (state) => state.family !== "any" });
  });
  const sizes = kit.panel({ span: 12, label: "size of each coordinate against step", aspect: (width) => (width < 600 ? 0.6 : 0.24), margin: { left: 46, right: 16, top: 22, bottom: 34 } });
  const clamp = (value) => Math.min(Math.max(value, -3), 3);
  // Turning a point by the matrix of the view is where the hand's own move is told in the other square's words.
  const turned = (q, [a, b]) => [q[0] * a + q[2] * b, q[1] * a + q[3] * b];
  const around = (a, b) => turned(kit.view.q, [a - kit.store.state.wx, b - kit.store.state.wy]);
  const near = (value) => Math.min(Math.max(value, -1.5), 1.5);
  const knobs = {
    w: (x, y) => left.knob("start", x, y, { label: "start, in the parameters", move: (a, b) => { const [u, v] = around(a, b); kit.store.set({ x: clamp(u), y: clamp(v) }); } }),
    // The optimum goes, the start stays where it is in w: what changes is its distance.
    o: ([x, y]) => left.knob("optimum", x, y, { label: "optimum", radius: 5, className: "open", words: `optimum ${nice(x)}, ${nice(y)}`, step: [0.05, 0.05], move: (a, b) => {
      const { x, y, wx, wy } = kit.store.state, moved = [near(a), near(b)], [u, v] = turned(kit.view.q, [wx - moved[0], wy - moved[1]]);
      kit.store.set({ wx: moved[0], wy: moved[1], x: clamp(x + u), y: clamp(y + v) });
    } }),
    x: (x, y) => right.knob("start", x, y, { label: "start, in eigen coordinates", move: (a, b) => kit.store.set({ x: clamp(a), y: clamp(b) }) }),
    q: (q, [x, y]) => left.knob("tip", x + 1.6 * q[0], y + 1.6 * q[2], {
      label: "direction of the first eigenvector", radius: 4, className: "quiet", keys: (across, up) => kit.store.set({ angle: ((kit.store.state.angle + across + up + 540) % 360) - 180 }),
      move: (a, b) => kit.store.set({ angle: Math.round((Math.atan2(b - kit.store.state.wy, a - kit.store.state.wx) * 180) / Math.PI) }), words: "first eigenvector",
    }),
  };

  function arrow(panel, key, [x, y], words, index, [left, top] = [0, 0]) {
    const stroke = tone(index, 2), size = Math.hypot(x, y), [u, v] = [x / size, y / size];
    const head = [[x - 0.2 * u - 0.1 * v, y - 0.2 * v + 0.1 * u], [x, y], [x - 0.2 * u + 0.1 * v, y - 0.2 * v - 0.1 * u]];
    panel.line(key, [left, left + x], [top, top + y], "arrow", { stroke });
    panel.line(`${key}head`, head.map((p) => left + p[0]), head.map((p) => top + p[1]), "arrow", { stroke });
    const off = Math.max(0.4, (18 / panel.inner.width) * (panel.scale.x[1] - panel.scale.x[0])); // clear of the knob at the tip
    panel.text(`${key}words`, left + x + off * u, top + y + off * v, words, { anchor: "middle", dy: 4 });
  }

  function space(panel, view, data, key, title) {
    panel.domain({ x: view.domain, y: view.domain });
    panel.contours(kit.have[key], view[key]);
    const xs = column(data, 0), ys = column(data, 1);
    panel.line("path", xs, ys, "hot path");
    panel.dots("steps", xs, ys, 1.8, "dots hot");
    panel.text("title", 0, 12, panel.width > 230 ? title : title.split(":")[0].replace(/^w$/, "w: as they are"), { raw: true, className: "axis" });
    return [xs[0], ys[0]];
  }

  return {
    draw(view) {
      const q = view.q, w = space(left, view, view.w, "left", "w: the parameters as they are"), x = space(right, view, view.x, "right", "x = Qᵀ(w − w⋆): along the eigenvectors");
      arrow(left, "q1", [1.6 * q[0], 1.6 * q[2]], "q₁", 0, view.optimum);
      arrow(left, "q2", [1.6 * q[1], 1.6 * q[3]], "q₂", 1, view.optimum);
      arrow(right, "q1", [1.6, 0], "q₁", 0);
      arrow(right, "q2", [0, 1.6], "q₂", 1);
      knobs.q(q, view.optimum);
      knobs.o(view.optimum);
      left.text("optimumwords", ...view.optimum, "w⋆", { dx: 9, dy: 17 });
      knobs.w(...w);
      knobs.x(...x);
      const last = view.sizes.shape[1] - 1, all = Array.from(view.sizes).filter((v) => v > 0), floor = Math.max(Math.min(...all), 1e-14);
      sizes.domain({ x: [0, last], y: [Math.min(floor / 2, 1e-2), Math.max(10, Math.min(Math.max(...all), 1e6))], ylog: true });
      const tips = [];
      for (const i of [0, 1]) {
        const values = Array.from(row(view.sizes, i), (v) => (v > 1e-30 ? v : NaN));
        sizes.line(`size${i}`, null, values, "", { stroke: tone(i, 2) });
        let at = Math.round(last * 0.5);
        while (at > 1 && !(values[at] > sizes.scale.y[0] * 3)) at = Math.round(at * 0.7);
        tips.push([at, values[at], `|x${"₁₂"[i]}|`, i]);
      }
      for (const [at, value, words, i] of tips) sizes.text(`name${i}`, at, value, words, { dx: 6, dy: -6, fill: tone(i, 2) });
      sizes.axes({ x: "step", y: "size of each coordinate" });
    },
    echo(state) { knobs.x(state.x, state.y); },
  };
}
