// Narrows both trees to what is searched for and to what filters ask for, opens and closes groups, and keeps in
// the address what is asked for.

import { by, say } from "./mapper-words.js";

const SAID_AFTER = 600; // while somebody types

const chosen = () => document.querySelector("[name=mapper-filter]:checked").value;

// `known` returns the lines by field; `narrowed` is called when rows may have come or gone, `asked` when
// somebody asked for something else to be shown.
export function filtering(from, to, since, { known, narrowed, asked, other }) {
  let timer = 0;

  function narrow() {
    const text = by("mapper-search").value.trim().toLowerCase();
    const filter = chosen();
    const wrong = new Set(to.all.filter((row) => row.wrong).flatMap((row) => row.line.paths));
    const changed = since.on ? since.paths(known()) : null;
    const has = text ? (row) => row.words.includes(text) : null;
    const sources = { unmapped: (row) => !row.group && !row.used, errors: (row) => wrong.has(row.key) };
    const targets = { unmapped: (row) => !row.used && !row.locked, required: (row) => row.required, errors: (row) => row.wrong };
    from.narrow(every(has, sources[filter], changed && ((row) => changed.has(row.key))));
    to.narrow(every(has, targets[filter], changed && ((row) => Boolean(since.kind(row.key)))));
    narrowed();
  }

  function clear() {
    by("mapper-search").value = "";
    document.querySelector("[name=mapper-filter][value=all]").checked = true;
    if (since.on) by("mapper-changed").checked = false;
    asked();
    remember();
  }

  // Shows what is asked for now, and tells how much that is.
  function look(wait = 0) {
    asked();
    remember();
    clearTimeout(timer);
    timer = setTimeout(() => say(counts()), wait);
  }

  function counts() {
    const left = from.visible().filter((row) => !row.group).length;
    const right = to.visible().length;
    const told = `${left} value${left === 1 ? "" : "s"} and ${right} field${right === 1 ? "" : "s"} are shown.`;
    return since.on ? `${since.words()} ${told}` : told;
  }

  by("mapper-search").addEventListener("input", () => look(SAID_AFTER));
  by("mapper-search").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); from.focus(from.visible()[0]); }
  });
  by("mapper-filter").addEventListener("change", () => look());
  since.box?.addEventListener("change", () => look());
  since.choice?.addEventListener("change", async () => {
    since.box.checked = true;
    await other();
    look();
  });

  function fold(open) {
    for (const row of from.all) from.toggle(row, open(row));
    narrow();
  }
  by("mapper-expand").addEventListener("click", () => fold(() => true));
  by("mapper-fold").addEventListener("click", () => fold((row) => row.level === 1));
  by("mapper-fold-unmapped").addEventListener("click", () => {
    const around = new Set();
    for (const row of from.all.filter((one) => one.used)) for (let one = row.parent; one; one = one.parent) around.add(one);
    fold((row) => around.has(row));
    say(around.size ? "Groups in which nothing is mapped are closed." : "Nothing is mapped yet: all groups are closed.");
  });

  recall(since);
  return { narrow, clear };

  function remember() {
    const address = new URL(location.href);
    const keep = { q: by("mapper-search").value.trim(), show: chosen() === "all" ? "" : chosen(), changed: since.on ? "yes" : "", since: since.on ? since.version : "" };
    for (const [name, value] of Object.entries(keep)) value ? address.searchParams.set(name, value) : address.searchParams.delete(name);
    history.replaceState(null, "", address);
  }
}

// Asks for what the address asks for; the server has chosen the version already.
function recall(since) {
  const asked = new URLSearchParams(location.search);
  by("mapper-search").value = asked.get("q") ?? "";
  const filter = [...document.querySelectorAll("[name=mapper-filter]")].find((one) => one.value === asked.get("show"));
  if (filter) filter.checked = true;
  if (since.box) since.box.checked = asked.get("changed") === "yes";
}

// What fits all that is given; null if nothing is.
function every(...wanted) {
  const all = wanted.filter(Boolean);
  return all.length ? (row) => all.every((fits) => fits(row)) : null;
}
