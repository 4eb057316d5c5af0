"use strict";
// Headings, tables, warnings and provenance: everything that is text.
function setUpTables() {
  const data = report.data;
  byId("title").textContent = data.title;
  byId("subtitle").textContent =
    `${data.dataset} · ${data.items} ${data.item_word}` +
    (data.anchor ? ` · anchor ${data.anchor}` : "");
  document.querySelectorAll(".items-word").forEach((node) => {
    node.textContent = data.item_word;
  });
  document.querySelectorAll(".anchor").forEach((node) => {
    node.textContent = data.anchor || "none";
  });
  byId("summary-table").replaceChildren(table(data.summary));
  byId("points-table").replaceChildren(table(data.points));
  cueScroll(byId("summary-table"));
  cueScroll(byId("points-table"));
  if (data.published.rows.length) {
    byId("published-table").replaceChildren(
      element("h3", "Published curves, not measured here"),
      scroller(table(data.published)),
      element("p", data.published.sentences.join(" "), { class: "hint" }),
    );
  }
  showWarnings();
  section("conventions", drawConventions);
  byId("conventions").hidden = !data.comparisons.some((c) => c.conventions.length);
  byId("footnote").replaceChildren(...data.footnote.map((text) => element("li", text)));
  byId("provenance-lists").replaceChildren(
    ...data.provenance.flatMap((part) => {
      const list = element("dl");
      for (const [name, value] of part.rows) list.append(element("dt", name), element("dd", value));
      return [element("h3", part.title), list];
    }),
  );
}

function table({ columns, rows }) {
  const made = element("table");
  const head = element("tr");
  const textual = (index) => index > 0 && rows.some((row) => row[index].length > 40);
  head.append(
    ...columns.map((name, index) =>
      element("th", name, { scope: "col", ...(textual(index) ? { class: "text" } : {}) }),
    ),
  );
  const body = element("tbody");
  body.append(
    ...rows.map((row) => {
      const line = element("tr");
      line.append(
        ...row.map((cell, index) => {
          if (!index) return nameCell("td", cell);
          return element("td", cell, textual(index) ? { class: "text" } : {});
        }),
      );
      return line;
    }),
  );
  const heading = element("thead");
  heading.append(head);
  made.append(heading, body);
  return sortable(made);
}

// A cell whose long name wraps, between settings if it can; a short one never does.
function nameCell(kind, name, attributes = {}) {
  const made = element(kind, null, attributes);
  const label = element("div", null, { class: "name" });
  const address = report.data.links?.[name];
  const text = address ? element("a", null, { href: address }) : label;
  for (const part of name.split(/(?<=[:,])/)) text.append(part, element("wbr"));
  if (address) label.append(text);
  made.append(label);
  return made;
}

function scroller(content) {
  const made = element("div", null, { class: "scroll" });
  made.append(content);
  return made;
}

function showWarnings() {
  if (!report.data.warnings.length) return;
  const list = element("ul");
  list.append(...report.data.warnings.map((text) => element("li", text)));
  const box = element("details", null, { class: "mind" });
  if (report.data.warnings.length <= 6) box.open = true;
  box.append(element("summary", `Mind: ${report.data.warnings.length} remarks`), list);
  byId("warnings").replaceChildren(box);
}

function drawConventions() {
  const shown = shownCodecs()
    .map((codec) => comparisonOf(codec.id))
    .filter((c) => c && c.rate !== null);
  if (!shown.length) {
    byId("conventions-table").replaceChildren(
      element("p", "No codec to compare is shown.", { class: "hint" }),
    );
    return;
  }
  const names = shown[0].conventions.map(([averaging, method]) => `${averaging}, ${method}`);
  byId("conventions-table").replaceChildren(
    table({
      columns: ["Codec", ...names, "Overlap, %"],
      rows: shown.map((c) => [
        c.codec,
        ...c.conventions.map(([, , rate]) => signed(rate)),
        fixed(c.overlap, 0),
      ]),
    }),
  );
}
