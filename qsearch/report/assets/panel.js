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

// A card's table as [format, name, command or none, text], in every form in which it leaves the page.
function formsOf(card, files, lines) {
  const title = files.length ? files[0].name.replace(/\.\w+$/, "") : fileName(card.title, "");
  const rows = card.tables.flatMap(([name, entries]) =>
    [0, 1, 2, 3, 4, 5, 6, 7].map((row) => [name, row, ...entries.slice(8 * row, 8 * row + 8)]),
  );
  const csv = commaSeparated([["table", "row", 0, 1, 2, 3, 4, 5, 6, 7], ...rows]);
  const exported = files.map((file) => [file.format, file.name, file.command, file.lines.map((line) => lines[line]).join("\n")]);
  return [...exported, ["CSV", `${title}.csv`, "", csv]];
}

// A command as words that stay whole where its line breaks.
function wholeWords(command) {
  return command.split(" ").flatMap((word, index) => [...(index ? [" "] : []), textElement("span", word)]);
}

class Panel {
  // data: the page's, with cards and the files of their tables.
  constructor(element, data) {
    this.data = data;
    this.words = element.querySelector(".panel-words");
    this.tables = element.querySelector(".panel-tables");
    this.form = 0;
  }

  clear() {
    this.shown = "";
    this.words.replaceChildren();
    this.tables.replaceChildren();
  }

  // A point by its label and place, with the card of that name where there is one.
  show(label, place, name, held) {
    const card = this.data.cards[name];
    const shown = JSON.stringify([label, place, card, held]);
    if (shown === this.shown) return; // a reader may be at its buttons
    this.clear();
    this.shown = shown;
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
    this.tables.append(...maps, textElement("p", `digest ${card.digest}`, "digest"), this.files(name, card));
  }

  // The table as a file: the command that exports it, and its text to copy or to keep.
  files(name, card) {
    const { of, lines } = this.data.files;
    const forms = formsOf(card, of[name] || [], lines);
    const part = document.createElement("div");
    part.className = "share files";
    const command = textElement("code", "", "command");
    const chosen = () => forms[Math.min(this.form, forms.length - 1)];
    const copyCommand = copyButton("Copy the command", () => chosen()[2]);
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Form of the table");
    forms.forEach(([format], index) => select.append(new Option(format, index)));
    const tell = () => {
      select.value = forms.indexOf(chosen());
      command.replaceChildren(...wholeWords(chosen()[2]));
      command.hidden = copyCommand.hidden = !chosen()[2];
    };
    select.addEventListener("change", () => {
      this.form = Number(select.value);
      tell();
    });
    const copy = copyButton("Copy the table", () => chosen()[3]);
    const save = downloadButton("Download", "Download the table", () => chosen()[1], "text/plain", () => chosen()[3]);
    part.append(select, copy, save, command, copyCommand);
    tell();
    return part;
  }
}
