"use strict";
// What pointers and keys do to a chart.

const LEAST_DRAG = 8; // pixels: less is a click

function boxBetween([x, y], [otherX, otherY]) {
  return { x: Math.min(x, otherX), y: Math.min(y, otherY), width: Math.abs(x - otherX), height: Math.abs(y - otherY) };
}

function listenToPointer(chart) {
  const { svg } = chart;
  const pixelOf = (event) => {
    const box = svg.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * chart.width, ((event.clientY - box.top) / box.height) * chart.height];
  };
  let start = null;

  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return; // a finger scrolls the page
    start = pixelOf(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const here = pixelOf(event);
    if (start) {
      chart.mark();
      chart.overlay.append(svgElement("rect", { class: "box", ...boxBetween(start, here) }));
    } else if (!chart.held && event.pointerType !== "touch") {
      const found = chart.nearest(here, REACH.mouse);
      if (found && !chart.isSelected(found)) chart.select(found);
    }
  });
  svg.addEventListener("pointerup", (event) => {
    const here = pixelOf(event);
    const box = start && boxBetween(start, here);
    start = null;
    if (box && Math.max(box.width, box.height) > LEAST_DRAG) {
      if (Math.min(box.width, box.height) > LEAST_DRAG) chart.view.zoomToBox(box);
      chart.draw();
      return;
    }
    const touch = event.pointerType === "touch";
    const found = chart.nearest(here, touch ? REACH.touch : REACH.mouse);
    chart.held = !touch && found !== null && !(chart.held && chart.isSelected(found));
    chart.select(found || chart.selected);
  });
  svg.addEventListener("pointercancel", () => {
    start = null;
  });
  svg.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
      event.preventDefault();
      const [x, y] = pixelOf(event);
      chart.view.zoomBy(event.deltaY < 0 ? 0.8 : 1.25, [chart.view.fromX(x), chart.view.fromY(y)]);
      chart.draw();
    },
    { passive: false },
  );
}

function listenToKeys(chart) {
  const keys = {
    ArrowRight: () => chart.walk(1),
    ArrowLeft: () => chart.walk(-1),
    ArrowUp: () => chart.changeSeries(-1),
    ArrowDown: () => chart.changeSeries(1),
    Home: () => chart.walk(-Infinity),
    End: () => chart.walk(Infinity),
    Enter: () => chart.hold(true),
    Escape: () => chart.hold(false),
    "+": () => chart.zoom("in"),
    "=": () => chart.zoom("in"),
    "-": () => chart.zoom("out"),
    0: () => chart.zoom("reset"),
  };
  chart.svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
}
