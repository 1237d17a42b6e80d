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
        if (up && lost) for (const kit of inertia.mounted.values()) if (kit.awake && this.python({ figure: kit.name, state: kit.store.state })) kit.request();
        lost = !up;
      };
    }
    return this.socket.ask(request);
  }
}

export const routed = () => new Routed();
