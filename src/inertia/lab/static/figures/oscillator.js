// A weight on a spring: drag it, let it go, and watch its phase portrait; the whole grid of portraits below.

import { nice } from "../numbers.js";
import { row } from "../numerics/arrays.js";
import { shade, colour } from "../theme.js";

export function build(kit) {
  const spring = kit.panel({ span: 2, label: "the weight on its spring", aspect: (width) => Math.max(1.2, 300 / width), margin: { left: 4, right: 4, top: 8, bottom: 8 }, frame: false });
  const over = kit.panel({ span: 6, label: "position against time", aspect: (width) => Math.max(0.4, 300 / width), margin: { top: 22 } });
  const phase = kit.panel({ span: 4, label: "phase portrait: position against speed", aspect: (width) => Math.max(0.6, (width > 310 ? 230 : 300) / width), margin: { left: 30, top: 22 } });
  spring.root.parentElement.classList.add("third");
  over.root.parentElement.classList.add("twothirds");
  kit.row(12, "strip");
  const player = kit.player("step", (index) => walk(index));
  kit.row(12, "wide");
  const method = (state) => state.words !== "method", particle = (state) => state.words === "method";
  kit.slider("beta", { hide: method });
  kit.slider("drag", { hide: particle });
  kit.slider("curvature");
  const trio = kit.panel({ span: 12, label: "three portraits of the same weight: creeping, critically damped, swinging; press one to take its momentum", aspect: (width) => (width < 600 ? 0.4 : 0.24), margin: { left: 1, right: 1, top: 22, bottom: 20 }, frame: false });
  const line = kit.panel({ span: 12, label: "rate against momentum; the kink is critical damping", height: 132, margin: { left: 46, right: 14, top: 22, bottom: 34 } });
  kit.row(12);
  kit.more(() => {
    kit.choice("words", { onset: (name) => {
      const { alpha, beta, particle } = kit.view;
      kit.store.set({ words: name, alpha, beta, ...particle });
    } });
    kit.flags(["flow", "field", "energy", "explicit"], "lay over it");
    kit.slider("alpha", { hide: method });
    kit.slider("time_step", { hide: particle });
    kit.slider("mass");
    kit.slider("speed");
    kit.slider("steps");
  }, "mass, time step, start, and the other discretisation");
  const grid = kit.panel({ span: 12, label: "phase portraits for four springs and six momenta", aspect: (width) => (width < 600 ? 0.86 : 0.42), margin: { left: 62, right: 4, top: 40, bottom: 4 }, frame: false });

  trio.svg.classList.add("pick");
  for (const [name, value] of Object.entries({ tabindex: 0, role: "button" })) trio.svg.setAttribute(name, value);
  const choose = (i) => { const three = kit.view && kit.view.three; if (three && i >= 0 && i < 3) kit.store.set({ words: "method", alpha: kit.view.alpha, beta: three.betas[i] }); };
  trio.svg.addEventListener("click", (event) => choose(Math.floor(trio.at(event)[0])));
  let way = 1;
  trio.svg.addEventListener("keydown", (event) => {
    const on = { ArrowLeft: -1, ArrowRight: 1, Enter: 0, " ": 0 }[event.key];
    if (on === undefined) return;
    event.preventDefault();
    way = Math.min(Math.max(way + on, 0), 2);
    choose(way);
  });

  // Three motions live: whatever is dragged changes all of them.
  function portraits3(view) {
    trio.domain({ x: [0, 3], y: [0, 1] });
    const { three } = view, small = trio.inner.width < 600;
    if (!three) { trio.text("none", trio.inner.left, 13, ["without a spring, or with steps beyond it, there are no three ways to come to rest", "no spring, or steps too long for three ways", "steps too long for three ways"], { raw: true, className: "axis" }); return; }
    const size = (values) => Math.max(1e-9, ...values.filter(Number.isFinite).map(Math.abs)), tall = size(three.position), wide = size(three.speed);
    [small ? "creeps" : "creeps (overdamped)", small ? "critical" : "critically damped", small ? "swings" : "swings (underdamped)"].forEach((words, i) => {
      const xs = Array.from(row(three.speed, i), (v) => i + 0.5 + (0.44 * v) / wide), ys = Array.from(row(three.position, i), (v) => 0.5 + (0.46 * v) / tall);
      trio.bar(`cell${i}`, i + 0.01, 0, i + 0.99, 1, Math.abs(view.beta - three.betas[i]) < 1e-9 ? "cell on" : "cell");
      trio.line(`h${i}`, [i + 0.03, i + 0.97], [0.5, 0.5], "hair");
      trio.line(`v${i}`, [i + 0.5, i + 0.5], [0.02, 0.98], "hair");
      trio.line(`trace${i}`, xs, ys, "trace");
      trio.dots(`dots${i}`, xs, ys, small ? 1.3 : 2, "dots trail");
      trio.text(`words${i}`, trio.x(i + 0.5), 14, words, { raw: true, anchor: "middle" });
      trio.text(`beta${i}`, trio.x(i + 0.5), trio.height - 5, small ? `β ${nice(Number(three.betas[i].toPrecision(3)))}` : `β ${nice(Number(three.betas[i].toPrecision(3)))}, rate ${nice(Number(three.rates[i].toPrecision(4)))}`, { raw: true, anchor: "middle", className: "axis" });
    });
  }

  // The vector field of the phase portrait: where one step carries each of many places, drawn to a tenth of the frame at most.
  function arrows({ turn: [a, b, c, d] }, wide, tall) {
    const count = 9, from = [], to = [];
    let far = 0;
    for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) {
      const s = wide * ((2 * i + 1) / count - 1), x = tall * ((2 * j + 1) / count - 1), move = [(c * x + d * s - s) / wide, (a * x + b * s - x) / tall];
      from.push([s, x]);
      to.push(move);
      far = Math.max(far, Math.hypot(...move));
    }
    const size = 0.2 / Math.max(far, 1e-12), xs = [], ys = [];
    from.forEach(([s, x], i) => {
      const [u, v] = to[i].map((part) => part * size), long = Math.hypot(u, v);
      if (long < 0.004) return;
      const tip = [s + u * wide, x + v * tall], barb = (turned) => [tip[0] - (0.35 * u - turned * 0.2 * v) * wide, tip[1] - (0.35 * v + turned * 0.2 * u) * tall];
      for (const [left, top] of [[s, x], tip, barb(1), tip, barb(-1), [NaN, NaN]]) { xs.push(left); ys.push(top); }
    });
    phase.line("field", xs, ys, "field");
  }

  let shown = null;
  const hang = (position) => spring.knob("weight", 0, position, { label: "the weight: its starting position", step: [0, 0.02], radius: 13, move: (_, y) => kit.store.set({ position: Math.min(Math.max(y, -1.5), 1.5) }), words: `position ${nice(position)}` });

  function walk(index) {
    if (!shown) return;
    const k = Math.min(index, shown.position.length - 1), whole = index >= shown.position.length - 1;
    const at = whole ? shown.position[0] : shown.position[k];
    if (Number.isFinite(at)) {
      const top = 3.35, bottom = Math.min(Math.max(at, -1.7), 1.9) + 0.22, coils = 9, xs = [0], ys = [top];
      for (let i = 0; i < coils * 2; i++) { xs.push(i % 2 ? 0.3 : -0.3); ys.push(top - 0.15 - ((top - 0.3 - bottom) * (i + 0.5)) / (coils * 2)); }
      xs.push(0); ys.push(bottom);
      spring.line("spring", xs, ys, "spring");
      hang(Math.min(Math.max(at, -1.7), 1.9));
    }
    over.dots("now", whole ? [] : [shown.time[k]], whole ? [] : [shown.position[k]], 6, "dots ball");
    phase.dots("now", whole ? [] : [shown.speed[k]], whole ? [] : [shown.position[k]], 6, "dots ball");
  }

  // Dots fade in as time passes, in three strokes of opacity.
  function fading(panel, xs, ys) {
    const count = ys.length, cuts = [0, Math.min(12, count), Math.min(50, count), count];
    for (let i = 0; i < 3; i++) panel.dots(`dots${i}`, xs, ys, 2.6, `dots hot fade${i}`, { from: cuts[i], to: cuts[i + 1] });
  }

  function portraits(view) {
    const data = view.grid, columns = data.columns.length, rows = data.rows.length;
    grid.domain({ x: [0, columns], y: [rows, 0] });
    const cell = [0.42, 0.42];
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        const i = r * columns + c, v = row(data.velocity, i), p = row(data.position, i);
        const xs = Float64Array.from(v, (value) => c + 0.5 + (cell[0] * value) / 4.2), ys = Float64Array.from(p, (value) => r + 0.5 - (cell[1] * value) / 1.05);
        const far = (j) => Math.abs(xs[j] - c - 0.5) > 0.48 || Math.abs(ys[j] - r - 0.5) > 0.48;
        for (let j = 0; j < xs.length; j++) if (far(j)) { xs.fill(NaN, j); break; }
        grid.line(`axisx${i}`, [c + 0.06, c + 0.94], [r + 0.5, r + 0.5], "hair");
        grid.line(`axisy${i}`, [c + 0.5, c + 0.5], [r + 0.06, r + 0.94], "hair");
        grid.line(`trace${i}`, xs, ys, "trace");
        grid.dots(`trail${i}`, xs, ys, 1.1, "dots trail");
        const on = kit.store.state.alpha === data.alpha && kit.store.state.curvature === data.rows[r] && kit.store.state.beta === data.columns[c];
        grid.bar(`cell${i}`, c + 0.03, r + 0.03, c + 0.97, r + 0.97, on ? "cell on" : "cell");
      }
    }
    data.columns.forEach((beta, c) => grid.text(`column${c}`, grid.x(c + 0.5), 33, `${c ? "" : "β = "}${beta}`, { raw: true, anchor: "middle", className: "tick" }));
    data.rows.forEach((value, r) => grid.text(`row${r}`, grid.inner.left - 6, grid.y(r + 0.5) + 4, `λ = ${value}`, { raw: true, anchor: "end", className: "tick" }));
    grid.text("title", grid.inner.left, 13, grid.inner.width > 330 ? "speed to the right, position up: press one to take it over" : "speed, position; press one to take it", { raw: true, className: "axis" });
  }

  grid.svg.addEventListener("click", (event) => {
    const [x, y] = grid.at(event), data = kit.view && kit.view.grid;
    if (!data || x < 0 || y < 0 || x >= data.columns.length || y >= data.rows.length) return;
    take(Math.floor(x), Math.floor(y));
  });
  const take = (column, row_) => {
    const { grid: data } = kit.view;
    kit.store.set({ words: "method", alpha: data.alpha, beta: data.columns[column], curvature: data.rows[row_], mass: 1, position: data.start.position, speed: data.start.speed, steps: 250 });
  };
  grid.svg.classList.add("pick");
  for (const [name, value] of Object.entries({ tabindex: 0, role: "button" })) grid.svg.setAttribute(name, value);
  let cell = [0, 0];
  grid.svg.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Enter: [0, 0], " ": [0, 0] }[event.key], data = kit.view && kit.view.grid;
    if (!way || !data) return;
    event.preventDefault();
    cell = [(cell[0] + way[0] + data.columns.length) % data.columns.length, (cell[1] + way[1] + data.rows.length) % data.rows.length];
    take(cell[0], cell[1]);
  });

  return {
    draw(view, state) {
      const last = view.time[view.time.length - 1];
      shown = view;
      spring.domain({ x: [-1.1, 1.1], y: [-1.9, 3.4] });
      spring.line("ceiling", [-0.8, 0.8], [3.35, 3.35], "thick");
      spring.line("rest", [-1.1, 1.1], [0, 0], "hair");
      const span = Math.min(Math.max(1.1, ...view.position.filter(Number.isFinite).map(Math.abs), ...(view.explicit ? view.explicit.position.filter(Number.isFinite).map(Math.abs) : [])), 3);
      over.domain({ x: [0, last], y: [-span, span] });
      over.line("zero", [0, last], [0, 0], "hair");
      const widest = Math.min(Math.max(0.3, ...view.speed.filter(Number.isFinite).map(Math.abs)), 6) * 1.1;
      phase.domain({ x: [-widest, widest], y: [-span, span] });
      phase.line("h", [-widest, widest], [0, 0], "hair");
      phase.line("v", [0, 0], [-span, span], "hair");
      if (view.turn) arrows(view, widest, span);
      if (state.flow) {
        over.line("exact", view.fine_time, view.fine_position, "exact");
        phase.line("exact", view.fine_speed, view.fine_position, "exact");
      }
      if (view.explicit) {
        over.line("explicit", view.time, view.explicit.position, "grey dash");
        over.dots("explicitdots", view.time, view.explicit.position, 1.6, "dots");
        phase.line("explicit", view.explicit.speed, view.explicit.position, "grey dash");
        over.text("explicitwords", last, span, over.inner.width < 300 ? "explicit Euler" : `explicit Euler: stable below λ = ${nice(view.explicit.edge)}`, { dx: -8, dy: 16, anchor: "end", className: "label quiet" });
      }
      if (state.energy && view.energy[0] > 0) {
        const share = Array.from(view.energy, (v) => Math.min((span * v) / view.energy[0], 1e6)), at = Math.min(Math.round(0.06 * share.length), share.length - 1);
        over.line("energy", view.time, share, "ink thin");
        over.text("energywords", view.time[at], share[at], ["energy, as a share of the first", "energy"], { dx: 8, dy: -4, className: "label quiet" });
      }
      fading(over, view.time, view.position);
      fading(phase, view.speed, view.position);
      over.axes({ x: "time", y: "position" });
      phase.axes({ x: "speed", y: "position", grid: false });
      line.domain({ x: [0, 1], y: [Math.max(0, Math.min(...view.line_rate) - 0.1), Math.min(1.1, Math.max(1.02, view.rate * 1.02))] });
      line.line("rate", view.line_beta, view.line_rate, "curve");
      const [bottom, top] = line.scale.y;
      if (view.critical > 0 && view.critical < 1) {
        line.line("critical", [view.critical, view.critical], [bottom, top], "dash grey");
        const room = line.x(view.critical) - line.inner.left - 7 * 14 - 20; // beside the words of the critical one
        if (room > 40) line.text("over", 0, bottom, room > 120 ? "creeps: overdamped" : "creeps", { dx: 10, dy: -10, className: "label quiet" });
        line.text("under", view.critical, bottom, "swings", { dx: 10, dy: -10, className: "label quiet" });
        line.text("criticalwords", view.critical, bottom, `critical β = ${nice(view.critical)}`, { dx: -10, dy: -10, anchor: "end" });
      }
      line.axes({ x: "momentum β", y: "rate", yticks: [Number(bottom.toFixed(2)), 1] });
      line.knob("hold", view.beta, view.rate, { label: "momentum", step: [0.005, 0], move: (beta) => kit.store.set({ words: "method", alpha: kit.view.alpha, beta: Math.min(Math.max(beta, 0), 1) }), words: `beta ${nice(view.beta)}` });
      portraits3(view);
      portraits(view);
      player.set(view.position.length - 1);
    },
  };
}
