"use strict";
// Chart: points over rate, to point at, walk through by keyboard, switch on and off, and zoom into.

const MARGIN = { left: 52, right: 14, top: 10, bottom: 46 };
const REACH = { mouse: 24, touch: 44 }; // pixels from the pointer to the point it means
const POINT = { x: 0, y: 1, label: 2, card: 3, name: 4 };
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

function definitions(rows) {
  const list = document.createElement("dl");
  for (const [name, value] of rows) {
    const row = document.createElement("div");
    row.append(textElement("dt", name), textElement("dd", value));
    list.append(row);
  }
  return list;
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

class Chart {
  constructor(figure, spec, cards) {
    this.spec = spec;
    this.cards = cards;
    this.plot = figure.querySelector(".plot");
    this.panelWords = figure.querySelector(".panel-words");
    this.panelTables = figure.querySelector(".panel-tables");
    this.hidden = new Set();
    this.held = false;
    this.home = this.extent();
    this.view = { ...this.home };
    this.id = `chart-${figure.dataset.chart.replace(/[^\w-]/g, "-")}`;
    this.makeLegend(figure.querySelector(".legend"));
    figure.querySelectorAll("[data-zoom]").forEach((button) => {
      button.addEventListener("click", () => this.zoom(button.dataset.zoom));
    });
    this.svg = svgElement("svg", { role: "listbox", tabindex: 0, "aria-label": `${spec.title}: tables by rate` });
    this.plot.replaceChildren(this.svg);
    this.listen();
    this.selected = this.firstSelection();
    this.showPanel();
  }

  // What is drawn, and where.

  extent() {
    const points = this.spec.series.flatMap((series) => series.points);
    const span = (part) => {
      const values = points.map((point) => point[part]);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const margin = 0.05 * (high - low) || 0.5 * Math.abs(high) || 1;
      return [low - margin, high + margin];
    };
    const [[x0, x1], [y0, y1]] = [span(POINT.x), span(POINT.y)];
    return { x0, x1, y0, y1 };
  }

  shows(series) {
    return !this.hidden.has(series.group) && !(series.kind === "cloud" && this.hidden.has("all trials"));
  }

  // Places [series, point] that the keyboard walks through: all but the dots of a cloud.
  walkable() {
    return this.spec.series.flatMap((series, index) =>
      series.kind === "cloud" || !this.shows(series) ? [] : series.points.map((_, point) => [index, point]),
    );
  }

  firstSelection() {
    const places = this.walkable();
    const start = places.find((place) => this.spec.start && this.at(place)[POINT.card] === this.spec.start);
    if (start) return start;
    const middle = places.filter(([series]) => series === (places[0] || [0])[0]);
    return middle[Math.floor(middle.length / 2)] || null;
  }

  at([series, point]) {
    return this.spec.series[series].points[point];
  }

  written(y) {
    return this.spec.unit === "share" ? `top-1 ${(100 * y).toFixed(2)} %` : `${y.toFixed(2)} ${this.spec.unit}`;
  }

  words(place) {
    const point = this.at(place);
    return `${point[POINT.label]}: rate ${point[POINT.x].toFixed(2)}, ${this.written(point[POINT.y])}`;
  }

  // Drawing.

  draw() {
    this.width = Math.max(300, this.plot.clientWidth || 700);
    this.height = Math.round(Math.min(520, Math.max(300, 0.68 * this.width)));
    const { left, right, top, bottom } = MARGIN;
    const { x0, x1, y0, y1 } = this.view;
    this.x = (value) => left + ((value - x0) / (x1 - x0)) * (this.width - left - right);
    this.y = (value) => this.height - bottom - ((value - y0) / (y1 - y0)) * (this.height - top - bottom);
    this.rate = (pixel) => x0 + ((pixel - left) / (this.width - left - right)) * (x1 - x0);
    this.value = (pixel) => y0 + ((this.height - bottom - pixel) / (this.height - top - bottom)) * (y1 - y0);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const clip = svgElement("clipPath", { id: `${this.id}-clip` });
    clip.append(svgElement("rect", { x: left, y: top, width: this.width - left - right, height: this.height - top - bottom }));
    const marks = svgElement("g", { class: "marks", "clip-path": `url(#${this.id}-clip)` });
    this.spec.series.forEach((series, index) => this.shows(series) && this.drawSeries(marks, series, index));
    this.overlay = svgElement("g", { "clip-path": `url(#${this.id}-clip)` });
    this.svg.replaceChildren(clip, ...this.axes(), marks, this.overlay);
    this.mark();
  }

  axes() {
    const { left, right, top, bottom } = MARGIN;
    const [end, floor] = [this.width - right, this.height - bottom];
    const { x0, x1, y0, y1 } = this.view;
    const parts = [];
    for (const tick of niceTicks(x0, x1, this.width < 480 ? 5 : 9)) {
      parts.push(svgElement("line", { class: "grid", x1: this.x(tick), x2: this.x(tick), y1: top, y2: floor }));
      parts.push(svgElement("text", { x: this.x(tick), y: floor + 17, "text-anchor": "middle" }, tick));
    }
    for (const tick of niceTicks(y0, y1, 7)) {
      const text = this.spec.unit === "share" ? `${Number((100 * tick).toPrecision(6))} %` : tick;
      parts.push(svgElement("line", { class: "grid", x1: left, x2: end, y1: this.y(tick), y2: this.y(tick) }));
      parts.push(svgElement("text", { x: left - 6, y: this.y(tick) + 4, "text-anchor": "end" }, text));
    }
    parts.push(svgElement("path", { class: "axis", fill: "none", d: `M${left} ${top}V${floor}H${end}` }));
    const name = this.width < 480 ? this.spec.x_label.replace(/ \(.*/, "") : this.spec.x_label;
    parts.push(svgElement("text", { class: "title", x: (left + end) / 2, y: this.height - 7, "text-anchor": "middle" }, name));
    parts.push(svgElement("text", { class: "title", x: left + 8, y: top + 14 }, this.spec.y_label));
    return parts;
  }

  drawSeries(marks, series, index) {
    const colour = series.colour === "ink" ? "var(--ink)" : series.colour;
    const places = series.points.map((point) => [this.x(point[POINT.x]), this.y(point[POINT.y])]);
    if (series.kind === "cloud") {
      // Zero-length strokes with round ends: one element for thousands of dots.
      const dots = places.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h.01`).join("");
      marks.append(svgElement("path", { d: dots, stroke: colour, "stroke-width": 5, "stroke-linecap": "round", opacity: 0.4 }));
      return;
    }
    const group = svgElement("g", { role: "group", "aria-label": series.group });
    if (series.kind !== "points") group.append(this.line(series, places, colour));
    const open = series.marker === "x";
    places.forEach(([x, y], point) => {
      const drawn = svgElement("path", {
        id: `${this.id}-${index}-${point}`,
        role: "option",
        "aria-label": this.words([index, point]),
        "aria-selected": "false",
        d: MARKERS[series.marker],
        transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})`,
        fill: open ? "none" : colour,
        stroke: open ? colour : "var(--paper)",
        "stroke-width": open ? 1.6 : 0.8,
      });
      group.append(drawn);
      const name = series.points[point][POINT.name];
      if (name && (Number(name) % 10 === 0 || Number(name) > 80)) {
        group.append(svgElement("text", { class: "quality", x: x - 4, y: y + 16, "text-anchor": "middle", "aria-hidden": "true" }, name));
      }
    });
    marks.append(group);
  }

  line(series, places, colour) {
    // Between two tables of a frontier the better rate comes only with the lower accuracy: a step.
    const joined = places.map(([x, y], index) => (index === 0 ? `M${x} ${y}` : series.kind === "steps" ? `V${y}H${x}` : `L${x} ${y}`));
    const dashes = series.kind === "standard" ? { "stroke-dasharray": "6 4" } : {};
    return svgElement("path", { d: joined.join(""), fill: "none", stroke: colour, "stroke-width": 1.6, ...dashes });
  }

  makeLegend(legend) {
    const groups = new Map();
    for (const series of this.spec.series) if (series.points.length) groups.set(series.group, series);
    if (this.spec.series.some((series) => series.kind === "cloud")) groups.set("all trials", null);
    for (const [name, series] of groups) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      if (series) button.append(this.legendMark(series));
      button.append(name);
      button.addEventListener("click", () => {
        const shown = this.hidden.delete(name) || !this.hidden.add(name);
        button.setAttribute("aria-pressed", String(shown));
        if (this.selected && !this.shows(this.spec.series[this.selected[0]])) this.select(this.firstSelection());
        this.draw();
      });
      legend.append(button);
    }
  }

  legendMark(series) {
    const colour = series.colour === "ink" ? "var(--ink)" : series.colour;
    const open = series.marker === "x";
    const svg = svgElement("svg", { viewBox: "-12 -7 24 14", "aria-hidden": "true" });
    const dashes = series.kind === "standard" ? { "stroke-dasharray": "4 3" } : {};
    if (series.kind !== "points") svg.append(svgElement("path", { d: "M-12 0H12", stroke: colour, "stroke-width": 1.6, ...dashes }));
    svg.append(svgElement("path", { d: MARKERS[series.marker], fill: open ? "none" : colour, stroke: open ? colour : "none", "stroke-width": 1.6 }));
    return svg;
  }

  // Selecting.

  select(place) {
    this.selected = place;
    this.mark();
    this.showPanel();
  }

  mark() {
    if (!this.overlay) return;
    this.svg.querySelectorAll("[aria-selected=true]").forEach((option) => option.setAttribute("aria-selected", "false"));
    this.overlay.replaceChildren();
    this.svg.removeAttribute("aria-activedescendant");
    if (!this.selected) return;
    const [series, point] = this.selected;
    const option = this.svg.querySelector(`#${CSS.escape(`${this.id}-${series}-${point}`)}`);
    if (option) {
      option.setAttribute("aria-selected", "true");
      this.svg.setAttribute("aria-activedescendant", option.id);
    }
    const chosen = this.at(this.selected);
    for (const other of this.spec.series) {
      if (!this.shows(other) || other.kind === "cloud") continue;
      for (const same of other.points) {
        if (same !== chosen && chosen[POINT.card] && same[POINT.card] === chosen[POINT.card]) this.overlay.append(this.circle(same, "same"));
      }
    }
    this.overlay.append(this.circle(chosen, "ring"));
  }

  circle(point, kind) {
    return svgElement("circle", { class: kind, r: 9, cx: this.x(point[POINT.x]), cy: this.y(point[POINT.y]) });
  }

  showPanel() {
    this.panelWords.replaceChildren();
    this.panelTables.replaceChildren();
    if (!this.selected) return;
    const point = this.at(this.selected);
    const card = this.cards[point[POINT.card]];
    const title = document.createElement("h4");
    title.textContent = card ? card.title : point[POINT.label].replace(/^./, (first) => first.toUpperCase());
    this.panelWords.append(title);
    if (this.held) this.panelWords.append(textElement("p", "Held; Escape or another click lets go.", "note"));
    if (!card) {
      this.panelWords.append(textElement("p", `Rate ${point[POINT.x].toFixed(2)}, ${this.written(point[POINT.y])}.`));
      this.panelWords.append(textElement("p", "Entries and intervals are in this page for the tables of frontiers only.", "note"));
      return;
    }
    for (const section of card.sections) {
      this.panelWords.append(textElement("h5", section.heading), definitions(section.rows));
    }
    const maps = card.tables.map(([name, entries]) => heatMap(name, entries));
    this.panelTables.append(...maps, textElement("p", `digest ${card.digest}`, "digest"));
  }

  // The nearest point within reach of a place in the drawing; frontiers before the dots under them.
  nearest(x, y, reach) {
    let best = null;
    let shortest = reach;
    this.spec.series.forEach((series, index) => {
      if (!this.shows(series)) return;
      const handicap = series.kind === "cloud" ? 4 : 0;
      series.points.forEach((point, position) => {
        if (!this.inView(point)) return;
        const distance = Math.hypot(this.x(point[POINT.x]) - x, this.y(point[POINT.y]) - y) + handicap;
        if (distance < shortest) [best, shortest] = [[index, position], distance];
      });
    });
    return best;
  }

  inView(point) {
    const { x0, x1, y0, y1 } = this.view;
    return point[POINT.x] >= x0 && point[POINT.x] <= x1 && point[POINT.y] >= y0 && point[POINT.y] <= y1;
  }

  // Pointer and keyboard.

  listen() {
    const place = (event) => {
      const box = this.svg.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * this.width, ((event.clientY - box.top) / box.height) * this.height];
    };
    let start = null;
    this.svg.addEventListener("pointermove", (event) => {
      const here = place(event);
      if (start && event.buttons && event.pointerType === "mouse") return this.drawBox(start, here);
      if (this.held || event.pointerType === "touch") return undefined;
      const found = this.nearest(...here, REACH.mouse);
      return found && this.isOther(found) ? this.select(found) : undefined;
    });
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      start = place(event);
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointerup", (event) => {
      const end = place(event);
      const dragged = start && Math.hypot(end[0] - start[0], end[1] - start[1]) > 8;
      if (dragged) this.zoomToBox(start, end);
      start = null;
      if (dragged) return;
      const found = this.nearest(...end, event.pointerType === "mouse" ? REACH.mouse : REACH.touch);
      this.held = found !== null && event.pointerType === "mouse" && !(this.held && !this.isOther(found));
      this.select(found || this.selected);
    });
    this.svg.addEventListener("pointercancel", () => { start = null; });
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // plain wheels scroll the page
      event.preventDefault();
      const [x, y] = place(event);
      this.zoomBy(event.deltaY < 0 ? 0.8 : 1.25, this.rate(x), this.value(y));
    }, { passive: false });
    this.svg.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.press(event.key)) event.preventDefault();
    });
  }

  isOther(place) {
    return !this.selected || place[0] !== this.selected[0] || place[1] !== this.selected[1];
  }

  // Whether the key meant something.
  press(key) {
    const walks = { ArrowRight: 1, ArrowLeft: -1 };
    const actions = {
      Home: () => this.walkTo(0),
      End: () => this.walkTo(-1),
      ArrowUp: () => this.changeSeries(-1),
      ArrowDown: () => this.changeSeries(1),
      Enter: () => { this.held = true; this.showPanel(); },
      Escape: () => { this.held = false; this.showPanel(); },
      "+": () => this.zoom("in"),
      "=": () => this.zoom("in"),
      "-": () => this.zoom("out"),
      0: () => this.zoom("reset"),
    };
    if (key in walks) this.walk(walks[key]);
    else if (key in actions) actions[key]();
    else return false;
    return true;
  }

  siblings() {
    const current = this.selected && this.walkable().some(([series]) => series === this.selected[0]);
    const series = current ? this.selected[0] : (this.walkable()[0] || [])[0];
    return this.walkable()
      .filter(([other]) => other === series)
      .sort((one, two) => this.at(one)[POINT.x] - this.at(two)[POINT.x]);
  }

  walk(step) {
    const places = this.siblings();
    const now = places.findIndex((place) => !this.isOther(place));
    this.reach(places[Math.min(places.length - 1, Math.max(0, now + step))]);
  }

  walkTo(index) {
    this.reach(this.siblings().at(index));
  }

  changeSeries(step) {
    const series = [...new Set(this.walkable().map(([index]) => index))];
    if (!series.length) return;
    const now = this.selected ? series.indexOf(this.selected[0]) : -1;
    const next = series[(now + step + series.length) % series.length];
    const rate = this.selected ? this.at(this.selected)[POINT.x] : 0;
    const near = (place) => Math.abs(this.at(place)[POINT.x] - rate);
    this.reach(this.walkable().filter(([index]) => index === next).sort((one, two) => near(one) - near(two))[0]);
  }

  reach(place) {
    if (!place) return;
    const point = this.at(place);
    if (!this.inView(point)) {
      const { x0, x1, y0, y1 } = this.view;
      const [width, height] = [x1 - x0, y1 - y0];
      const [x, y] = [point[POINT.x], point[POINT.y]];
      this.view = { x0: x - width / 2, x1: x + width / 2, y0: y - height / 2, y1: y + height / 2 };
      this.selected = place;
      this.draw();
    }
    this.select(place);
  }

  // Zooming.

  zoom(how) {
    if (how === "reset") {
      this.view = { ...this.home };
      this.draw();
      return;
    }
    const { x0, x1, y0, y1 } = this.view;
    const chosen = this.selected && this.inView(this.at(this.selected)) ? this.at(this.selected) : null;
    const centre = chosen ? [chosen[POINT.x], chosen[POINT.y]] : [(x0 + x1) / 2, (y0 + y1) / 2];
    this.zoomBy(how === "in" ? 0.6 : 1 / 0.6, ...centre);
  }

  zoomBy(factor, x, y) {
    const { x0, x1, y0, y1 } = this.view;
    const view = { x0: x - (x - x0) * factor, x1: x + (x1 - x) * factor, y0: y - (y - y0) * factor, y1: y + (y1 - y) * factor };
    const whole = this.home.x1 - this.home.x0;
    this.view = view.x1 - view.x0 >= whole ? { ...this.home } : view.x1 - view.x0 < whole / 2000 ? this.view : view;
    this.draw();
  }

  boxOf([x, y], [otherX, otherY]) {
    return { x: Math.min(x, otherX), y: Math.min(y, otherY), width: Math.abs(x - otherX), height: Math.abs(y - otherY) };
  }

  drawBox(start, here) {
    this.mark();
    this.overlay.append(svgElement("rect", { class: "box", ...this.boxOf(start, here) }));
  }

  zoomToBox(start, end) {
    const { x, y, width, height } = this.boxOf(start, end);
    const view = { x0: this.rate(x), x1: this.rate(x + width), y0: this.value(y + height), y1: this.value(y) };
    if (width > 8 && height > 8) this.view = view;
    this.draw();
  }
}
