// The view as a picture of its own, to keep or to send: plane, curves and words, 1600 by 1000.
import { css, QUADRANTS, STATES } from "./palette.js";
import { drawPlane, rangeOf } from "./plane.js";

const [WIDTH, HEIGHT, PLANE] = [1600, 1000, 900];
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export function picture(store, curves) {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d");
  context.fillStyle = css("--bg");
  context.fillRect(0, 0, WIDTH, HEIGHT);
  drawScene(context, store);
  drawWords(context, store);
  drawCurves(context, curves);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function drawScene(context, store) {
  const row = store.rows.at(-1);
  const quadrant = store.current.mood?.quadrant ?? null;
  const glow = Object.fromEntries(Object.keys(QUADRANTS).map((name) => [name, name === quadrant ? 1 : 0]));
  const known = row && row.valence !== null && row.arousal !== null;
  const head = known ? { x: row.valence, y: row.arousal, sv: row.sv, sa: row.sa, quadrant: row.quadrant } : null;
  const now = row?.t ?? store.now;
  context.save();
  context.translate(40, 50);
  context.fillStyle = css("--card");
  context.fillRect(0, 0, PLANE, PLANE);
  const plane = Object.assign(document.createElement("canvas"), { width: PLANE, height: PLANE });
  const tail = store.rows.filter((r) => r.t > now - 60);
  drawPlane(plane.getContext("2d"), PLANE, { head, glow, quadrant, lit: true, now, tail, range: rangeOf(tail) });
  context.drawImage(plane, 0, 0);
  context.restore();
}

function drawWords(context, store) {
  const { mood, status } = store.current;
  const name = QUADRANTS[mood?.quadrant];
  const write = (text, y, font, colour) => {
    context.font = `${font} ${FONT}`;
    context.fillStyle = css(colour);
    context.fillText(text, 980, y, 580);
  };
  write(name?.word ?? "no mood", 150, "700 96px", name ? `--${mood.quadrant.toLowerCase()}-ink` : "--soft");
  write(`${store.selected} · ${status?.source ?? ""}`, 205, "600 24px", "--ink");
  const when = new Date((mood?.t_publish ?? Date.now() / 1000) * 1000).toLocaleString();
  write(`${when} · ${STATES[store.state]} · model ${mood?.model ?? "–"}`, 240, "400 20px", "--soft");
  if (!mood) return;
  const numbers = ["valence", "arousal"].filter((axis) => mood[axis] !== null).map((axis) => {
    const sigma = mood[`sigma_${axis}`];
    return `${axis} ${mood[axis].toFixed(2)}${sigma === null ? "" : ` ± ${sigma.toFixed(2)}`}`;
  });
  write(numbers.join("   "), 300, "500 24px", "--ink");
  write("streammer", 950, "600 20px", "--soft");
}

function drawCurves(context, curves) {
  const { valence, arousal, ribbon } = curves.canvases;
  if (!valence.width || !valence.height) return;
  const scale = Math.min(600 / valence.width, 260 / valence.height);
  const [width, height] = [valence.width * scale, valence.height * scale];
  context.drawImage(valence, 960, 350, width, height);
  context.drawImage(arousal, 960, 366 + height, width, height);
  if (!ribbon.width) return;
  const left = 960 + (parseFloat(css("--axis")) / valence.clientWidth) * width;
  context.drawImage(ribbon, left, 382 + 2 * height, 960 + width - left, 18);
}
