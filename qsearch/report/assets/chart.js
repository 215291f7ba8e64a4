"use strict";
// Chart: points over ratio, to point at, walk through by keyboard, switch on and off, and zoom into.
// A place is [series, point], two indices; a point is [x, y, label, card or null, name beside it or null].

const REACH = { mouse: 24, touch: 44 }; // pixels from the pointer to the point it means
const CLOUD_HANDICAP = 4; // pixels: a frontier's table is meant before a dot under it
const ALL_TRIALS = "all trials";

class Chart {
  // id begins the ids of what is drawn, and is the page's only chart of that name; data holds the cards of its points.
  constructor(figure, id, spec, data) {
    this.id = id;
    this.spec = spec;
    this.plot = figure.querySelector(".plot");
    this.panel = new Panel(figure.querySelector(".panel"), data);
    this.view = new View(spec.series.flatMap((series) => series.points));
    this.hidden = new Set();
    this.held = false;
    this.chosen = false; // whether a reader has selected what is selected
    this.selected = this.firstPlace();
    this.svg = svgElement("svg", { role: "listbox", tabindex: 0, "aria-label": `${spec.title}: tables by ratio` });
    this.plot.replaceChildren(this.svg);
    this.legend = figure.querySelector(".legend");
    this.makeLegend();
    shareDrawing(figure, spec.title, () => this.standalone());
    figure.querySelectorAll("[data-zoom]").forEach((button) => {
      button.addEventListener("click", () => this.zoom(button.dataset.zoom));
    });
    listenToPointer(this);
    listenToKeys(this);
    this.tell();
  }

  // The same chart of other points: zoom, selection and what is switched off stay as they are.
  update(spec, data) {
    const [chosen, names] = [this.chosen && this.selected ? this.at(this.selected) : null, this.legendNames()];
    this.spec = spec;
    this.panel.data = data;
    this.view.follow(spec.series.flatMap((series) => series.points));
    this.selected = (chosen && this.placeOf(chosen)) || this.firstPlace();
    if (this.legendNames() !== names) this.makeLegend();
    this.draw();
    this.tell();
  }

  // Where the point of the same table is now, on a frontier rather than in a cloud; null where it is not shown.
  placeOf(point) {
    const of = (cloud) =>
      this.spec.series.flatMap((series, index) => {
        if ((series.kind === "cloud") !== cloud || !this.shows(series)) return [];
        const position = series.points.findIndex((other) => other[2] === point[2]);
        return position < 0 ? [] : [[index, position]];
      });
    return [...of(false), ...of(true)][0] || null;
  }

  // What there is.

  at([series, point]) {
    return this.spec.series[series].points[point];
  }

  shows(series) {
    return !this.hidden.has(series.group) && !(series.kind === "cloud" && this.hidden.has(ALL_TRIALS));
  }

  // The places that the keyboard walks through: all that is shown but the dots of clouds.
  places() {
    return this.spec.series.flatMap((series, index) =>
      series.kind === "cloud" || !this.shows(series) ? [] : series.points.map((_, point) => [index, point]),
    );
  }

  firstPlace() {
    const places = this.places();
    const start = places.find((place) => this.spec.start && this.at(place)[3] === this.spec.start);
    return start || places[0] || null;
  }

  isSelected([series, point]) {
    return this.selected !== null && this.selected[0] === series && this.selected[1] === point;
  }

  where([x, y]) {
    const { unit } = this.spec;
    const value = unit === "share" ? `top-1 ${(100 * y).toFixed(2)} %` : `${y.toFixed(unit === "nats" ? 4 : 2)} ${unit}`;
    return `ratio ${x.toFixed(2)}, ${value}`;
  }

  // The nearest place within reach of a pixel, or null.
  nearest([x, y], reach) {
    let [best, shortest] = [null, reach];
    this.spec.series.forEach((series, index) => {
      if (!this.shows(series)) return;
      const handicap = series.kind === "cloud" ? CLOUD_HANDICAP : 0;
      series.points.forEach((point, position) => {
        if (!this.view.contains(point)) return;
        const distance = Math.hypot(this.view.toX(point[0]) - x, this.view.toY(point[1]) - y) + handicap;
        if (distance < shortest) [best, shortest] = [[index, position], distance];
      });
    });
    return best;
  }

  // Drawing.

  draw(width = this.plot.clientWidth || 700) {
    const { view } = this;
    this.width = Math.max(300, width);
    // Upright on a phone, for labels need room.
    const share = this.width < 480 ? 1.15 : 0.68;
    this.height = Math.round(Math.min(520, Math.max(300, share * this.width)));
    view.fit(this.width, this.height);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const clip = svgElement("clipPath", { id: `${this.id}-clip` });
    const inside = { x: view.left, y: view.top, width: view.right - view.left, height: view.floor - view.top };
    clip.append(svgElement("rect", inside));
    const clipped = { "clip-path": `url(#${this.id}-clip)` };
    this.names = []; // the places of names, so that none covers another
    const marks = svgElement("g", { class: "marks", ...clipped });
    this.spec.series.forEach((series, index) => {
      if (this.shows(series)) marks.append(series.kind === "cloud" ? this.cloud(series) : this.drawn(series, index));
    });
    this.overlay = svgElement("g", { class: "selection", ...clipped });
    this.svg.replaceChildren(clip, ...this.axes(), marks, this.overlay);
    this.mark();
  }

  axes() {
    const { view } = this;
    const small = this.width < 480;
    const parts = [];
    for (const tick of niceTicks(view.x0, view.x1, small ? 5 : 9)) {
      const x = view.toX(tick);
      parts.push(svgElement("line", { class: "grid", x1: x, x2: x, y1: view.top, y2: view.floor }));
      parts.push(svgElement("text", { x, y: view.floor + 17, "text-anchor": "middle" }, tick));
    }
    for (const tick of niceTicks(view.y0, view.y1, 7)) {
      const y = view.toY(tick);
      const text = this.spec.unit === "share" ? `${Number((100 * tick).toPrecision(6))} %` : tick;
      parts.push(svgElement("line", { class: "grid", x1: view.left, x2: view.right, y1: y, y2: y }));
      parts.push(svgElement("text", { x: view.left - 6, y: y + 4, "text-anchor": "end" }, text));
    }
    const name = small ? this.spec.x_label.replace(/ \(.*/, "") : this.spec.x_label;
    const middle = { x: (view.left + view.right) / 2, y: this.height - 7, "text-anchor": "middle" };
    parts.push(svgElement("path", { class: "axis", fill: "none", d: `M${view.left} ${view.top}V${view.floor}H${view.right}` }));
    parts.push(svgElement("text", { class: "title", ...middle }, name));
    parts.push(svgElement("text", { class: "title", x: 4, y: 14 }, this.spec.y_label));
    return parts;
  }

  // What is shown now, without the selection, as a drawing of its own.
  standalone() {
    const legend = this.groups().filter(([name, series]) => series && !this.hidden.has(name));
    const named = legend.map(([name, series]) => [this.marksOf(series), name]);
    return standaloneSvg(this.spec.title, named, () => {
      this.draw(SHEET_WIDTH);
      const drawn = this.svg.cloneNode(true);
      drawn.querySelector(".selection").remove();
      this.draw();
      return drawn;
    });
  }

  pixels(series) {
    return series.points.map(([x, y]) => [this.view.toX(x).toFixed(1), this.view.toY(y).toFixed(1)]);
  }

  cloud(series) {
    // Zero-length strokes with round ends: one element for thousands of dots.
    const dots = this.pixels(series).map(([x, y]) => `M${x} ${y}h.01`).join("");
    const round = { "stroke-width": 5 + 3 * series.layer, "stroke-linecap": "round", opacity: 0.4 };
    return svgElement("path", { d: dots, stroke: inkOf(series), ...round });
  }

  drawn(series, index) {
    const group = svgElement("g", { role: "group", "aria-label": series.group });
    const pixels = this.pixels(series);
    if (series.kind !== "points") group.append(svgElement("path", { d: this.line(series, pixels), ...lineStyle(series) }));
    pixels.forEach(([x, y], position) => {
      const point = series.points[position];
      const option = svgElement("path", {
        id: `${this.id}-${index}-${position}`,
        role: "option",
        "aria-label": `${point[2]}: ${this.where(point)}`,
        "aria-selected": "false",
        transform: `translate(${x} ${y}) scale(${scaleOf(series)})`,
        ...markerStyle(series, "var(--paper)"),
      });
      group.append(option);
      const place = point[4] ? this.freePlace(Number(x), Number(y), point[4]) : null;
      if (place) {
        const beside = { class: "quality", ...place, "text-anchor": "middle", "aria-hidden": "true" };
        group.append(svgElement("text", beside, point[4]));
      }
    });
    return group;
  }

  // Where a name has room: below its point or, where that is taken or cut off, above it; else nowhere.
  freePlace(x, y, name) {
    const { view } = this;
    const half = 3.2 * name.length;
    const free = [{ x: x - 4, y: y + 16 }, { x: x + 4, y: y - 9 }].find(
      (place) =>
        place.y < view.floor - 2 && place.y > view.top + 8 && place.x - half > view.left && place.x + half < view.right &&
        this.names.every((other) => Math.abs(other.x - place.x) > half + other.half || Math.abs(other.y - place.y) > 11),
    );
    if (free) this.names.push({ ...free, half });
    return free || null;
  }

  line(series, pixels) {
    // Between two tables of a frontier the better ratio comes only with the lower accuracy: a step.
    const join = series.kind === "steps" ? ([x, y]) => `V${y}H${x}` : ([x, y]) => `L${x} ${y}`;
    return pixels.map(([x, y], index) => (index === 0 ? `M${x} ${y}` : join([x, y]))).join("");
  }

  // What the legend switches, as [name, series that is drawn beside it or null].
  groups() {
    const groups = new Map();
    for (const series of this.spec.series) if (series.points.length) groups.set(series.group, series);
    if (this.spec.series.some((series) => series.kind === "cloud")) groups.set(ALL_TRIALS, null);
    return [...groups];
  }

  legendNames() {
    return JSON.stringify(this.groups().map(([name]) => name));
  }

  makeLegend() {
    this.legend.replaceChildren();
    for (const [name, series] of this.groups()) {
      const button = textElement("button", name);
      button.type = "button";
      button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
      if (series) button.prepend(this.legendMark(series));
      button.addEventListener("click", () => button.setAttribute("aria-pressed", String(this.toggle(name))));
      this.legend.append(button);
    }
  }

  legendMark(series) {
    const svg = svgElement("svg", { viewBox: "-12 -7 24 14", "aria-hidden": "true" });
    svg.append(...this.marksOf(series));
    return svg;
  }

  marksOf(series) {
    const line = series.kind === "points" ? [] : [svgElement("path", { d: "M-12 0H12", ...lineStyle(series) })];
    return [...line, svgElement("path", markerStyle(series, "none"))];
  }

  // Switches a group of series on or off, and answers which.
  toggle(name) {
    const shown = this.hidden.delete(name);
    if (!shown) this.hidden.add(name);
    if (this.selected && !this.shows(this.spec.series[this.selected[0]])) this.select(this.firstPlace());
    this.draw();
    return shown;
  }

  // Selecting.

  select(place) {
    this.selected = place;
    this.chosen = true;
    if (place && !this.view.contains(this.at(place))) {
      this.view.moveTo(this.at(place));
      this.draw();
    }
    this.mark();
    this.tell();
  }

  hold(held) {
    this.held = held;
    this.tell();
  }

  tell() {
    if (!this.selected) {
      this.panel.clear();
      return;
    }
    const point = this.at(this.selected);
    this.panel.show(point[2], this.where(point), point[3], this.held);
  }

  // Rings the selected point, and those of the same table.
  mark() {
    if (!this.overlay) return;
    this.overlay.replaceChildren();
    this.svg.querySelectorAll("[aria-selected=true]").forEach((option) => option.setAttribute("aria-selected", "false"));
    this.svg.removeAttribute("aria-activedescendant");
    if (!this.selected) return;
    const option = document.getElementById(`${this.id}-${this.selected.join("-")}`);
    if (option) {
      option.setAttribute("aria-selected", "true");
      this.svg.setAttribute("aria-activedescendant", option.id);
    }
    const chosen = this.at(this.selected);
    const same = this.places().map((place) => this.at(place)).filter((point) => chosen[3] && point[3] === chosen[3]);
    for (const point of new Set([...same, chosen])) {
      const middle = { cx: this.view.toX(point[0]), cy: this.view.toY(point[1]), r: 9 };
      this.overlay.append(svgElement("circle", { class: point === chosen ? "ring" : "same", ...middle }));
    }
  }

  // Walking: the selected place's series by ratio, then from series to series.

  siblings() {
    const places = this.places();
    const own = places.some(([series]) => this.selected && series === this.selected[0]);
    const current = own ? this.selected[0] : (places[0] || [])[0];
    return places.filter(([series]) => series === current).sort((one, two) => this.at(one)[0] - this.at(two)[0]);
  }

  walk(step) {
    const places = this.siblings();
    const next = places.findIndex((place) => this.isSelected(place)) + step;
    if (places.length) this.select(places[Math.min(places.length - 1, Math.max(0, next))]);
  }

  changeSeries(step) {
    const places = this.places();
    if (!places.length) return;
    const series = [...new Set(places.map(([index]) => index))];
    const now = this.selected ? series.indexOf(this.selected[0]) : -1;
    const next = series[(now + step + series.length) % series.length];
    const ratio = this.selected ? this.at(this.selected)[0] : 0;
    const far = (place) => Math.abs(this.at(place)[0] - ratio);
    this.select(places.filter(([index]) => index === next).sort((one, two) => far(one) - far(two))[0]);
  }

  // Zooming: in and out around the selected point where it is in sight.

  zoom(how) {
    const point = this.selected && this.at(this.selected);
    const around = point && this.view.contains(point) ? point : this.view.centre();
    if (how === "reset") this.view.reset();
    else this.view.zoomBy(how === "in" ? 0.6 : 1 / 0.6, around);
    this.draw();
  }
}
