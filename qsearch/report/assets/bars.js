"use strict";
// Bars: how many tables gain how much, stacked by outcome.

const BARS_SIZE = { height: 260, left: 44, right: 10, top: 26, bottom: 44 };

function drawBars(plot, spec) {
  const { height, left, right, top, bottom } = BARS_SIZE;
  const width = Math.max(300, plot.clientWidth || 700);
  const outcomes = Object.keys(spec.counts);
  const totals = spec.edges.slice(1).map((_, bar) => outcomes.reduce((sum, name) => sum + spec.counts[name][bar], 0));
  const most = 1.08 * Math.max(1, spec.most);
  const [first, last] = spec.span;
  const x = (gain) => left + ((gain - first) / (last - first)) * (width - left - right);
  const y = (count) => height - bottom - (count / most) * (height - top - bottom);
  const sums = outcomes.map((name) => `${name} ${spec.counts[name].reduce((sum, count) => sum + count, 0)}`);
  const svg = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${spec.title}: ${sums.join(", ")}` });
  for (const count of niceTicks(0, most, 4).filter(Number.isInteger)) {
    svg.append(svgElement("line", { class: "grid", x1: left, x2: width - right, y1: y(count), y2: y(count) }));
    svg.append(svgElement("text", { x: left - 6, y: y(count) + 4, "text-anchor": "end" }, count));
  }
  totals.forEach((_, bar) => {
    let below = 0;
    for (const name of outcomes) {
      const count = spec.counts[name][bar];
      if (!count) continue;
      const [start, end] = [x(spec.edges[bar]) + 0.75, x(spec.edges[bar + 1]) - 0.75];
      const rectangle = { x: start, width: Math.max(0.5, end - start), y: y(below + count), height: y(below) - y(below + count), fill: spec.colours[name] };
      const drawn = svgElement("rect", rectangle);
      drawn.append(svgElement("title", {}, `${count} ${name}, around ${signedNumber((spec.edges[bar] + spec.edges[bar + 1]) / 2, 2)} points`));
      svg.append(drawn);
      below += count;
    }
  });
  svg.append(svgElement("line", { class: "axis", x1: x(0), x2: x(0), y1: top - 4, y2: height - bottom, "stroke-dasharray": "5 3" }));
  for (const gain of niceTicks(first, last, width < 500 ? 4 : 8)) {
    svg.append(svgElement("text", { x: x(gain), y: height - bottom + 16, "text-anchor": "middle" }, signedNumber(gain)));
  }
  svg.append(svgElement("text", { class: "title", x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, spec.x_label));
  let place = left;
  outcomes.forEach((name, index) => {
    svg.append(svgElement("rect", { x: place, y: 4, width: 11, height: 11, fill: spec.colours[name] }));
    svg.append(svgElement("text", { x: place + 16, y: 14 }, sums[index]));
    place += 34 + 7.5 * sums[index].length;
  });
  plot.replaceChildren(svg);
  return svg;
}
