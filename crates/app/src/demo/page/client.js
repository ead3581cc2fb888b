// A client of the Centrifuge protocol in JSON, as far as this page needs it: one connection,
// the channels that the server subscribes it to, history, recovery. Options, events and their
// fields are those of the official client, which can stand in its place.

const CONNECT_TIMEOUT_MS = 5000;
const PING_SLACK_MS = 10000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 20000;

// Codes after which a server wants to see no one again.
const isTerminal = (code) => (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);

export class Centrifuge {
  #url; #name; #getData;
  #listeners = new Map();
  #socket = null; // while it may still be used
  #wanted = false;
  #attempts = 0;
  #lastId = 0;
  #requests = new Map(); // id -> {resolve, reject}
  #positions = new Map(); // channel -> {offset, epoch}
  #timer = 0; // of the pause, the connect reply or the next ping: one at a time

  constructor(url, { name = 'js', getData }) {
    this.#url = url;
    this.#name = name;
    this.#getData = getData;
  }

  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  connect() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#emit('connecting', { code: 0, reason: 'connect called' });
    this.#attempt();
  }

  disconnect() {
    this.#stop(0, 'disconnect called');
  }

  history(channel, { limit, since, reverse }) {
    return this.#request({ history: { channel, limit, since, reverse } }).then((reply) => reply.history);
  }

  #emit(event, fields) {
    for (const listener of this.#listeners.get(event) ?? []) listener(fields);
  }

  async #attempt() {
    let data;
    try {
      data = await this.#getData();
    } catch (fault) {
      this.#emit('error', { error: { code: 0, message: String(fault) } });
      this.#pause();
      return;
    }
    if (!this.#wanted) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#expect(CONNECT_TIMEOUT_MS, 'timeout');
    // What an abandoned socket still says is nobody's concern.
    const whileUsed = (act) => (event) => { if (this.#socket === socket) act(event); };
    socket.onopen = whileUsed(() => this.#introduce(data));
    socket.onmessage = whileUsed((event) => this.#hear(event.data));
    socket.onclose = whileUsed((event) => this.#lose(event.code, event.reason));
  }

  // Positions of the last connection ask for everything that came after them.
  async #introduce(data) {
    const subs = {};
    for (const [channel, position] of this.#positions) subs[channel] = { recover: true, ...position };
    try {
      const { connect } = await this.#request({ connect: { data, name: this.#name, subs } });
      this.#welcome(connect);
    } catch (error) {
      if (error.lost) return;
      if (error.temporary || error.code === 109) this.#lose(error.code, error.message);
      else this.#stop(error.code, error.message);
    }
  }

  #welcome({ client, subs = {}, ping = 0, pong = false }) {
    this.#attempts = 0;
    this.#socket.pings = { pong, patience: ping ? ping * 1000 + PING_SLACK_MS : 0 };
    this.#await_ping();
    this.#emit('connected', { client });
    for (const channel of this.#positions.keys()) if (!subs[channel]) this.#positions.delete(channel);
    for (const [channel, sub] of Object.entries(subs)) {
      if (sub.recoverable) this.#positions.set(channel, { offset: sub.offset ?? 0, epoch: sub.epoch });
      this.#emit('subscribed', { channel, recovered: Boolean(sub.recovered), wasRecovering: Boolean(sub.was_recovering) });
      if (sub.recovered) for (const publication of sub.publications ?? []) this.#publish(channel, publication);
    }
  }

  #publish(channel, { data, offset }) {
    const position = this.#positions.get(channel);
    if (position && offset) position.offset = offset;
    this.#emit('publication', { channel, data, offset });
  }

  // One frame may hold several replies, a line each.
  #hear(frame) {
    this.#await_ping();
    for (const line of frame.split('\n')) {
      if (!line) continue;
      const reply = JSON.parse(line);
      if (reply.id) {
        const request = this.#requests.get(reply.id);
        this.#requests.delete(reply.id);
        if (reply.error) request?.reject(reply.error);
        else request?.resolve(reply);
      } else if (reply.push?.pub) {
        this.#publish(reply.push.channel, reply.push.pub);
      } else if (!reply.push && this.#socket.pings?.pong) {
        this.#socket.send('{}');
      }
    }
  }

  #request(command) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject({ code: 2, message: 'not connected', lost: true });
        return;
      }
      this.#requests.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, ...command }));
    });
  }

  // Silence is a lost connection that nobody has noticed yet.
  #await_ping() {
    const pings = this.#socket.pings;
    if (!pings) return;
    clearTimeout(this.#timer);
    if (pings.patience) this.#expect(pings.patience, 'no ping');
  }

  #expect(ms, reason) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(1, reason), ms);
  }

  #lose(code, reason) {
    if (isTerminal(code)) {
      this.#stop(code, reason);
      return;
    }
    this.#drop();
    this.#emit('connecting', { code, reason });
    this.#pause();
  }

  #stop(code, reason) {
    this.#wanted = false;
    this.#drop();
    this.#emit('disconnected', { code, reason });
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    for (const request of this.#requests.values()) request.reject({ code: 1, message: 'connection lost', lost: true });
    this.#requests.clear();
  }

  // Growing, and drawn, so that a crowd does not come back at once.
  #pause() {
    if (!this.#wanted) return;
    const most = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.#attempt(), PAUSE_MIN_MS + Math.random() * most);
  }
}
