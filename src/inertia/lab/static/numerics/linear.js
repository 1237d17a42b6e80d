// Eigenvalues of symmetric matrices (Householder and implicit QL, Wilkinson 1971) and thin singular value decompositions (one-sided Jacobi).

import { shaped, zeros } from "./arrays.js";

// {values (n) ascending, vectors (n, n) with eigenvectors in columns} of a symmetric (n, n) matrix.
export function eigh(matrix) {
  const n = matrix.shape[0], z = Float64Array.from(matrix), d = new Float64Array(n), e = new Float64Array(n);
  tridiagonal(z, d, e, n);
  for (let i = 1; i < n; i++) e[i - 1] = e[i];
  e[n - 1] = 0;
  ql(d, e, z, n, n);
  return sorted(d, z, n, n);
}

// Of a tridiagonal matrix; `rows` of the vectors are kept (all, or only the first).
export function eighTridiagonal(diagonal, beside, rows = diagonal.length) {
  const n = diagonal.length, d = Float64Array.from(diagonal), e = new Float64Array(n), z = new Float64Array(rows * n);
  e.set(beside);
  for (let i = 0; i < rows; i++) z[i * n + i] = 1;
  ql(d, e, z, n, rows);
  return sorted(d, z, n, rows);
}

function sorted(d, z, n, rows) {
  const order = Array.from(d.keys()).sort((a, b) => d[a] - d[b]), vectors = zeros(rows, n);
  for (let i = 0; i < rows; i++) for (let j = 0; j < n; j++) vectors[i * n + j] = z[i * n + order[j]];
  return { values: shaped(Float64Array.from(order, (i) => d[i])), vectors };
}

function tridiagonal(z, d, e, n) {
  for (let i = n - 1; i > 0; i--) {
    let h = 0, scale = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(z[i * n + k]);
    if (i === 1 || scale === 0) e[i] = z[i * n + i - 1];
    else {
      for (let k = 0; k < i; k++) { z[i * n + k] /= scale; h += z[i * n + k] ** 2; }
      const f = z[i * n + i - 1], g = f >= 0 ? -Math.sqrt(h) : Math.sqrt(h);
      e[i] = scale * g;
      h -= f * g;
      z[i * n + i - 1] = f - g;
      reflect(z, e, n, i, h);
    }
    d[i] = h;
  }
  d[0] = 0;
  e[0] = 0;
  for (let i = 0; i < n; i++) {
    if (d[i]) {
      for (let j = 0; j < i; j++) {
        let g = 0;
        for (let k = 0; k < i; k++) g += z[i * n + k] * z[k * n + j];
        for (let k = 0; k < i; k++) z[k * n + j] -= g * z[k * n + i];
      }
    }
    d[i] = z[i * n + i];
    z[i * n + i] = 1;
    for (let j = 0; j < i; j++) { z[j * n + i] = 0; z[i * n + j] = 0; }
  }
}

function reflect(z, e, n, i, h) {
  let f = 0;
  for (let j = 0; j < i; j++) {
    z[j * n + i] = z[i * n + j] / h;
    let g = 0;
    for (let k = 0; k <= j; k++) g += z[j * n + k] * z[i * n + k];
    for (let k = j + 1; k < i; k++) g += z[k * n + j] * z[i * n + k];
    e[j] = g / h;
    f += e[j] * z[i * n + j];
  }
  const half = f / (h + h);
  for (let j = 0; j < i; j++) {
    const u = z[i * n + j], g = e[j] - half * u;
    e[j] = g;
    for (let k = 0; k <= j; k++) z[j * n + k] -= u * e[k] + g * z[i * n + k];
  }
}

// Diagonal d and e (e[i] beside d[i] and d[i + 1]) to eigenvalues; the rotations are applied to the columns of z (rows, n).
function ql(d, e, z, n, rows) {
  for (let l = 0; l < n; l++) {
    for (let turn = 0; turn < 60; turn++) {
      let m = l;
      for (; m < n - 1; m++) {
        const size = Math.abs(d[m]) + Math.abs(d[m + 1]);
        if (Math.abs(e[m]) <= Number.EPSILON * size) break;
      }
      if (m === l) break;
      let g = (d[l + 1] - d[l]) / (2 * e[l]), r = Math.hypot(g, 1), s = 1, c = 1, p = 0, i = m - 1;
      g = d[m] - d[l] + e[l] / (g + (g >= 0 ? r : -r));
      for (; i >= l; i--) {
        const f = s * e[i], b = c * e[i];
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) { d[i + 1] -= p; e[m] = 0; break; }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        for (let k = 0; k < rows; k++) {
          const at = k * n + i, here = z[at], there = z[at + 1];
          z[at + 1] = s * here + c * there;
          z[at] = c * here - s * there;
        }
      }
      if (r === 0 && i >= l) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

// u (m, n) s (n) v (n, n) with matrix = u diag(s) v', s largest first; columns of v are the right singular vectors.
export function svd(matrix) {
  const [m, n] = matrix.shape, u = Float64Array.from(matrix), v = zeros(n, n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0, off = 1; sweep < 60 && off > 1e-15; sweep++) {
    off = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) off = Math.max(off, rotated(u, v, m, n, p, q));
  }
  const size = Float64Array.from({ length: n }, (_, j) => { let t = 0; for (let i = 0; i < m; i++) t += u[i * n + j] ** 2; return Math.sqrt(t); });
  const order = Array.from(size.keys()).sort((a, b) => size[b] - size[a]), outU = zeros(m, n), outV = zeros(n, n);
  order.forEach((from, to) => {
    for (let i = 0; i < m; i++) outU[i * n + to] = size[from] ? u[i * n + from] / size[from] : 0;
    for (let i = 0; i < n; i++) outV[i * n + to] = v[i * n + from];
  });
  return { u: outU, s: shaped(Float64Array.from(order, (i) => size[i])), v: outV };
}

function rotated(u, v, m, n, p, q) {
  let a = 0, b = 0, c = 0;
  for (let i = 0; i < m; i++) { const x = u[i * n + p], y = u[i * n + q]; a += x * x; b += y * y; c += x * y; }
  const off = a && b ? Math.abs(c) / Math.sqrt(a * b) : 0;
  if (off <= 1e-16) return 0;
  const zeta = (b - a) / (2 * c), t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.hypot(1, zeta)), cos = 1 / Math.hypot(1, t), sin = cos * t;
  for (const [z, rows] of [[u, m], [v, n]]) {
    for (let i = 0; i < rows; i++) {
      const x = z[i * n + p], y = z[i * n + q];
      z[i * n + p] = cos * x - sin * y;
      z[i * n + q] = sin * x + cos * y;
    }
  }
  return off;
}
