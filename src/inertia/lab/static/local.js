// Answers without a server: at once in the page, or from a worker for figures whose views take longer than 8 ms.

import { answer } from "./answer.js";
import { unpacked } from "./numerics/packing.js";
import { snippet } from "./python.js";

const SLOW = new Set(["airfoil", "colour", "graphs", "limits", "noise", "polynomial", "yours"]);
const DEAR = { hero: (state) => state.basin, modes: (state) => state.map === "steps" }; // in some states only

export class Local {
  constructor() {
    this.worker = undefined;
    this.waiting = new Map();
    this.next = 1;
  }

  slow(figure, state = null) { return SLOW.has(figure) || Boolean(state && DEAR[figure]?.(state)); }

  ask(request) {
    if (request.want === "python") return Promise.resolve({ python: snippet(request.figure, request.state) });
    const { figure, state, have } = request, id = this.next++, worker = this.slow(figure, state) ? this.other() : null;
    if (!worker) return this.here(figure, { state, have });
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      worker.postMessage({ id, figure, state, have });
    });
  }

  async here(figure, request) {
    try { return answer(inertia.need(`views/${figure}`), request); } catch (error) {
      console.error(error);
      return { error: { kind: "Defect", message: "this figure failed" } };
    }
  }

  // Started when first needed; without workers everything is answered in the page, only less smoothly.
  other() {
    if (this.worker !== undefined) return this.worker;
    try {
      const names = inertia.names().filter((name) => /^(numerics|views)\/|^(answer|worker)$/.test(name));
      const url = URL.createObjectURL(new Blob([inertia.script(names, "worker")], { type: "text/javascript" }));
      this.worker = new Worker(url);
      this.worker.onmessage = ({ data }) => {
        const done = this.waiting.get(data.id);
        this.waiting.delete(data.id);
        if (done) done(unpacked(data.reply));
      };
    } catch { this.worker = null; }
    return this.worker;
  }
}
