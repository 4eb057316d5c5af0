"use strict";
// The BD matrix, the spread over items, the byte ledger and rate against cost.
function setUpCharts() {
  const data = report.data;
  const hideOrDraw = (id, present, redraw) => {
    if (present) section(id, redraw);
    else byId(id).hidden = true;
  };
  hideOrDraw(
    "matrix",
    data.matrices.some((m) => m.codecs.length > 1),
    drawMatrix,
  );
  hideOrDraw(
    "spread",
    data.comparisons.some((c) => c.item_rates.length > 1),
    drawSpread,
  );
  hideOrDraw("ledger", ledgerCodecs().length > 0, drawLedger);
  byId("ledger-point").addEventListener("change", drawLedger);
  const costs = presentCosts();
  hideOrDraw("cost", costs.length > 0 && data.comparisons.length > 0, drawCost);
  fillSelect(
    "cost-axis",
    costs.map((cost) => [cost.id, cost.title]),
  );
  byId("cost-axis").addEventListener("change", drawCost);
  byId("cost-quality").addEventListener("change", drawCost);
}

// A name in at most two lines; what is too long loses its middle, since variations differ at their
// ends.
function twoLines(name, most) {
  if (name.length <= most) return plotText(name);
  const first = name.slice(0, name.lastIndexOf(" ", most) + 1 || most);
  const rest = name.slice(first.length);
  const second = rest.length > most ? `…${rest.slice(1 - most)}` : rest;
  return `${plotText(first.trim())}<br>${plotText(second)}`;
}

// Names beside bars and boxes.
function nameAxis(names) {
  const most = window.innerWidth < 640 ? 22 : 44;
  const texts = names.map((name) => twoLines(name, most));
  const axis = { autorange: "reversed", type: "category", tickmode: "array" };
  return { ...axis, tickvals: names.map(plotText), ticktext: texts };
}

function resize(id, rows) {
  byId(id).style.height = `${Math.max(220, 34 * rows + 110)}px`;
}

// Rows against columns; only codecs that have a BD-rate with some other.
function drawMatrix() {
  const matrix = report.data.matrices.find((m) => m.metric === report.metric);
  if (!matrix) return;
  const places = matrix.codecs.map((id, index) => index);
  const compared = (i) => places.some((j) => j !== i && matrix.rates[i][j] !== null);
  const hidden = (id) =>
    report.hidden.has(id) || (id.endsWith(" [published]") && !byId("published").checked);
  const shown = places.filter((i) => !hidden(matrix.codecs[i]) && compared(i));
  const head = element("tr");
  head.append(element("th", ""));
  head.append(...shown.map((j) => element("th", matrix.codecs[j], { scope: "col" })));
  const body = shown.map((i) => {
    const row = element("tr");
    row.append(nameCell("th", matrix.codecs[i], { scope: "row" }));
    row.append(...shown.map((j) => matrixCell(matrix, i, j)));
    return row;
  });
  const made = element("table", null, { class: "matrix" });
  made.append(head, ...body);
  byId("matrix-chart").replaceChildren(made);
  cueScroll(byId("matrix-chart"));
}

// Blue saves bits, red costs some; full colour from 60 % on.
function matrixCell(matrix, i, j) {
  const rate = matrix.rates[i][j];
  if (i === j || rate === null) return element("td", i === j ? "" : "–");
  const overlap = fixed(matrix.overlaps[i][j], 0);
  const title = `${matrix.codecs[i]} against ${matrix.codecs[j]}: overlap ${overlap} %`;
  const cell = element("td", signed(rate), { title });
  const part = Math.round(Math.min(1, Math.abs(rate) / 60) * 70);
  const colour = rate < 0 ? "var(--saves)" : "var(--costs)";
  cell.style.background = `color-mix(in srgb, ${colour} ${part}%, transparent)`;
  return cell;
}

function drawSpread() {
  const shown = shownCodecs()
    .map((codec) => comparisonOf(codec.id))
    .filter((c) => c && c.rate !== null);
  resize("spread-chart", shown.length);
  const boxes = shown.map((c) => {
    const rates = c.item_rates.filter(([, rate]) => rate !== null);
    return {
      type: "box",
      orientation: "h",
      name: plotText(c.codec),
      y: rates.map(() => plotText(c.codec)),
      x: rates.map(([, rate]) => rate),
      text: rates.map(([item]) => plotText(item)),
      boxpoints: "all",
      jitter: 0.5,
      pointpos: 0,
      marker: { size: 4, color: colourOf(c.codec), opacity: 0.6 },
      line: { color: colourOf(c.codec), width: 1.5 },
      fillcolor: "rgba(0,0,0,0)",
      hovertemplate: "%{text}: %{x:.1f} %<extra></extra>",
    };
  });
  const heads = {
    type: "scatter",
    mode: "markers",
    y: shown.map((c) => plotText(c.codec)),
    x: shown.map((c) => c.rate),
    marker: { symbol: "diamond", size: 11, color: cssColour("--ink") },
    error_x: {
      type: "data",
      symmetric: false,
      color: cssColour("--ink"),
      thickness: 2,
      array: shown.map((c) => (c.high === null ? 0 : c.high - c.rate)),
      arrayminus: shown.map((c) => (c.low === null ? 0 : c.rate - c.low)),
    },
    text: shown.map(rateText),
    hovertemplate: "%{y}: %{text}<extra></extra>",
  };
  draw(
    "spread-chart",
    [...boxes, heads],
    chartLayout({
      xaxis: { title: { text: "BD-rate, %" }, zeroline: true, zerolinewidth: 2 },
      yaxis: nameAxis(shown.map((c) => c.codec)),
    }),
  );
}

function rateText(comparison) {
  const { rate, low, high, significant } = comparison;
  if (low === null) return `${signed(rate)} %, no interval`;
  const doubt = significant === false ? " n.s." : "";
  return `${signed(rate)} % [${signed(low)}, ${signed(high)}]${doubt}`;
}

function ledgerCodecs() {
  return report.data.codecs.filter((codec) =>
    codec.points.some((p) => p.bytes > 0 && (p.header_bytes !== null || p.discarded_bytes > 0)),
  );
}

function drawLedger() {
  const position = { low: 0, middle: 0.5, high: 1 }[byId("ledger-point").value];
  const rows = ledgerCodecs()
    .filter((codec) => !report.hidden.has(codec.id))
    .map((codec) => {
      const points = codec.points.filter((p) => p.bytes > 0);
      const point = points[Math.round(position * (points.length - 1))];
      return { label: points.length > 1 ? `${codec.id} ${point.point}` : codec.id, point };
    });
  resize("ledger-chart", rows.length);
  const bar = (name, bytes, colour, pattern) => ({
    type: "bar",
    orientation: "h",
    name,
    y: rows.map((row) => plotText(row.label)),
    x: rows.map((row) => (100 * bytes(row.point)) / row.point.bytes),
    marker: { color: colour, pattern: { shape: pattern, fgcolor: cssColour("--faint") } },
    customdata: rows.map((row) => bytes(row.point)),
    hovertemplate: `${name}: %{x:.1f} %, %{customdata:.1f} bytes on average<extra></extra>`,
  });
  draw(
    "ledger-chart",
    [
      bar("headers and side information", (p) => p.header_bytes || 0, cssColour("--ink"), ""),
      bar("picture", (p) => p.bytes - (p.header_bytes || 0), isDark() ? "#3f7fb0" : "#9ecae1", ""),
      bar(
        "discarded before counting",
        (p) => p.discarded_bytes || 0,
        "rgba(128,128,128,0.15)",
        "/",
      ),
    ],
    chartLayout({
      xaxis: { title: { text: "Bytes, % of what a decoder needs" } },
      yaxis: nameAxis(rows.map((row) => row.label)),
      layout: {
        barmode: "stack",
        showlegend: true,
        legend: { orientation: "h", traceorder: "normal", y: 1.02, yanchor: "bottom", x: 0 },
        margin: { l: 60, r: 15, t: 40, b: 50 },
      },
    }),
  );
}

const COSTS = [
  { id: "decode_seconds", title: "decode time, s per item" },
  { id: "encode_seconds", title: "encode time, s per item" },
  { id: "decode_joules", title: "decoding energy, J per item" },
  { id: "encode_joules", title: "encoding energy, J per item" },
  { id: "decoder_kmac_per_pixel", title: "decoder complexity, kMAC per pixel", learned: true },
  { id: "encoder_kmac_per_pixel", title: "encoder complexity, kMAC per pixel", learned: true },
  { id: "parameters", title: "parameters", learned: true },
  { id: "peak_bytes", title: "peak memory, bytes", learned: true },
];

function costOf(codec, cost) {
  if (cost.learned) return codec.complexity[cost.id] ?? null;
  const times = codec.points.map((p) => p[cost.id] ?? null).filter((t) => t !== null);
  return times.length ? times.reduce((sum, t) => sum + t, 0) / times.length : null;
}

function presentCosts() {
  return COSTS.filter((cost) => report.data.codecs.some((codec) => costOf(codec, cost) > 0));
}

// Qualities that most codecs reach, for rate against cost at one of them.
function costQualities() {
  const extent = report.data.extents[report.metric];
  if (!extent) return [];
  const [low, high] = [Math.min(...extent.y), Math.max(...extent.y)];
  const parts = [0.25, 0.4, 0.5, 0.6, 0.75];
  return parts.map((part) => Number((low + part * (high - low)).toPrecision(3)));
}

// Rate and cost of a codec at a quality, between its two nearest points: logarithms of both, linear
// in quality. Null outside its range.
function atQuality(codec, cost, quality) {
  const points = codec.points
    .filter((p) => p.lossy && p.bpp > 0 && p.values[report.metric] !== null)
    .sort((a, b) => a.values[report.metric] - b.values[report.metric]);
  for (let i = 1; i < points.length; i += 1) {
    const [one, two] = [points[i - 1], points[i]];
    const [low, high] = [one.values[report.metric], two.values[report.metric]];
    if (low > quality || high < quality || low === high) continue;
    const part = (quality - low) / (high - low);
    const between = (a, b) => (a > 0 && b > 0 ? a ** (1 - part) * b ** part : null);
    const spent = cost.learned ? costOf(codec, cost) : between(one[cost.id], two[cost.id]);
    return { rate: between(one.bpp, two.bpp), cost: spent };
  }
  return null;
}

function fillCostQualities() {
  const before = byId("cost-quality").value;
  const unit = metricShown()?.unit || "";
  fillSelect("cost-quality", [
    ["", "BD-rate"],
    ...costQualities().map((q) => [String(q), `rate at ${q} ${unit}`.trim()]),
  ]);
  if ([...byId("cost-quality").options].some((o) => o.value === before)) {
    byId("cost-quality").value = before;
  }
}

// The codecs that no other beats in both, by rising cost.
function frontier(rows) {
  let least = Infinity;
  return [...rows]
    .sort((a, b) => a.cost - b.cost || a.rate - b.rate)
    .filter((row) => row.rate < least && ((least = row.rate), true));
}

function drawCost() {
  fillCostQualities();
  const quality = byId("cost-quality").value;
  const cost = COSTS.find((c) => c.id === byId("cost-axis").value);
  const timed = !cost.learned && report.data.parallel;
  byId("cost-note").hidden = !timed;
  byId("cost-note").textContent = `Not a ranking: ${report.data.timing}`;
  const shown = shownCodecs()
    .map((codec) => {
      if (quality) return { codec, rate: null, ...atQuality(codec, cost, Number(quality)) };
      const comparison = comparisonOf(codec.id);
      const rate = codec.id === report.anchor ? 0 : comparison ? comparison.rate : null;
      return { codec, rate, cost: costOf(codec, cost) };
    })
    .filter((row) => row.rate !== null && row.cost > 0);
  const best = frontier(shown);
  const axes = { x: logAxis(shown.map((row) => row.cost)), y: rateRange(shown, quality) };
  const sides = nameSides(shown, best, axes);
  draw(
    "cost-chart",
    [
      {
        type: "scatter",
        mode: "markers+text",
        x: shown.map((row) => row.cost),
        y: shown.map((row) => row.rate),
        text: shown.map((row, i) => (sides[i] ? plotText(row.codec.id) : "")),
        textposition: shown.map((_, i) => sides[i] ?? "top center"),
        hovertext: shown.map((row) => plotText(row.codec.id)),
        cliponaxis: false,
        marker: {
          size: 11,
          color: shown.map((row) => colourOf(row.codec.id)),
          symbol: shown.map((row) => lookOf(row.codec.id).symbol + (timed ? "-open" : "")),
        },
        hovertemplate: quality
          ? "%{hovertext}<br>%{x:.4g}<br>%{y:.4f}<extra></extra>"
          : "%{hovertext}<br>%{x:.4g}<br>BD-rate %{y:.1f} %<extra></extra>",
      },
      {
        type: "scatter",
        mode: "lines",
        name: "frontier",
        hoverinfo: "skip",
        x: best.map((row) => row.cost),
        y: best.map((row) => row.rate),
        line: { shape: "hv", dash: "dot", width: 1.2, color: cssColour("--faint") },
      },
    ],
    chartLayout({
      xaxis: {
        title: { text: cost.title + (timed ? " (measured in parallel)" : "") },
        type: "log",
        ...axes.x,
      },
      yaxis: {
        title: { text: quality ? `Rate (${report.data.rate_unit}) at ${quality}` : "BD-rate, %" },
        range: axes.y,
      },
    }),
  );
}

// Room at both ends for labels that are centred on the outermost markers.
function logAxis(values) {
  if (!values.length) return {};
  const logs = values.map(Math.log10);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const margin = Math.max(0.25, 0.12 * (high - low));
  return {
    range: [low - margin, high + margin],
    ...logTicks(10 ** (low - margin), 10 ** (high + margin)),
  };
}

// Room above and below the outermost markers; a rate begins at 0.
function rateRange(rows, fromZero) {
  const rates = rows.map((row) => row.rate);
  const [low, high] = [Math.min(...rates), Math.max(...rates)];
  const margin = 0.08 * (high - low) || 1;
  return rows.length ? [fromZero ? 0 : low - margin, high + margin] : undefined;
}

const SIDES = {
  "top center": [-0.5, -1.6],
  "bottom center": [-0.5, 0.6],
  "middle right": [0, -0.5],
  "middle left": [-1, -0.5],
};

// The side of its marker at which each name covers no other name, nor a marker, nor leaves the
// plot; none where there is no such side. The frontier comes first.
function nameSides(rows, first, axes) {
  if (!rows.length) return [];
  const narrow = window.innerWidth < 640;
  const [wide, high] = [byId("cost-chart").clientWidth - (narrow ? 60 : 75), 355];
  const pen = newCanvas(1, 1).getContext("2d");
  pen.font = `${narrow ? 11 : 13}px system-ui, sans-serif`;
  const line = narrow ? 13 : 16;
  const part = (value, [low, end]) => (value - low) / (end - low);
  const places = rows.map((row) => [
    wide * part(Math.log10(row.cost), axes.x.range),
    high * (1 - part(row.rate, axes.y)),
  ]);
  const taken = places.map(([x, y]) => [x - 6, y - 6, x + 6, y + 6]);
  const apart = (a, b) => a[2] < b[0] || a[0] > b[2] || a[3] < b[1] || a[1] > b[3];
  const free = (box, own) =>
    box[0] > -10 && box[2] < wide + 10 && taken.every((one, i) => i === own || apart(box, one));
  const found = rows.map(() => undefined);
  const order = [...rows.keys()].sort((i, j) => first.includes(rows[j]) - first.includes(rows[i]));
  for (const i of order) {
    const width = pen.measureText(rows[i].codec.id).width;
    for (const [side, [across, down]] of Object.entries(SIDES)) {
      const x = places[i][0] + across * width + (across + 0.5) * 16;
      const y = places[i][1] + down * line;
      const box = [x, y, x + width, y + line];
      if (!free(box, i)) continue;
      found[i] = side;
      taken.push(box);
      break;
    }
  }
  return found;
}
