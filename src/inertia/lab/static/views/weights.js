// Weights of the past: how far back a velocity remembers, how fast it can get, and what happens when alpha drops.

import { filled, stacked } from "../numerics/arrays.js";
import { noiseToSignal, onSlope, stepsToSpeed, velocityNoise, window } from "../numerics/averages.js";
import { counted, words } from "../numerics/words.js";

const BETAS = [0.95, 0.9, 0.6, 0];

export function view(state) {
  const { beta, span, factor } = state, drop = Math.min(state.drop, span - 1), past = (b) => filled(span, (k) => b ** k), reached = stepsToSpeed(beta, 0.99);
  const outside = filled(span, (i) => (i + 1 > drop ? factor : 1) * onSlope(beta, i + 1));
  const inside = filled(span, (i) => {
    const fresh = onSlope(beta, Math.max(i + 1 - drop, 0)), whole = onSlope(beta, i + 1);
    return i + 1 > drop ? factor * fresh + (whole - fresh) : whole;
  });
  const extra = ((1 - factor) * beta * onSlope(beta, drop)) / (1 - beta); // the sum of inside - outside for ever
  const size = window(beta), noise = velocityNoise(beta);
  const values = {
    weights: past(beta),
    others: stacked(BETAS.map(past)),
    betas: BETAS,
    window: size,
    velocity: filled(span + 1, (k) => onSlope(beta, k)),
    terminal: size,
    reached,
    drop,
    outside,
    inside,
    extra,
  };
  const caption = `The velocity remembers about *${words(size, ".4g")}* ${counted(size, "gradient")}. On a constant slope it ends *${words(size, ".4g")}* ${counted(size, "time")} as fast as one`
    + ` gradient, and takes *${words(reached, ".0f")}* ${counted(reached, "step")} to come within 1% of that. Independent noise grows by √${words(noise, ".4g")},`
    + ` so noise against speed falls to *${words(noiseToSignal(beta), ".3f")}*. With α inside the velocity the drop is felt late:`
    + ` the extra way after it is worth *${words(extra, ".3g")}* ${counted(extra, "step")} of the old length without momentum.`;
  return { values, caption, alt: `Weights of past gradients at momentum ${words(beta, "g")}: an effective window of ${words(size, ".4g")} ${counted(size, "step")}.`, costly: {} };
}
