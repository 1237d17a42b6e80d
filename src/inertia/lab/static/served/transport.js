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

// Questions wait while there is no connection. One that was on its way when it broke is answered with an error: the page says so, and asks again.
export class SocketTransport {
  constructor(url) {
    this.url = url;
    this.waiting = new Map();
    this.unsent = [];
    this.next = 1;
    this.traffic = { sent: 0, received: 0 };
    this.onstate = () => {};
    this.open();
  }

  open() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      for (const text of this.unsent.splice(0)) this.send(text);
      this.onstate(true);
    };
    this.socket.onmessage = (event) => {
      this.traffic.received += event.data.byteLength;
      this.answer(unpack(event.data));
    };
    this.socket.onclose = () => {
      const lost = { error: { kind: "Closed", message: "the laboratory has stopped; start it again with: inertia lab" } };
      for (const id of [...this.waiting.keys()]) if (!this.unsent.some((one) => one.id === id)) this.answer({ ...lost, id });
      this.onstate(false);
      setTimeout(() => this.open(), 1500);
    };
  }

  answer(reply) {
    const done = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if (done) done(reply);
  }

  send({ text }) {
    this.traffic.sent += text.length;
    this.socket.send(text);
  }

  ask(request) {
    const id = this.next++, question = { id, text: JSON.stringify({ ...request, id }) };
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      if (this.socket.readyState === WebSocket.OPEN) this.send(question);
      else this.unsent.push(question);
    });
  }
}
