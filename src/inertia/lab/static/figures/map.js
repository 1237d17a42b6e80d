// The plane of learning rate and momentum, with the roots of the chosen point and the iterates they make.

import { node } from "../dom.js";
import { column, row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { operating } from "../numerics/watched.js";
import { tone } from "../theme.js";

export function build(kit) {
  let plane, circle, runs, across, up, regimes;
  const strip = { height: 58, margin: { left: 8, right: 8, top: 16, bottom: 3 }, frame: false };
  const take = (name) => {
    const [alpha, beta] = kit.view.regimes[name];
    kit.store.set({ alpha, beta, family: "heavy-ball" });
  };
  kit.column(7, () => {
    plane = kit.plane({ aspect: 0.82 });
    across = kit.panel({ label: "rate for every learning rate at this momentum", ...strip });
    kit.row(12);
    kit.slider("alpha", { high: (view) => view.right });
    up = kit.panel({ label: "rate for every momentum at this learning rate", ...strip });
    kit.row(12);
    kit.slider("beta", { high: () => 1 });
  });
  kit.column(5, () => {
    kit.row(12);
    regimes = kit.buttons("go to", [...["ripples", "monotone", "one step", "alternating", "divergent"].map((name) => [name, () => take(name)]),
      ["fastest point", () => kit.store.set({ alpha: kit.view.plane.best.alpha, beta: kit.view.plane.best.beta })]]);
    kit.legend("map", ["fast", "slow"]);
    circle = kit.panel({ label: "the two roots in the complex plane", aspect: (width) => (width > 330 ? 0.66 : 0.62), margin: { left: 10, right: 10, top: 18, bottom: 12 }, frame: false });
    runs = kit.panel({ label: "error of each curvature, step by step", aspect: 0.5, margin: { top: 20, right: 34 } });
    kit.row(12);
    kit.more(() => {
      kit.entry("curvatures");
      kit.choice("family");
      kit.slider("gamma", { hide: (state) => state.family !== "any" });
      kit.flag("log", "error scale");
    }, "other curvatures and methods");
  });
  kit.row(12);

  // A run that was watched: where it stood at every look, learning rate times sharpness, walks over the map.
  let looks = [], player = null;
  const told = node("p", { class: "hint", role: "status" });
  const fold = kit.more(() => {
    const file = node("input", { type: "file", accept: ".jsonl,.json,.log,.txt", class: "file", "aria-label": "log of a watched run" });
    kit.box.append(node("label", { class: "filelabel" }, "open the log of a watched run", file), told);
    player = kit.player("look", (index) => visit(index));
    file.addEventListener("change", () => file.files.length && open(file.files[0]));
  }, "a run of your own");
  kit.root.addEventListener("dragover", (event) => event.preventDefault());
  kit.root.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
  });
  async function open(chosen) {
    fold.open = true; // what is said of a file that was dropped on the map is to be seen, too
    if (chosen.size > 64e6) { told.textContent = `${chosen.name} is larger than 64 MB: a log is far smaller.`; return; }
    try { looks = operating(await chosen.text()); } catch (error) { told.textContent = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`; return; }
    player.index = Infinity;
    player.set(looks.length - 1);
    kit.draw();
  }
  function visit(index) {
    if (!looks.length) return;
    const at = Math.min(index, looks.length - 1), { step, alpha, beta, gamma, of } = looks[at], family = gamma === 0 ? "heavy-ball" : Math.abs(gamma - beta) < 1e-9 ? "nesterov" : "any";
    told.textContent = `Look ${at + 1} of ${looks.length}, step ${step}: learning rate times sharpness ${nice(alpha)}, momentum ${nice(beta)}${of === null ? "" : `, ${nice(of)} of the edge of stability`}.`;
    kit.store.set({ curvatures: [1], family, alpha, beta, ...(family === "any" ? { gamma } : {}) }, "hover");
  }
  function trail(view) {
    if (!looks.length) return;
    const xs = looks.map((one) => Math.min(one.alpha, view.right)), ys = looks.map((one) => one.beta);
    plane.panel.line("trail", xs, ys, "ink thin");
    plane.panel.dots("looks", xs, ys, 2.2, "dots ink");
  }

  const gallery = kit.panel({ span: 12, label: "the five kinds of motion, error against step; press one to go there", aspect: (width) => (width < 600 ? 0.82 : 0.15), margin: { left: 1, right: 1, top: 1, bottom: 1 }, frame: false });
  gallery.svg.classList.add("pick");
  const columns = () => (gallery.inner.width < 600 ? 2 : 5);
  gallery.svg.addEventListener("click", (event) => {
    if (!kit.view) return;
    const [x, y] = gallery.at(event), name = kit.view.five.names[Math.floor(y) * columns() + Math.floor(x)];
    if (name) take(name);
  });

  // All five at once, each in its own cell and at its own place on the map.
  function five(view, state) {
    const { errors, names } = view.five, across = columns(), last = errors.shape[1] - 1;
    gallery.domain({ x: [0, across], y: [Math.ceil(names.length / across), 0] });
    names.forEach((name, i) => {
      const c = i % across, r = Math.floor(i / across), on = name.replace(" ", "-") === view.regime && state.family === "heavy-ball", [alpha, beta] = view.regimes[name];
      const high = name === "divergent" ? 5 : 1.4, values = row(errors, i), xs = Array.from(values, (_, k) => c + 0.06 + (0.88 * k) / last);
      const ys = Array.from(values, (v) => r + 0.64 - (0.3 * Math.min(Math.max(v, -high), high)) / high);
      gallery.bar(`cell${i}`, c + 0.02, r + 0.03, c + 0.98, r + 0.97, on ? "cell on" : "cell");
      gallery.line(`zero${i}`, [c + 0.06, c + 0.94], [r + 0.64, r + 0.64], "hair");
      gallery.line(`run${i}`, xs, ys, on ? "hot thin" : "thin");
      gallery.dots(`dots${i}`, xs, ys, 1.6, on ? "dots hot" : "dots");
      gallery.text(`name${i}`, gallery.x(c + 0.06), gallery.y(r) + 18, name, { raw: true, className: on ? "label hot" : "label" });
      if (state.family === "heavy-ball") plane.panel.ring(`at${i}`, alpha, beta, 3, "ring thin");
    });
  }

  // The map cut along each slider: the rate that every other value of it would give.
  function cut(panel, values, high, now, rate, words) {
    panel.domain({ x: [0, high], y: [Math.min(0.9, ...values) - 0.03, 1.06] });
    const xs = Array.from(values, (_, i) => (i * high) / (values.length - 1));
    panel.line("one", [0, high], [1, 1], "hair");
    panel.line("curve", xs, values, "curve");
    panel.dots("now", [now], [Math.min(rate, 1.06)], 4, "dots hot");
    panel.text("words", panel.inner.left, 11, words, { raw: true, className: "axis" });
  }

  function roots(view) {
    const ratio = circle.inner.width / circle.inner.height, tall = 1.25;
    circle.domain({ x: [-tall * ratio, tall * ratio], y: [-tall, tall] });
    const turn = Array.from({ length: 181 }, (_, i) => (i * Math.PI) / 90);
    circle.line("real", [-tall * ratio, tall * ratio], [0, 0], "hair");
    circle.line("imaginary", [0, 0], [-tall, tall], "hair");
    circle.line("unit", turn.map(Math.cos), turn.map(Math.sin), "grey");
    circle.line("rate", turn.map((t) => view.rate * Math.cos(t)), turn.map((t) => view.rate * Math.sin(t)), "hot dash");
    const count = view.roots.shape[0];
    for (let i = 0; i < count; i++) {
      const pair = view.roots.subarray(4 * i, 4 * i + 4);
      circle.dots(`root${i}`, [pair[0], pair[2]], [pair[1], pair[3]], 5, "dots hot", { fill: count > 1 ? tone(i, count) : "" });
    }
    circle.text("title", circle.inner.left, 12, "roots and the unit circle", { raw: true, className: "axis" });
    circle.text("ring", 0, 0, `radius ${nice(view.rate)}`, { raw: false, dx: 8, dy: circle.inner.height / 2 - 6, className: "label hot" });
  }

  function iterates(view, state) {
    const count = view.errors.shape[0], last = view.errors.shape[1] - 1;
    const size = view.errors.map(Math.abs);
    const grows = view.rate > 1 + 1e-9;
    if (state.log) {
      runs.domain({ x: [0, last], y: grows ? [0.1, 1e3] : [1e-8, 10], ylog: true });
      for (let i = 0; i < count; i++) {
        const values = row(size, i, (size.shape = view.errors.shape));
        runs.line(`run${i}`, null, Array.from(values, (v) => v || NaN), count > 1 ? "" : "hot", { stroke: count > 1 ? tone(i, count) : "" });
        runs.dots(`dot${i}`, null, Array.from(values, (v) => v || NaN), 1.8, count > 1 ? "dots" : "dots hot", { fill: count > 1 ? tone(i, count) : "" });
      }
      runs.axes({ x: "step", y: "|error|" });
      return;
    }
    const high = grows ? 5 : 1.4;
    runs.domain({ x: [-0.5, last], y: [-high, high] });
    runs.line("zero", [0, last], [0, 0], "hair");
    for (let i = 0; i < count; i++) {
      const values = row(view.errors, i);
      if (count === 1) runs.stems("stems", null, values, "stem hot");
      else runs.line(`run${i}`, null, values, "", { stroke: tone(i, count) });
      runs.dots(`dot${i}`, null, values, 2, count > 1 ? "dots" : "dots hot", { fill: count > 1 ? tone(i, count) : "" });
    }
    runs.axes({ x: "step", y: "error", yticks: grows ? [-5, 0, 5] : [-1, 0, 1] });
  }

  return {
    draw(view, state) {
      plane.draw(view, { small: false });
      roots(view);
      iterates(view, state);
      cut(across, view.slice_alpha, view.right, view.alpha, view.rate, "rate along α");
      cut(up, view.slice_beta, 1, state.beta, view.rate, "rate along β");
      five(view, state);
      trail(view);
      regimes.forEach((button) => button.classList.toggle("on", button.textContent.replace(" ", "-") === view.regime));
    },
    echo(state) { plane.echo(state); },
    reset() { looks = []; told.textContent = ""; player.set(1); kit.draw(); },
  };
}
