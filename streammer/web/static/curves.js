// Valence and arousal over time, each with one sigma around it, and the mood as a ribbon.
import { css, moodColour } from "./palette.js";
import { fitted, rangeOf } from "./plane.js";

const uPlot = globalThis.uPlot;
const AXES = ["valence", "arousal"];

export class Curves {
  seconds = 120;
  reach = 1; // of both, so that they compare
  #store;
  #plots = {};
  #ribbon;
  #times;

  constructor(store) {
    this.#store = store;
    this.#ribbon = document.getElementById("ribbon");
    this.#times = document.getElementById("times");
    for (const axis of AXES) {
      const place = document.getElementById(`plot-${axis}`);
      this.#plots[axis] = new uPlot(options(axis, this, store), [[], [], [], []], place);
      new ResizeObserver(() => this.#fit(axis, place)).observe(place);
    }
    new ResizeObserver(() => this.#drawRibbon()).observe(this.#ribbon);
    this.show(this.seconds);
  }

  /** Show so many seconds. */
  show(seconds) {
    this.seconds = seconds;
    const step = seconds / 4;
    const words = [4, 3, 2, 1].map((k) => ago(k * step));
    this.#times.replaceChildren(...[...words, "now"].map((word) => Object.assign(document.createElement("li"), { textContent: word })));
    this.draw();
  }

  get range() {
    const now = this.#store.now;
    return [now - this.seconds, now];
  }

  draw() {
    const [min, max] = this.range;
    const rows = this.#store.rows.filter((row) => row.t >= min - 2);
    this.reach = rangeOf(rows) < 1 ? 0.75 : 1;
    for (const axis of AXES) this.#plots[axis].setData(columns(rows, axis), false);
    for (const axis of AXES) this.#plots[axis].setScale("x", { min, max });
    this.#drawRibbon(rows);
  }

  /** The canvases, for a picture of the page. */
  get canvases() {
    return { valence: this.#plots.valence.ctx.canvas, arousal: this.#plots.arousal.ctx.canvas, ribbon: this.#ribbon };
  }

  #fit(axis, place) {
    const { clientWidth: width, clientHeight: height } = place;
    if (width && height) this.#plots[axis].setSize({ width, height });
  }

  #drawRibbon(rows = this.#store.rows) {
    const { context, width, height } = fitted(this.#ribbon);
    context.clearRect(0, 0, width, height);
    context.fillStyle = css("--line");
    context.fillRect(0, 0, width, height);
    const [min] = this.range;
    const x = (t) => ((t - min) / this.seconds) * width;
    for (let i = 0; i < rows.length; i += 1) {
      if (!rows[i].quadrant) continue;
      const begin = i && !rows[i].gap ? rows[i - 1].t : rows[i].t - 0.5;
      context.fillStyle = moodColour(rows[i].quadrant);
      context.fillRect(x(begin), 0, x(rows[i].t) - x(begin) + 0.6, height);
    }
  }
}

/** Return the columns of a plot: time, upper and lower end of a sigma, value; null breaks a line. */
function columns(rows, axis) {
  const sigma = axis === "valence" ? "sv" : "sa";
  const out = [[], [], [], []];
  for (const row of rows) {
    if (row.gap && out[0].length) [out[0].at(-1) + 0.01, null, null, null].forEach((v, i) => out[i].push(v));
    const [value, spread] = [row[axis], row[sigma] ?? 0];
    const known = value !== null;
    [row.t, known ? value + spread : null, known ? value - spread : null, value].forEach((v, i) => out[i].push(v));
  }
  return out;
}

function ago(seconds) {
  return seconds < 60 ? `−${Math.round(seconds)} s` : `−${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;
}

function options(axis, curves, store) {
  const side = () => parseFloat(css("--axis"));
  const none = { stroke: null, width: 0, points: { show: false } };
  return {
    width: 400,
    height: 110,
    padding: [8, 8, 4, 0],
    legend: { show: false },
    cursor: { show: true, x: true, y: false, points: { size: 8 }, drag: { setScale: false }, sync: { key: "time" } },
    scales: { x: { time: true, auto: false }, y: { range: () => [-curves.reach, curves.reach] } },
    axes: [
      { show: false },
      {
        size: side,
        stroke: () => css("--soft"),
        grid: { stroke: () => css("--grid"), width: 1 },
        ticks: { show: false },
        font: '12px system-ui, -apple-system, "Segoe UI", sans-serif',
        splits: () => [-curves.reach, 0, curves.reach],
        values: () => [`−${curves.reach}`, "0", `+${curves.reach}`],
        gap: 6,
      },
    ],
    series: [{}, none, none, { stroke: () => css("--curve"), width: 2, points: { show: false }, label: axis }],
    bands: [{ series: [1, 2], fill: () => css("--band") }],
    hooks: { draw: [(plot) => decorate(plot, axis, curves, store)] },
  };
}

/** Name the axis, and draw the marks over the curve. */
function decorate(plot, axis, curves, store) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.font = `600 ${12 * ratio}px system-ui, -apple-system, "Segoe UI", sans-serif`;
  ctx.fillStyle = css("--soft");
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.fillText(axis, bbox.left + 6 * ratio, bbox.top + 4 * ratio);
  const [min, max] = curves.range;
  for (const mark of store.marks) {
    if (mark.t < min || mark.t > max) continue;
    const x = plot.valToPos(mark.t, "x", true);
    ctx.fillStyle = css("--ink");
    ctx.fillRect(x - ratio / 2, bbox.top, ratio, bbox.height);
    if (axis === "valence" && mark.label) {
      ctx.textAlign = x > bbox.left + bbox.width * 0.8 ? "right" : "left";
      ctx.fillText(mark.label.slice(0, 24), x + (ctx.textAlign === "left" ? 5 : -5) * ratio, bbox.top + bbox.height - 16 * ratio);
    }
  }
  ctx.restore();
}
