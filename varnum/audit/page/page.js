"use strict";
// Sorting and the panel of one head. All text enters the page as text, never as markup.
const rows = JSON.parse(document.getElementById("rows").textContent);

function sortBy(table, column) {
  const head = table.tHead.rows[0].cells[column];
  const down = head.getAttribute("aria-sort") === "descending";
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "ascending" : "descending");
  const value = (row) => {
    const key = row.cells[column].dataset.key;
    return key === undefined ? row.cells[column].textContent : Number(key);
  };
  const order = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
  const body = table.tBodies[0];
  const sorted = [...body.rows].sort((a, b) => (down ? 1 : -1) * order(value(a), value(b)));
  body.append(...sorted);
}

for (const button of document.querySelectorAll("th button")) {
  const cell = button.closest("th");
  button.addEventListener("click", () => sortBy(cell.closest("table"), cell.cellIndex));
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function short(value) {
  if (value === null || value === undefined) return "-";
  if (Array.isArray(value)) return short(value[1]);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(3) : String(value);
}

function show(index) {
  const row = rows[index], panel = document.getElementById("detail");
  const names = JSON.parse(document.getElementById("columns").textContent);
  const table = element("table"), head = table.createTHead().insertRow();
  for (const [, title, assurance, kind] of names) {
    const cell = element("th", title);
    if (assurance) cell.append(element("span", assurance, "tag " + kind));
    head.append(cell);
  }
  const body = table.createTBody();
  for (const scale of row.scales) {
    const line = body.insertRow();
    for (const [name] of names) line.append(element("td", short(scale[name])));
  }
  const box = element("div", undefined, "scroll");
  box.append(table);
  panel.replaceChildren(
    element("h3", row.title),
    element("p", row.advice),
    box,
    ...(row.command ? [element("p", "A priori numbers of this head again:", "soft"),
                       element("pre", row.command)] : []),
    element("p", "Everything else is in the rows that the command on top writes.", "soft"),
  );
  panel.scrollIntoView({ block: "nearest" });
}

for (const line of document.querySelectorAll("tr.head")) {
  const open = () => show(Number(line.dataset.index));
  line.addEventListener("click", open);
  line.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
}
