// The page: one connection, one store, and the parts that draw what is in it.
import { Ambient } from "./ambient.js";
import { Curves } from "./curves.js";
import { Mel } from "./mel.js";
import { forget } from "./palette.js";
import { clock, Panel } from "./panel.js";
import { picture } from "./picture.js";
import { Plane } from "./plane.js";
import { Connection } from "./socket.js";
import { Sound } from "./sound.js";
import { Store } from "./store.js";
import { Tiles } from "./tiles.js";

const $ = (id) => document.getElementById(id);
const store = new Store();
const plane = new Plane($("plane"), store);
const curves = new Curves(store);
const mel = new Mel($("mel"), curves);
const tiles = new Tiles(store, choose);
const panel = new Panel(store, openCard);
const ambient = new Ambient(store);
new Sound(store);
let connection = null;
let toastTimer = 0;
let marked = null;

const kept = {
  get: (key) => { try { return localStorage.getItem(`streammer-${key}`); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(`streammer-${key}`, value); } catch { /* not kept */ } },
};

function connect() {
  if (!("WebSocket" in window)) {
    $("plain").hidden = false;
    $("plain").textContent = "This browser has no WebSocket, over which the mood comes. Open the page in a browser of this decade; in a terminal, “streammer watch” shows the same.";
    $("main").hidden = true;
    return;
  }
  connection = new Connection({
    opened: () => {},
    message: (message) => store.take(message),
    features: (features) => features.stream === store.selected && mel.take(features),
    lost: () => store.lose(),
  });
}

function watch() {
  if (store.selected) connection.watch(store.selected, !$("mel-row").hidden && !document.hidden);
  $("csv").href = store.selected ? `/session/${encodeURIComponent(store.selected)}.csv` : "#";
  $("csv").toggleAttribute("aria-disabled", !store.selected);
}

/** Turn to a stream. */
function choose(name) {
  store.select(name);
  kept.set("stream", name);
  mel.clear();
  watch();
  tiles.build();
  panel.draw();
}

function drawAll() {
  panel.draw();
  plane.draw();
  curves.draw();
  mel.draw();
  ambient.update();
}

store.addEventListener("hello", () => {
  const names = [...store.streams.keys()].sort();
  const wanted = [store.selected, kept.get("stream"), "main", names[0]].find((name) => store.streams.has(name));
  if (wanted && wanted !== store.selected) choose(wanted);
  else watch();
  tiles.build();
  drawAll();
});
store.addEventListener("history", () => { plane.update(); drawAll(); });
store.addEventListener("mood", ({ detail: { mood } }) => {
  if (!store.selected) choose(mood.stream);
  tiles.draw(mood.stream);
  if (mood.stream !== store.selected) return;
  mel.time(mood);
  plane.update();
  panel.draw();
  ambient.update();
  if (document.hidden) return;
  curves.draw();
  mel.draw();
});
store.addEventListener("status", ({ detail }) => detail.status.stream === store.selected && panel.draw());
store.addEventListener("stale", ({ detail }) => { tiles.draw(detail.stream); drawAll(); });
store.addEventListener("mark", ({ detail: { mark } }) => {
  curves.draw();
  toast(`Marked ${clock(mark.t_audio_s)}${mark.label && `: ${mark.label}`}`);
});
store.addEventListener("problem", ({ detail }) => toast(detail.text));
store.addEventListener("lost", drawAll);

// Time goes on while nothing comes.
setInterval(() => {
  const last = store.rows.at(-1);
  if (last && store.now - last.t > 1 && store.now - last.t < curves.seconds && !document.hidden) {
    curves.draw();
    mel.draw();
    plane.draw();
  }
}, 1000);

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 3500);
}

function openMark() {
  marked = store.current.mood;
  if (!marked) return toast("There is nothing to mark yet");
  $("mark-time").textContent = clock(marked.t_audio_s);
  $("mark-label").value = "";
  $("mark-dialog").showModal();
  $("mark-label").focus();
}

function closeMark() {
  if ($("mark-dialog").returnValue !== "save" || !marked) return;
  if (!connection.mark(marked, $("mark-label").value)) toast("Not marked: the page server is gone");
}

async function openCard(name) {
  const answer = await fetch(`/card/${encodeURIComponent(name)}`).catch(() => null);
  const text = answer ? await answer.text() : "The page server is gone.";
  const read = answer?.ok ? new DOMParser().parseFromString(text, "text/html").body.childNodes : [text];
  $("card-text").replaceChildren(...read);
  $("card-dialog").showModal();
}

async function savePicture() {
  const blob = await picture(store, curves);
  const link = Object.assign(document.createElement("a"), { download: `${store.selected || "streammer"}.png` });
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function showMel(on) {
  $("mel-row").hidden = !on;
  $("mel-on").setAttribute("aria-pressed", String(on));
  kept.set("mel", on ? "on" : "off");
  if (!on) mel.clear();
  if (connection) watch();
}

function recolour() {
  forget();
  mel.recolour();
  tiles.build();
  drawAll();
}

$("mark").onclick = openMark;
$("mark-cancel").onclick = () => $("mark-dialog").close("cancel");
$("mark-dialog").addEventListener("cancel", () => { $("mark-dialog").returnValue = "cancel"; });
$("mark-dialog").addEventListener("close", closeMark);
$("ambient-on").onclick = () => ambient.enter();
$("png").onclick = savePicture;
$("card-close").onclick = () => $("card-dialog").close();
$("mel-on").onclick = () => showMel($("mel-row").hidden);
$("theme").onclick = () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  kept.set("theme", root.dataset.theme);
  recolour();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
document.addEventListener("visibilitychange", () => {
  if (connection && store.selected) watch();
  if (!document.hidden) drawAll();
});
for (const button of document.querySelectorAll("[data-window]")) {
  button.onclick = () => {
    for (const other of document.querySelectorAll("[data-window]")) other.setAttribute("aria-pressed", String(other === button));
    curves.show(Number(button.dataset.window));
    mel.draw();
  };
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input") || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (ambient.on) {
    if (key === "escape" || key === "f") ambient.leave();
  } else if (key === "m") openMark();
  else if (key === "f") ambient.enter();
  else if (key === "s") showMel($("mel-row").hidden);
  else if (/^[1-9]$/.test(key)) {
    const name = [...store.streams.keys()].sort()[Number(key) - 1];
    if (name) choose(name);
  } else return;
  event.preventDefault();
});

if (kept.get("mel") === "on") showMel(true);
connect();
panel.draw();
