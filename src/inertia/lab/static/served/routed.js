// Served by `inertia lab`: what the page computes on its own it goes on computing, the rest is asked of Python.

import { Local } from "../local.js";
import { PRESETS } from "../numerics/mazes.js";
import { SocketTransport } from "./transport.js";

const PAGE = 10000; // cells of a maze that the page computes

function vast({ maze, cells }) {
  if (!cells) return !PRESETS.includes(maze);
  const [rows, columns] = cells.split(":")[0].split("x").map(Number);
  return rows * columns > PAGE;
}

class Routed extends Local {
  python({ figure, state }) { return figure === "many" || (figure === "colour" && vast(state)); }

  ask(request) {
    if (request.want || !this.python(request)) return super.ask(request);
    if (!this.socket) {
      this.socket = new SocketTransport(`${location.origin.replace("http", "ws")}/socket`);
      let lost = false;
      this.socket.onstate = (up) => { // what could not be answered is asked again
        const asking = [...inertia.mounted.values()].filter((kit) => kit.awake && this.python({ figure: kit.name, state: kit.store.state }));
        if (up && lost) for (const kit of asking) kit.request();
        if (!up && !lost) for (const kit of asking) kit.failed({ message: "the laboratory has stopped; start it again with: inertia lab" });
        lost = !up;
      };
    }
    return this.socket.ask(request);
  }
}

export const routed = () => new Routed();
