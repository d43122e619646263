// The one connection to the page server: it comes back by itself, sooner when somebody looks.

const WAITS_MS = [300, 700, 1500, 3000, 5000];

export class Connection {
  #socket = null;
  #tries = 0;
  #timer = 0;
  #watch = null;
  #handlers;

  /** @param handlers {opened, message, features, lost} */
  constructor(handlers) {
    this.#handlers = handlers;
    addEventListener("online", () => this.#soon());
    document.addEventListener("visibilitychange", () => document.hidden || this.#soon());
    this.#open();
  }

  /** Look at a stream; said again after each loss. */
  watch(stream, features) {
    this.#watch = { type: "watch", stream, features };
    this.#send(this.#watch);
  }

  mark(mood, label) {
    return this.#send({ type: "mark", stream: mood.stream, epoch: mood.epoch, seq: mood.seq, label });
  }

  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.#tries = 0;
      this.#handlers.opened();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#handlers.message(JSON.parse(data));
      else this.#handlers.features(unpacked(data));
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#handlers.lost();
      this.#timer = setTimeout(() => this.#open(), WAITS_MS[Math.min(this.#tries++, WAITS_MS.length - 1)]);
    };
  }

  #soon() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    this.#open();
  }
}

/** Return a spectrogram: the length of its head, the head, its cells. */
function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { ...head, cells: new Uint8Array(buffer, 4 + length) };
}
