// Draws the settings of a chip, each by its kind, and writes what is entered into the chip.

import { row as rowOf, sortable } from "./mapper-sort.js";
import { icon, node, say } from "./mapper-words.js";

let number = 0;

// `chip` is changed in place; `changed` is called after each change. A setting left blank is left out.
export function control(setting, chip, context, changed) {
  const id = `${context.id}-${setting.name}-${(number += 1)}`;
  const set = (value) => {
    if (value === undefined) delete chip[setting.name];
    else chip[setting.name] = value;
    changed();
  };
  const made = (KINDS[setting.kind] ?? KINDS.json)({ setting, value: chip[setting.name], set, id, context, chip });
  if (setting.kind === "flag") return node("div", { className: "field" }, made);
  const help = setting.help ? node("p", { className: "help", id: `${id}-help` }, setting.help) : null;
  if (help) made.querySelectorAll?.("input, select, textarea").forEach((one) => one.setAttribute("aria-describedby", help.id));
  if (made.matches("input, select, textarea")) {
    made.id = id;
    if (help) made.setAttribute("aria-describedby", help.id);
    return node("div", { className: "field" }, node("label", { htmlFor: id }, setting.label), made, help);
  }
  return node("fieldset", { className: "field" }, node("legend", {}, setting.label), made, help);
}

const KINDS = {
  text: ({ setting, value, set }) => line(value ?? setting.default ?? "", (text) => set(text === "" && !setting.required ? undefined : text)),
  long: ({ value, set, context }) => area(value ?? "", (text) => set(text), context),
  whole: ({ value, set }) => {
    const input = line(value ?? "", (text) => set(text === "" ? undefined : Number(text)));
    return Object.assign(input, { type: "number", min: 1, step: 1 });
  },
  flag: ({ setting, value, set }) => node("label", { className: "check", title: setting.help }, node("input", { type: "checkbox", checked: Boolean(value ?? setting.default), onchange: (event) => set(event.target.checked) }), setting.help || setting.label),
  choice: ({ setting, value, set }) => choose(setting.required || setting.default !== null ? setting.options : ["", ...setting.options], value ?? setting.default ?? "", (chosen) => set(chosen || undefined), setting.words),
  paths: (told) => paths(told),
  scalar: ({ value, set, context }) => {
    const input = line(written(value), (text) => set(read(text)), "empty");
    if (context.choices.length) input.setAttribute("list", "mapper-choices"); // offered, since any text may be meant
    return input;
  },
  table: (told) => table(told),
  otherwise: (told) => otherwise(told),
  condition: ({ value, set, id }) => condition(value, set, id),
  json: ({ value, set }) => area(JSON.stringify(value ?? null), (text) => { try { set(JSON.parse(text)); } catch { /* still being typed */ } }),
};

function line(value, change, placeholder = "") {
  return node("input", { className: "input", value: String(value), placeholder, autocomplete: "off", spellcheck: false, oninput: (event) => change(event.target.value) });
}

function choose(options, value, change, words = {}) {
  const made = node("select", { className: "input" }, ...options.map((option) => node("option", { value: option }, words[option] ?? (option.replaceAll("_", " ") || "As it is"))));
  made.value = value;
  made.addEventListener("change", () => change(made.value));
  return made;
}

// Text, true and false, numbers and nothing: as they are written into a form, and as they are read from it.
const written = (value) => (value === null || value === undefined ? "" : String(value));
const read = (text) => (text === "" ? null : text === "true" ? true : text === "false" ? false : text);

function paths({ setting, value, set }) {
  const list = Array.isArray(value) ? [...value] : value ? [value] : [""];
  const box = node("div", { className: "mapper-table" });
  const told = () => set(list.filter(Boolean));
  const draw = (focus) => {
    const redrawn = (at) => { draw(at); told(); };
    const rows = list.map((path, place) => {
      const name = `${setting.label} ${place + 1}`;
      const input = line(path, (text) => { list[place] = text.trim(); told(); });
      input.setAttribute("list", "mapper-paths");
      input.ariaLabel = name;
      return rowOf(list, place, [input], { name, sorted: redrawn, removed: () => redrawn(Math.min(place, list.length - 1)), least: 1 });
    });
    const more = node("button", { className: "button small", type: "button", onclick: () => { list.push(""); draw(list.length - 1); } }, icon("plus"), setting.add || "Add a path");
    box.replaceChildren(sortable(node("div", { className: "mapper-table" }, ...rows), list, () => redrawn()), node("div", {}, more));
    box.querySelectorAll("input")[focus]?.focus();
  };
  draw();
  return box;
}

// A value map: what Stripe says on the left, what Salesforce shall have on the right.
function table({ setting, value, set, context }) {
  const rows = Object.entries(value ?? {});
  const box = node("div", { className: "mapper-table" });
  const unseen = node("div", { className: "mapper-unseen" });
  const told = () => { set(Object.fromEntries(rows.filter(([key]) => key !== ""))); hint(); };
  const add = (key) => { rows.push([key, best(key, context.choices)]); draw(); told(); };
  const field = (place, at) => box.querySelectorAll(".mapper-item")[place]?.querySelectorAll("input, select")[at];
  const take = (place) => {
    rows.splice(place, 1);
    draw();
    told();
    (field(Math.min(place, rows.length - 1), 0) ?? box.querySelector("button")).focus();
  };
  const draw = () => {
    box.replaceChildren(...rows.map((row, place) => node("div", { className: "mapper-item" },
      Object.assign(line(row[0], (text) => { row[0] = text; told(); }), { ariaLabel: `Value of Stripe ${place + 1}` }),
      icon("arrow-right"),
      right(row, place, context, told),
      node("button", { className: "mapper-icon", type: "button", ariaLabel: `Remove ${row[0] || `row ${place + 1}`}`, onclick: () => take(place) }, icon("trash-2")))),
    unseen, node("div", {}, node("button", { className: "button small", type: "button", onclick: () => { add(""); field(rows.length - 1, 0)?.focus(); } }, icon("plus"), setting.add || "Add a value")));
  };
  const hint = async () => {
    const seen = await context.seen();
    if (!seen) return;
    const have = new Set(rows.map(([key]) => key));
    const missing = seen.filter((one) => !have.has(one.value));
    unseen.replaceChildren(...(missing.length ? [node("span", {}, missing.length === 1 ? "One value that events had is not in the table:" : `${missing.length} of ${seen.length} values that events had are not in the table:`)] : []),
      ...missing.slice(0, 20).map((one) => node("button", { className: "button small", type: "button", ariaLabel: `Add ${one.value} ×${one.count}`, onclick: () => { add(one.value); field(rows.length - 1, 1)?.focus(); say(`Added ${one.value}`); } }, icon("plus"), `${one.value} ×${one.count}`)));
  };
  draw();
  hint();
  return box;
}

function right(row, place, context, told) {
  const label = `Value of Salesforce for ${row[0] || place + 1}`;
  const change = (text) => { row[1] = read(text); told(); };
  if (!context.choices.length) return Object.assign(line(written(row[1]), change, "empty"), { ariaLabel: label });
  const options = context.choices.includes(row[1]) || row[1] === null ? ["", ...context.choices] : [written(row[1]), "", ...context.choices];
  const words = { "": "empty", ...(context.choices.includes(row[1]) || row[1] === null ? {} : { [written(row[1])]: `${written(row[1])} (not in the picklist)` }) };
  return Object.assign(choose(options, written(row[1]), change, { ...Object.fromEntries(context.choices.map((one) => [one, one])), ...words }), { ariaLabel: label });
}

const bare = (text) => String(text).toLowerCase().replace(/[^a-z0-9]/g, "");
const best = (key, choices) => choices.find((choice) => bare(choice) === bare(key)) ?? (choices.length ? null : key);

function otherwise({ setting, value, set }) {
  const own = typeof value === "object" && value !== null;
  const words = { ...setting.words, value: "Write a fixed value" };
  const text = Object.assign(line(own ? written(value.value) : "", (typed) => set({ value: read(typed) }), "empty"), { ariaLabel: "Fixed value", hidden: !own });
  const made = choose([...setting.options, "value"], own ? "value" : value ?? setting.default, (chosen) => {
    text.hidden = chosen !== "value";
    set(chosen === "value" ? { value: read(text.value) } : chosen);
  }, words);
  made.ariaLabel = setting.label;
  return node("div", { className: "mapper-item" }, made, text);
}

const OPERATORS = { equal: "is", not_equal: "is not", in: "is one of", not_in: "is none of", greater: "is more than", less: "is less than", present: "has a value", empty: "has no value", starts_with: "starts with", contains: "contains" };

function condition(value, set, id) {
  const joint = value?.any ? "any" : "all";
  const rows = (value?.all ?? value?.any ?? (value?.path ? [value] : [{ path: [""], is: "equal", value: "" }])).map((row) => ({ ...row }));
  let how = joint;
  const box = node("div", { className: "mapper-table" });
  const told = () => {
    const full = rows.filter((row) => [row.path].flat().some(Boolean));
    set(full.length === 1 ? full[0] : { [how]: full });
  };
  const draw = () => box.replaceChildren(
    ...(rows.length > 1 ? [Object.assign(choose(["all", "any"], how, (chosen) => { how = chosen; told(); }, { all: "all of these hold", any: "one of these holds" }), { ariaLabel: "How many must hold" })] : []),
    ...rows.map((row, place) => comparison(row, place, { draw, told, rows, id })),
    node("div", {}, node("button", { className: "button small", type: "button", onclick: () => { rows.push({ path: [""], is: "equal", value: "" }); draw(); } }, icon("plus"), "Add a comparison")));
  draw();
  return box;
}

function comparison(row, place, { draw, told, rows }) {
  const path = Object.assign(line([row.path].flat().join(", "), (text) => { row.path = text.split(",").map((part) => part.trim()).filter(Boolean); told(); }), { ariaLabel: `Path of comparison ${place + 1}` });
  path.setAttribute("list", "mapper-paths");
  const several = row.is === "in" || row.is === "not_in";
  const how = Object.assign(choose(Object.keys(OPERATORS), row.is, (chosen) => { retype(row, chosen); draw(); told(); }, OPERATORS), { ariaLabel: `Comparison ${place + 1}` });
  const shown = several ? [row.value].flat().map(written).join(", ") : written(row.value);
  const value = Object.assign(line(shown, (text) => { row.value = several ? text.split(",").map((part) => read(part.trim())) : read(text); told(); }, "empty"), { ariaLabel: `Value of comparison ${place + 1}`, hidden: row.is === "present" || row.is === "empty" });
  const drop = node("button", { className: "mapper-icon", type: "button", ariaLabel: `Remove comparison ${place + 1}`, disabled: rows.length === 1, onclick: () => { rows.splice(place, 1); draw(); told(); } }, icon("trash-2"));
  return node("div", { className: "mapper-item" }, path, how, value, drop);
}

function retype(row, operator) {
  row.is = operator;
  if (operator === "present" || operator === "empty") delete row.value;
  else if (operator === "in" || operator === "not_in") row.value = [row.value].flat().filter((one) => one !== undefined);
  else if (Array.isArray(row.value)) row.value = row.value[0] ?? "";
}

// A text with completions: Ctrl+Space asks for them, arrows choose, Enter takes one.
function area(value, change, context) {
  const list = node("div", { className: "mapper-unseen", role: "group", "aria-label": "Completions" });
  const text = node("textarea", { className: "input", value, spellcheck: false, rows: 3, oninput: () => { list.replaceChildren(); change(text.value); } });
  if (!context?.complete) return text;
  const ask = async () => {
    const [asked, at] = [text.value, text.selectionStart];
    const told = await context.complete(asked, at);
    if (text.value !== asked || text.selectionStart !== at) return; // what fitted there would go elsewhere now
    list.replaceChildren(...(told?.completions ?? []).slice(0, 12).map((one) => node("button", { className: "button small", type: "button", title: one.help ?? "", onclick: () => take(one) }, one.text)));
    say(told?.completions ? `${told.completions.length} completions` : "The server does not answer.");
  };
  const take = (one) => {
    text.setRangeText(one.insert ?? one.text, one.start ?? text.selectionStart, one.end ?? text.selectionStart, "end");
    list.replaceChildren();
    change(text.value);
    text.focus();
  };
  text.addEventListener("keydown", (event) => {
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); ask(); }
    if (event.key === "ArrowDown" && list.firstElementChild && event.altKey) { event.preventDefault(); list.firstElementChild.focus(); }
  });
  text.ariaLabel = "Expression";
  return node("div", { className: "mapper-table" }, text, list, node("p", { className: "help" }, "Control+Space offers paths and functions."));
}
