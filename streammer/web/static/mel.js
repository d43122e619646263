// A strip of the spectrogram that the model gets. It is received only while it is shown.
import { css, rgb } from "./palette.js";
import { fitted } from "./plane.js";

const COLUMNS = 5; // of an estimate: ten a second are as fine as the strip is wide
const KEEP = 1400;
const RANGE_DB = 65;

export class Mel {
  #canvas;
  #curves;
  #columns = []; // {t, db}
  #waiting = null;
  #top = -Infinity;
  #colours = null;

  constructor(canvas, curves) {
    this.#canvas = canvas;
    this.#curves = curves;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  clear() {
    this.#columns = [];
    this.#waiting = null;
    this.#top = -Infinity;
    this.draw();
  }

  recolour() {
    this.#colours = null;
    this.draw();
  }

  /** Keep a spectrogram until the estimate comes that it belongs to: that has its time. */
  take(features) {
    this.#waiting = features;
    document.getElementById("mel-kind").textContent = features.kind;
  }

  time(mood) {
    const features = this.#waiting;
    if (!features || features.epoch !== mood.epoch || features.seq !== mood.seq) return;
    this.#waiting = null;
    const { frames, bins, cells, floor_db: floor, top_db: top } = features;
    // The scale follows the loudest of a while ago, slowly: no flicker from step to step.
    this.#top = Math.max(top, this.#top === -Infinity ? top : this.#top - 0.4);
    for (let column = 0; column < COLUMNS; column += 1) {
      const [from, to] = [column, column + 1].map((k) => Math.floor((k * frames) / COLUMNS));
      const db = new Float32Array(bins).fill(-Infinity);
      for (let f = from; f < Math.max(to, from + 1) && f < frames; f += 1) {
        for (let b = 0; b < bins; b += 1) {
          db[b] = Math.max(db[b], floor + (cells[f * bins + b] / 255) * (top - floor));
        }
      }
      this.#columns.push({ t: mood.t_publish - 0.5 * (1 - (column + 1) / COLUMNS), db });
    }
    if (this.#columns.length > KEEP) this.#columns.splice(0, this.#columns.length - KEEP);
  }

  draw() {
    const { context, width, height } = fitted(this.#canvas);
    if (!width) return;
    context.fillStyle = css("--mel-0");
    context.fillRect(0, 0, width, height);
    const [min, max] = this.#curves.range;
    const shown = this.#columns.filter(({ t }) => t >= min);
    if (!shown.length) return;
    const bins = shown.at(-1).db.length;
    const image = new ImageData(shown.length, bins);
    const table = (this.#colours ??= colours());
    shown.forEach(({ db }, x) => {
      for (let b = 0; b < Math.min(bins, db.length); b += 1) {
        const level = Math.round(255 * Math.min(1, Math.max(0, 1 + (db[b] - this.#top) / RANGE_DB)));
        image.data.set(table.subarray(3 * level, 3 * level + 3), 4 * ((bins - 1 - b) * shown.length + x));
        image.data[4 * ((bins - 1 - b) * shown.length + x) + 3] = 255;
      }
    });
    const strip = new OffscreenCanvas(shown.length, bins);
    strip.getContext("2d").putImageData(image, 0, 0);
    this.#place(context, strip, shown, (t) => ((t - min) / (max - min)) * width, height);
  }

  /** Draw each run of columns without a hole where its time is. */
  #place(context, strip, shown, x, height) {
    context.imageSmoothingEnabled = true;
    let begin = 0;
    for (let i = 1; i <= shown.length; i += 1) {
      if (i < shown.length && shown[i].t - shown[i - 1].t < 0.9) continue;
      const left = x(shown[begin].t - 0.1);
      context.drawImage(strip, begin, 0, i - begin, strip.height, left, 0, x(shown[i - 1].t) - left, height);
      begin = i;
    }
  }
}

/** Return 256 colours from the theme's five. */
function colours() {
  const stops = [0, 1, 2, 3, 4].map((k) => rgb(css(`--mel-${k}`)));
  const table = new Uint8ClampedArray(768);
  for (let i = 0; i < 256; i += 1) {
    const at = (i / 255) * 4;
    const k = Math.min(3, Math.floor(at));
    for (let c = 0; c < 3; c += 1) table[3 * i + c] = stops[k][c] + (at - k) * (stops[k + 1][c] - stops[k][c]);
  }
  return table;
}
