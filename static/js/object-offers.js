// Offers the objects of an org in the fields of a plain form. Without this script the browser offers what it knows.

import { Combobox } from "./combobox.js";

const box = document.getElementById("combobox");
const marks = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "combobox-list" };

for (const input of document.querySelectorAll("[data-offers]")) {
  input.removeAttribute("list");
  for (const [name, value] of Object.entries(marks)) input.setAttribute(name, value);
}
new Combobox(box, (_input, q) => `${box.dataset.address}?${new URLSearchParams({ q })}`);
