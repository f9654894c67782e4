// Making elements, copying and saving texts, and what a table is as text; its pieces come escaped.
"use strict";
const FORMATS = {
  csv: { name: "CSV", type: "text/csv", ending: "csv" },
  json: { name: "JSON", type: "application/json", ending: "json" },
  latex: { name: "LaTeX", type: "application/x-tex", ending: "tex" },
  markdown: { name: "Markdown", type: "text/markdown", ending: "md" },
};
const element = (name, properties, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const button = (text, act, properties) => {
  const made = element("button", { type: "button", textContent: text, ...properties });
  made.addEventListener("click", act);
  return made;
};
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = element("textarea", { value: text, readOnly: true, className: "away" });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
};
const download = (text, name, type) => {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
};

// A menu closes when it is left, by hand or by keyboard.
const closing = (menu) => {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
};

// The rows at these places, of these columns, in one of FORMATS.
const write = (format, data, columns, places) => {
  const rows = places.map((row) => columns.map(({ place }) => data[format][row][place]));
  const heads = columns.map((column) => column[format]);
  const letters = columns.map(({ letter }) => letter);
  if (format === "csv") return [heads, ...rows].map((line) => `${line.join(",")}\r\n`).join("");
  if (format === "json") {
    const named = rows.map((line) => Object.fromEntries(line.map((cell, at) => [columns[at].key, cell])));
    const keys = columns.map(({ key, title, detail }) => ({ key, title, detail }));
    return `${JSON.stringify({ caption: data.caption, columns: keys, rows: named }, null, 2)}\n`;
  }
  if (format === "latex") {
    const [before, afterLetters, afterHead, between, end] = data.frames.latex;
    const body = rows.map((line) => line.join(" & ")).join(between);
    return `${before}${letters.join("")}${afterLetters}${heads.join(" & ")}${afterHead}${body}${end}`;
  }
  const rule = letters.map((letter) => (letter === "l" ? "---" : "---:"));
  const lines = [heads, rule, ...rows].map((line) => `| ${line.join(" | ")} |\n`);
  return `${data.frames.markdown}\n\n${lines.join("")}`;
};
