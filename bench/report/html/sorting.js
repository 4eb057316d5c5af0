"use strict";
// Tables that a click on a heading sorts: rising, falling, then as they came. Numbers before text,
// what has no value last either way; the anchor of a BD-rate is at 0.
const NUMBER = /^(?:hull |1 point |[<>≥≤≈] ?)?([+−-]?\d[\d.]*(?:e[+−-]?\d+)?)/;

function sortValue(cell) {
  const text = (cell?.dataset.sort ?? cell?.textContent ?? "").trim();
  if (text === "anchor") return 0;
  const found = NUMBER.exec(text);
  return found ? Number(found[1].replaceAll("−", "-")) : text === "–" ? "" : text;
}

function compareValues(one, other, sign) {
  if (one === "" || other === "") return (one === "") - (other === "");
  const numbers = [one, other].map((value) => typeof value === "number");
  if (numbers[0] && numbers[1]) return sign * (one - other);
  if (numbers[0] !== numbers[1]) return sign * (numbers[1] - numbers[0]);
  return sign * one.localeCompare(other, "en", { numeric: true, sensitivity: "base" });
}

function sortable(made) {
  const heads = [...made.querySelectorAll("thead th")];
  const body = made.tBodies[0];
  if (!heads.length || !body || body.rows.length < 2) return made;
  const given = [...body.rows];
  const order = (index, direction) => {
    const sign = direction === "descending" ? -1 : 1;
    const keys = new Map(
      given.map((row) => {
        // a name is text even where it begins with a digit
        const cell = row.cells[index];
        return [row, index ? sortValue(cell) : (cell?.dataset.sort ?? cell?.textContent.trim())];
      }),
    );
    const rows = [...given];
    if (direction !== "none") {
      rows.sort((one, other) => compareValues(keys.get(one), keys.get(other), sign));
    }
    body.append(...rows);
  };
  heads.forEach((head, index) => {
    if (head.dataset.sort === "no") return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort") || "none";
      const after = { none: "ascending", ascending: "descending", descending: "none" }[before];
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", after);
      order(index, after);
    });
  });
  return made;
}
