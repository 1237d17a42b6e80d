// A graph to rewire: tap two nodes to join or cut them. Its colour is its slowest mode, or news spreading from one node.

import { nice } from "../numbers.js";
import { shade, tone } from "../theme.js";

export function build(kit) {
  const board = kit.panel({ span: 6, label: "the graph; tap two nodes to join or cut them", aspect: 1, margin: { left: 4, right: 4, top: 4, bottom: 4 }, frame: false });
  let growth, steps, player;
  kit.column(6, () => {
    kit.row(12);
    kit.choice("graph", { onset: (graph) => kit.store.set({ graph, flips: [-1], a: 0, b: Math.floor(kit.store.state.n / 2) }) });
    kit.slider("n");
    growth = kit.panel({ label: "condition number against number of nodes", aspect: (width) => (width < 420 ? 0.66 : 0.52), margin: { right: 76, top: 22, left: 52 } });
    steps = kit.panel({ label: "steps to a millionth of the loss", height: 92, margin: { left: 118, right: 60, top: 22, bottom: 4 }, frame: false });
    kit.row(12);
    player = kit.player("step", () => colours());
  });
  kit.row(12);
  kit.more(() => {
    kit.choice("method");
    kit.flag("springs", "layout");
    kit.slider("a", { high: (view) => (view.nodes ? view.nodes - 1 : 224) });
    kit.slider("b", { high: (view) => (view.nodes ? view.nodes - 1 : 224) });
    kit.button("join or cut the two", () => flip(kit.view.a, kit.view.b));
    kit.button("another expander", () => kit.store.set({ seed: (kit.store.state.seed + 1) % 10000, graph: "expander", flips: [-1] }));
  }, "edges by number, another expander, news by gradient descent");

  const trio = kit.panel({ span: 12, label: "expander, grid and path of 36 nodes side by side; press one to take it", aspect: (width) => (width < 600 ? 0.44 : 0.26), margin: { left: 1, right: 1, top: 20, bottom: 22 }, frame: false });
  trio.svg.classList.add("pick");
  trio.svg.addEventListener("click", (event) => {
    const one = kit.view && kit.view.three.graphs[Math.floor(trio.at(event)[0])];
    if (one) kit.store.set({ graph: one.kind, n: one.slow.length, flips: [-1], a: 0, b: one.slow.length / 2 });
  });

  // The same number of nodes three times: what differs is how they are joined.
  function three(view) {
    const { graphs } = view.three, tall = trio.inner.height / (trio.inner.width / graphs.length); // a cell is wider than high
    trio.domain({ x: [0, graphs.length], y: [1, 0] });
    graphs.forEach((one, g) => {
      const x = (i) => g + 0.5 + 0.46 * Math.min(tall, 1) * one.at[2 * i], y = (i) => 0.5 - 0.46 * Math.min(1, 1 / tall) * one.at[2 * i + 1], xs = [], ys = [];
      for (let e = 0; e < one.edges.length; e += 2) { xs.push(x(one.edges[e]), x(one.edges[e + 1]), NaN); ys.push(y(one.edges[e]), y(one.edges[e + 1]), NaN); }
      trio.bar(`cell${g}`, g + 0.01, 0, g + 0.99, 1, kit.store.state.graph === one.kind ? "cell on" : "cell");
      trio.line(`edges${g}`, xs, ys, "wire");
      const nodes = Array.from(one.slow, (_, i) => i), radius = trio.inner.width < 600 ? 2 : 3.4;
      for (const part of [0, 1, 2, 3, 4]) { // five colours are enough at this size
        const mine = nodes.filter((i) => Math.min(Math.floor((one.slow[i] / 255) * 5), 4) === part);
        trio.dots(`nodes${g}${part}`, mine.map(x), mine.map(y), radius, "dots rimmed", { fill: `rgb(${shade("mode", (part + 0.5) / 5).join(" ")})` });
      }
      trio.text(`kind${g}`, trio.x(g + 0.5), 13, one.kind, { raw: true, anchor: "middle" });
      trio.text(`kappa${g}`, trio.x(g + 0.5), trio.height - 6, `${trio.inner.width < 600 ? "κ =" : "condition number"} ${nice(Number(one.kappa.toPrecision(3)))}`, { raw: true, anchor: "middle", className: "axis" });
    });
  }

  let picked = false, carried = false, moved = new Map(), known = "";
  function flip(i, j) {
    if (i === j) return;
    const [low, high] = [Math.min(i, j), Math.max(i, j)], flips = kit.store.state.flips.filter((v) => v >= 0), kept = [];
    let undone = false;
    for (let k = 0; k + 1 < flips.length; k += 2) {
      if (flips[k] === low && flips[k + 1] === high) undone = true;
      else kept.push(flips[k], flips[k + 1]);
    }
    if (!undone) kept.push(low, high);
    kit.store.set({ flips: kept.length ? kept.slice(-240) : [-1] });
  }

  const mine = () => Math.min(kit.store.state.a, kit.view.nodes - 1); // the node in hand now; the drawing may not know yet
  const place = (i) => moved.get(i) || [kit.view.places.at[2 * i], kit.view.places.at[2 * i + 1]];
  const nearest = (x, y) => {
    let best = 0, near = Infinity;
    for (let i = 0; i < kit.view.nodes; i++) {
      const [px, py] = place(i), away = Math.hypot(px - x, py - y);
      if (away < near) { near = away; best = i; }
    }
    return best;
  };
  board.svg.addEventListener("click", (event) => {
    if (!kit.view || carried) { carried = false; return; }
    const node = nearest(...board.at(event));
    if (picked && node !== mine()) { kit.store.set({ b: node }); flip(mine(), node); picked = false; } else { picked = !(picked && node === mine()); kit.store.set({ a: node }); }
    kit.draw();
  });
  board.svg.addEventListener("pointerdown", () => { carried = false; }, true);
  const carry = (x, y) => {
    const [left, top] = place(kit.view.a);
    if (!carried && Math.hypot(board.x(x) - board.x(left), board.y(y) - board.y(top)) < 4) return; // a tap trembles
    carried = true;
    moved.set(kit.view.a, [Math.min(Math.max(x, -1), 1), Math.min(Math.max(y, -1), 1)]);
    kit.draw();
  };

  function colours() {
    if (!kit.view || !board.fx) return;
    const news = player.index < Infinity, frame = Math.min(Math.round(player.index), player.count), view = kit.view;
    const bytes = news ? view.frames.subarray(frame * view.nodes, (frame + 1) * view.nodes) : view.slow;
    const radius = Math.max(4, Math.min(11, 66 / Math.sqrt(view.nodes)) * board.inner.width / 480);
    board.text("shown", 4, 14, news ? `news from node ${view.a}, step ${frame}` : board.inner.width < 330 ? "eigenvector λ₂" : "colour: eigenvector of λ₂", { raw: true, className: "axis" });
    for (let i = 0; i < view.nodes; i++) {
      const [x, y] = place(i), node = board.ring(`node${i}`, x, y, radius, "node");
      node.style.fill = `rgb(${shade(news ? "wave" : "mode", bytes[i] / 255).join(" ")})`;
    }
  }

  function graph(view) {
    if (known !== kit.have.places) { known = kit.have.places; moved = new Map(); picked = false; }
    board.domain({ x: [-1.04, 1.04], y: [-1.04, 1.04] });
    const xs = [], ys = [];
    for (let e = 0; e < view.edges.length; e += 2) {
      const [x0, y0] = place(view.edges[e]), [x1, y1] = place(view.edges[e + 1]);
      xs.push(x0, x1, NaN);
      ys.push(y0, y1, NaN);
    }
    board.line("edges", xs, ys, "wire");
    const [ax, ay] = place(view.a), [bx, by] = place(view.b);
    if (!view.joined && view.a !== view.b) board.line("would", [ax, bx], [ay, by], "hot dash");
    else board.line("would", [ax, bx], [ay, by], "hot");
    colours();
    const radius = Math.max(4, Math.min(11, 66 / Math.sqrt(view.nodes)) * board.inner.width / 480);
    board.ring("other", bx, by, radius + 4, "ring hot");
    board.knob("hand", ax, ay, { label: `node ${view.a}`, move: carry, radius: Math.max(radius - 4, 2.5), className: picked ? "picked" : "open", step: [0.05, 0.05], local: true });
    if (picked) board.text("hint", ax, ay, "now another node", { dx: 14, dy: -12, className: "label hot" });
  }

  function numbers(view) {
    const { path, grid, expander } = view.growth, all = [...path[1], ...expander[1]];
    const kappa = Number.isFinite(view.kappa) ? view.kappa : null;
    const top = Math.max(...all, kappa || 0) * 1.6;
    growth.domain({ x: [9, 225], y: [1, top], xlog: true, ylog: true });
    const tips = [["path", path], ["grid", grid], ["expander", expander]].map(([name, [sizes, values]], i) => {
      growth.line(`curve ${name}`, sizes, values, "", { stroke: tone(i, 3) });
      return { key: `tip${name}`, y: values[values.length - 1], words: name, fill: tone(i, 3) };
    });
    growth.ends(tips);
    if (kappa) {
      growth.dots("now", [view.nodes], [Math.max(kappa, 1.02)], 6, "dots hot");
      growth.text("nowwords", view.nodes, kappa, nice(kappa), { dx: 8, dy: 19, className: "label hot" });
    }
    growth.axes({ x: "nodes", y: "condition number", xticks: [9, 25, 64, 144, 225], yticks: [1, 10, 100, 1000, 1e4].filter((v) => v < top) });
    const rows = [["gradient descent", view.steps.descent], ["momentum", view.steps["heavy-ball"]]], most = Math.max(...rows.map((one) => one[1] || 1), 10);
    steps.domain({ x: [0, most], y: [2, 0] });
    steps.text("title", 0, 12, "steps to a millionth of the loss", { raw: true, className: "axis" });
    rows.forEach(([name, count], i) => {
      steps.text(`name${i}`, steps.inner.left - 10, steps.y(i + 0.5) + 4, name, { raw: true, anchor: "end", className: i ? "label hot" : "label" });
      steps.bar(`bar${i}`, 0, i + 0.22, count === undefined ? most : count, i + 0.78, i ? "bar hot" : "bar", { fill: i ? "" : tone(1, 3) });
      steps.text(`count${i}`, steps.x(count === undefined ? most : count) + 7, steps.y(i + 0.5) + 4, count === undefined ? "never" : nice(count), { raw: true });
    });
  }

  return {
    draw(view) {
      graph(view);
      player.set(view.frames.shape[0] - 1);
      numbers(view);
      three(view);
    },
    reset() { moved = new Map(); picked = false; player.index = Infinity; player.set(60); },
  };
}
