// The two trees of the mapper: which rows are shown, which one has the focus, and how one moves among them.

import { icon, node } from "./mapper-words.js";

const MOST_FOUND = 300; // rows that a search shows: more would be read by nobody

// The rows of the target side as the server wrote them.
export const written = (list) => [...list.children].map(targetRow);

export function targetRow(el) {
  return {
    el,
    key: el.dataset.field,
    family: el.dataset.family,
    locked: el.dataset.locked ?? "",
    required: "required" in el.dataset,
    words: `${el.dataset.field} ${el.dataset.label}`.toLowerCase(),
    open: true,
    group: false,
    level: 1,
    shown: true,
    ...partsOf(el),
  };
}

const partsOf = (el) => ({ dot: el.querySelector(".mapper-dot"), value: el.querySelector(".mapper-value"), told: el.querySelector(".mapper-told") });

// The rows of the source side, from [path, name, type, word, level, children, help, seen, removed]; there may
// be thousands, so that each gets an element only when it is shown.
export function planned(told) {
  return told.map(([key, name, type, word, level, children, help, seen, removed]) => ({
    key, name, type, word, level, help, seen, removed, el: null, locked: "", group: children > 0, open: level === 1, shown: false,
    words: `${key} ${help}`.toLowerCase(),
  }));
}

function build(row) {
  const el = node("li", { className: "mapper-row", role: "treeitem", tabIndex: -1, "data-path": row.key, "data-level": String(row.level), "aria-level": String(row.level) },
    node("span", { className: "mapper-twist", "aria-hidden": "true" }, row.group ? icon("chevron-right") : null),
    node("span", { className: "mapper-name" }, row.name),
    node("span", { className: "mapper-type" }, row.word),
    row.removed ? node("span", { className: "mapper-type warn", title: row.removed }, "removed") : null,
    node("span", { className: "mapper-value" }),
    node("span", { className: "mapper-dot", "aria-hidden": "true" }),
    node("span", { className: "mapper-told" }));
  const share = row.seen === null ? "" : `Seen in ${row.seen} % of events`;
  el.title = [row.help, share].filter(Boolean).join(" · ");
  if (row.group) el.setAttribute("aria-expanded", String(row.open));
  Object.assign(row, { el, ...partsOf(el) });
}

export class Rows {
  // `paint` shows a row's state; it is called for each row that gets its element.
  constructor(list, rows, paint) {
    Object.assign(this, { list, all: rows, paint, more: 0 });
    this.none = list.parentElement.querySelector(".mapper-none");
    this.byKey = new Map(rows.map((row) => [row.key, row]));
    this.byElement = new Map(rows.filter((row) => row.el).map((row) => [row.el, row]));
    const around = [];
    for (const row of rows) {
      around.length = row.level - 1;
      row.parent = around.at(-1) ?? null;
      row.children = [];
      row.parent?.children.push(row);
      around.push(row);
    }
    this.narrow(null);
    this.current = this.all[0];
    if (this.current) this.current.el.tabIndex = 0;
    list.addEventListener("focusin", (event) => this.mark(this.rowOf(event.target)));
  }

  // Puts a row with its element behind another one, and returns it.
  insert(row, before) {
    Object.assign(row, { parent: null, children: [] });
    if (before) before.el.after(row.el);
    else this.list.append(row.el);
    this.all.splice(this.all.indexOf(before) + 1, 0, row);
    this.byKey.set(row.key, row);
    this.byElement.set(row.el, row);
    return row;
  }

  rowOf(target) {
    return this.byElement.get(target.closest?.(".mapper-row"));
  }

  // Only one row of a tree is a stop of the Tab key.
  mark(row) {
    if (!row || row === this.current) return;
    if (this.current) this.current.el.tabIndex = -1;
    this.current = row;
    row.el.tabIndex = 0;
  }

  // Gives a row the focus; where a filter hides it, the row at hand.
  focus(row) {
    const at = !row || row.shown ? row : this.current?.shown ? this.current : this.visible()[0];
    if (!at) return;
    this.mark(at);
    at.el.focus({ preventScroll: true });
    at.el.scrollIntoView({ block: "nearest" });
  }

  visible() {
    return this.all.filter((row) => row.shown);
  }

  move(step) {
    const rows = this.visible();
    const at = rows.indexOf(this.current);
    if (rows.length) this.focus(rows[Math.min(rows.length - 1, Math.max(0, at + step))]);
  }

  edge(last) {
    const rows = this.visible();
    this.focus(last ? rows.at(-1) : rows[0]);
  }

  // The row itself, or the nearest one around it that can be seen.
  seen(key) {
    let row = this.byKey.get(key);
    while (row && !row.shown) row = row.parent;
    return row;
  }

  toggle(row, open = !row.open) {
    if (!row.group) return;
    row.open = open;
    row.el?.setAttribute("aria-expanded", String(open));
  }

  // Opens whatever is around a row, and returns it.
  reveal(row) {
    for (let one = row.parent; one; one = one.parent) this.toggle(one, true);
    return row;
  }

  // Shows what `fits` says, with everything around it; without a filter, what stands in open groups.
  narrow(fits) {
    const kept = fits && this.found(fits);
    const held = this.rowOf(document.activeElement);
    let last = null;
    let some = false;
    for (const row of this.all) {
      const shown = !row.away && (kept ? kept.has(row) : isOpen(row));
      if (shown && !row.el) this.give(row, last);
      if (shown !== row.shown) {
        row.shown = shown;
        row.el.hidden = !shown;
      }
      last = row.el ?? last;
      some ||= shown;
    }
    if (this.none) this.none.hidden = some;
    if (this.current && !this.current.shown) this.mark(this.seen(this.current.key) ?? this.visible()[0]);
    if (held && !held.shown && this.current?.shown) this.focus(this.current);
  }

  found(fits) {
    const kept = new Set();
    let matches = 0;
    for (const row of this.all) {
      if (!fits(row)) continue;
      matches += 1;
      if (matches > MOST_FOUND) continue;
      for (let one = row; one && !kept.has(one); one = one.parent) kept.add(one);
    }
    return kept;
  }

  // Makes the element of a row, behind the one before it.
  give(row, last) {
    build(row);
    this.byElement.set(row.el, row);
    if (last) last.after(row.el);
    else this.list.prepend(row.el);
    this.paint(row);
  }
}

function isOpen(row) {
  for (let one = row.parent; one; one = one.parent) if (!one.open) return false;
  return true;
}

// How much two names have in common, 0 to 1: enough to lead the focus to a likely field.
export function alike(path, field) {
  const left = parts(path.split(".").slice(-2).join("."));
  const right = parts(field);
  const common = [...left].filter((word) => right.has(word)).length;
  return common ? (2 * common) / (left.size + right.size) : 0;
}

function parts(name) {
  const words = name.replace(/__[cr]\b/g, "").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9]+/);
  return new Set(words.filter(Boolean));
}
