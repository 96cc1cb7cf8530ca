"use strict";
// Sorting and filtering of tables that are there without it too.
document.documentElement.classList.add("js");

const compare = {
  text: new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare,
  number: (one, other) => Number(one) - Number(other),
};

function sortBy(table, header, column, direction) {
  const body = table.tBodies[0];
  const key = (row) => row.cells[column].dataset.key;
  const sign = direction === "descending" ? -1 : 1;
  const order = compare[header.dataset.sort];
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    // What has no figure stands last, whatever the direction.
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * order(a, b);
  });
  body.append(...rows);
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => {
      const now = header.getAttribute("aria-sort");
      const first = header.dataset.first || "ascending";
      const next = now === "ascending" ? "descending" : now === "descending" ? "ascending" : first;
      sortBy(table, header, column, next);
    });
    header.replaceChildren(button);
  });
}

function makeFilter(form) {
  const field = (name) => document.getElementById(`filter-${name}`);
  const text = field("text"), basis = field("basis"), hardware = field("hardware");
  const rows = [...document.querySelectorAll(".results tbody tr")].map((row) => ({
    row,
    words: `${row.cells[0].textContent} ${row.dataset.hardware}`.toLowerCase(),
    drawn: [],
  }));
  const byId = new Map(rows.map((entry) => [entry.row.id, entry]));
  for (const drawn of document.querySelectorAll(".plot [data-row]")) {
    byId.get(drawn.dataset.row).drawn.push(drawn);
  }
  const apply = () => {
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, words, drawn } of rows) {
      const matches =
        wanted.every((word) => words.includes(word)) &&
        (!basis.value || row.dataset.basis === basis.value) &&
        (!hardware || !hardware.value || row.dataset.hardware === hardware.value);
      row.hidden = !matches;
      for (const one of drawn) one.style.display = matches ? "" : "none";
      count += matches;
    }
    for (const section of document.querySelectorAll("section.task")) {
      section.hidden = !section.querySelector("tbody tr:not([hidden])");
    }
    field("count").textContent = `${count} of ${rows.length} results`;
    field("none").hidden = count > 0;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  // Going back restores what was typed.
  window.addEventListener("pageshow", apply);
  form.hidden = false;
  apply();
}

document.querySelectorAll("table.results").forEach(makeSortable);
makeFilter(document.getElementById("filter"));
