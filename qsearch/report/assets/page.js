"use strict";
// The page: draws its charts, moves the dividers of its pictures, opens everything to be printed.

const data = JSON.parse(document.getElementById("data").textContent);

const charts = [...document.querySelectorAll("[data-chart]")].map(
  (figure, index) => new Chart(figure, `chart-${index}`, data.charts[figure.dataset.chart], data),
);
const barPlots = [...document.querySelectorAll("[data-bars]")].map((figure) => ({
  figure,
  plot: figure.querySelector(".plot"),
  spec: data.bars[Number(figure.dataset.bars)].value.bars,
}));

function drawAll() {
  charts.forEach((chart) => chart.draw());
  barPlots.forEach(({ plot, spec }) => drawBars(plot, spec));
}

for (const { figure, spec } of barPlots) {
  shareDrawing(figure, spec.title, () => standaloneSvg(spec.title, [], (sheet) => drawBars(sheet, spec)));
}
document.querySelectorAll(".scroll").forEach((scroll) => {
  stackOnPhones(scroll.querySelector("table"));
  shareTable(scroll);
});

drawAll();
let lastWidth = document.documentElement.clientWidth;
new ResizeObserver(() => {
  const width = document.documentElement.clientWidth;
  if (width === lastWidth) return;
  lastWidth = width;
  drawAll();
}).observe(document.documentElement);

for (const picture of document.querySelectorAll(".picture")) {
  const [frame, slider] = [picture.querySelector(".frame"), picture.querySelector("input")];
  const move = () => frame.style.setProperty("--split", `${slider.value}%`);
  slider.addEventListener("input", move);
  frame.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" && !event.buttons) return;
    const box = frame.getBoundingClientRect();
    slider.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    move();
  });
}

let closed = [];
window.addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((details) => { details.open = true; });
});
window.addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
