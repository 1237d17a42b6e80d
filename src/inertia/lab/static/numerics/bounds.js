// The worst function, a chain along which a signal moves one node per step, and condition numbers of graphs. (inertia.theory.bounds)

import { filled } from "./arrays.js";

export function contraction(kappa) {
  const root = Math.sqrt(kappa);
  return (root - 1) / (root + 1);
}

export function worstOptimum(n, kappa) {
  const q = contraction(kappa);
  return filled(n, (j) => (q ** (j + 1) * (1 - q ** (2 * (n - j)))) / (1 - q ** (2 * (n + 1))));
}

export const worstCurvature = (n, kappa, j) => 1 + (kappa - 1) * Math.sin((j * Math.PI) / (2 * (n + 1))) ** 2;

const pathCurvature = (n, j) => 4 * Math.sin((Math.PI * j) / (2 * n)) ** 2;

export const pathCondition = (n) => pathCurvature(n, n - 1) / pathCurvature(n, 1);
export const gridCondition = (side) => (2 * pathCurvature(side, side - 1)) / pathCurvature(side, 1);

export function expanderCondition(degree) {
  const spread = 2 * Math.sqrt(degree - 1);
  return (degree + spread) / (degree - spread);
}
