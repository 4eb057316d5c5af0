"use strict";
// Puts the page together; the curves come first, everything below draws when it comes into sight.
function setUpScheme() {
  const button = byId("scheme");
  const order = ["auto", "light", "dark"];
  button.addEventListener("click", () => {
    const current = document.documentElement.dataset.scheme || "auto";
    const next = order[(order.indexOf(current) + 1) % order.length];
    if (next === "auto") delete document.documentElement.dataset.scheme;
    else document.documentElement.dataset.scheme = next;
    button.textContent = `Scheme: ${next}`;
    redrawAll();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
}

function setUpNavigation() {
  const links = [...document.querySelectorAll("section")]
    .filter((part) => !part.hidden)
    .map((part) => {
      const link = element("a", part.dataset.title, { href: `#${part.id}` });
      // what is chosen stays in the address
      link.addEventListener("click", (event) => {
        if (!location.hash.startsWith("#?")) return;
        event.preventDefault();
        part.scrollIntoView();
      });
      return link;
    });
  byId("nav").replaceChildren(...links);
}

// Plotly's script is in the page, or in a file of the site, as the base64 of its gzip, which is a
// third of its size.
async function unpackPlotly() {
  const text = window.packedPlotly ?? byId("plotly").textContent;
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

async function start() {
  readChoice();
  setUpScheme();
  setUpTables();
  setUpCompare();
  setUpItems();
  setUpClips();
  try {
    await unpackPlotly();
    setUpCurves();
    setUpCharts();
    setUpFrames();
  } catch (error) {
    byId("no-charts").hidden = false;
    const charts = ["curves", "matrix", "spread", "conventions", "ledger", "cost", "clips-frames"];
    for (const id of charts) {
      byId(id).hidden = true;
    }
    console.error(error);
  }
  setUpNavigation();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start();
