"use strict";
// What each codec makes of one item, with the kept original beside it.
function setUpItems() {
  const { items } = report.data.by_item;
  byId("items").hidden = items.length < 2;
  const known = new Set(report.data.pictures);
  fillSelect(
    "item-choice",
    items.map((item) => [item, known.has(item) ? `${item} (kept)` : item]),
  );
  byId("item-choice").addEventListener("change", drawItem);
  section("items", drawItem);
}

function drawItem() {
  const item = byId("item-choice").value;
  const metrics = shownMetrics();
  const rateOf = (codec, metric) => {
    if (codec.id === report.anchor) return "anchor";
    const found = comparisonOf(codec.id, metric.id);
    const own = found && found.item_rates.find(([name]) => name === item);
    return signed(own ? own[1] : null);
  };
  const summary = {
    columns: ["BD-rate, %", ...metrics.map((metric) => metric.title)],
    rows: shownCodecs().map((codec) => [codec.id, ...metrics.map((m) => rateOf(codec, m))]),
  };
  const parts = [];
  const own = report.anchor && report.anchor === report.data.anchor;
  if (own) parts.push(sortable(summary, ["item", item]));
  const points = itemPoints(item, metrics);
  if (points.rows.length) parts.push(sortable(points, ["points", item]));
  byId("item-table").replaceChildren(...parts);
  showItemPicture(item);
}

function itemPoints(item, metrics) {
  const { codecs } = report.data.by_item;
  const held = metrics.filter((metric) => Object.values(codecs).some((one) => one[metric.id]));
  const rows = shownCodecs().flatMap(({ id }) => {
    const place = codecs[id] ? codecs[id].items.indexOf(item) : -1;
    if (place < 0) return [];
    return codecs[id].points
      .map((point, i) => [
        id,
        point,
        fixed(codecs[id].bpp[place][i], 4),
        ...held.map((metric) => fixed(codecs[id][metric.id][place][i], 3)),
      ])
      .filter((row) => row[2] !== "–");
  });
  const titles = held.map(({ title, unit }) => (unit ? `${title}, ${unit}` : title));
  return { columns: ["Codec", "Point", "bpp", ...titles], rows };
}

// The pictures stand behind the scripts in the file, see Comparison.load.
function showItemPicture(item) {
  const box = byId("item-picture");
  const kept = report.comparison ? report.comparison.pictures : [];
  const found = kept.find((one) => one.item === item);
  if (found) box.replaceChildren(element("img", null, { src: found.original, alt: item }));
  else if (report.data.media === "vector") box.replaceChildren();
  else {
    const words = `${item} was not kept: run with --keep N to see the first N.`;
    box.replaceChildren(element("p", words, { class: "hint" }));
  }
}
