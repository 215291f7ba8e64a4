"use strict";
// View: the part of the plane that a chart shows, and where it lies in the drawing.

const MARGIN = { left: 52, right: 14, top: 28, bottom: 46 };
const DEEPEST = 1 / 2000; // of the whole width

// The part of the plane that holds all points, and a little more.
function homeOf(points) {
  const span = (values) => {
    if (!values.length) return [0, 1];
    const [low, high] = [values.reduce((one, two) => Math.min(one, two)), values.reduce((one, two) => Math.max(one, two))];
    const margin = 0.05 * (high - low) || 0.5 * Math.abs(high) || 1;
    return [low - margin, high + margin];
  };
  const [x0, x1] = span(points.map(([x]) => x));
  const [y0, y1] = span(points.map(([, y]) => y));
  return { x0, x1, y0, y1 };
}

class View {
  constructor(points) {
    this.home = homeOf(points);
    this.reset();
  }

  // There are other points now: all of them are shown where all were, else the same part of the plane.
  follow(points) {
    const whole = Object.keys(this.home).every((end) => this[end] === this.home[end]);
    this.home = homeOf(points);
    if (whole) this.reset();
  }

  reset() {
    Object.assign(this, this.home);
  }

  // The drawing is so many pixels large.
  fit(width, height) {
    this.left = MARGIN.left;
    this.top = MARGIN.top;
    this.right = width - MARGIN.right;
    this.floor = height - MARGIN.bottom;
  }

  toX(x) {
    return this.left + ((x - this.x0) / (this.x1 - this.x0)) * (this.right - this.left);
  }

  toY(y) {
    return this.floor - ((y - this.y0) / (this.y1 - this.y0)) * (this.floor - this.top);
  }

  fromX(pixel) {
    return this.x0 + ((pixel - this.left) / (this.right - this.left)) * (this.x1 - this.x0);
  }

  fromY(pixel) {
    return this.y0 + ((this.floor - pixel) / (this.floor - this.top)) * (this.y1 - this.y0);
  }

  contains([x, y]) {
    return x >= this.x0 && x <= this.x1 && y >= this.y0 && y <= this.y1;
  }

  centre() {
    return [(this.x0 + this.x1) / 2, (this.y0 + this.y1) / 2];
  }

  moveTo([x, y]) {
    const [width, height] = [this.x1 - this.x0, this.y1 - this.y0];
    Object.assign(this, { x0: x - width / 2, x1: x + width / 2, y0: y - height / 2, y1: y + height / 2 });
  }

  // Scales what is shown by factor around a point that stays where it is.
  zoomBy(factor, [x, y]) {
    const width = factor * (this.x1 - this.x0);
    const whole = this.home.x1 - this.home.x0;
    if (width >= whole) this.reset();
    else if (width > DEEPEST * whole) {
      const around = (low, high, middle) => [middle - (middle - low) * factor, middle + (high - middle) * factor];
      [this.x0, this.x1] = around(this.x0, this.x1, x);
      [this.y0, this.y1] = around(this.y0, this.y1, y);
    }
  }

  zoomToBox({ x, y, width, height }) {
    const [x0, x1] = [this.fromX(x), this.fromX(x + width)];
    const [y0, y1] = [this.fromY(y + height), this.fromY(y)];
    if (x1 - x0 > DEEPEST * (this.home.x1 - this.home.x0) && y1 > y0) Object.assign(this, { x0, x1, y0, y1 });
  }
}
