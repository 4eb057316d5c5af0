"use strict";
// Tables of the site, which stand in its pages: a click on a heading sorts rising, falling, then
// as they came.
function sortInPlace(made) {
  const heads = [...made.querySelectorAll("thead th")];
  const body = made.tBodies[0];
  const given = [...body.rows];
  const texts = new Map(
    given.map((row) => [row, [...row.cells].map((cell) => cell.textContent.trim())]),
  );
  heads.forEach((head, index) => {
    if (head.dataset.sort === "no") return;
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort") || "none";
      const after = { none: "ascending", ascending: "descending", descending: "none" }[before];
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", after);
      const order = byColumn(index, after === "descending");
      const rows = [...given];
      if (after !== "none") rows.sort((one, other) => order(texts.get(one), texts.get(other)));
      body.append(...rows);
    });
  });
}

for (const made of document.querySelectorAll("table.sortable")) sortInPlace(made);
