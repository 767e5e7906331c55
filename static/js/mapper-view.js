// Shows how rows stand: values, results, the chip of a line, a suggestion, and the table of many events.

import { icon, node } from "./mapper-words.js";

export const kindOf = (line) => (line.pending ? "pending" : line.wrong || line.problem ? "err" : line.warning || line.notes?.length ? "warn" : "");

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function showSource(row, fields, value) {
  row.used = Boolean(fields);
  if (!row.el) return;
  put(row.value, value ?? "");
  row.value.classList.toggle("none", value === "empty");
  row.el.classList.toggle("used", row.used);
  put(row.told, fields ? `to ${fields.join(", ")}` : "");
}

// `acts` are what the buttons at a row do: chip(row), judge(offer, accepted).
export function showTarget(row, line, offer, acts) {
  const wrong = line ? line.wrong || line.problem : "";
  row.line = line;
  row.used = Boolean(line);
  row.wrong = Boolean(wrong);
  row.el.classList.toggle("used", row.used);
  row.el.classList.toggle("wrong", row.wrong);
  row.el.classList.toggle("warned", Boolean(line && !wrong && kindOf(line) === "warn"));
  const blank = line && !wrong && ["left", "cleared"].includes(line.state);
  const result = !line ? "" : wrong || (blank ? (line.state === "left" ? "left as it is" : "emptied") : line.value ?? "");
  put(row.value, result);
  row.value.title = [result, line?.warning, ...(line?.notes ?? [])].filter(Boolean).join(" · ");
  row.value.classList.toggle("none", Boolean(blank));
  showChip(row, line, acts);
  showOffer(row, line ? null : offer, acts);
  put(row.told, line ? [told(line), line.warning].filter(Boolean).join(". ") : offer ? `Suggested: ${offer.path}, ${offer.score} % sure. ${offer.reason}` : "");
}

const told = (line) => (line.paths.length ? `from ${line.paths[0]}${line.paths.length > 1 ? ` or ${line.paths.length - 1} more` : ""}` : "without a path");

function showChip(row, line, acts) {
  if (!line) {
    drop(row, "chip");
    return;
  }
  if (!row.chip) {
    row.chip = node("button", { className: "mapper-chip", type: "button", tabIndex: -1 }, node("span"));
    row.chip.addEventListener("click", (event) => { event.stopPropagation(); acts.chip(row); });
    row.el.append(row.chip);
  }
  const kind = kindOf(line);
  row.chip.className = `mapper-chip ${kind} ${line.label === "=" ? "plain" : ""}`;
  put(row.chip.firstElementChild, line.label);
  row.chip.setAttribute("aria-label", `How ${row.key} is made: ${line.label === "=" ? "as it is" : line.label}`);
}

// Takes a part of a row away, and leaves the focus at the row if it was there.
export function drop(row, part) {
  const isHeld = row[part]?.contains(document.activeElement);
  row[part]?.remove();
  row[part] = null;
  if (isHeld) row.el.focus({ preventScroll: true });
}

function showOffer(row, offer, acts) {
  if (row.offered === offer) return; // a button that has the focus keeps it
  row.offered = offer;
  drop(row, "offer");
  if (!offer) return;
  const take = node("button", { type: "button", tabIndex: -1, title: `${offer.path}: ${offer.reason}`, ariaLabel: `Accept ${offer.path} for ${row.key}, ${offer.score} % sure. ${offer.reason}` }, icon("check"), `${offer.score} %`);
  const leave = node("button", { type: "button", tabIndex: -1, ariaLabel: `Reject ${offer.path} for ${row.key}` }, icon("x"));
  take.addEventListener("click", (event) => { event.stopPropagation(); acts.judge(offer, true); });
  leave.addEventListener("click", (event) => { event.stopPropagation(); acts.judge(offer, false); });
  row.offer = node("span", { className: "mapper-offer" }, take, leave);
  row.el.append(row.offer);
}

// A table of which fields fail on how many of the last events.
export function results(told) {
  if (!told.of) return [node("p", {}, "No event of these types has been recorded yet. Choose a sample above to see values.")];
  const bad = told.lines.filter((line) => line.failed);
  const head = node("p", {}, bad.length ? `${bad.length} of ${told.lines.length} fields fail on some of the last ${told.of} events.` : `Every field works on the last ${told.of} events.`);
  const rows = told.lines.map((line) => node("tr", {},
    node("td", { className: "id" }, line.field),
    node("td", {}, node("span", { className: `status ${line.failed ? "err" : "ok"}` }, icon(line.failed ? "circle-x" : "check"), line.failed ? `${line.failed} of ${line.of} fail` : "passes")),
    node("td", { className: "anywhere" }, line.why)));
  const top = node("tr", {}, ...["Field", "Result", "Why"].map((name) => node("th", { scope: "col" }, name)));
  return [head, node("table", { className: "table" }, node("thead", {}, top), node("tbody", {}, ...rows))];
}
