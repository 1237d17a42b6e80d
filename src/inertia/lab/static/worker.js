// The other thread: answers what takes longer than a frame has room for.

import { answer } from "./answer.js";
import { packed } from "./numerics/packing.js";

self.onmessage = ({ data: { id, figure, state, have } }) => {
  let reply;
  try { reply = answer(inertia.need(`views/${figure}`), { state, have }); } catch (error) { reply = { error: { kind: "Defect", message: `this figure failed (${error.message})` } }; }
  self.postMessage({ id, reply: packed(reply) });
};
