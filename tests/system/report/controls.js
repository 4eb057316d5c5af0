"use strict";
// Uses every control of a page once and says which did nothing, which lay under something else,
// and which text is too faint. A control is found by what it is, so that a new one is used as well.
const CONTROLS = "button, select, input, summary, a[href], canvas[tabindex], .modebar-btn";

const saved = typeof report === "undefined" ? {} : report; // where a report says what it saved
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
const isShown = (node) => node.checkVisibility({ visibilityProperty: true });

// The controls in sight by a name that a redraw keeps.
function named(home) {
  const found = new Map();
  for (const node of document.querySelectorAll(CONTROLS)) {
    if (!isShown(node) || node.disabled || !node.closest(home)) continue;
    const words = node.dataset.title || node.getAttribute("href") || node.textContent;
    const part = node.id || node.closest("[id]")?.id || "";
    const name = `${node.localName} ${part}` + (node.id ? "" : ` ${words.trim()}`);
    let own = name;
    for (let count = 2; found.has(own); count += 1) own = `${name} ${count}`;
    found.set(own, node);
  }
  return found;
}

const thumb = new OffscreenCanvas(64, 64);
const thumbPen = thumb.getContext("2d", { willReadFrequently: true });

function small(picture) {
  if (!picture.width) return "";
  thumbPen.clearRect(0, 0, 64, 64);
  thumbPen.drawImage(picture, 0, 0, 64, 64);
  return [picture.width, picture.height, ...thumbPen.getImageData(0, 0, 64, 64).data].join();
}

function stateOf(node) {
  const attributes = [...document.querySelectorAll("[aria-pressed], [aria-sort], details")];
  return JSON.stringify([
    document.body.innerText,
    attributes.map((one) => [one.ariaPressed, one.ariaSort, one.open]),
    [...document.querySelectorAll(".js-plotly-plot")].map(({ data, layout: l }) => [
      data, l.dragmode, l.xaxis, l.yaxis,
    ]),
    [...document.querySelectorAll("canvas")].map(small),
    [...document.querySelectorAll("tbody tr")].map((row) => row.textContent),
    saved.saved,
    node.localName === "a" && [location.href, scrollY],
  ]);
}

function act(node) {
  const tell = (name) => node.dispatchEvent(new Event(name, { bubbles: true }));
  if (node.localName === "select") {
    node.selectedIndex = (node.selectedIndex + 1) % node.options.length;
    tell("change");
  } else if (node.type === "range") {
    node.stepUp(node.max > 50 ? 20 : 1);
    tell("input");
  } else if (node.localName === "canvas") {
    const box = node.getBoundingClientRect();
    const place = { clientX: box.x + 20, clientY: box.y + 20, deltaY: -1, cancelable: true };
    node.dispatchEvent(new WheelEvent("wheel", place));
  } else if (node.localName === "a" || node.matches(".modebar-btn")) {
    node.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  } else node.click();
}

// Puts back what the next controls need: the choice of before, what a chip or a player was.
function restore(node, index) {
  if (node.localName === "select") {
    node.selectedIndex = index;
    node.dispatchEvent(new Event("change", { bubbles: true }));
  } else if (node.ariaPressed !== null && !node.dataset.zoom) node.click();
  else if (node.textContent === "Pause") node.click();
  else if (node.localName === "summary") node.parentElement.open = true;
  else if (node.id === "scheme") [1, 2].forEach(() => node.click());
}

async function use(node, covered, name, patience = 400) {
  node.scrollIntoViewIfNeeded();
  await frame();
  const box = node.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  if (!node.contains(top)) covered.add(name);
  saved.saved = null;
  const before = stateOf(node);
  const index = node.selectedIndex;
  act(node);
  for (const end = performance.now() + patience; performance.now() < end; ) {
    if (stateOf(node) !== before) {
      restore(node, index);
      await frame();
      return true;
    }
    await new Promise((done) => setTimeout(done, 40));
  }
  return false;
}

// What did nothing has one more try after the next that did, and one at the end: "all" does
// something after "none".
async function useAll(home) {
  for (const part of document.querySelectorAll("section")) {
    part.scrollIntoView({ behavior: "instant" });
    await frame();
  }
  for (let tries = 0; tries < 200; tries += 1) {
    const view = document.getElementById("compare-view");
    if (!view || !isShown(view) || view.dataset.drawn) break;
    await new Promise((done) => setTimeout(done, 25));
  }
  const used = [];
  const idle = new Set();
  let fresh = [];
  const covered = new Set();
  const tooFaint = faint();
  const elsewhere = (node) => node.localName === "a" && !node.getAttribute("href").startsWith("#");
  const retry = async (names, patience) => {
    for (const name of names) {
      const node = named(home).get(name);
      if (node && (await use(node, covered, name, patience))) idle.delete(name) && used.push(name);
    }
    fresh = [];
  };
  for (;;) {
    const next = [...named(home)].find(([name]) => !used.includes(name) && !idle.has(name));
    if (!next) break;
    const [name, node] = next;
    if (!elsewhere(node) && !(await use(node, covered, name))) {
      idle.add(name);
      fresh.push(name);
      continue;
    }
    used.push(name);
    await retry(fresh);
  }
  await retry([...idle], 20_000);
  const wide = document.documentElement.scrollWidth;
  return { used, idle: [...idle], covered: [...covered], faint: [...tooFaint, ...faint()], wide };
}

const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// The colours over one another, from the page's paper on, as red, green and blue.
function mixed(colours) {
  for (const colour of ["#fff", ...colours]) {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
  }
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

// WCAG 2: relative luminance and contrast.
function luminance(colour) {
  const [r, g, b] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

// Text with less than 4.5 : 1 against what lies behind it.
function faint() {
  const found = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    const words = texts.currentNode.data.trim();
    if (!words || node.closest("script, style, option, noscript") || !isShown(node)) continue;
    const line = [];
    for (let one = node; one; one = one.parentElement) line.unshift(getComputedStyle(one));
    const behind = mixed(line.map((style) => style.backgroundColor));
    const opacity = line.reduce((product, style) => product * style.opacity, 1);
    const own = line.at(-1);
    const ink = mixed([`rgb(${behind})`, node.closest("svg") ? own.fill : own.color]);
    const shown = ink.map((value, i) => opacity * value + (1 - opacity) * behind[i]);
    const ratio = contrast(shown, behind);
    if (ratio < 4.5) found.add(`${words.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}
