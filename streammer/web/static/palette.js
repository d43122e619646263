// Words and colours of the moods, and the page's own colours as they are in the theme.

export const QUADRANTS = {
  Q1: { word: "happy", more: "excited", corner: [1, 1] },
  Q2: { word: "tense", more: "angry", corner: [-1, 1] },
  Q3: { word: "sad", more: "gloomy", corner: [-1, -1] },
  Q4: { word: "calm", more: "content", corner: [1, -1] },
};

export const STATES = {
  live: "hearing music",
  warming: "listening in",
  clipping: "too loud, clipping",
  silent: "silence",
  degraded: "no sound arrives",
  ended: "has ended",
  stale: "nothing is received",
  away: "page server is gone",
  none: "waiting",
};

const known = new Map();

/** Return a colour (or number) of the style sheet. */
export function css(name) {
  let value = known.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    known.set(name, value);
  }
  return value;
}

/** Forget the colours: the theme has changed. */
export function forget() {
  known.clear();
}

export const moodName = (quadrant) => (quadrant ? `--${quadrant.toLowerCase()}` : "--faint");
export const moodColour = (quadrant) => css(moodName(quadrant));

/** Return [r, g, b], 0 to 255, of a #rrggbb. */
export function rgb(hex) {
  const n = parseInt(hex.slice(1), 16);
  return hex.length === 4
    ? [...hex.slice(1)].map((digit) => parseInt(digit + digit, 16))
    : [n >> 16, (n >> 8) & 255, n & 255];
}

export const rgba = (hex, alpha) => `rgb(${rgb(hex).join(" ")} / ${alpha})`;

// OKLab (Ottosson 2020): colours mixed in it keep their lightness, and go through no grey.
const toLinear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const toGamma = (c) => (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055);

export function toLab(hex) {
  const [r, g, b] = rgb(hex).map((c) => toLinear(c / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

export function fromLab([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((c) => Math.round(255 * Math.min(1, Math.max(0, toGamma(Math.max(0, c))))));
}

const shades = new Map();

/** Return a colour of the style sheet over another, as one that hides what is below. */
export function over(name, below, alpha) {
  const key = `${css(name)}${css(below)}${Math.round(alpha * 24)}`;
  if (!shades.has(key)) {
    const labs = [css(name), css(below)].map(toLab);
    shades.set(key, `rgb(${fromLab(mix(labs, [Math.round(alpha * 24) / 24, 1 - Math.round(alpha * 24) / 24])).join(" ")})`);
  }
  return shades.get(key);
}

/** Return the weighted mean of colours in OKLab. */
export function mix(labs, weights) {
  const sum = weights.reduce((x, y) => x + y, 0) || 1;
  return [0, 1, 2].map((i) => labs.reduce((x, lab, k) => x + lab[i] * weights[k], 0) / sum);
}
