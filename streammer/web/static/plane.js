// The plane of valence and arousal: the last minute as a comet, one sigma as an ellipse.
import { css, moodColour, moodName, over, QUADRANTS, rgba } from "./palette.js";

const TAIL_S = 60;
const GLIDE_MS = 450;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const WIDE = 1;
const NEAR = 0.65; // most music stays within: the plane is drawn so far while it does
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Return how large and how sharp a canvas is to be drawn, and make it so. */
export function fitted(canvas) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const { width, height } = canvas.getBoundingClientRect();
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

export class Plane {
  #canvas;
  #store;
  #from = null;
  #shown = null;
  #at = 0;
  #range = WIDE;
  #glow = { Q1: 0, Q2: 0, Q3: 0, Q4: 0 };
  #frame = 0;
  #drawn = 0;

  constructor(canvas, store) {
    this.#canvas = canvas;
    this.#store = store;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** A new estimate is there: glide to it. */
  update() {
    const row = this.#store.rows.at(-1);
    const there = row && row.valence !== null && row.arousal !== null;
    this.#from = there && !row.gap && this.#shown ? this.#shown : null;
    this.#at = performance.now();
    this.#say();
    if (still.matches || document.hidden) this.draw();
    else if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#animate());
  }

  /** Draw once, as it is now. */
  draw() {
    const { context, width, height } = fitted(this.#canvas);
    if (width) drawPlane(context, Math.min(width, height), this.#scene());
  }

  #animate() {
    this.#frame = 0;
    const now = performance.now();
    if (now - this.#drawn >= 30) {
      this.#drawn = now;
      this.draw();
    }
    if (now - this.#at < 2 * GLIDE_MS) this.#frame = requestAnimationFrame(() => this.#animate());
  }

  #scene() {
    const store = this.#store;
    const row = store.rows.at(-1);
    const lit = store.lit;
    const part = still.matches ? 1 : Math.min(1, (performance.now() - this.#at) / GLIDE_MS);
    const eased = 1 - (1 - part) ** 3;
    let head = null;
    if (row && row.valence !== null && row.arousal !== null) {
      const from = this.#from ?? { x: row.valence, y: row.arousal, sv: row.sv, sa: row.sa };
      const between = (a, b) => (a === null || b === null ? b : a + (b - a) * eased);
      head = {
        x: between(from.x, row.valence), y: between(from.y, row.arousal),
        sv: between(from.sv, row.sv), sa: between(from.sa, row.sa), quadrant: row.quadrant,
      };
    }
    this.#shown = head;
    const quadrant = lit ? (store.current.mood?.quadrant ?? null) : null;
    for (const name of Object.keys(this.#glow)) {
      const wanted = name === quadrant ? 1 : 0;
      this.#glow[name] = still.matches ? wanted : this.#glow[name] + 0.12 * (wanted - this.#glow[name]);
    }
    const since = store.now - TAIL_S;
    const tail = store.rows.filter((r) => r.t > since);
    const wanted = rangeOf(tail);
    // Wider at once, where something would leave the plane; narrower in its own time.
    this.#range += (still.matches ? 1 : wanted > this.#range ? 0.25 : 0.08) * (wanted - this.#range);
    return { head, glow: this.#glow, quadrant, lit, now: store.now, tail, range: this.#range };
  }

  #say() {
    const { mood } = this.#store.current;
    if (!mood || mood.valence === null) return;
    const name = QUADRANTS[mood.quadrant]?.word ?? "no mood";
    this.#canvas.setAttribute(
      "aria-label",
      `Plane of valence and arousal. Now ${name}: valence ${mood.valence.toFixed(2)}, arousal ${(mood.arousal ?? 0).toFixed(2)}`,
    );
  }
}

/** Return how far the plane is to reach for these rows. */
export function rangeOf(rows) {
  const far = rows.some((r) => Math.abs(r.valence ?? 0) + (r.sv ?? 0) > NEAR || Math.abs(r.arousal ?? 0) + (r.sa ?? 0) > NEAR);
  return far || !rows.length ? WIDE : NEAR;
}

/** Draw the plane into a square of `size` at the origin of a context. */
export function drawPlane(context, size, scene) {
  const pad = Math.max(18, size * 0.045);
  const inner = size - 2 * pad;
  const { range } = scene;
  const px = (x) => pad + ((x / range + 1) / 2) * inner;
  const py = (y) => pad + ((1 - y / range) / 2) * inner;
  context.clearRect(0, 0, size, size);
  drawGround(context, size, scene, px, py);
  drawTail(context, size, scene, px, py);
  if (scene.head) drawHead(context, size, scene, px, py, inner / range);
}

function drawGround(context, size, { glow, quadrant, range }, px, py) {
  const strength = parseFloat(css("--glow"));
  for (const [name, { corner }] of Object.entries(QUADRANTS)) {
    const [x, y] = [px(corner[0] * 0.86 * range), py(corner[1] * 0.86 * range)];
    const light = context.createRadialGradient(x, y, 0, x, y, size * 0.62);
    const alpha = strength * (0.28 + glow[name]);
    light.addColorStop(0, rgba(moodColour(name), alpha));
    light.addColorStop(1, rgba(moodColour(name), 0));
    context.fillStyle = light;
    context.fillRect(0, 0, size, size);
  }
  context.strokeStyle = css("--grid");
  const line = (at, width, dash) => {
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(px(at), py(-range));
    context.lineTo(px(at), py(range));
    context.moveTo(px(-range), py(at));
    context.lineTo(px(range), py(at));
    context.stroke();
  };
  for (const at of [-0.5, 0.5]) line(at, 1, [2, 6]);
  line(0, 1.5, []);
  context.setLineDash([]);
  context.lineWidth = 1;
  context.strokeRect(px(-range), py(range), px(range) - px(-range), py(-range) - py(range));
  drawWords(context, size, quadrant, range, px, py);
}

function drawWords(context, size, quadrant, range, px, py) {
  const large = Math.max(15, size * 0.026);
  const small = Math.max(11.5, size * 0.0155);
  for (const [name, { word, corner }] of Object.entries(QUADRANTS)) {
    const active = name === quadrant;
    context.font = `${active ? 700 : 500} ${large}px ${FONT}`;
    context.fillStyle = active ? css(`--${name.toLowerCase()}-ink`) : css("--soft");
    context.textAlign = corner[0] > 0 ? "right" : "left";
    context.textBaseline = corner[1] > 0 ? "top" : "bottom";
    context.fillText(word, px(corner[0] * range) - corner[0] * large * 0.7, py(corner[1] * range) + corner[1] * large * 0.6);
  }
  context.font = `500 ${small}px ${FONT}`;
  context.fillStyle = css("--soft");
  const note = (text, x, y, align, baseline) => {
    context.textAlign = align;
    context.textBaseline = baseline;
    context.fillText(text, x, y);
  };
  const near = small * 0.5;
  note("positive →", px(range) - near, py(0) - near, "right", "bottom");
  note("← negative", px(-range) + near, py(0) - near, "left", "bottom");
  note("↑ energetic", px(0) + near, py(range) + near, "left", "top");
  note("↓ calm", px(0) + near, py(-range) - near, "left", "bottom");
  context.fillStyle = css("--faint");
  for (const at of [-0.5, 0.5]) {
    // Along the edges: in the middle they would lie under the line.
    note(at < 0 ? "−0.5" : "+0.5", px(at), py(-range) - near, "center", "bottom");
    note(at < 0 ? "−0.5" : "+0.5", px(-range) + near, py(at), "left", "middle");
  }
}

/** Draw the last minute, old to new, as a smooth line that fades and thins with age. */
function drawTail(context, size, { tail, now, lit, head }, px, py) {
  context.lineCap = "round";
  const known = tail.filter((row) => row.valence !== null && row.arousal !== null);
  const at = (i) => {
    const row = known[Math.min(known.length - 1, Math.max(0, i))];
    return row === known.at(-1) && head ? [px(head.x), py(head.y)] : [px(row.valence), py(row.arousal)];
  };
  for (let i = 1; i < known.length; i += 1) {
    if (known[i].gap) continue;
    const [a, b] = [at(i - 1), at(i)];
    const before = known[i - 1].gap ? a : at(i - 2);
    const after = known[i + 1]?.gap ? b : at(i + 1);
    const fresh = (1 - Math.min(1, (now - known[i].t) / TAIL_S)) ** 1.5;
    // Without transparency, where pieces overlap nothing shows.
    context.strokeStyle = over(moodName(known[i].quadrant), "--card", (0.1 + 0.86 * fresh) * (lit ? 1 : 0.45));
    context.lineWidth = size * (0.002 + 0.0088 * fresh);
    context.beginPath();
    context.moveTo(...a);
    const sixth = (from, to, k) => (to[k] - from[k]) / 6; // Catmull and Rom's curve as Bezier's
    context.bezierCurveTo(
      a[0] + sixth(before, b, 0), a[1] + sixth(before, b, 1),
      b[0] - sixth(a, after, 0), b[1] - sixth(a, after, 1), ...b,
    );
    context.stroke();
  }
}

function drawHead(context, size, { head, lit }, px, py, inner) {
  const [x, y] = [px(head.x), py(head.y)];
  const colour = moodColour(head.quadrant);
  if (head.sv !== null && head.sa !== null) {
    context.beginPath();
    context.ellipse(x, y, (head.sv * inner) / 2, (head.sa * inner) / 2, 0, 0, 2 * Math.PI);
    context.fillStyle = rgba(colour, lit ? 0.13 : 0.06);
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = rgba(colour, lit ? 0.75 : 0.35);
    context.setLineDash([5, 5]);
    context.stroke();
    context.setLineDash([]);
  }
  const radius = Math.max(6, size * 0.0125);
  const halo = context.createRadialGradient(x, y, radius * 0.5, x, y, radius * 3.4);
  halo.addColorStop(0, rgba(colour, lit ? 0.5 : 0.15));
  halo.addColorStop(1, rgba(colour, 0));
  context.fillStyle = halo;
  context.beginPath();
  context.arc(x, y, radius * 3.4, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = lit ? css("--ink") : css("--faint");
  context.fill();
  context.lineWidth = Math.max(2.5, radius * 0.4);
  context.strokeStyle = colour;
  context.stroke();
}
