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
  const summaries = [...document.querySelectorAll(".plot .summary")].map((element) => {
    const plot = element.closest(".plot");
    return {
      element,
      whole: element.textContent,
      plot,
      rows: rows.filter(({ drawn }) => drawn.some((one) => plot.contains(one))),
      fronts: [...plot.querySelectorAll(".front")],
    };
  });
  const fields = { text, basis, hardware };
  // What is asked for stands in the address: links to it and going back find it again.
  const read = () => {
    const asked = new URLSearchParams(location.search);
    for (const [name, control] of Object.entries(fields)) {
      if (control) control.value = asked.get(name) || "";
      // An address may name what is not here.
      if (control && control.selectedIndex === -1) control.value = "";
    }
  };
  const note = () => {
    const asked = new URLSearchParams();
    for (const [name, control] of Object.entries(fields)) {
      if (control && control.value) asked.set(name, control.value);
    }
    const query = asked.size ? `?${asked}` : "";
    if (query !== location.search) {
      history.replaceState(null, "", location.pathname + query + location.hash);
    }
  };
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
    for (const part of document.querySelectorAll("section.task, section.cohort")) {
      part.hidden = !part.querySelector("tbody tr:not([hidden])");
    }
    for (const { element, whole, plot, rows: own, fronts } of summaries) {
      const left = own.filter(({ row }) => !row.hidden).length;
      element.textContent = left === own.length ? whole : `${left} of ${own.length} results are shown.`;
      // Curves are of results that no table's filter hides.
      plot.hidden = own.length > 0 && left === 0;
      // The front is that of all results.
      for (const front of fronts) front.style.display = left === own.length ? "" : "none";
    }
    for (const chip of document.querySelectorAll(".chips a")) {
      const section = document.getElementById(chip.hash.slice(1));
      const left = section.querySelectorAll("tbody tr:not([hidden])").length;
      chip.querySelector(".count").textContent = left;
      chip.parentElement.hidden = left === 0;
    }
    field("count").textContent = `${count} of ${rows.length} result${rows.length === 1 ? "" : "s"}`;
    field("none").hidden = count > 0;
  };
  const change = () => {
    apply();
    note();
  };
  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(change));
  window.addEventListener("pageshow", () => {
    read();
    apply();
  });
  window.addEventListener("popstate", () => {
    read();
    apply();
  });
  form.hidden = false;
  read();
  apply();
}

document.querySelectorAll("table.results").forEach(makeSortable);
makeFilter(document.getElementById("filter"));
