// What this page knows: each stream's newest mood and status, and the rows of the one it shows.

const KEEP_S = 660; // a little more than the longest time that is drawn
const GAP_S = 3.2; // two estimates further apart than this are not joined by a line

export class Store extends EventTarget {
  streams = new Map(); // name -> {mood, status, stale}
  selected = "";
  rows = []; // {seq, t, valence, arousal, sv, sa, quadrant, state, gap}
  marks = [];
  connected = false;
  endpoint = "";
  recorded = false;
  plays = false;
  #received = 0;

  /** Take a message of the server. */
  take(message) {
    const { type } = message;
    if (type === "hello") this.#hello(message);
    else if (type === "mood") this.#mood(message.mood, message.room);
    else if (type === "status") this.#of(message.status.stream).status = message.status;
    else if (type === "stale") this.#of(message.stream).stale = message.stale;
    else if (type === "history") this.#history(message);
    else if (type === "mark" && message.mark.stream === this.selected) this.marks.push(message.mark);
    this.dispatchEvent(new CustomEvent(type, { detail: message }));
  }

  get current() {
    return this.streams.get(this.selected) ?? { mood: null, room: null, status: null, stale: false };
  }

  /** The state as people see it: that of the mood, unless nothing comes any more. */
  get state() {
    const { mood, stale } = this.current;
    if (!this.connected) return "away";
    if (!mood) return "none";
    return mood.state === "ended" ? "ended" : stale ? "stale" : mood.state;
  }

  /** Whether a mood is to be shown as one that holds now. */
  get lit() {
    return ["live", "warming", "clipping", "silent", "degraded"].includes(this.state);
  }

  /** Unix time by the publisher's clock, as it goes on here [s]. */
  get now() {
    const last = this.rows.at(-1);
    return last ? last.t + (performance.now() - this.#received) / 1000 : Date.now() / 1000;
  }

  select(name) {
    if (name === this.selected) return;
    this.selected = name;
    this.rows = [];
    this.marks = [];
    this.dispatchEvent(new CustomEvent("select"));
  }

  lose() {
    this.connected = false;
    this.dispatchEvent(new CustomEvent("lost"));
  }

  #of(name) {
    if (!this.streams.has(name)) this.streams.set(name, { mood: null, status: null, stale: false });
    return this.streams.get(name);
  }

  #hello(message) {
    this.connected = true;
    this.endpoint = message.endpoint;
    this.recorded = message.recorded;
    this.plays = message.plays;
    this.streams.clear();
    for (const { stream, mood, status, stale } of message.streams) {
      this.streams.set(stream, { mood, status, stale });
    }
  }

  #mood(mood, room) {
    const entry = this.#of(mood.stream);
    entry.mood = mood;
    entry.room = room;
    entry.stale = false;
    if (mood.stream !== this.selected || mood.state === "ended") return;
    this.#add({
      epoch: mood.epoch, seq: mood.seq, t: mood.t_publish, valence: mood.valence, arousal: mood.arousal,
      sv: mood.sigma_valence, sa: mood.sigma_arousal, quadrant: mood.quadrant, state: mood.state,
    });
    this.#received = performance.now();
    const oldest = mood.t_publish - KEEP_S;
    let count = 0;
    while (count < this.rows.length && this.rows[count].t < oldest) count += 1;
    if (count > 50) this.rows.splice(0, count);
  }

  #history(message) {
    if (message.stream !== this.selected) return;
    this.rows = [];
    this.marks = message.marks;
    for (const [seq, t, valence, arousal, sv, sa, quadrant, state] of message.rows) {
      if (state !== "ended") this.#add({ seq, t, valence, arousal, sv, sa, quadrant, state });
    }
    const newest = this.current.mood;
    const age = this.rows.length && newest ? Date.now() / 1000 - newest.t_publish : 0;
    // A stream that ended long ago is drawn as it was then.
    this.#received = performance.now() - (age > 0 && age < 30 ? age * 1000 : 0);
  }

  #add(row) {
    const last = this.rows.at(-1);
    if (last && row.t <= last.t && row.seq <= last.seq) return;
    row.gap = !last || row.t - last.t > GAP_S || row.seq <= last.seq;
    this.rows.push(row);
  }
}
