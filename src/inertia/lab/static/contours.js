// Level sets of a surface as closed rings, ready to fill: ellipses of a bowl in closed form, others traced on the grid of heights.

// For each level a list of rings, each a flat array x0 y0 x1 y1 ...; filled by the even-odd rule they are {height >= level}.
export function rings({ matrix, centre, heights, levels, domain }) {
  return Array.from(levels, (level) => (matrix ? ellipse(matrix, centre, level, domain) : traced(heights, level, domain)));
}

// A rectangle far around the frame with an ellipse cut out.
function ellipse([a, b, , d], [p, q], level, [[left, right], [bottom, top]]) {
  const middle = (a + d) / 2, half = Math.hypot((a - d) / 2, b), turn = 0.5 * Math.atan2(2 * b, a - d), c = Math.cos(turn), s = Math.sin(turn);
  const wide = Math.sqrt((2 * level) / (middle + half)), tall = Math.sqrt((2 * level) / (middle - half)), out = [];
  for (let i = 0; i <= 96; i++) {
    const t = (2 * Math.PI * i) / 96, u = wide * Math.cos(t), v = tall * Math.sin(t);
    out.push(p + c * u - s * v, q + s * u + c * v);
  }
  const w = right - left, h = top - bottom, [x0, x1, y0, y1] = [left - w, right + w, bottom - h, top + h];
  return [[x0, y0, x1, y0, x1, y1, x0, y1], out];
}

// Marching squares over the grid with a low border around it, so that every line closes; crossings are joined by the edge they lie on.
function traced(heights, level, [[left, right], [bottom, top]]) {
  const [rows, columns] = heights.shape, dx = (right - left) / (columns - 1), dy = (top - bottom) / (rows - 1), W = columns + 2;
  const at = (r, c) => {
    if (r < 0 || c < 0 || r >= rows || c >= columns) return -Infinity;
    const v = heights[r * columns + c];
    return Number.isFinite(v) ? v : Infinity;
  };
  const place = (r, c, across) => { // the crossing between a node and its right (or upper) neighbour
    const u = at(r, c), v = across ? at(r, c + 1) : at(r + 1, c);
    const t = !Number.isFinite(u) ? (Number.isFinite(v) ? 1 : 0.5) : !Number.isFinite(v) ? 0 : (level - u) / (v - u);
    return [left + (c + (across ? t : 0)) * dx, bottom + (r + (across ? 0 : t)) * dy];
  };
  const links = new Map(), key = (r, c, across) => 2 * ((r + 1) * W + c + 1) + (across ? 1 : 0);
  const join = (a, b) => { for (const [u, v] of [[a, b], [b, a]]) { const have = links.get(u); if (have) have.push(v); else links.set(u, [v]); } };
  for (let r = -1; r < rows; r++) {
    for (let c = -1; c < columns; c++) {
      const code = (at(r, c) >= level) + 2 * (at(r, c + 1) >= level) + 4 * (at(r + 1, c + 1) >= level) + 8 * (at(r + 1, c) >= level);
      if (code === 0 || code === 15) continue;
      const low = key(r, c, true), high = key(r + 1, c, true), west = key(r, c, false), east = key(r, c + 1, false);
      const cross = [[code & 1, code & 2, low], [code & 2, code & 4, east], [code & 4, code & 8, high], [code & 8, code & 1, west]].filter(([u, v]) => !u !== !v).map((one) => one[2]);
      if (cross.length === 2) join(...cross);
      else if (code === 5) { join(low, east); join(high, west); } else { join(low, west); join(east, high); }
    }
  }
  const out = [];
  for (const first of links.keys()) {
    if (!links.get(first).length) continue;
    const ring = [];
    for (let here = first; ;) {
      const place_ = Math.floor(here / 2), r = Math.floor(place_ / W) - 1, c = (place_ % W) - 1;
      ring.push(...place(r, c, here % 2 === 1));
      const next = links.get(here).pop();
      if (next === undefined) break;
      const back = links.get(next), i = back.indexOf(here);
      if (i >= 0) back.splice(i, 1);
      if (next === first) break;
      here = next;
    }
    out.push(ring);
  }
  return out;
}
