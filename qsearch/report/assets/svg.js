"use strict";
// Building blocks of drawings: SVG and HTML elements, markers, ticks, numbers.

const MARKERS = {
  o: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
  s: "M-3.6-3.6h7.2v7.2h-7.2Z",
  "^": "M0-4.8L4.6 3.6H-4.6Z",
  D: "M0-5L5 0L0 5L-5 0Z",
  v: "M0 4.8L4.6-3.6H-4.6Z",
  P: "M-1.7-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3Z",
  X: "M-4.8-3L-3-4.8L0-1.8L3-4.8L4.8-3L1.8 0L4.8 3L3 4.8L0 1.8L-3 4.8L-4.8 3L-1.8 0Z",
  "*": "M0-5.6L1.5-1.7L5.6-1.7L2.3 .8L3.5 4.8L0 2.4L-3.5 4.8L-2.3 .8L-5.6-1.7L-1.5-1.7Z",
  x: "M-3.6-3.6L3.6 3.6M-3.6 3.6L3.6-3.6",
};

function svgElement(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function textElement(name, text, kind) {
  const element = document.createElement(name);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function inkOf(series) {
  return series.colour === "ink" ? "var(--ink)" : series.colour;
}

// How a series draws its marker and its line; a cross has no inside. What lies on another layer is an open, larger
// mark, so that equal points of several runs all stay visible.
function markerStyle(series, outline) {
  if (series.marker === "x") return { d: MARKERS.x, fill: "none", stroke: inkOf(series), "stroke-width": 1.6 };
  if (series.layer) {
    const open = { fill: "none", "pointer-events": "all", stroke: inkOf(series), "stroke-width": 1.6 };
    return { d: MARKERS[series.marker], ...open, "vector-effect": "non-scaling-stroke" };
  }
  return { d: MARKERS[series.marker], fill: inkOf(series), stroke: outline, "stroke-width": 0.8 };
}

// How much larger the marks of a layer are than those below.
function scaleOf(series) {
  return 1 + 0.45 * series.layer;
}

function lineStyle(series) {
  const dashes = series.kind === "standard" ? { "stroke-dasharray": "6 4" } : {};
  return { fill: "none", stroke: inkOf(series), "stroke-width": 1.6, ...dashes };
}

function niceTicks(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index++) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

function signedNumber(value, decimals) {
  const text = decimals === undefined ? String(value) : value.toFixed(decimals);
  return value > 0 ? `+${text}` : text.replace("-", "\u2212");
}
