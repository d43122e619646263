// The whole screen as light: colours of the published mood, moving as the music does.
import { fromLab, mix, QUADRANTS, STATES, toLab } from "./palette.js";

// Three lights a mood, from deep to bright; chosen dark enough to be looked at in a dark room.
const LIGHTS = {
  Q1: ["#b3470b", "#f0a020", "#ffd96b"],
  Q2: ["#4a0a1f", "#c22a2f", "#ff7a45"],
  Q3: ["#0b1640", "#2b4fa8", "#6c7fd8"],
  Q4: ["#06343a", "#12826f", "#7fd6a8"],
  rest: ["#0a0d12", "#161d27", "#2a2a33"],
};
const NAMES = Object.keys(LIGHTS);
const LABS = Object.fromEntries(NAMES.map((name) => [name, LIGHTS[name].map(toLab)]));
const WIDTH = 160;
const FRAME_MS = 33;
const GLIDE_S = 2.5;
const REST_MS = 4000;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const $ = (id) => document.getElementById(id);

/** Return how positive and how energetic it is, 0 to 1: for this room, if the server has said so. */
function placed({ mood, room }) {
  if (room) return room;
  return [mood?.p_positive ?? ((mood?.valence ?? 0) + 1) / 2, mood?.p_energetic ?? ((mood?.arousal ?? 0) + 1) / 2];
}

/** Return how much of each mood is in the light: the published one leads, its neighbours tint it. */
function weights(current, lit) {
  const out = Object.fromEntries(NAMES.map((name) => [name, 0]));
  const { mood } = current;
  if (!lit || !mood?.quadrant || mood.state === "silent") {
    out.rest = 1;
    return out;
  }
  const [p, e] = placed(current);
  const share = { Q1: p * e, Q2: (1 - p) * e, Q3: (1 - p) * (1 - e), Q4: p * (1 - e) };
  for (const name of Object.keys(share)) out[name] = 0.45 * share[name];
  out[mood.quadrant] += 0.55;
  return out;
}

export class Ambient {
  #store;
  #root = $("ambient");
  #canvas = $("field");
  #now = weights({ mood: null }, false);
  #energy = 0.2;
  #phase = 0;
  #last = 0;
  #frame = 0;
  #resting = 0;
  #lock = null;
  #before = null;

  constructor(store) {
    this.#store = store;
    $("ambient-off").onclick = () => this.leave();
    for (const kind of ["pointermove", "pointerdown", "keydown"]) this.#root.addEventListener(kind, () => this.#wake());
    document.addEventListener("fullscreenchange", () => document.fullscreenElement || this.leave());
    this.#root.addEventListener("keydown", (event) => event.key === "Tab" && event.preventDefault());
  }

  get on() {
    return !this.#root.hidden;
  }

  async enter() {
    this.#before = document.activeElement;
    this.#root.hidden = false;
    for (const part of document.querySelectorAll("body > :not(#ambient, svg, script)")) part.inert = true;
    $("ambient-off").focus();
    this.#wake();
    this.update();
    this.#last = performance.now();
    this.#frame = requestAnimationFrame((t) => this.#step(t));
    await this.#root.requestFullscreen?.().catch(() => {});
    this.#lock = await navigator.wakeLock?.request("screen").catch(() => null);
  }

  leave() {
    if (!this.on) return;
    this.#root.hidden = true;
    for (const part of document.querySelectorAll("body > [inert]")) part.inert = false;
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#resting);
    this.#lock?.release();
    this.#lock = null;
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    this.#before?.focus();
  }

  update() {
    if (!this.on) return;
    const { mood } = this.#store.current;
    const state = this.#store.state;
    $("ambient-word").textContent = (this.#store.lit && QUADRANTS[mood?.quadrant]?.word) || "";
    $("ambient-state").textContent = state === "live" ? "" : STATES[state];
  }

  #wake() {
    this.#root.classList.remove("resting");
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#root.classList.add("resting"), REST_MS);
  }

  #step(t) {
    if (!this.on) return;
    this.#frame = requestAnimationFrame((next) => this.#step(next));
    if (t - this.#last < FRAME_MS) return;
    const dt = Math.min(2, (t - this.#last) / 1000);
    this.#last = t;
    const { current, lit } = this.#store;
    const wanted = weights(current, lit);
    const part = 1 - Math.exp(-dt / GLIDE_S);
    for (const name of NAMES) this.#now[name] += part * (wanted[name] - this.#now[name]);
    const lively = wanted.rest ? 0.1 : placed(current)[1];
    this.#energy += part * (lively - this.#energy);
    if (!still.matches) this.#phase += Math.min(0.2, dt) * (0.06 + 0.5 * this.#energy ** 1.5);
    this.#draw();
  }

  /** Five soft lights over the deep colour, on a small canvas that the browser enlarges. */
  #draw() {
    const height = Math.max(40, Math.round((WIDTH * innerHeight) / Math.max(1, innerWidth)));
    if (this.#canvas.width !== WIDTH || this.#canvas.height !== height) Object.assign(this.#canvas, { width: WIDTH, height });
    const context = this.#canvas.getContext("2d");
    const shares = NAMES.map((name) => this.#now[name]);
    const tones = [0, 1, 2].map((k) => mix(NAMES.map((name) => LABS[name][k]), shares));
    const bright = 0.62 + 0.5 * this.#energy;
    const colour = (lab, alpha) => `rgb(${fromLab([lab[0] * bright, lab[1], lab[2]]).join(" ")} / ${alpha})`;
    context.globalCompositeOperation = "source-over";
    context.fillStyle = colour(tones[0], 1);
    context.fillRect(0, 0, WIDTH, height);
    for (let k = 0; k < 5; k += 1) {
      const turn = this.#phase * (0.6 + 0.23 * k) + 1.7 * k * k;
      const x = WIDTH * (0.5 + 0.42 * Math.sin(turn + k));
      const y = height * (0.5 + 0.42 * Math.cos(0.8 * turn + 2.1 * k));
      const radius = WIDTH * (0.34 + 0.08 * Math.sin(turn * 1.3 + k));
      const light = context.createRadialGradient(x, y, 0, x, y, radius);
      const lab = k === 4 ? tones[2] : tones[1 + (k % 2)];
      light.addColorStop(0, colour(lab, 0.62));
      light.addColorStop(0.5, colour(lab, 0.24));
      light.addColorStop(1, colour(lab, 0));
      context.fillStyle = light;
      context.fillRect(0, 0, WIDTH, height);
    }
  }
}
