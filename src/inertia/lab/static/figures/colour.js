// Four mazes to paint in, the error of each method, and the slow modes that make the maze hard.

import { node } from "../dom.js";
import { row } from "../numerics/arrays.js";
import { nice } from "../numbers.js";
import { plain, table, tone } from "../theme.js";

const NAMES = ["gradient descent", "momentum", "Chebyshev", "conjugate gradients"];
const SHORT = ["descent", "momentum", "Chebyshev", "conj. gradients"], BRIEF = [...SHORT.slice(0, 3), "conj. grad."]; // over a small maze, and a tiny one

export function build(kit) {
  const board = kit.panel({ span: 12, label: "the maze after k steps of four methods; tap cells to change them", height: 300, margin: { left: 2.5, right: 2.5, top: 0.5, bottom: 0.5 }, frame: false });
  board.svg.classList.add("draws");
  kit.row(12, "wide");
  kit.slider("k");
  kit.running("the colour spreads", { from: () => 1, to: () => 20000, at: () => kit.store.state.k, go: (k) => kit.store.set({ k: Math.round(k) }) });
  kit.legend("wave", ["no colour", "full", "twice as much"]);
  const chart = kit.panel({ span: 7, label: "error of the four methods against steps", aspect: (width) => (width < 420 ? 0.8 : 0.56), margin: { top: 22 } });
  let bars, shape;
  kit.column(5, () => {
    bars = kit.panel({ label: "smallest eigenvalues; tap one to see its eigenvector", height: 150, margin: { left: 44, right: 8, top: 22, bottom: 20 } });
    shape = kit.panel({ label: "the eigenvector in hand over the maze", height: 90, margin: { left: 0.5, right: 0.5, top: 20, bottom: 0.5 }, frame: false });
  });
  kit.row(12);
  kit.more(() => {
    kit.slider("alpha", { high: (view) => view.alpha_high });
    kit.slider("beta");
    kit.button("best α and β", () => kit.store.set(kit.view.best));
    kit.slider("mode", { high: (view) => view.values?.length || 1 });
    kit.choice("maze", { onset: (maze) => { wish = true; draft = null; kit.store.set({ maze, cells: "", seeds: [-1] }); } });
    kit.choice("brush");
    kit.box.append(node("p", { class: "hint" }, "Tap or draw in any maze. Keyboard: walk with the arrows, Enter changes the cell; the ring shows where you are."));
  }, "other mazes, walls and seeds, learning rate and momentum");

  let wish = false, tiles = null, cursor = [12, 12], ink = null, draft = null;

  // --- the maze as bits -----------------------------------------------------------------------------------------------
  const flat = (plan) => Uint8Array.from(plan.mask);
  function encode(bits, rows, columns) {
    let text = "";
    for (let i = 0; i < bits.length; i += 8) {
      let byte = 0;
      for (let b = 0; b < 8; b++) byte = byte * 2 + (bits[i + b] ? 1 : 0);
      text += byte.toString(16).padStart(2, "0");
    }
    return `${rows}x${columns}:${text}`;
  }

  function change(cell, begin) {
    const plan = kit.view.maze, [rows, columns] = plan.mask.shape;
    if (!draft) draft = { bits: flat(plan), seeds: plan.seeds.slice() };
    if (kit.store.state.brush === "seed") {
      if (begin) ink = !draft.seeds.includes(cell);
      const seeds = ink ? [...new Set([...draft.seeds, cell])].slice(-40) : draft.seeds.filter((one) => one !== cell);
      if (!seeds.length || !draft.bits[cell]) return;
      draft.seeds = seeds;
      kit.store.set({ seeds, cells: encode(draft.bits, rows, columns) });
    } else {
      if (begin) ink = draft.bits[cell] ? 0 : 1;
      if (draft.bits[cell] === ink || (!ink && draft.seeds.includes(cell))) return;
      draft.bits[cell] = ink;
      kit.store.set({ cells: encode(draft.bits, rows, columns), seeds: draft.seeds });
    }
    kit.draw();
  }

  const at = (x, y) => {
    const tile = tiles?.boxes.find((box) => x >= box.x && x < box.x + tiles.wide && y >= box.y && y < box.y + tiles.tall);
    if (!tile) return null;
    const [rows, columns] = kit.view.maze.mask.shape;
    return [Math.min(rows - 1, Math.floor((y - tile.y) / tiles.cell)), Math.min(columns - 1, Math.floor((x - tile.x) / tiles.cell))];
  };
  let begin = false;
  board.svg.addEventListener("pointerdown", () => { begin = true; });
  for (const name of ["pointerup", "pointercancel"]) board.svg.addEventListener(name, () => { begin = false; });
  board.press((x, y) => {
    const place = kit.view && !wish && at(x, y); // a picture that is about to go is not painted on
    if (!place) return;
    cursor = place;
    change(place[0] * kit.view.maze.mask.shape[1] + place[1], begin);
    begin = false;
  });
  board.svg.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (kit.view && !wish) change(cursor[0] * kit.view.maze.mask.shape[1] + cursor[1], true);
  });
  const walk = (x, y) => {
    const [rows, columns] = kit.view.maze.mask.shape, box = tiles.boxes[1];
    cursor = [Math.min(Math.max(Math.floor((y - box.y) / tiles.cell), 0), rows - 1), Math.min(Math.max(Math.floor((x - box.x) / tiles.cell), 0), columns - 1)];
    kit.draw();
  };

  // --- drawing --------------------------------------------------------------------------------------------------------
  function layout(rows, columns) {
    const width = board.inner.width, gap = 18, head = 20, narrow = width < 600;
    const across = rows < columns / 3 ? (narrow ? 1 : 2) : narrow ? 2 : 4, down = 4 / across;
    const cell = (width - gap * (across - 1)) / across / columns, wide = cell * columns, tall = cell * rows;
    const boxes = NAMES.map((_, i) => ({ x: (i % across) * (wide + gap), y: head + Math.floor(i / across) * (tall + head + 14) }));
    return { boxes, cell, wide, tall, height: Math.ceil(down * (tall + head + 14)) };
  }

  function fill(brush, plan, bytes, ramp, x, y, wide, tall) {
    const [rows, columns] = plan.mask.shape, colours = table(ramp), image = new ImageData(columns, rows);
    const bits = draft ? draft.bits : plan.mask;
    for (let i = 0; i < rows * columns; i++) {
      if (!bits[i]) continue;
      const from = 3 * bytes[i];
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = colours[from + c];
      image.data[4 * i + 3] = plan.live[i] || !plan.mask[i] ? 255 : 60;
    }
    const buffer = new OffscreenCanvas(columns, rows);
    buffer.getContext("2d").putImageData(image, 0, 0);
    brush.imageSmoothingEnabled = false;
    brush.fillStyle = plain("wall");
    brush.fillRect(x, y, wide, tall);
    brush.drawImage(buffer, x, y, wide, tall);
  }

  let stamp = 0;
  function mazes(view) {
    const plan = view.maze, [rows, columns] = plan.mask.shape;
    if (draft && kit.store.state.cells === plan.text) draft = null;
    tiles = layout(rows, columns);
    if (tiles.height !== board.fixed) {
      board.fixed = tiles.height;
      board.width = 0;
      board.measure();
    }
    board.domain({ x: [0, board.inner.width], y: [board.inner.height, 0] });
    board.shade(`mazes ${++stamp}`, (brush) => {
      tiles.boxes.forEach((box, i) => fill(brush, plan, row(view.pictures, i), "wave", box.x, box.y, tiles.wide, tiles.tall));
    });
    const seeds = draft ? draft.seeds : plan.seeds;
    tiles.boxes.forEach((box, i) => {
      const tiny = tiles.wide < 152;
      board.text(`name${i}`, box.x, box.y - 6, (tiny ? BRIEF : tiles.wide < 190 ? SHORT : NAMES)[i], { raw: true, className: i === 1 ? "label hot" : "label" });
      const error = view.now[i];
      board.text(`error${i}`, box.x + tiles.wide, box.y - 6, error === null || Number.isNaN(error) ? "" : error > 1e6 ? "diverges" : error < 1e-9 ? "0" : nice(Number(error.toPrecision(tiny ? 2 : 3))), { raw: true, anchor: "end", className: "tick" });
      const radius = Math.max(Math.min(tiles.cell * 0.3, 5), 2.6);
      board.dots(`seeds${i}`, seeds.map((s) => box.x + ((s % columns) + 0.5) * tiles.cell), seeds.map((s) => box.y + (Math.floor(s / columns) + 0.5) * tiles.cell), radius, "dots seed");
    });
    const box = tiles.boxes[1];
    cursor = [Math.min(cursor[0], rows - 1), Math.min(cursor[1], columns - 1)];
    board.knob("cursor", box.x + (cursor[1] + 0.5) * tiles.cell, box.y + (cursor[0] + 0.5) * tiles.cell, {
      label: "cell; Enter changes it", move: walk, step: [tiles.cell, -tiles.cell], radius: 3, className: "cursor", local: true, words: `row ${cursor[0] + 1}, column ${cursor[1] + 1}`,
    });
  }

  function errors(view, state) {
    const lift = (values) => Array.from(values, (v) => (v > 1e-14 && v < 1e8 ? v : NaN));
    chart.domain({ x: [1, 1e6], y: [1e-8, 3], xlog: true, ylog: true });
    const xs = Array.from(view.steps, (k) => Math.max(k, 1));
    const places = [[0.02, "end", -10], [1e-3, "start", 10], [1e-5, "end", -8], [3e-7, "end", -8]]; // error at which a curve is named, and on which side
    [3, 2, 0, 1].forEach((i) => {
      const values = lift(row(view.errors, i)), [level, anchor, dx] = places[i], fill = i === 1 ? "" : tone([0, 0, 1, 2][i], 3);
      chart.line(`e${i}`, xs, values, i === 1 ? "hot wide" : "", { stroke: fill });
      let end = values.findIndex((v) => v < level);
      if (end < 0) { end = values.length - 1; while (end > 0 && !(values[end] > 1e-8)) end--; }
      chart.text(`t${i}`, xs[end], Math.max(values[end] || 1e-8, 1e-8), NAMES[i], { dx, dy: 4, anchor, className: i === 1 ? "label hot" : "label", fill });
    });
    chart.line("now", [state.k, state.k], [1e-8, 3], "hot thin");
    chart.knob("steps", state.k, Math.min(Math.max(view.now[1], 1e-8), 3), { label: "steps", radius: 6, step: [Math.max(1, Math.round(0.08 * state.k)), 0], move: (k) => kit.store.set({ k: Math.min(Math.max(k, 1), 1e6) }), words: `${state.k} steps` });
    chart.axes({ x: "steps", y: "error, as a share of the first", xticks: [1, 10, 100, 1000, 1e4, 1e5, 1e6].filter((_, i) => chart.inner.width > 300 || i % 2 === 0) });
  }

  function spectrum(view) {
    const count = view.values.length, low = view.values[0] / 2, high = view.values[count - 1] * 1.6;
    bars.domain({ x: [-0.7, count - 0.3], y: [low, high], ylog: true });
    for (let i = 0; i < count; i++) {
      bars.bar(`b${i}`, i - 0.36, low, i + 0.36, view.values[i], i === view.hand ? "bar hot" : view.done[i] <= kit.store.state.k ? "bar spent" : "bar", { fill: i === view.hand ? "" : tone(i, count) });
    }
    bars.axes({ y: "eigenvalues that the start contains; paler: done", xticks: [], grid: false, yticks: [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1].filter((v) => v >= low && v <= high).filter((_, i, all) => all.length < 5 || i % 2 === 0) });
    const plan = view.maze, [rows, columns] = plan.mask.shape, most = 190;
    const cell = Math.min(shape.width / columns, most / rows), tall = Math.ceil(cell * rows) + 22;
    if (tall !== shape.fixed) { shape.fixed = tall; shape.width = 0; shape.measure(); }
    shape.domain({ x: [0, 1], y: [0, 1] });
    shape.shade(`mode ${stamp}`, (brush) => fill(brush, plan, view.mode, "mode", 0.5, 20, cell * columns - 1, cell * rows));
    shape.text("words", 0, 13, `eigenvector ${view.hand + 1}: λ = ${nice(view.values[view.hand])}, done in ${nice(Math.ceil(view.done[view.hand]))} steps`, { raw: true, className: "axis" });
  }
  const choose = (x, source) => kit.store.set({ mode: Math.min(Math.max(Math.round(x) + 1, 1), kit.view.values.length) }, source);
  bars.press((x) => choose(x, "set"));
  bars.svg.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && kit.view) choose(bars.at(event)[0], "hover"); });

  return {
    draw(view, state) {
      if (wish && kit.fresh) { wish = false; kit.store.set(view.best); }
      mazes(view);
      errors(view, state);
      spectrum(view);
    },
    reset() { draft = null; },
  };
}
