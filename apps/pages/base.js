"use strict";
// What pages share: their data, small elements, and sliders.
const byId = (name) => document.getElementById(name);
const SECTIONS = {};

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Rows of texts and elements; `numeric` lists the columns that are aligned to the right.
function fillTable(table, columns, rows, numeric = []) {
  table.replaceChildren();
  const head = table.createTHead().insertRow(), body = table.createTBody();
  columns.forEach((column, i) => head.append(element("th", column, numeric.includes(i) ? "number" : "")));
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((cell, i) => {
      const made = element("td", undefined, numeric.includes(i) ? "number" : "");
      made.append(cell);
      row.append(made);
    });
  }
}

// The values of an encoded array: float32 or uint8, in base64, row by row.
function values(encoded) {
  const text = atob(encoded.data), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return encoded.type === "float32" ? new Float32Array(bytes.buffer) : bytes;
}

// Four significant digits, never in a form that a table cannot hold.
function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

// The controls of a section by the name of their fields; `show` runs now and after every change.
function controls(root, show) {
  const fields = Object.fromEntries([...root.querySelectorAll("input, select")].map((field) => [field.name, field]));
  const update = () => {
    for (const field of Object.values(fields)) {
      const output = field.parentElement.querySelector("output");
      if (output && !output.dataset.own) output.textContent = field.value;
    }
    show(fields);
  };
  root.addEventListener("input", update);
  update();
}

// A colour of the page's style, which differs between light and dark.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

addEventListener("DOMContentLoaded", () => {
  for (const [name, data] of Object.entries(JSON.parse(byId("data").textContent))) {
    if (SECTIONS[name]) SECTIONS[name](byId(name), data);
  }
});
