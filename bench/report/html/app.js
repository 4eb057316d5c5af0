"use strict";
// State and helpers that all sections share. Text from the run is only ever set as text.
const report = {
  data: JSON.parse(document.getElementById("data").textContent),
  hidden: new Set(),
  hiddenMetrics: new Set(),
  metric: null,
  anchor: null,
  sorts: new Map(),
  redraws: [],
};

// Codecs are drawn as in the plots: learned ones over the field, the anchor in the ink.
const WIDTHS = { field: 1.4, learned: 3, anchor: 2.5 };
const SIZES = { field: 7, learned: 10, anchor: 8 };

const byId = (id) => document.getElementById(id);

// Says below a table that it goes on to the right, as long as it does.
function cueScroll(box) {
  const cue = box.nextElementSibling?.classList.contains("cue")
    ? box.nextElementSibling
    : element("p", "scroll sideways for more columns →", { class: "cue" });
  box.after(cue);
  const update = () => {
    cue.hidden = box.scrollLeft + box.clientWidth >= box.scrollWidth - 2;
  };
  if (!box.dataset.cued) {
    box.dataset.cued = "true";
    box.addEventListener("scroll", update, { passive: true });
    new ResizeObserver(update).observe(box);
  }
  update();
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Plotly reads a small HTML subset in its labels: names must not become markup.
function plotText(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function signed(value, digits = 1) {
  if (value === null || value === undefined) return "–";
  if (value > 9999) return "> 9999";
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 ? "−" : "+") + text;
}

// ``1 clip``, ``24 images``.
function counted(count) {
  const word = report.data.item_word;
  return `${count} ${count === 1 ? word.replace(/s$/, "") : word}`;
}

function fixed(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function isDark() {
  const chosen = document.documentElement.dataset.scheme;
  if (chosen) return chosen === "dark";
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

function cssColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function lookOf(codec) {
  return report.data.codecs.find((c) => c.id === codec).look;
}

function colourOf(codec) {
  const look = lookOf(codec);
  if (look.weight === "anchor") return cssColour("--ink");
  return isDark() ? look.dark : look.light;
}

function shownCodecs() {
  return report.data.codecs.filter((codec) => !report.hidden.has(codec.id));
}

function comparisonOf(codec, metric = report.metric) {
  if (report.anchor === report.data.anchor)
    return report.data.comparisons.find((c) => c.codec === codec && c.metric === metric);
  const matrix = report.data.matrices.find((one) => one.metric === metric);
  const place = (id) => (matrix ? matrix.codecs.indexOf(id) : -1);
  const [row, column] = [place(codec), place(report.anchor)];
  if (row < 0 || column < 0 || row === column) return undefined;
  const [rate, overlap] = [matrix.rates[row][column], matrix.overlaps[row][column]];
  return { codec, metric, rate, overlap, low: null, high: null, conventions: [], item_rates: [] };
}

function publishedCurves() {
  return report.data.extras
    .filter((extra) => extra.origin === "published")
    .map((extra) => ({ ...extra, label: `${extra.name} (published)` }));
}

function metricShown() {
  return report.data.metrics.find((m) => m.id === report.metric);
}

function metricTitle() {
  const metric = metricShown();
  if (!metric) return "";
  return metric.unit ? `${metric.title} (${metric.unit})` : metric.title;
}

// Layout of every chart in the colours of the current scheme.
function chartLayout(extra) {
  const axis = {
    gridcolor: cssColour("--line"),
    zerolinecolor: cssColour("--line"),
    linecolor: cssColour("--line"),
    automargin: true,
    ...(extra.axis || {}),
  };
  const narrow = window.innerWidth < 640;
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: cssColour("--ink"), size: narrow ? 11 : 13, family: "system-ui, sans-serif" },
    margin: { l: narrow ? 45 : 60, r: 15, t: 15, b: 50 },
    hoverlabel: { align: "left" },
    modebar: {
      bgcolor: "rgba(0,0,0,0)",
      color: cssColour("--faint"),
      activecolor: cssColour("--accent"),
    },
    showlegend: false,
    ...extra.layout,
    xaxis: { ...axis, ...extra.xaxis },
    yaxis: { ...axis, ...extra.yaxis },
  };
}

// Labelled values of a logarithmic axis; Plotly's own would read "5, 1, 2".
function logTicks(low, high) {
  const steps = window.innerWidth < 640 || high / low > 40 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const values = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.log10(high) + 1; power += 1) {
    for (const step of high / low > 2000 ? [1] : steps)
      values.push(Number((step * 10 ** power).toPrecision(3)));
  }
  return {
    tickmode: "array",
    tickvals: values,
    ticktext: values.map((value) =>
      value.toLocaleString("en", { maximumFractionDigits: 6, useGrouping: false }),
    ),
  };
}

function draw(id, traces, layout, { tools = false } = {}) {
  const options = {
    responsive: true,
    displaylogo: false,
    scrollZoom: false,
    displayModeBar: tools && "hover",
    modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };
  if (tools) layout.margin.t = 34; // its buttons stand above the curves
  return Plotly.react(byId(id), traces, layout, options);
}

// Sections draw when they come near the window, and again whenever codecs, metric or scheme change.
function section(id, redraw) {
  let seen = false;
  const observer = new IntersectionObserver(
    (entries) => {
      if (!seen && entries.some((entry) => entry.isIntersecting)) {
        seen = true;
        observer.disconnect();
        redraw();
      }
    },
    { rootMargin: "300px" },
  );
  observer.observe(byId(id));
  report.redraws.push(() => {
    if (seen) redraw();
  });
}

// Suite and what is shown, as the name of a file.
function fileName(parts, ending) {
  const words = [report.data.suite, ...parts].map((part) =>
    String(part)
      .replace(/[^\p{L}\p{N}._]+/gu, "-")
      .replace(/^-+|-+$/g, ""),
  );
  return `${words.filter(Boolean).join("_")}.${ending}`;
}

function save(name, blob) {
  const link = element("a", null, { download: name, href: URL.createObjectURL(blob) });
  link.click();
  report.saved = name;
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function saveCsv(name, rows) {
  const plain = (cell) => String(cell ?? "").replace(/−/g, "-");
  const quoted = (cell) =>
    /[",\n]/.test(plain(cell)) ? `"${plain(cell).replace(/"/g, '""')}"` : plain(cell);
  const text = rows.map((row) => row.map(quoted).join(",") + "\n").join("");
  save(name, new Blob([text], { type: "text/csv" }));
}

// What is chosen stands in the address, so that a link shows the same; codecs by their names.
function keepChoice() {
  const chosen = new URLSearchParams();
  if (report.anchor !== report.data.anchor) chosen.set("anchor", report.anchor);
  if (report.data.metrics.length && report.metric !== report.data.metrics[0].id)
    chosen.set("metric", report.metric);
  for (const name of report.hidden) chosen.append("hide", name);
  for (const name of report.hiddenMetrics) chosen.append("without", name);
  const text = chosen.toString();
  history.replaceState(null, "", text ? `#?${text}` : location.pathname + location.search);
}

function readChoice() {
  const { data } = report;
  const chosen = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
  const names = (key, known) => chosen.getAll(key).filter((name) => known.includes(name));
  const codecs = data.codecs.map((codec) => codec.id);
  const published = publishedCurves().map((extra) => extra.label);
  const metrics = data.metrics.map((metric) => metric.id);
  report.anchor = names("anchor", codecs)[0] ?? data.anchor;
  report.metric = names("metric", metrics)[0] ?? metrics[0] ?? null;
  report.hidden = new Set(names("hide", [...codecs, ...published]));
  report.hiddenMetrics = new Set(names("without", metrics));
}

function redrawAll() {
  keepChoice();
  for (const redraw of report.redraws) redraw();
}

function fillSelect(id, options) {
  const select = byId(id);
  select.replaceChildren(...options.map(([value, title]) => element("option", title, { value })));
  select.disabled = options.length < 2; // nothing to choose
  return select;
}
