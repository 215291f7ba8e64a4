"use strict";
// Sharing: copies and downloads, made within the page.

const SHEET_WIDTH = 860; // pixels of a chart that leaves the page, the same on every device
const SHEET_FONT = "Helvetica, Arial, DejaVu Sans, sans-serif";
const PNG_SCALE = 2;
const SAID_FOR = 1600; // milliseconds
const SHEET_STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity"];

// Answers whether the text is on the clipboard. Without a clipboard for pages, a selection can still be copied.
async function copyText(text) {
  if (navigator.clipboard && navigator.clipboard.writeText) {
    const written = await navigator.clipboard.writeText(text).then(() => true, () => false);
    if (written) return true;
  }
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "off-screen";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused) focused.focus();
  return copied;
}

function download(name, type, parts) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function fileName(title, suffix) {
  return `${title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "")}${suffix}`;
}

// A button that does something and, for a moment, says what came of it.
function actionButton(text, label, act) {
  const button = textElement("button", text);
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", async () => {
    button.textContent = await act();
    setTimeout(() => { button.textContent = text; }, SAID_FOR);
  });
  return button;
}

function copyButton(label, make) {
  return actionButton("Copy", label, async () => ((await copyText(make())) ? "Copied" : "Not copied"));
}

function downloadButton(text, label, name, type, make) {
  return actionButton(text, label, async () => {
    download(name(), type, [await make()]);
    return "Saved";
  });
}

// Text in rows and columns.

function commaSeparated(rows) {
  const quoted = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return rows.map((row) => `${row.map((cell) => quoted(String(cell))).join(",")}\n`).join("");
}

// Drawings.

// The markup of a drawing that stands alone: in light colours, under its title and the marks of its legend, each of
// them [elements, name]. draw(sheet) puts the drawing into the sheet that it is given.
function standaloneSvg(title, legend, draw) {
  const sheet = document.createElement("div");
  sheet.className = "plot light off-screen";
  sheet.style.width = `${SHEET_WIDTH}px`;
  document.body.append(sheet);
  try {
    const drawn = draw(sheet);
    const [, , width, height] = drawn.getAttribute("viewBox").split(" ").map(Number);
    const head = svgElement("g");
    const whole = svgElement("svg", { xmlns: "http://www.w3.org/2000/svg", width });
    whole.append(head);
    sheet.replaceChildren(whole);
    head.append(svgElement("text", { class: "name", x: 8, y: 22 }, title));
    const bottom = legend.length ? drawLegend(head, legend, width) : 34;
    const body = svgElement("g", { transform: `translate(0 ${bottom})` });
    body.append(...drawn.childNodes);
    whole.append(body);
    whole.setAttribute("height", bottom + height);
    whole.setAttribute("viewBox", `0 0 ${width} ${bottom + height}`);
    for (const element of whole.querySelectorAll("*")) keepStyle(element);
    whole.prepend(svgElement("rect", { width, height: bottom + height, fill: "#ffffff" }));
    whole.setAttribute("font-family", SHEET_FONT);
    return new XMLSerializer().serializeToString(whole);
  } finally {
    sheet.remove();
  }
}

// Answers where it ends.
function drawLegend(head, legend, width) {
  let [x, y] = [8, 46];
  for (const [marks, name] of legend) {
    const entry = svgElement("g");
    const mark = svgElement("g", { transform: "translate(14 -4)" });
    mark.append(...marks);
    entry.append(mark, svgElement("text", { x: 34, y: 0 }, name));
    head.append(entry);
    const wide = entry.getBBox().width + 24;
    if (x > 8 && x + wide > width) [x, y] = [8, y + 20];
    entry.setAttribute("transform", `translate(${x} ${y})`);
    x += wide;
  }
  return y + 12;
}

// What the page's style sheet and variables say becomes part of the element; what only this page needs goes.
function keepStyle(element) {
  const style = getComputedStyle(element);
  for (const name of element.localName === "text" ? [...SHEET_STYLES, "font-size", "font-weight"] : SHEET_STYLES) {
    element.setAttribute(name, style.getPropertyValue(name));
  }
  for (const name of ["class", "role", "tabindex", "aria-label", "aria-selected", "aria-hidden"]) element.removeAttribute(name);
}

async function pngOf(markup) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(markup)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [PNG_SCALE * image.width, PNG_SCALE * image.height];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

function shareDrawing(figure, title, markup) {
  const tools = figure.querySelector(".share");
  const png = () => pngOf(markup());
  tools.append(
    downloadButton("SVG", `Download as SVG: ${title}`, () => fileName(title, ".svg"), "image/svg+xml", markup),
    downloadButton("PNG", `Download as PNG: ${title}`, () => fileName(title, ".png"), "image/png", png),
  );
  if (!window.ClipboardItem) return;
  const copy = () => navigator.clipboard.write([new ClipboardItem({ "image/png": png() })]);
  tools.append(actionButton("Copy", `Copy as a picture: ${title}`, () => copy().then(() => "Copied", () => "Not copied")));
}
