"use strict";
// Tables of the page: laid out for phones, copied and downloaded.

// On a phone each row of a table is a list of its own, each cell below the name of its column.
function stackOnPhones(table) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  // Cells laid out as blocks would be no table to screen readers without their roles.
  const roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
  for (const part of [table, ...table.querySelectorAll("thead, tbody, tr, td")]) part.setAttribute("role", roles[part.tagName]);
  for (const cell of table.tHead.rows[0].cells) cell.setAttribute("role", "columnheader");
  for (const row of table.tBodies[0].rows) {
    row.cells[0].setAttribute("role", "rowheader");
    [...row.cells].forEach((cell, column) => { cell.dataset.column = names[column]; });
  }
  table.classList.add("stacks");
}

function rowsOf(table) {
  const wordsOf = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
  return [...table.rows].map((row) => [...row.cells].map(wordsOf));
}

function shareTable(scroll) {
  const name = scroll.getAttribute("aria-label");
  const rows = () => rowsOf(scroll.querySelector("table"));
  const tools = document.createElement("div");
  tools.className = "share";
  const tabbed = () => rows().map((row) => row.join("\t")).join("\n");
  tools.append(
    copyButton(`Copy the table: ${name}`, tabbed),
    downloadButton("CSV", `Download as CSV: ${name}`, () => fileName(name, ".csv"), "text/csv", () => commaSeparated(rows())),
  );
  scroll.after(tools);
}
