"use strict";
// The order of cells in sorted tables: numbers before text, what has no value last, rising or
// falling; the anchor of a BD-rate is at 0.
const NUMBER = /^(?:hull |1 point |[<>≥≤≈] ?)?([+−-]?\d[\d.]*(?:e[+−-]?\d+)?)/;

function sortValue(text) {
  if (text === "anchor") return 0;
  const found = NUMBER.exec(text);
  return found ? Number(found[1].replaceAll("−", "-")) : text === "–" ? "" : text;
}

function compareValues(one, other, down) {
  if (one === "" || other === "") return (one === "") - (other === "");
  const numbers = [one, other].map((value) => typeof value === "number");
  if (numbers[0] !== numbers[1]) return numbers[1] - numbers[0];
  const order = numbers[0]
    ? one - other
    : one.localeCompare(other, "en", { numeric: true, sensitivity: "base" });
  return down ? -order : order;
}

// By a column of rows of text; a name is text even where it begins with a digit.
function byColumn(column, down) {
  const value = (row) => (column ? sortValue(row[column]) : row[column]);
  return (one, other) => compareValues(value(one), value(other), down);
}
