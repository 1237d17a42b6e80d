// Adam, step by step: what the figures lay beside momentum. (inertia.lab.adam)

const SECOND = 0.999, EPS = 1e-8;

// (steps + 1) * n parameters, NaN from where they are not finite; slope(params, out) writes the gradient.
export function adamPath(slope, start, lr, beta1, steps) {
  const n = start.length, path = new Float64Array((steps + 1) * n).fill(NaN), params = Float64Array.from(start), gradient = new Float64Array(n), first = new Float64Array(n), second = new Float64Array(n);
  path.set(params);
  for (let k = 1, left1 = 1, left2 = 1; k <= steps; k++) {
    slope(params, gradient);
    left1 *= beta1;
    left2 *= SECOND;
    for (let i = 0; i < n; i++) {
      first[i] = beta1 * first[i] + (1 - beta1) * gradient[i];
      second[i] = SECOND * second[i] + (1 - SECOND) * (gradient[i] * gradient[i]);
      params[i] -= (lr * (first[i] / (1 - left1))) / (Math.sqrt(second[i] / (1 - left2)) + EPS);
    }
    if (!params.every(Number.isFinite)) break;
    path.set(params, k * n);
  }
  return path;
}
