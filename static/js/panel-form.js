// The form of a step: what was changed in it, and where the keyboard goes on after its rows were changed.

const FIELDS = ":is(input:not([type=hidden]), select, textarea)";

// Gives the focus to what has to be filled in or put right first, or else to the first field.
export function enterForm() {
  const first = (what) => document.querySelector(`.panel-form ${what}`);
  show(first(":is([aria-invalid=true], [autofocus])") ?? first(FIELDS));
}

// Returns what has to be sent of a form: what differs from what the server said, and the names of its rows.
export function changesOf(form, more = {}) {
  const fields = { ...more };
  for (const control of form.elements) {
    if (!control.name) continue;
    if (control.type === "hidden") {
      if (control.name.endsWith(".@was")) fields[control.name] = control.value;
      continue;
    }
    if (!isDirty(control)) continue;
    if (control.type === "checkbox") {
      fields[`${control.name}?`] = "1";
      if (!control.checked) continue;
    }
    fields[control.name] = control.value;
  }
  return fields;
}

export function isDirty(control) {
  if (control.type === "checkbox") return control.checked !== control.defaultChecked;
  if (control.options) return ![...control.options].find((option) => option.selected)?.defaultSelected;
  return control.value !== control.defaultValue;
}

// Returns what finds, once the form is drawn anew, the control that has the focus after a button of a row.
export function focusAfter(button) {
  const [act, name] = button.dataset.act.split(/:(.*)/);
  const adding = button.id;
  if (act === "add") return () => show(fieldsIn(rowsOf(name).at(-1) ?? rowOf(name)) ?? document.getElementById(adding));
  const [, list, place] = name.match(/^(.*)\.(\d+)$/) ?? [null, name, "0"];
  if (act === "remove") return () => show(fieldsIn(rowsOf(list)[place] ?? rowsOf(list).at(-1)) ?? adder(list));
  const to = Number(place) + (act === "up" ? -1 : 1);
  return () => {
    const buttons = [...(rowOf(`${list}.${to}`)?.querySelectorAll("[data-act]") ?? [])];
    const same = buttons.find((one) => one.dataset.act === `${act}:${list}.${to}`);
    return show(same && !same.disabled ? same : buttons.find((one) => !one.disabled));
  };
}

const rowOf = (name) => document.querySelector(`.panel [data-row="${CSS.escape(name)}"]`);
const fieldsIn = (row) => row?.querySelector(FIELDS);
const adder = (name) => document.querySelector(`.panel [data-act="add:${CSS.escape(name)}"]`);

function rowsOf(name) {
  const own = (row) => /^\.\d+$/.test(row.dataset.row.slice(name.length));
  return [...document.querySelectorAll(`.panel [data-row^="${CSS.escape(`${name}.`)}"]`)].filter(own);
}

// Returns what keeps the focus in the row of a table that had it: named anew, it may stand elsewhere, while what
// is typed stays in its field whatever row that shows by then.
export function keepRow(active) {
  const was = rowWithName(active);
  if (!was) return () => {};
  const from = was.dataset.row;
  const list = from.replace(/\.\d+$/, "");
  const name = was.querySelector(`[name="${CSS.escape(`${from}.@key`)}"]`)?.value.trim();
  const typed = isDirty(active) ? active.value : null;
  return () => {
    const now = rowsOf(list).find((row) => nameOf(row)?.value === name);
    if (!now || now.dataset.row === from || document.activeElement !== active) return;
    const target = now.querySelector(`[name="${CSS.escape(active.name.replace(from, now.dataset.row))}"]`);
    if (active.defaultValue !== undefined) active.value = active.defaultValue;
    if (target && typed !== null && !active.name.endsWith(".@key")) target.value = typed;
    target?.focus();
  };
}

const nameOf = (row) => row.querySelector(`:scope > [name="${CSS.escape(`${row.dataset.row}.@was`)}"]`);

function rowWithName(element) {
  let row = element.closest?.(".panel [data-row]");
  while (row && !nameOf(row)) row = row.parentElement.closest("[data-row]");
  return row;
}

// Opens what is folded around an element, and gives it the focus.
function show(element) {
  for (let fold = element?.closest("details:not([open])"); fold; fold = fold.parentElement.closest("details:not([open])")) fold.open = true;
  element?.focus();
}
