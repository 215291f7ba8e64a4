"use strict";
// Heat maps: an 8x8 quantization table as an HTML table, dark where it is coarse.

// Lightness falls along the scale, so that it reads without colour too.
const HEAT_COLOURS = [[255, 250, 224], [253, 205, 128], [233, 130, 83], [166, 58, 93], [59, 26, 88]];

function heatColour(entry) {
  // Logarithmic: from 4 to 8 matters as much to a coefficient as from 40 to 80.
  const place = (Math.log(entry) / Math.log(255)) * (HEAT_COLOURS.length - 1);
  const low = Math.min(Math.floor(place), HEAT_COLOURS.length - 2);
  const mixed = HEAT_COLOURS[low].map((part, index) => part + (place - low) * (HEAT_COLOURS[low + 1][index] - part));
  const luminance = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2];
  return { background: `rgb(${mixed.map(Math.round).join(",")})`, ink: luminance > 130 ? "#000000" : "#ffffff" };
}

function heatMap(name, entries) {
  const table = document.createElement("table");
  table.className = "heat";
  table.createCaption().textContent = name;
  for (let row = 0; row < 8; row++) {
    const line = table.insertRow();
    for (let column = 0; column < 8; column++) {
      const entry = entries[8 * row + column];
      const cell = line.insertCell();
      const colour = heatColour(entry);
      cell.textContent = entry;
      cell.style.backgroundColor = colour.background;
      cell.style.color = colour.ink;
    }
  }
  return table;
}
