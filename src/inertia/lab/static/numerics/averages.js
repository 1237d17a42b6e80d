// The velocity is a sum of past gradients, each weighted beta^age. (inertia.theory.averages)

export const window = (beta) => 1 / (1 - beta);

export function onSlope(beta, k) {
  if (beta === 1) return k;
  if (beta === 0) return Math.min(k, 1);
  return -Math.expm1(k * Math.log(beta)) / (1 - beta);
}

export function stepsToSpeed(beta, share) {
  if (beta === 1) return Infinity;
  if (beta === 0) return 1;
  const k = Math.max(Math.ceil(Math.log1p(-share) / Math.log(beta)), 1);
  return k > 1 && 1 - beta ** Math.max(k - 1, 1) >= share ? k - 1 : k;
}

export const velocityNoise = (beta) => 1 / ((1 - beta) * (1 + beta));
export const noiseToSignal = (beta) => Math.sqrt((1 - beta) / (1 + beta));
