// Typed arrays with a shape, and the few of numpy's functions that the figures need, with numpy's own rounding.

export function shaped(data, ...shape) {
  data.shape = shape.length ? shape : [data.length];
  return data;
}

export const zeros = (...shape) => shaped(new Float64Array(shape.reduce((a, b) => a * b, 1)), ...shape);

export function linspace(low, high, count) {
  const out = new Float64Array(count), step = count > 1 ? (high - low) / (count - 1) : 0;
  for (let i = 0; i < count; i++) out[i] = i * step + low;
  if (count > 1) out[count - 1] = high;
  return shaped(out);
}

export function geomspace(low, high, count) {
  const out = linspace(Math.log10(low), Math.log10(high), count).map((v) => 10 ** v);
  out[0] = low;
  if (count > 1) out[count - 1] = high;
  return shaped(out);
}

export const range = (count, from = 0) => shaped(Float64Array.from({ length: count }, (_, i) => from + i));

export const filled = (count, make) => shaped(Float64Array.from({ length: count }, (_, i) => make(i)));

// Rows of equal length as one (n, m) array.
export function stacked(rows) {
  const width = rows[0].length, out = zeros(rows.length, width);
  rows.forEach((row, i) => out.set(row, i * width));
  return out;
}

// Sorted, each once.
export function unique(values) {
  const sorted = Float64Array.from(values).sort();
  return shaped(sorted.filter((v, i) => i === 0 || v !== sorted[i - 1]));
}

export function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

export function dot(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

export const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
export const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);

export function argmax(values) {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[at]) at = i;
  return at;
}

export function argmin(values) {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i] < values[at] || (values[at] !== values[at] && values[i] === values[i])) at = i;
  return at;
}

export const clip = (value, low, high) => Math.min(Math.max(value, low), high);

// Halves go to the even neighbour, as numpy rounds.
export function even(value) {
  const low = Math.floor(value), rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

// The quantile of sorted values, linear between neighbours.
export function quantile(sorted, share) {
  const place = share * (sorted.length - 1), low = Math.floor(place);
  const here = sorted[low], there = sorted[Math.min(low + 1, sorted.length - 1)];
  return here === there ? here : here + (place - low) * (there - here);
}

export function median(values) {
  const sorted = Float64Array.from(values).sort(), middle = sorted.length >> 1;
  if (sorted.some(Number.isNaN)) return NaN;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Evenly spread indices 0..last, at most `count` of them, each once.
export function picked(last, count) {
  return unique(linspace(0, last, Math.min(last + 1, count)).map(Math.floor));
}

// Row i of a two-dimensional array, as a view; column j of an (n, m) array.
export const row = (array, i) => array.subarray(i * array.shape[1], (i + 1) * array.shape[1]);

export function column(array, j) {
  const [count, width] = array.shape, out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = array[i * width + j];
  return out;
}
