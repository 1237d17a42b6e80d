// Requests out, replies in. A reply is a JSON header and raw little-endian arrays, read without copying.

const TYPES = { "<f4": Float32Array, "<f8": Float64Array, "<i4": Int32Array, "<u1": Uint8Array };

export function unpack(buffer) {
  const view = new DataView(buffer);
  const length = view.getUint32(4, true);
  const start = 8 + length;
  return JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)), (_, value) => {
    if (!value || typeof value !== "object" || !value.$) return value;
    const [offset, type, shape] = value.$;
    const array = new TYPES[type](buffer, start + offset, shape.reduce((a, b) => a * b, 1));
    array.shape = shape;
    return array;
  });
}

// Row i of a two-dimensional array, as a view.
export const row = (array, i) => array.subarray(i * array.shape[1], (i + 1) * array.shape[1]);

// Column j of an (n, m) array.
export function column(array, j) {
  const [count, width] = array.shape;
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = array[i * width + j];
  return out;
}

export class SocketTransport {
  constructor(url) {
    this.url = url;
    this.waiting = new Map();
    this.next = 1;
    this.traffic = { sent: 0, received: 0 };
    this.onstate = () => {};
    this.open();
  }

  open() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.ready = new Promise((resolve) => { this.socket.onopen = () => { this.onstate(true); resolve(); }; });
    this.socket.onmessage = (event) => {
      this.traffic.received += event.data.byteLength;
      const reply = unpack(event.data);
      const done = this.waiting.get(reply.id);
      this.waiting.delete(reply.id);
      if (done) done(reply);
    };
    this.socket.onclose = () => {
      for (const done of this.waiting.values()) done({ error: { kind: "Closed", message: "the laboratory has stopped; start it again with: inertia lab" } });
      this.waiting.clear();
      this.onstate(false);
      setTimeout(() => this.open(), 1500);
    };
  }

  async ask(request) {
    await this.ready;
    const id = this.next++;
    const text = JSON.stringify({ ...request, id });
    this.traffic.sent += text.length;
    return new Promise((resolve) => { this.waiting.set(id, resolve); this.socket.send(text); });
  }
}
