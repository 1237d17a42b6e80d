// The log of a watched run (inertia.torch.Watch): one line of JSON per event; of every look, where the run stood on the map of rates.

import { BadInput } from "./formula.js";

const number = (value) => typeof value === "number" && Number.isFinite(value);

// [{step, alpha, beta, gamma, of}]: alpha is the learning rate times the sharpness, `of` the sharpness over the edge of stability.
export function operating(text) {
  let found = [], events = 0;
  for (const raw of text.split("\n").slice(0, -1).filter((line) => line.trim())) { // a last line that was cut is left out
    let line = null;
    try { line = JSON.parse(raw); } catch { /* said below */ }
    if (!line || typeof line !== "object" || typeof line.kind !== "string") throw new BadInput(`this is no log of a watched run: it holds the line '${raw.slice(0, 40)}'; give the file of log=`);
    events++;
    if (line.kind === "resume") found = found.filter((one) => one.step < line.step); // what stood beyond is superseded
    if (line.kind !== "look" || !Array.isArray(line.method)) continue;
    const [alpha, beta, gamma = 0] = line.method, { step, sharpness, edge } = line;
    if ([alpha, beta, gamma, step, sharpness].every(number) && sharpness > 0) found.push({ step, alpha: alpha * sharpness, beta, gamma, of: number(edge) ? sharpness / edge : null });
  }
  if (!events) throw new BadInput("this file holds no whole line of a log: give the file of log=");
  if (!found.length) throw new BadInput("this log holds no look with a curvature and a method yet: look again later, or watch with a smaller `every`");
  return found;
}
