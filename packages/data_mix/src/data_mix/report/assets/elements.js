"use strict";
// Elements, tables and numbers. Text goes in by textContent alone.

const number = new Intl.NumberFormat("en-US");
const count = value => number.format(value);
const percent = (part, whole) => whole ? `${(100 * part / whole).toFixed(1)} %` : "–";
const total = values => values.reduce((sum, value) => sum + value, 0);

function bytes(value) {
  const units = ["B", "kB", "MB", "GB"];
  let place = 0;
  while (value >= 1000 && place < 3) { value /= 1000; place += 1; }
  return `${place ? value.toFixed(1) : value} ${units[place]}`;
}

// el("p", {class: "soft"}, "text", child, …): attributes are ours, texts may be anybody's.
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child instanceof Node ? child : document.createTextNode(child));
  }
  return element;
}

// Control characters as signs, so that none is hidden.
const visible = text => text.replace(/[\u0000-\u0008\u000b-\u001f]/g, sign => String.fromCharCode(0x2400 + sign.charCodeAt(0)));

function cell(value, tag) {
  if (typeof value === "number") return el(tag, {class: value ? "n" : "n zero"}, count(value));
  if (value instanceof Node || Array.isArray(value)) return el(tag, {}, value);
  return el(tag, {dir: "auto"}, visible(String(value ?? "–")));
}

// A table: the first cell of a row is its heading; `numeric` are the columns that are set to the right.
function table(columns, rows, {numeric = [], sum = null, caption = null} = {}) {
  const head = el("tr", {}, columns.map((name, place) => el("th", {scope: "col", class: numeric.includes(place) ? "n" : null}, name)));
  const line = (row, kind) => {
    const cells = row.map((value, place) => place ? cell(value, "td") : cell(value, "th"));
    cells[0].setAttribute("scope", "row");
    numeric.forEach(place => cells[place] && cells[place].classList.add("n"));
    return el("tr", {class: kind}, cells);
  };
  const body = el("tbody", {}, rows.map(row => line(row, null)), sum ? line(sum, "sum") : null);
  const whole = el("table", {}, caption ? el("caption", {}, caption) : null, el("thead", {}, head), body);
  return el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption || columns.join(", ")}, whole);
}

function details(summary, ...children) {
  return el("details", {}, el("summary", {}, summary), ...children);
}

function section(id, title, lead, ...children) {
  const text = lead ? el("p", {class: "lead"}, lead) : null;
  return el("section", {id, "aria-labelledby": `${id}-title`}, el("h2", {id: `${id}-title`}, title), text, ...children);
}

// A link only where the address is of the web.
function link(address, text) {
  return /^https?:\/\//.test(address) ? el("a", {href: address, rel: "noopener noreferrer", target: "_blank"}, text) : text;
}

// [[key, number], …] of several objects added up, the largest first.
function added(objects) {
  const sums = new Map();
  for (const object of objects) for (const [key, value] of Object.entries(object)) sums.set(key, (sums.get(key) || 0) + value);
  return [...sums].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
}
