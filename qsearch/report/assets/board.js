"use strict";
// The board: reads the script beside it again and again, and shows what it says; zoom and selection stay.

const figures = [...document.querySelectorAll("[data-chart]")];
const state = document.getElementById("state");
const body = document.querySelector("#runs tbody");
let board = null; // what was read last
let charts = [];
let reads = 0;

// Called by the script beside this page.
function showBoard(read) {
  const known = board && board.written_at_s === read.written_at_s;
  board = read;
  if (!known) drawCharts();
  showRuns();
}

function drawCharts() {
  const specOf = (figure) => board.charts[figure.dataset.chart];
  if (charts.length) {
    charts.forEach((chart, index) => chart.update(specOf(figures[index]), board));
    return;
  }
  charts = figures.map((figure, index) => new Chart(figure, `chart-${index}`, specOf(figure), board));
  charts.forEach((chart) => chart.draw());
}

function ago(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

function stateOf(run) {
  if (run.done >= run.total) return "ended: all tables are measured";
  const quiet = Date.now() / 1000 - run.moved_at_s;
  if (quiet <= run.quiet_s) return `running, last table ${ago(quiet)} ago`;
  return `not moved for ${ago(quiet)}: it was stopped ('qsearch resume' goes on with it), or is at a long trial`;
}

function speedOf(run) {
  if (run.per_s === null) return "";
  return run.per_s >= 0.1 ? `${run.per_s.toFixed(2)} tables/s` : `${(60 * run.per_s).toFixed(2)} tables/min`;
}

function progressOf(run) {
  const part = document.createElement("div");
  const bar = document.createElement("progress");
  [bar.max, bar.value] = [run.total, run.done];
  bar.setAttribute("aria-label", `${run.run}: ${run.done} of ${run.total} tables`);
  part.append(bar, ` ${run.done} of ${run.total}`, textElement("div", run.counts, "note"));
  return part;
}

function showRuns() {
  const ended = board.runs.every((run) => run.done >= run.total);
  const rows = board.runs.map((run) => {
    const row = document.createElement("tr");
    const name = textElement("th", run.run);
    name.scope = "row";
    const left = run.left_s === null || run.done >= run.total ? "" : `about ${ago(run.left_s)}`;
    const cells = [run.strategy, progressOf(run), speedOf(run), left, String(run.frontier), run.best, stateOf(run)];
    row.append(name, ...cells.map((cell) => {
      const made = document.createElement("td");
      made.append(cell);
      return made;
    }));
    return row;
  });
  body.replaceChildren(...rows);
  stackOnPhones(body.parentElement);
  const shares = board.runs.map((run) => `${run.done} of ${run.total}`);
  document.title = `${ended ? "Ended" : shares.join(", ")}: ${board.runs.map((run) => run.run).join(", ")}`;
  const written = new Date(1000 * board.written_at_s).toLocaleTimeString();
  const watched = `Last change at ${written}; looked at every ${document.body.dataset.every} s.`;
  const left = `No longer watched since ${written}: 'qsearch board' goes on with it.`;
  tellState(ended ? "The search has ended." : board.watching ? watched : left);
}

function tellState(sentence) {
  if (state.textContent !== sentence) state.textContent = sentence;
}

// Pages from a disk may not fetch files, but may have scripts. Answers when it is read.
function readAgain() {
  return new Promise((resolve) => {
    const script = document.createElement("script");
    const done = () => {
      script.remove();
      resolve();
    };
    script.src = `${document.body.dataset.script}?${++reads}`;
    script.addEventListener("load", done);
    script.addEventListener("error", () => {
      tellState(`${document.body.dataset.script} cannot be read: it has to lie beside this page.`);
      done();
    });
    document.head.append(script);
  });
}

function readUntilEnded() {
  const going = !board || (board.watching && board.runs.some((run) => run.done < run.total));
  if (going && !document.hidden) readAgain();
  else if (board) showRuns();
}

let lastWidth = document.documentElement.clientWidth;
new ResizeObserver(() => {
  const width = document.documentElement.clientWidth;
  if (width === lastWidth) return;
  lastWidth = width;
  charts.forEach((chart) => chart.draw());
}).observe(document.documentElement);

readAgain();
setInterval(readUntilEnded, 1000 * Number(document.body.dataset.every));
document.addEventListener("visibilitychange", readUntilEnded);
