"use strict";
// Headings, tables, warnings and provenance: everything that is text.
function setUpTables() {
  const data = report.data;
  byId("title").textContent = data.title;
  byId("subtitle").textContent =
    `${data.dataset} · measured on ${counted(data.items)}` +
    (data.anchor ? ` · anchor ${data.anchor}` : "");
  document.querySelectorAll(".items-word").forEach((node) => {
    node.textContent = data.item_word;
  });
  byId("one-item").textContent = counted(1).replace("1", "One");
  setUpChoice();
  byId("points").open = data.points.rows.length <= 60;
  report.redraws.push(drawTables);
  drawTables();
  if (data.published.rows.length) {
    byId("published-table").replaceChildren(
      element("h3", "Published curves, not measured here"),
      scroller(sortable(data.published, ["published"])),
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
      const box = element("details");
      box.open = part.open;
      box.append(element("summary", `${part.title} (${part.rows.length})`), list);
      return [box];
    }),
  );
}

// The anchor and the metrics of all tables; codecs are chosen with the curves.
function setUpChoice() {
  const { matrices, metrics, anchor } = report.data;
  const anchors = matrices.length ? matrices[0].codecs : [];
  byId("anchor-label").hidden = !anchor || anchors.length < 2;
  fillSelect(
    "anchor",
    anchors.map((codec) => [codec, codec]),
  ).value = report.anchor;
  byId("anchor").addEventListener("change", (event) => {
    report.anchor = event.target.value;
    redrawAll();
  });
  const buttons = metrics.map((metric) => {
    const button = element("button", metric.title, { type: "button", class: "plain" });
    button.addEventListener("click", () => {
      if (!report.hiddenMetrics.delete(metric.id)) report.hiddenMetrics.add(metric.id);
      redrawAll();
    });
    return button;
  });
  const paint = () =>
    buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(!report.hiddenMetrics.has(metrics[i].id)));
    });
  byId("metric-chips").hidden = metrics.length < 2;
  byId("metric-chips").replaceChildren(...buttons);
  report.redraws.push(paint);
  paint();
}

function shownMetrics() {
  return report.data.metrics.filter((metric) => !report.hiddenMetrics.has(metric.id));
}

function drawTables() {
  document.querySelectorAll(".anchor").forEach((node) => {
    node.textContent = report.anchor || "none";
  });
  const other = report.anchor !== report.data.anchor;
  byId("anchor-note").textContent = other
    ? `BD-rates against ${report.anchor}: PCHIP on the mean curves, without intervals; ` +
      "bench report --anchor gives these."
    : "";
  byId("summary-table").replaceChildren(
    sortable(chosen(other ? against(report.data.summary) : report.data.summary), ["summary"]),
  );
  byId("points-table").replaceChildren(sortable(chosen(report.data.points), ["points"]));
  cueScroll(byId("summary-table"));
  cueScroll(byId("points-table"));
}

// Rows of the codecs and columns of the metrics that are shown.
function chosen({ columns, rows, codecs, metrics }) {
  const kept = columns.map((_, i) => i).filter((i) => !report.hiddenMetrics.has(metrics[i]));
  return {
    columns: kept.map((i) => columns[i]),
    rows: rows
      .filter((_, row) => !report.hidden.has(codecs[row]))
      .map((row) => kept.map((i) => row[i])),
  };
}

// The summary with the BD-rates against the chosen anchor.
function against({ columns, rows, codecs, metrics }) {
  const kept = columns
    .map((_, i) => i)
    .filter((i) => !metrics[i] || columns[i].startsWith("BD-rate"));
  const cell = (row, i) => {
    if (!metrics[i]) return rows[row][i];
    if (codecs[row] === report.anchor) return "anchor";
    const found = comparisonOf(codecs[row], metrics[i]);
    return found ? signed(found.rate) : "–";
  };
  return {
    columns: kept.map((i) => columns[i]),
    rows: rows.map((_, row) => kept.map((i) => cell(row, i))),
    codecs,
    metrics: kept.map((i) => metrics[i]),
  };
}

// A table that sorts by the column whose heading is clicked, and a button that saves it as shown.
function sortable({ columns, rows }, name) {
  const box = element("div");
  const sorted = report.sorts.get(name[0]) || { column: -1, down: false };
  const paint = () => {
    const { column, down } = sorted;
    const sorts = column >= 0 && column < columns.length;
    const shown = sorts ? [...rows].sort(byColumn(column, down)) : rows;
    const made = table({ columns, rows: shown });
    made.querySelectorAll("th[scope=col]").forEach((head, i) => {
      const button = element("button", null, { type: "button", title: "Sort" });
      button.append(...head.childNodes);
      head.append(button);
      if (i === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      button.addEventListener("click", () => {
        sorted.down = sorted.column === i && !sorted.down;
        sorted.column = i;
        report.sorts.set(name[0], sorted);
        paint();
      });
    });
    const saver = element("button", "Save CSV", { type: "button", class: "save-csv" });
    saver.addEventListener("click", () => saveCsv(fileName(name, "csv"), [columns, ...shown]));
    box.replaceChildren(made, saver);
  };
  paint();
  return box;
}

function table({ columns, rows }) {
  const made = element("table");
  const head = element("tr");
  const textual = (index) => index > 0 && rows.some((row) => row[index].length > 40);
  head.append(
    ...columns.map((name, index) => {
      const made = element("th", null, { scope: "col" });
      if (textual(index)) made.className = "text";
      // a heading breaks between its words, not at their hyphens
      for (const word of name.split(" ")) made.append(element("span", word), " ");
      return made;
    }),
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
  return made;
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
  const count = report.data.warnings.length;
  box.append(element("summary", `Mind: ${count} remark${count === 1 ? "" : "s"}`), list);
  byId("warnings").replaceChildren(box);
}

function drawConventions() {
  const shown = shownCodecs()
    .map((codec) => comparisonOf(codec.id))
    .filter((c) => c && c.rate !== null && c.conventions.length);
  if (!shown.length) {
    byId("conventions-table").replaceChildren(
      element("p", "No codec with this comparison is shown; it is against the run's own anchor.", {
        class: "hint",
      }),
    );
    return;
  }
  const names = shown[0].conventions.map(([averaging, method]) => `${averaging}, ${method}`);
  byId("conventions-table").replaceChildren(
    sortable(
      {
        columns: ["Codec", ...names, "Overlap, %"],
        rows: shown.map((c) => [
          c.codec,
          ...c.conventions.map(([, , rate]) => signed(rate)),
          fixed(c.overlap, 0),
        ]),
      },
      ["conventions"],
    ),
  );
  cueScroll(byId("conventions-table"));
}
