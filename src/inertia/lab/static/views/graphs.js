// Graphs: how fast news spreads is a condition number, and one edge can change it.

import { clip, even, geomspace, linspace, shaped, unique, zeros } from "../numerics/arrays.js";
import { expanderCondition, gridCondition, pathCondition } from "../numerics/bounds.js";
import { eigh } from "../numerics/linear.js";
import { settled } from "../numerics/milestones.js";
import { descent, heavyBall, left, method } from "../numerics/modes.js";
import { permutation } from "../numerics/random.js";
import { words } from "../numerics/words.js";

const KINDS = { expander: "expander", grid: "grid", path: "path", rooms: "two cliques" }, FRAMES = 60, SETTLING = 60, BESIDE = 36, TOLERANCE = 1e-6, SIZES = [9, 16, 25, 36, 49, 64, 100, 144, 225];

export function view(state) {
  const { graph: kind, seed } = state, nodes = kind === "grid" ? even(Math.sqrt(state.n)) ** 2 : state.n, edges = flipped(base(kind, nodes, seed), nodes, state.flips);
  const found = solved(edges, nodes), low = found.values[1], high = found.values[nodes - 1], whole = found.parts === 1;
  const a = Math.min(state.a, nodes - 1), b = Math.min(state.b, nodes - 1), plans = whole ? { descent: descent(low, high), "heavy-ball": heavyBall(low, high) } : {};
  const kappa = whole ? high / low : Infinity, first = Math.min(a, b), second = Math.max(a, b);
  const values = {
    edges: shaped(Int32Array.from(edges.flat()), edges.length, 2),
    nodes,
    a,
    b,
    joined: edges.some(([i, j]) => i === first && j === second),
    slow: slowest(found, nodes),
    frames: spread(found, nodes, whole ? plans[state.method] : method(1 / Math.max(high, 1e-9)), a),
    values: found.values,
    kappa,
    steps: Object.fromEntries(Object.entries(plans).map(([name, one]) => [name, needed(found, one)])),
    parts: found.parts,
    changed: !(state.flips.length === 1 && state.flips[0] === -1),
  };
  const alt = `A graph of ${nodes} nodes and ${edges.length} edges (${KINDS[kind]}), condition number ${words(kappa, ".4g")}.`;
  return { values, caption: caption(values, edges.length), alt, costly: { places: [`${kind}|${nodes}|${seed}|${state.springs ? edges : ""}`, () => ({ at: places(kind, nodes, seed, state.springs ? edges : null) })], growth: [`${seed}`, () => growth(seed)],
    three: [`${seed}`, () => ({ graphs: ["expander", "grid", "path"].map((name) => beside(name, seed)) })] } };
}

// One of the three graphs of the same size that stand side by side.
function beside(kind, seed) {
  const edges = flipped(base(kind, BESIDE, seed), BESIDE, []), found = solved(edges, BESIDE);
  return { kind, edges: shaped(Int32Array.from(edges.flat()), edges.length, 2), at: places(kind, BESIDE, seed), slow: slowest(found, BESIDE), kappa: found.values[BESIDE - 1] / found.values[1] };
}

function base(kind, nodes, seed) {
  const out = [];
  if (kind === "grid") {
    const side = even(Math.sqrt(nodes));
    for (let r = 0; r < side; r++) for (let c = 0; c < side; c++) { if (c < side - 1) out.push([r * side + c, r * side + c + 1]); if (r < side - 1) out.push([r * side + c, (r + 1) * side + c]); }
  } else if (kind === "path") for (let i = 0; i < nodes - 1; i++) out.push([i, i + 1]);
  else if (kind === "rooms") {
    const half = Math.floor(nodes / 2);
    for (let i = 0; i < nodes; i++) for (let j = i + 1; j < nodes; j++) if (i < half === j < half) out.push([i, j]);
    out.push([half - 1, half]);
  } else {
    const order = permutation(seed, nodes); // two cycles through all nodes: four neighbours each, an expander with probability near 1 (Friedman 2008)
    for (let i = 0; i < nodes; i++) out.push([i, (i + 1) % nodes], [order[i], order[(i + 1) % nodes]]);
  }
  return out;
}

// Sorted, each edge once, with every pair in `flips` added where it was missing and removed where it was.
function flipped(edges, nodes, flips) {
  const have = new Set(edges.filter(([i, j]) => i !== j).map(([i, j]) => Math.min(i, j) * nodes + Math.max(i, j))), numbers = flips.map(even);
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const [one, two] = [numbers[i], numbers[i + 1]];
    if (!(one >= 0 && one < nodes && two >= 0 && two < nodes && one !== two)) continue;
    const code = Math.min(one, two) * nodes + Math.max(one, two);
    if (!have.delete(code)) have.add(code);
  }
  return [...have].sort((a, b) => a - b).map((code) => [Math.floor(code / nodes), code % nodes]);
}

const kept = new Map();

function solved(edges, nodes) {
  const key = `${nodes}:${edges}`;
  if (!kept.has(key)) {
    if (kept.size >= 24) kept.delete(kept.keys().next().value);
    const matrix = zeros(nodes, nodes);
    for (const [i, j] of edges) { matrix[i * nodes + j]--; matrix[j * nodes + i]--; matrix[i * nodes + i]++; matrix[j * nodes + j]++; }
    const { values, vectors } = eigh(matrix), parts = values.filter((v) => v < 1e-9 * Math.max(values[nodes - 1], 1)).length;
    kept.set(key, { values: shaped(values.map((v) => Math.max(v, 0))), vectors, parts: Math.max(parts, 1) });
  }
  return kept.get(key);
}

const needed = (found, one) => { const h = found.values.slice(1); return settled(one, h, h.map(() => 1), TOLERANCE * 0.5 * h.reduce((t, v) => t + v, 0)); };

// The slowest eigenvector as bytes; where several share the eigenvalue, the part of a fixed vector that lies in their space.
function slowest({ values, vectors }, nodes) {
  const out = new Float64Array(nodes), alike = [];
  for (let j = 0; j < nodes; j++) if (Math.abs(values[j] - values[1]) <= 1e-9 * Math.max(values[nodes - 1], 1e-9)) alike.push(j);
  const fixed = Float64Array.from({ length: nodes }, (_, i) => Math.cos(1 + Math.SQRT2 * i)), mean = fixed.reduce((t, v) => t + v, 0) / nodes;
  for (const j of alike) {
    let share = 0;
    for (let i = 0; i < nodes; i++) share += vectors[i * nodes + j] * (fixed[i] - mean);
    for (let i = 0; i < nodes; i++) out[i] += share * vectors[i * nodes + j];
  }
  const size = out.reduce((t, v) => Math.max(t, Math.abs(v)), 0);
  return shaped(Uint8Array.from(out, (v) => even(127 + (127 * v) / size + 1e-6)));
}

// What begins at one node, over its fair share, after 0, 1, ... steps: (frames, nodes), 127 is the fair share.
function spread({ values, vectors }, nodes, one, source) {
  const out = shaped(new Uint8Array((FRAMES + 1) * nodes), FRAMES + 1, nodes), at = Array.from(values, (h) => left(one, h));
  for (let k = 0; k <= FRAMES; k++) {
    const share = at.map((f, j) => nodes * f(k) * vectors[source * nodes + j]);
    for (let i = 0; i < nodes; i++) {
      let value = 0;
      for (let j = 0; j < nodes; j++) value += share[j] * vectors[i * nodes + j];
      out[k * nodes + i] = even(127 * clip(value, 0, 2));
    }
  }
  return out;
}

// Where the nodes stand, in [-1, 1] squared; an expander, and whatever edges are given, as springs place them.
function places(kind, nodes, seed, edges = null) {
  const at = drawn(kind, nodes), joined = edges || (kind === "expander" ? flipped(base(kind, nodes, seed), nodes, []) : null);
  return joined ? settle(joined, at) : at;
}

// Every pair of nodes on a spring as long as the way between them: de Leeuw's (1977) majorisation of the stress, from there.
function settle(edges, start) {
  const nodes = start.length / 2, away = ways(edges, nodes);
  let at = start.map((v, i) => v + 0.05 * Math.cos(1 + Math.SQRT2 * i)); // a ring is a saddle: rounding must not choose
  for (let round = 0; round < SETTLING; round++) {
    const next = zeros(nodes, 2);
    for (let i = 0; i < nodes; i++) {
      const x = at[2 * i], y = at[2 * i + 1];
      for (let j = 0; j < i; j++) {
        const u = x - at[2 * j], v = y - at[2 * j + 1], pull = away[i * nodes + j] / (nodes * Math.max(Math.sqrt(u * u + v * v), 1e-9));
        next[2 * i] += pull * u; next[2 * i + 1] += pull * v;
        next[2 * j] -= pull * u; next[2 * j + 1] -= pull * v;
      }
    }
    at = next;
  }
  const mean = [0, 1].map((c) => { let total = 0; for (let i = 0; i < nodes; i++) total += at[2 * i + c]; return total / nodes; });
  at.forEach((v, i) => { at[i] = v - mean[i % 2]; });
  const size = at.reduce((t, v) => Math.max(t, Math.abs(v)), 0);
  at.forEach((v, i) => { at[i] = (0.95 * v) / size; });
  return at;
}

// Steps from every node to every other along the edges; parts stand apart.
function ways(edges, nodes) {
  const out = new Float64Array(nodes * nodes).fill(Infinity), beside = Array.from({ length: nodes }, () => []);
  let far = 0;
  for (const [i, j] of edges) { beside[i].push(j); beside[j].push(i); }
  for (let from = 0; from < nodes; from++) {
    const row = out.subarray(from * nodes, (from + 1) * nodes), queue = [from];
    row[from] = 0;
    for (const i of queue) for (const j of beside[i]) if (row[j] === Infinity) { row[j] = row[i] + 1; far = Math.max(far, row[j]); queue.push(j); }
  }
  return out.map((v) => (v === Infinity ? far + 2 : v));
}

// A grid, a spiral, two rings or one, as the family is usually drawn.
function drawn(kind, nodes) {
  const out = zeros(nodes, 2), put = (i, x, y) => { out[2 * i] = x; out[2 * i + 1] = y; }, round = (i, count) => (2 * Math.PI * i) / count;
  if (kind === "grid") {
    const side = even(Math.sqrt(nodes)), line = linspace(-0.92, 0.92, side);
    for (let i = 0; i < nodes; i++) put(i, line[i % side], -line[Math.floor(i / side)]);
  } else if (kind === "path") {
    const along = linspace(0.04, 1, nodes).map(Math.sqrt), turns = Math.PI * 2 * Math.max(1, Math.sqrt(nodes) / 2.6);
    along.forEach((v, i) => put(i, 0.95 * v * Math.cos(turns * v), 0.95 * v * Math.sin(turns * v)));
  } else if (kind === "rooms") {
    const half = Math.floor(nodes / 2), rest = nodes - half;
    for (let i = 0; i < half; i++) put(i, -0.5 + 0.42 * Math.cos(round(i + 1, half)), 0.42 * Math.sin(round(i + 1, half)));
    for (let i = 0; i < rest; i++) put(half + i, 0.5 - 0.42 * Math.cos(round(i, rest)), 0.42 * Math.sin(round(i, rest)));
  } else for (let i = 0; i < nodes; i++) put(i, 0.95 * Math.cos(round(i, nodes)), 0.95 * Math.sin(round(i, nodes)));
  return out;
}

// Condition number against the number of nodes, in closed form where there is one.
function growth(seed) {
  const sizes = unique(geomspace(9, 225, 30).map(even)), sides = Float64Array.from({ length: 13 }, (_, i) => i + 3);
  const grown = SIZES.map((size) => { const { values } = solved(flipped(base("expander", size, seed), size, []), size); return values[size - 1] / values[1]; });
  return {
    path: [shaped(sizes), shaped(sizes.map(pathCondition))],
    grid: [shaped(sides.map((v) => v * v)), shaped(sides.map(gridCondition))],
    expander: [shaped(Float64Array.from(SIZES)), shaped(Float64Array.from(grown))],
    limit: expanderCondition(4),
  };
}

function caption(values, edges) {
  if (values.parts > 1) return `The graph has fallen into *${values.parts}* parts: λ₂ = 0, and no news ever crosses. Join two nodes to mend it.`;
  return `${values.nodes} nodes, ${edges} edges: λ₂ = ${words(values.values[1], ".4g")}, condition number *${words(values.kappa, ".4g")}*. `
    + `To a millionth of the loss gradient descent needs *${words(values.steps.descent, ",.0f")}* steps, momentum *${words(values.steps["heavy-ball"], ",.0f")}*.`;
}
