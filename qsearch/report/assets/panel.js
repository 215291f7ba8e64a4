"use strict";
// The panel beside a chart: one table in words and as heat maps.

function definitions(rows) {
  const list = document.createElement("dl");
  for (const [name, value] of rows) {
    const row = document.createElement("div");
    row.append(textElement("dt", name), textElement("dd", value));
    list.append(row);
  }
  return list;
}

class Panel {
  constructor(element) {
    this.words = element.querySelector(".panel-words");
    this.tables = element.querySelector(".panel-tables");
  }

  clear() {
    this.words.replaceChildren();
    this.tables.replaceChildren();
  }

  // A point by its label and place, with its card where it has one.
  show(label, place, card, held) {
    this.clear();
    const title = card ? card.title : label.replace(/^./, (first) => first.toUpperCase());
    this.words.append(textElement("h4", title));
    if (held) this.words.append(textElement("p", "Held; Escape or another click lets go.", "note"));
    if (!card) {
      const where = place.replace(/^./, (first) => first.toUpperCase());
      const note = "Entries and intervals are in this page for the tables of frontiers only.";
      this.words.append(textElement("p", `${where}.`), textElement("p", note, "note"));
      return;
    }
    for (const section of card.sections) this.words.append(textElement("h5", section.heading), definitions(section.rows));
    const maps = card.tables.map(([name, entries]) => heatMap(name, entries));
    this.tables.append(...maps, textElement("p", `digest ${card.digest}`, "digest"));
  }
}
