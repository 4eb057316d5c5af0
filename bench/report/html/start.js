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
    .map((part) => element("a", part.dataset.title, { href: `#${part.id}` }));
  byId("nav").replaceChildren(...links);
}

setUpScheme();
setUpCurves();
setUpTables();
setUpCharts();
setUpCompare();
setUpNavigation();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
