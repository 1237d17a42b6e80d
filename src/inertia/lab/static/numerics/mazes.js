// Mazes that a colour spreads through, in the Krylov basis that holds every method's iterates. (inertia.lab.mazes)

import { dot, linspace, shaped } from "./arrays.js";
import { BadInput } from "./formula.js";
import { eighTridiagonal } from "./linear.js";

const MOST = 10000, WHOLE = 420, DEPTH = 300, SHALLOW = 220, MANY = 4000, CONVERGED = 1e-8, CARRIED = 1e-12;

export const PRESETS = ["chambers", "room", "spiral", "houses", "large"];

// {mask (rows, columns) of 0 and 1, seeds: flat positions}
export function preset(name) {
  if (name === "room") return { mask: shaped(new Uint8Array(676).fill(1), 26, 26), seeds: [0] };
  if (name === "spiral") return { mask: spiral(27), seeds: [0] };
  if (name === "houses") return { mask: rooms(31, 3, 1), seeds: [0] };
  if (name === "large") return { mask: rooms(100, 5, 4), seeds: [0] };
  const mask = shaped(new Uint8Array(16 * 112), 16, 112);
  for (let r = 0; r < 16; r++) for (let c = 0; c < 112; c++) mask[r * 112 + c] = r === 7 || r === 8 || c % 32 < 16 ? 1 : 0;
  return { mask, seeds: [784, 896] };
}

function rooms(size, count, door) {
  const mask = shaped(new Uint8Array(size * size).fill(1), size, size), lines = Array.from(linspace(0, size, count + 1), Math.floor);
  for (const line of lines.slice(1, -1)) for (let i = 0; i < size; i++) { mask[line * size + i] = 0; mask[i * size + line] = 0; }
  lines.slice(1, -1).forEach((line, index) => {
    for (let room = 0; room < count; room++) {
      const shift = ((3 * room + 2 * index) % 3) - 1;
      const middle = Math.floor((lines[room] + lines[room + 1]) / 2) + shift * Math.max(1, Math.floor(Math.floor(size / count) / 5));
      for (let i = middle; i < middle + door; i++) { mask[line * size + i] = 1; mask[i * size + line] = 1; }
    }
  });
  return mask;
}

function spiral(size) {
  const mask = shaped(new Uint8Array(size * size), size, size);
  let [row, column, down, right, reach, turns] = [0, 0, 0, 1, size - 1, 0];
  mask[0] = 1;
  while (reach > 0) {
    for (let i = 0; i < reach; i++) {
      row += down;
      column += right;
      mask[row * size + column] = 1;
    }
    [down, right] = [right, -down];
    turns++;
    if (turns >= 3 && turns % 2 === 1) reach -= 2;
  }
  return mask;
}

export function encoded(mask) {
  const [rows, columns] = mask.shape;
  let text = "";
  for (let i = 0; i < mask.length; i += 8) {
    let byte = 0;
    for (let b = 0; b < 8; b++) byte = byte * 2 + (mask[i + b] ? 1 : 0);
    text += byte.toString(16).padStart(2, "0");
  }
  return `${rows}x${columns}:${text}`;
}

export function decoded(text) {
  const found = /^(\d{1,4})x(\d{1,4}):([0-9a-f]*)$/.exec(text);
  if (!found) throw new BadInput(`'${text.slice(0, 30)}' is not a maze: rows x columns and hexadecimal cells are needed, such as 2x2:b0`);
  const rows = Number(found[1]), columns = Number(found[2]), size = rows * columns;
  if (!(size > 0 && size <= MOST) || found[3].length !== 2 * Math.ceil(size / 8)) {
    throw new BadInput(`a maze of ${rows} x ${columns} with ${found[3].length} digits does not fit: at most ${MOST} cells, 4 to a digit`);
  }
  const mask = shaped(new Uint8Array(size), rows, columns);
  for (let i = 0; i < size; i++) mask[i] = (parseInt(found[3][i >> 2], 16) >> (3 - (i & 3))) & 1;
  return mask;
}

// The cells that some seed reaches, their neighbours, and the weight that pins each.
function graph(mask, seeds, weight) {
  const [rows, columns] = mask.shape, inside = [...new Set(seeds)].filter((s) => s >= 0 && s < mask.length && mask[s]);
  if (!inside.length) throw new BadInput("no seed is inside the maze: choose seeds and tap a cell");
  const near = (cell) => {
    const r = Math.floor(cell / columns), c = cell % columns, out = [];
    if (r > 0 && mask[cell - columns]) out.push(cell - columns);
    if (r < rows - 1 && mask[cell + columns]) out.push(cell + columns);
    if (c > 0 && mask[cell - 1]) out.push(cell - 1);
    if (c < columns - 1 && mask[cell + 1]) out.push(cell + 1);
    return out;
  };
  const live = new Uint8Array(mask.length), stack = [...inside];
  for (const cell of inside) live[cell] = 1;
  while (stack.length) for (const other of near(stack.pop())) if (!live[other]) { live[other] = 1; stack.push(other); }
  const cells = Int32Array.from({ length: mask.length }, (_, i) => i).filter((i) => live[i]), number = new Int32Array(mask.length).fill(-1);
  cells.forEach((cell, i) => { number[cell] = i; });
  const beside = new Int32Array(4 * cells.length).fill(-1), diagonal = new Float64Array(cells.length);
  cells.forEach((cell, i) => near(cell).forEach((other, j) => { beside[4 * i + j] = number[other]; diagonal[i]++; }));
  for (const cell of inside) diagonal[number[cell]] += weight;
  return { cells, beside, diagonal };
}

function product({ beside, diagonal }, vector, out) {
  for (let i = 0; i < vector.length; i++) {
    let value = diagonal[i] * vector[i];
    for (let j = 4 * i; j < 4 * i + 4 && beside[j] >= 0; j++) value -= vector[beside[j]];
    out[i] = value;
  }
}

// A maze in its Krylov basis: values and shares (m), vectors (cells, m), signs (m), cells, exact. Every change of a maze is one of these.
export function reduced(text, seeds, weight = 0.1) {
  const matrix = graph(decoded(text), seeds, weight), n = matrix.cells.length;
  const depth = n <= WHOLE ? n : n > MANY ? SHALLOW : DEPTH, { basis, diagonal, beside } = lanczos(matrix, n, depth), m = diagonal.length;
  const { values, vectors: turn } = eighTridiagonal(diagonal, beside), signs = shaped(turn.slice(0, m));
  const shares = shaped(signs.map((v) => v * v)), exact = m < depth || depth === n, known = [];
  // Those that are eigenvalues: the residual of their Ritz vector is gone, and they carry some of the first error.
  for (let j = 0; j < m; j++) {
    if (shares[j] < CARRIED) continue;
    if (!exact && beside[m - 2] * Math.abs(turn[(m - 1) * m + j]) > CONVERGED * values[m - 1] && j) break;
    known.push(j);
  }
  return { values, signs, shares, basis, turn, cells: matrix.cells, size: m, exact, known };
}

function lanczos(matrix, n, depth) {
  const basis = [new Float64Array(n).fill(1 / Math.sqrt(n))], diagonal = [], beside = [];
  for (let k = 0; ; k++) {
    const vector = new Float64Array(n);
    product(matrix, basis[k], vector);
    diagonal.push(dot(basis[k], vector));
    for (let pass = 0; pass < (n <= MANY ? 2 : 1); pass++) cleared(vector, basis);
    const size = Math.sqrt(dot(vector, vector));
    if (k + 1 === depth || size < 1e-10) return { basis, diagonal, beside };
    beside.push(size);
    basis.push(vector.map((v) => v / size));
  }
}

// Weights of all cells, 1 where the colour is full, for polynomial values (m) at the Ritz values.
export function picture(found, factors) {
  const { basis, turn, size, signs, cells } = found, mixed = new Float64Array(size), scale = Math.sqrt(cells.length), out = new Float64Array(cells.length);
  for (let i = 0; i < size; i++) {
    let value = 0;
    for (let j = 0; j < size; j++) value += turn[i * size + j] * factors[j] * signs[j];
    mixed[i] = value;
  }
  for (let i = 0; i < size; i++) { const s = mixed[i], row = basis[i]; if (s) for (let c = 0; c < out.length; c++) out[c] += s * row[c]; }
  return out.map((v) => 1 - scale * v);
}

// Ritz vector j over the cells.
export function vector(found, j) {
  const { basis, turn, size, cells } = found, out = new Float64Array(cells.length);
  for (let i = 0; i < size; i++) { const s = turn[i * size + j], row = basis[i]; for (let c = 0; c < out.length; c++) out[c] += s * row[c]; }
  return out;
}

// Conjugate gradients on the cells themselves, every residual orthogonal to all before it: weights after every step, errors, done.
export function conjugate(text, seeds, weight = 0.1) {
  const matrix = graph(decoded(text), seeds, weight), n = matrix.cells.length, depth = Math.min(n, n > MANY ? SHALLOW : DEPTH);
  const params = new Float64Array(n), residual = new Float64Array(n), product_ = new Float64Array(n), basis = [], path = [new Float64Array(n)];
  product(matrix, new Float64Array(n).fill(1), residual);
  const direction = residual.slice();
  let energy = dot(residual, residual), done = false;
  for (let k = 0, rest = energy * 1e-30; k < depth && !done; k++) {
    const size = Math.sqrt(energy);
    basis.push(residual.map((v) => v / size));
    product(matrix, direction, product_);
    const share = energy / dot(direction, product_), before = energy;
    for (let i = 0; i < n; i++) { params[i] += share * direction[i]; residual[i] -= share * product_[i]; }
    for (let pass = 0; pass < (n <= MANY ? 2 : 1); pass++) cleared(residual, basis);
    path.push(params.slice());
    energy = dot(residual, residual);
    done = energy <= rest;
    for (let i = 0; i < n; i++) direction[i] = residual[i] + (energy / before) * direction[i];
  }
  const errors = shaped(Float64Array.from(path, (row) => Math.sqrt(row.reduce((t, v) => t + (v - 1) ** 2, 0) / n)));
  return { weights: path, errors, done: done || path.length > n };
}

// Takes out of a vector its part in the span of orthonormal rows.
function cleared(vector, basis) {
  const shares = basis.map((row) => dot(row, vector));
  basis.forEach((row, i) => { const s = shares[i]; if (s) for (let j = 0; j < vector.length; j++) vector[j] -= s * row[j]; });
}
