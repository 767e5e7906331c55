// What differs from an earlier version of the flow: shown at its field, and put back as it was there.

import { drop, put } from "./mapper-view.js";
import { by, icon, node } from "./mapper-words.js";

const WORDS = { added: "new", changed: "changed", removed: "removed" };

export class Since {
  // `restore(field, version)` puts a line back.
  constructor(restore) {
    Object.assign(this, { restore, told: null });
    this.box = by("mapper-changed"); // there is none before the first version
    this.choice = by("mapper-since");
  }

  get on() {
    return Boolean(this.box?.checked);
  }

  get version() {
    return this.choice?.value ?? "";
  }

  // What the server said last: the version and, by field, what is otherwise.
  hear(told) {
    this.told = told ?? null;
    if (!this.box) return;
    const count = Object.keys(this.fields).length;
    put(by("mapper-changed-count"), String(count));
    by("mapper-changed-count").hidden = !count;
  }

  get fields() {
    return this.told?.fields ?? {};
  }

  kind(field) {
    return this.fields[field]?.kind ?? "";
  }

  // The paths that lines which differ read, or did.
  paths(known) {
    return new Set(Object.entries(this.fields).flatMap(([field, one]) => [...one.paths, ...(known.get(field)?.paths ?? [])]));
  }

  // Lines that are no more, to be drawn while one looks at what differs.
  gone(known) {
    if (!this.on) return [];
    return Object.entries(this.fields).filter(([field, one]) => one.kind === "removed" && !known.has(field)).map(([field, one]) => ({ field, paths: one.paths, kind: "gone" }));
  }

  paint(row) {
    const { kind, was } = (this.on && this.fields[row.key]) || {};
    row.away = Boolean(row.extra && !row.used && kind !== "removed");
    row.el.classList.toggle("gone", kind === "removed");
    const version = kind ? this.told.number : 0;
    const sign = kind && JSON.stringify([kind, version, was]);
    if (row.sign === sign) return; // a button that has the focus keeps it
    row.sign = sign;
    drop(row, "mark");
    if (!kind) return;
    row.mark = node("span", { className: "mapper-since-mark" }, node("span", { className: `mapper-differs ${kind}`, title: was ? `In version ${version}: ${was}` : `Version ${version} did not fill it` }, WORDS[kind]));
    if (kind !== "added") row.mark.append(this.button(row, version, was));
    row.el.insertBefore(row.mark, row.value);
  }

  button(row, version, was) {
    const back = node("button", { className: "mapper-back", type: "button", tabIndex: -1, title: `As in version ${version}: ${was || "as it was"}`, ariaLabel: `Restore ${row.key} as in version ${version}: ${was}` }, icon("undo-2"), "Restore");
    back.addEventListener("click", (event) => { event.stopPropagation(); this.restore(row.key, version); });
    return back;
  }

  words() {
    const kinds = Object.values(this.fields).map((one) => one.kind);
    if (!kinds.length) return `Nothing differs from version ${this.told?.number}.`;
    const parts = ["added", "changed", "removed"].map((kind) => [kinds.filter((one) => one === kind).length, WORDS[kind]]).filter(([count]) => count);
    return `${kinds.length} field${kinds.length > 1 ? "s differ" : " differs"} from version ${this.told.number}: ${parts.map(([count, word]) => `${count} ${word}`).join(", ")}.`;
  }
}
