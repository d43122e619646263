// A tile for each stream, where there are several: its place on the plane, its mood in a word.
import { css, moodColour, QUADRANTS, rgba, STATES } from "./palette.js";

export class Tiles {
  #nav = document.getElementById("tiles");
  #store;
  #tiles = new Map();
  #choose;

  constructor(store, choose) {
    this.#store = store;
    this.#choose = choose;
  }

  /** Make the tiles anew: other streams are there. */
  build() {
    const names = [...this.#store.streams.keys()].sort();
    this.#nav.hidden = names.length < 2;
    this.#tiles.clear();
    this.#nav.replaceChildren(...names.map((name) => this.#tile(name)));
    names.forEach((name) => this.draw(name));
    this.#tiles.get(this.#store.selected)?.button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  draw(name) {
    const tile = this.#tiles.get(name);
    if (!tile) return this.build();
    const { mood, stale } = this.#store.streams.get(name);
    const gone = stale || !mood || mood.state === "ended";
    tile.button.setAttribute("aria-current", String(name === this.#store.selected));
    const word = QUADRANTS[mood?.quadrant]?.word;
    const state = mood?.state === "ended" ? "ended" : stale ? "stale" : (mood?.state ?? "none");
    tile.words.textContent = !gone && word ? word : STATES[state];
    this.#draw(tile.canvas, mood, gone);
  }

  #tile(name) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const canvas = Object.assign(document.createElement("canvas"), { width: 112, height: 112 });
    canvas.setAttribute("aria-hidden", "true");
    const words = document.createElement("small");
    button.append(canvas, Object.assign(document.createElement("b"), { textContent: name }), words);
    button.onclick = () => this.#choose(name);
    this.#tiles.set(name, { button, canvas, words });
    return button;
  }

  #draw(canvas, mood, gone) {
    const context = canvas.getContext("2d");
    const size = canvas.width;
    const colour = moodColour(gone ? null : mood?.quadrant);
    context.fillStyle = css("--bg");
    context.fillRect(0, 0, size, size);
    context.fillStyle = rgba(colour, 0.18);
    context.fillRect(0, 0, size, size);
    context.fillStyle = css("--grid");
    context.fillRect(size / 2 - 1, 0, 2, size);
    context.fillRect(0, size / 2 - 1, size, 2);
    if (!mood || mood.valence === null || mood.arousal === null) return;
    context.beginPath();
    context.arc(((mood.valence + 1) / 2) * size, ((1 - mood.arousal) / 2) * size, 11, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = 4;
    context.strokeStyle = css("--card");
    context.stroke();
  }
}
