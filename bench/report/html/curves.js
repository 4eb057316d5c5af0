"use strict";
// The interactive rate-distortion curves and the choosers that the other charts follow.
function setUpCurves() {
  const data = report.data;
  if (!data.metrics.length || !data.codecs.length) {
    byId("curves").hidden = true;
    return;
  }
  fillSelect(
    "metric",
    data.metrics.map((m) => [m.id, m.title]),
  );
  byId("metric").value = report.metric;
  byId("metric").addEventListener("change", (event) => {
    report.metric = event.target.value;
    redrawAll();
  });
  const rates = [
    ["bpp", "mean"],
    ["bpp_pooled", "pooled"],
    ["bpp_estimated", "estimated"],
  ];
  const present = rates.filter(([name]) =>
    data.codecs.some((c) => c.points.some((p) => p[name] !== null)),
  );
  fillSelect(
    "rate",
    present.map(([name, title]) => [name, `${title} ${data.rate_unit}`]),
  );
  byId("scale").value = data.scale;
  byId("published-label").hidden = !data.extras.some((extra) => extra.origin === "published");
  for (const id of ["rate", "scale", "bands"]) {
    byId(id).addEventListener("change", drawCurves);
  }
  byId("published").addEventListener("change", redrawAll);
  setUpChips();
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => saveCurves(button.dataset.save));
  }
  report.redraws.push(drawCurves);
  drawCurves();
}

function setUpChips() {
  const chips = byId("chips");
  const all = element("button", "all", { type: "button", class: "plain" });
  const none = element("button", "none", { type: "button", class: "plain" });
  all.addEventListener("click", () => {
    report.hidden.clear();
    redrawAll();
  });
  none.addEventListener("click", () => {
    entries.forEach((entry) => report.hidden.add(entry.id));
    redrawAll();
  });
  const published = publishedCurves().map(({ label, convention }) => ({
    id: label,
    title: convention,
    published: true,
  }));
  const entries = [...report.data.codecs, ...published];
  const buttons = entries.map((codec) => {
    const button = element("button", codec.id + (codec.incomplete ? " *" : ""), {
      type: "button",
      title: codec.incomplete ? `${codec.title}: not complete, see the remarks` : codec.title,
    });
    button.addEventListener("click", () => {
      if (!report.hidden.delete(codec.id)) report.hidden.add(codec.id);
      redrawAll();
    });
    return button;
  });
  chips.replaceChildren(all, none, ...buttons);
  const paint = () =>
    buttons.forEach((button, index) => {
      const { id, published: theirs } = entries[index];
      button.hidden = theirs && !byId("published").checked;
      button.setAttribute("aria-pressed", String(!report.hidden.has(id)));
      button.style.setProperty("--chip", theirs ? cssColour("--faint") : colourOf(id));
    });
  report.redraws.push(paint);
  paint();
}

// The figure in the size of the window with its legend, or the numbers behind it.
async function saveCurves(kind) {
  const chart = byId("curves-chart");
  const name = fileName([report.metric], kind);
  if (kind === "csv") {
    const rows = chart.data
      .filter((trace) => trace.hoverinfo !== "skip")
      .flatMap((trace) => trace.x.map((x, i) => [trace.meta || trace.name, x, trace.y[i]]));
    saveCsv(name, [["codec", byId("rate").value, report.metric], ...rows]);
    return;
  }
  const size = { width: chart.clientWidth, height: chart.clientHeight };
  const traces = chart.data.map((one) => ({ ...one, showlegend: one.hoverinfo !== "skip" }));
  const legend = { orientation: "h", y: -0.18, yanchor: "top" };
  const wider = { ...size, height: size.height + 22 * Math.ceil(traces.length / 3) };
  const layout = { ...chart.layout, showlegend: true, legend, ...wider, uirevision: null };
  layout.paper_bgcolor = layout.plot_bgcolor = cssColour("--paper");
  const figure = { data: traces, layout };
  const address = await Plotly.toImage(figure, { format: kind, scale: 2, ...wider });
  const [head, body] = address.split(/,(.*)/s);
  const bytes = head.endsWith("base64")
    ? Uint8Array.from(atob(body), (c) => c.charCodeAt(0))
    : decodeURIComponent(body);
  save(name, new Blob([bytes], { type: kind === "svg" ? "image/svg+xml" : "image/png" }));
}

const RATES = { bpp: "Rate", bpp_pooled: "Pooled rate", bpp_estimated: "Estimated rate" };

function drawCurves() {
  const rate = byId("rate").value;
  const metric = metricShown();
  const words = metric && `${metric.title}: ${metric.definition}. ${metric.purpose}`;
  byId("purpose").textContent = words || "";
  const traces = [];
  for (const codec of shownCodecs()) {
    const points = codec.points.filter(
      (p) => p.lossy && p[rate] > 0 && p.values[report.metric] !== null,
    );
    if (!points.length) continue;
    points.sort((a, b) => a[rate] - b[rate]);
    if (byId("bands").checked) traces.push(bandTrace(codec, points, rate));
    traces.push(curveTrace(codec, points, rate));
  }
  const limits = axisLimits(traces);
  for (const [place, extra] of report.data.extras.entries()) {
    const values = extra.values[report.metric];
    const theirs = extra.origin === "published";
    const away = report.hidden.has(`${extra.name} (published)`) || !byId("published").checked;
    if (!values || (theirs && away)) continue;
    traces.push(extraTrace(extra, values, place));
  }
  const extent = report.data.extents[report.metric];
  byId("outside").textContent = extent ? extent.outside : "";
  const unit = report.data.rate_unit;
  const log = byId("scale").value === "log";
  draw(
    "curves-chart",
    traces,
    chartLayout({
      xaxis: {
        title: { text: `${RATES[rate]} (${unit})` },
        type: log ? "log" : "linear",
        ...(log && limits ? logTicks(...limits.x) : {}),
        range: limits && (log ? limits.x.map(Math.log10) : [0, limits.x[1]]),
      },
      yaxis: { title: { text: metricTitle() }, range: limits && limits.y },
      layout: { hovermode: "closest", uirevision: `${report.metric} ${rate} ${log}` },
    }),
    { tools: window.innerWidth >= 640 },
  );
}

function curveTrace(codec, points, rate) {
  const { symbol, dash, weight } = lookOf(codec.id);
  const colour = colourOf(codec.id);
  return {
    type: "scatter",
    mode: "lines+markers",
    name: plotText(codec.id),
    meta: codec.id,
    x: points.map((p) => p[rate]),
    y: points.map((p) => p.values[report.metric]),
    line: { color: colour, dash, width: WIDTHS[weight] },
    marker: { color: colour, symbol, size: SIZES[weight] },
    hovertemplate: "%{text}<extra></extra>",
    text: points.map((p) => hoverText(codec, p)),
  };
}

function hoverText(codec, point) {
  const lines = [
    `<b>${plotText(codec.id)}</b> ${plotText(point.point)}`,
    `${point.bpp.toFixed(4)} ${report.data.rate_unit}, pooled ${fixed(point.bpp_pooled, 4)}`,
    ...report.data.metrics.map((m) => `${m.title} ${fixed(point.values[m.id], 3)} ${m.unit}`),
  ];
  if (point.bpp_estimated !== null)
    lines.push(`estimated ${point.bpp_estimated.toFixed(4)}, not measured`);
  const few =
    point.items < point.expected ? ` — over ${point.items} of ${point.expected} only` : "";
  lines.push(counted(point.items) + few);
  return lines.join("<br>");
}

function bandTrace(codec, points, rate) {
  const within = points.filter((p) => p.bands[report.metric]);
  const x = within.map((p) => p[rate]);
  return {
    type: "scatter",
    mode: "lines",
    hoverinfo: "skip",
    name: `${plotText(codec.id)} band`,
    x: [...x, ...x.slice().reverse()],
    y: [
      ...within.map((p) => p.bands[report.metric][0]),
      ...within.map((p) => p.bands[report.metric][1]).reverse(),
    ],
    fill: "toself",
    line: { width: 0 },
    fillcolor: translucent(colourOf(codec.id)),
  };
}

function translucent(colour) {
  const parts = colour.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  return `rgba(${parts.join(",")},0.14)`;
}

const PUBLISHED_MARKS = ["circle", "square", "triangle-up", "diamond", "pentagon", "x", "cross"];

function extraTrace(extra, values, place) {
  const bound = extra.origin === "bound";
  const label = bound ? extra.name : `${extra.name} (published)`;
  return {
    type: "scatter",
    mode: bound ? "lines" : "lines+markers",
    name: plotText(label),
    x: extra.rate,
    y: values,
    opacity: bound ? 1 : 0.65,
    line: {
      color: cssColour(bound ? "--ink" : "--faint"),
      width: 1.3,
      dash: bound ? "dot" : "dash",
    },
    marker: {
      color: cssColour("--faint"),
      size: 7,
      symbol: `${PUBLISHED_MARKS[place % PUBLISHED_MARKS.length]}-open`,
    },
    text: extra.rate.map((rate, i) =>
      [
        `<b>${plotText(label)}</b> ${plotText(extra.labels[i] || "")}`,
        `${rate.toFixed(4)} ${report.data.rate_unit}, ${fixed(values[i], 3)}`,
        plotText(extra.convention),
      ].join("<br>"),
    ),
    hovertemplate: "%{text}<extra></extra>",
  };
}

// The view is that of the plots: the range that the codecs share, whatever published curves do.
// Where only codecs from outside that range are shown, it is theirs. A metric that falls with
// quality hangs from the top, so that better is higher in every chart.
function axisLimits(traces) {
  const shown = report.data.extents[report.metric];
  const points = traces
    .filter((trace) => trace.meta)
    .flatMap((trace) => trace.x.map((x, i) => ({ x, y: trace.y[i] })));
  if (!shown || !points.length) return null;
  const [low, high] = [Math.min(...shown.y), Math.max(...shown.y)];
  const within = points.filter(({ y }) => y >= low && y <= high);
  const rates = (within.length ? within : points).map(({ x }) => x);
  const x = [Math.min(...rates) / 1.15, Math.max(...rates) * 1.15];
  if (within.length) return { x, y: shown.y };
  const qualities = points.map(({ y }) => y);
  const ends = [Math.min(...qualities), Math.max(...qualities)];
  const margin = 0.04 * Math.max(ends[1] - ends[0], high - low);
  const y = [ends[0] - margin, ends[1] + margin];
  return { x, y: shown.y[0] > shown.y[1] ? y.reverse() : y };
}
