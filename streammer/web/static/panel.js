// The mood in words, the numbers, the readings; and what a screen reader is told of them.
import { QUADRANTS, STATES } from "./palette.js";

const SAY_EVERY_MS = 6000; // a voice that never stops tells nothing
const $ = (id) => document.getElementById(id);
const signed = (x) => (x === null ? "–" : `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`);

export class Panel {
  #store;
  #said = "";
  #saidAt = -Infinity;
  #timer = 0;

  constructor(store, openCard) {
    this.#store = store;
    this.openCard = openCard;
  }

  draw() {
    const store = this.#store;
    const { mood, status } = store.current;
    const state = store.state;
    const quadrant = store.lit ? (mood?.quadrant ?? null) : null;
    const name = QUADRANTS[quadrant];
    document.documentElement.dataset.quadrant = quadrant ?? "none";
    $("word").textContent = name?.word ?? (state === "silent" ? "silence" : "–");
    $("more").textContent = name ? `${name.more} · ${quadrant}` : "";
    $("state").dataset.state = state;
    $("state").lastElementChild.textContent = STATES[state];
    document.title = name ? `${name.word} · ${store.selected} · streammer` : "streammer";
    $("stream-name").textContent = store.selected || "no stream yet";
    $("source").textContent = status ? status.source : "";
    $("endpoint").textContent = store.endpoint;
    this.#numbers(mood);
    this.#readings(mood, status);
    this.#announce(store.selected && `${name?.word ?? "no mood"}, ${STATES[state]}`);
    this.#empty(state, mood);
  }

  #numbers(mood) {
    for (const axis of ["valence", "arousal"]) {
      $(axis).textContent = mood ? signed(mood[axis]) : "–";
      const sigma = mood?.[`sigma_${axis}`] ?? null;
      $(`sigma-${axis}`).textContent = sigma === null ? "" : `± ${sigma.toFixed(2)}`;
    }
    for (const side of ["positive", "energetic"]) {
      const p = mood?.[`p_${side}`] ?? null;
      const bar = $(`m-${side}`);
      // From the middle, where neither side is likelier.
      bar.firstElementChild.style.transform = `translateX(50%) scaleX(${(p ?? 0.5) - 0.5})`;
      bar.setAttribute("aria-valuenow", Math.round(100 * (p ?? 0.5)));
      $(`p-${side}`).textContent = p === null ? "–" : `${Math.round(100 * p)} %`;
    }
  }

  #readings(mood, status) {
    $("level").textContent = mood ? `${mood.level_dbfs.toFixed(1)} dBFS` : "–";
    const level = mood ? Math.min(0, Math.max(-60, mood.level_dbfs)) : -60;
    $("m-level").firstElementChild.style.transform = `scaleX(${1 + level / 60})`;
    $("m-level").setAttribute("aria-valuenow", level.toFixed(0));
    const known = status ? ` + ${Math.round(1000 * status.latency_s)}` : "";
    $("lag").textContent = mood ? `${mood.lag_ms.toFixed(1)}${known} ms` : "–";
    $("heard").textContent = mood ? clock(mood.t_audio_s) : "–";
    $("lost").textContent = mood ? mood.lost_samples.toLocaleString("en") : "–";
    const models = status?.models ?? (mood ? mood.model.split("+") : []);
    if ($("models").dataset.models === models.join("+")) return;
    $("models").dataset.models = models.join("+");
    $("models").replaceChildren(...models.map((model) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: model });
      button.setAttribute("aria-haspopup", "dialog");
      button.title = "Its card: data, terms, metrics";
      button.onclick = () => this.openCard(model.split(" ")[0]);
      return button;
    }));
    if (!models.length) $("models").textContent = "–";
  }

  #announce(text) {
    clearTimeout(this.#timer);
    if (!text || text === this.#said) return;
    const wait = this.#saidAt + SAY_EVERY_MS - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.#announce(text), wait);
      return;
    }
    this.#said = text;
    this.#saidAt = performance.now();
    $("announce").textContent = text;
  }

  #empty(state, mood) {
    const words = {
      away: ["Connecting …", "The page server is not there. It is asked again and again."],
      none: ["Nothing received yet", ""],
    }[mood && state !== "away" ? "" : state];
    $("empty").hidden = !words || (state === "away" && Boolean(mood));
    if (!words) return;
    $("empty-lead").textContent = words[0];
    if (state === "none") {
      const code = (text) => Object.assign(document.createElement("code"), { textContent: text });
      $("empty-text").replaceChildren(
        `Waiting for a publisher at ${this.#store.endpoint}: `, code("streammer listen mic"), " or ", code("streammer demo"),
      );
    } else $("empty-text").textContent = words[1];
  }
}

export function clock(seconds) {
  const s = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
