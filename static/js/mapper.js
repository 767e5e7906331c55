// The page that maps values of Stripe to fields of Salesforce: it joins the trees, the lines and the server.

import { Carry } from "./mapper-carry.js";
import { Counts } from "./mapper-counts.js";
import { Drag } from "./mapper-drag.js";
import { Editor } from "./mapper-editor.js";
import { filtering } from "./mapper-filter.js";
import { Lines } from "./mapper-lines.js";
import { LookUps } from "./mapper-lookups.js";
import { Offers } from "./mapper-offers.js";
import { Rows, planned, written } from "./mapper-rows.js";
import { Server } from "./mapper-server.js";
import { Since } from "./mapper-since.js";
import { Told } from "./mapper-told.js";
import { RecordTypes } from "./mapper-types.js";
import { kindOf, put, results, showSource, showTarget } from "./mapper-view.js";
import { by, node, say } from "./mapper-words.js";

const model = JSON.parse(by("mapper-data").textContent);
const page = by("mapper");

let state = model.state; // what the server said last
let known = new Map(); // by field: its lines, with those that are not confirmed yet
let used = new Map(); // by path: the fields that it goes to
let picked = null; // {row, side}
let values = model.values;
let asked = 0; // how often other values have been asked for

const from = new Rows(by("mapper-from"), planned(model.sources), (row) => showSource(row, used.get(row.key), values[row.key]));
const to = new Rows(by("mapper-to"), written(by("mapper-to")), () => {});
const lines = new Lines(by("mapper-board"), by("mapper-lines"), from, to);
const since = new Since((field, version) => { to.focus(to.byKey.get(field)); change({ do: "restore", field, version }); });
const { narrow, clear: clearFilter } = filtering(from, to, since, { known: () => known, narrowed: () => lines.later(), asked: show, other: another });
const counts = new Counts(to, model.icons, go);

const about = () => ({ event: by("mapper-event").value, since: since.version });
const told = new Told({ server: () => server, to, accept, state: () => state, change, hint });
const server = new Server({ urls: model.urls, revision: state.revision, step: model.step }, {
  about,
  still,
  state: (answer, _edit, before) => {
    if (answer.elsewhere) return reopen(); // the step reads from other roots now
    accept(answer);
    if (answer.said) say(answer.said);
    if (JSON.stringify(before) !== JSON.stringify(about())) another(); // it tells of values that nobody looks at any more
  },
  refused: (why, edit) => told.refused(why, edit),
  conflict: (answer) => told.conflict(answer),
  lost: (text) => told.lost(text),
  kept: (number) => {
    by("mapper-saved").textContent = number ? `${number} change${number > 1 ? "s" : ""} not sent yet` : "All changes are kept";
  },
});
const types = new RecordTypes(model.types, model.picklists, { save, remove });
const lookUps = new LookUps(model.lookups, { to, url: model.urls.keys, ask: (url) => server.ask(url) });
const editor = new Editor(by("mapper-editor"), model, { server, event: () => by("mapper-event").value, values: () => values, choices: (field) => types.choices(field), save, remove });

const offers = new Offers({ server, urls: model.urls, to, known: () => known, change, show, hint, go });
const carry = new Carry(page, from, to, model.fits, () => offers.lines());
const acts = { chip: (row) => (picked?.side === "from" ? drop(picked.row, row) : edit(row)), judge: (...told) => offers.judge(...told) };
for (const field of model.gone) to.byKey.get(field).extra = true; // a row for the sake of an earlier version

// What there is

function accept(answer) {
  state = answer;
  server.seen = answer.revision; // what is changed from now on is changed on top of this
  if (answer.values) values = answer.values;
  known = new Map(answer.lines.map((line) => [line.field, line]));
  since.hear(answer.since);
  for (const edit of server.queue) assume(edit);
  show();
}

// Shows a change before the server has confirmed it.
function assume(edit) {
  if (edit.do === "join") known.set(edit.field, { field: edit.field, paths: [edit.source], label: "…", pending: true });
  if (edit.do === "line") known.set(edit.line.field, { field: edit.line.field, raw: edit.line, paths: edit.line.from ?? [], label: "…", pending: true });
  if (edit.do === "accept") for (const { line } of edit.offers) known.set(line.field, { field: line.field, raw: line, paths: line.from ?? [], label: "…", pending: true });
  if (edit.do === "remove") known.delete(edit.field);
}

function change(edit, revision) {
  assume(edit);
  show();
  told.asked(server.send(edit, revision));
}

const pause = () => new Promise((done) => { setTimeout(done, 50); });

// Resolves once nothing is being dragged: what is drawn anew would take it out of the hand.
async function still() {
  while (drag.held?.going) await pause();
}

// Opens the page anew once nobody is at anything, and everything is sent.
async function reopen() {
  while (drag.held?.going || server.queue.length || document.querySelector("dialog[open]")) await pause();
  location.reload();
}

function show() {
  used = new Map();
  for (const line of known.values()) {
    for (const path of line.paths) used.set(path, [...(used.get(path) ?? []), line.field]);
  }
  types.show(known);
  lookUps.show(known);
  for (const row of from.all) showSource(row, used.get(row.key), values[row.key]);
  for (const row of to.all) {
    showTarget(row, known.get(row.key), offers.byField.get(row.key), acts);
    since.paint(row);
  }
  lines.show([...known.values()].map((line) => ({ field: line.field, paths: line.paths, kind: kindOf(line) })).concat(offers.lines(), since.gone(known)));
  counts.show(known.size, state.filled);
  offers.show();
  by("mapper-undo").disabled = !state.undo && !server?.queue.length;
  by("mapper-redo").disabled = !state.redo;
  by("mapper-undo").title = state.undo ? `Take back: ${state.undo}` : "";
  by("mapper-redo").title = state.redo ? `Make again: ${state.redo}` : "";
  narrow();
}

// Leads to a field, also where a filter hides it.
function go(row) {
  if (!row.shown) clearFilter();
  side("to");
  to.focus(row);
}

by("mapper-sides").addEventListener("change", (event) => side(event.target.value));

function side(which) {
  page.dataset.show = which;
  document.querySelector(`[name=mapper-side][value=${which}]`).checked = true;
}

// Picking and dropping

function pick(row, which) {
  unpick();
  if (which === "from" && row.type === "list") return aboutList(row);
  if (which === "to" && row.locked) return hint(`${row.key}: ${row.locked}.`, "bad");
  picked = { row, side: which };
  row.el.classList.add("picked");
  row.el.setAttribute("aria-selected", "true");
  if (which === "from") carry.begin(row);
  const text = which === "from" ? `${row.key} is picked. Choose a field of ${model.target}.` : `${row.key} is picked. Choose a value of Stripe.`;
  hint(text, "active", { fixed: which === "to" ? row : null });
  say(which === "to" ? `${text} Or press = for a fixed value.` : text);
  side(which === "from" ? "to" : "from");
}

function unpick() {
  if (!picked) return;
  picked.row.el.classList.remove("picked");
  picked.row.el.removeAttribute("aria-selected");
  picked = null;
  carry.end();
  hint("");
}

// What a list is good for: the fields of its first item can be mapped, or the step is done for each item.
function aboutList(row) {
  const count = Number.parseInt(values[row.key], 10);
  hint(`${row.key} is a list${count ? ` of ${values[row.key]}` : ""}. Inside stand the fields of its first item.`, "", { list: row.key });
  say(by("mapper-hint-text").textContent);
}

by("mapper-each").addEventListener("click", () => {
  server.send({ do: "each", list: by("mapper-each").list });
  hint("");
});

// `list` is the path of one whose items the step could be done for, `fixed` a field that could have one value,
// `mend` what would make a change that was refused fit: {label, edit}.
function hint(text, look = "", { list = "", fixed = null, mend = null } = {}) {
  const box = by("mapper-hint");
  box.className = `mapper-hint ${look}`;
  Object.assign(by("mapper-each"), { hidden: !list, list });
  Object.assign(by("mapper-fixed"), { hidden: !fixed, row: fixed });
  Object.assign(by("mapper-mend-late"), { hidden: !mend, edit: mend?.edit, textContent: mend?.label ?? "" });
  put(by("mapper-hint-text"), text || model.hint);
  by("mapper-drop-pick").hidden = look !== "active";
  if (look === "bad") say(text);
}

// Puts down what was picked, and goes back to where that was.
function giveUp() {
  const { row, side: which } = picked;
  unpick();
  side(which);
  (which === "from" ? from : to).focus(row);
  say("Nothing is picked");
}

by("mapper-drop-pick").addEventListener("click", giveUp);

function drop(row, target) {
  unpick();
  const [level, reason] = carry.verdict(row, target);
  if (level === 2 && reason) return hint(`${row.key} does not fit ${target.key}: ${reason}.`, "bad");
  change({ do: "join", source: row.key, field: target.key });
}

function remove(field, revision) {
  say(`Removed the mapping of ${field}`);
  change({ do: "remove", field }, revision);
}

function save(line, revision) {
  change({ do: "line", line }, revision);
}

function edit(row) {
  unpick();
  editor.open(row.line.raw ?? { field: row.key, from: row.line.paths, chips: [] }, row, () => to.focus(row));
}

// Fills a field with one value, or with what its changes make by themselves.
function fix(row) {
  if (row.locked) return hint(`${row.key}: ${row.locked}.`, "bad");
  if (row.used) return edit(row);
  unpick();
  side("to");
  editor.open({ field: row.key, from: [], chips: [{ chip: "constant", value: "" }] }, row, () => to.focus(row));
  document.querySelector("#mapper-editor [data-chip-at] :is(input, select)")?.focus();
}
by("mapper-fixed").addEventListener("click", () => fix(by("mapper-fixed").row));

from.list.addEventListener("click", (event) => {
  const row = from.rowOf(event.target);
  if (!row) return;
  from.mark(row);
  if (event.target.closest(".mapper-twist") && row.group) return fold(row);
  if (picked?.side === "to") return ["list", "map"].includes(row.type) ? fold(row) : drop(row, picked.row);
  if (picked?.row === row) return unpick();
  if (row.group && !row.open) return fold(row);
  pick(row, "from");
});
to.list.addEventListener("click", (event) => {
  const row = to.rowOf(event.target);
  if (!row) return;
  to.mark(row);
  if (picked?.side === "from") return drop(picked.row, row);
  if (picked?.row === row) return unpick();
  if (row.used) edit(row);
  else pick(row, "to");
});

function fold(row) {
  from.toggle(row);
  narrow();
  if (row.open && row.type === "list") aboutList(row);
}

// The keyboard

const MOVES = { ArrowDown: [1], ArrowUp: [-1], PageDown: [12], PageUp: [-12] };

function keys(event, rows, which) {
  const row = rows.rowOf(event.target);
  if (!row || event.altKey || event.ctrlKey || event.metaKey || event.target !== row.el) return;
  if (MOVES[event.key]) rows.move(...MOVES[event.key]);
  else if (event.key === "Home" || event.key === "End") rows.edge(event.key === "End");
  else if (event.key === "Enter" || event.key === " ") (which === "from" ? enterSource : enterTarget)(row);
  else if (event.key === "=" && which === "to") fix(row);
  else if (event.key === "Delete" || event.key === "Backspace") { if (which !== "to" || !row.used) return; remove(row.key); }
  else if (event.key === "ArrowRight" || event.key === "ArrowLeft") sideways(row, which, event.key === "ArrowRight");
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function enterSource(row) {
  if (picked?.side === "to") {
    const target = picked.row;
    drop(row, target);
    to.focus(target);
    return;
  }
  if (picked?.row === row) return unpick();
  pick(row, "from");
  if (picked) to.focus(carry.field(row));
}

function enterTarget(row) {
  if (picked?.side === "from") return drop(picked.row, row);
  if (row.used) return edit(row);
  pick(row, "to");
  if (picked) from.focus(carry.value(row));
}

// The row of a path, with the groups around it opened.
function shownSource(path) {
  const row = from.byKey.get(path);
  if (!row) return from.current;
  from.reveal(row);
  narrow();
  return row.shown ? row : from.current;
}

function sideways(row, which, right) {
  if (which === "to") {
    const inside = [...row.el.querySelectorAll("button")];
    if (right && inside.length) inside[0].focus();
    else if (!right && picked?.side !== "from") from.focus(shownSource(row.line?.paths[0]));
    return;
  }
  if (row.group && row.open !== right) fold(row);
  else if (row.group && right) from.focus(row.children.find((child) => child.shown));
  else if (!right && row.parent) from.focus(row.parent);
  else if (right) to.focus(to.byKey.get([...known.values()].find((line) => line.paths.includes(row.key))?.field) ?? to.current);
}

from.list.addEventListener("keydown", (event) => keys(event, from, "from"));
to.list.addEventListener("keydown", (event) => {
  keys(event, to, "to");
  const row = to.rowOf(event.target);
  if (event.defaultPrevented || !row || event.target === row.el) return;
  const buttons = [...row.el.querySelectorAll("button")];
  if (event.key === "ArrowLeft" || event.key === "Escape") to.focus(row);
  else if (event.key === "ArrowRight") (buttons[buttons.indexOf(event.target) + 1] ?? event.target).focus();
  else if (event.key === "Delete" && row.used) { remove(row.key); to.focus(row); } else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && picked) giveUp();
  if (!(event.ctrlKey || event.metaKey) || event.target.closest?.("input, textarea")) return;
  const letter = event.key.toLowerCase();
  if (letter === "z" || letter === "y") { event.preventDefault(); turn(letter === "y" || event.shiftKey ? "redo" : "undo"); }
});

// Pointers

const drag = new Drag(from, to, lines, {
  start: (row) => { unpick(); carry.begin(row); page.classList.add("dragging"); hint(`${row.key}: drop it on a field of ${model.target}.`, "active"); },
  over: (target) => {
    carry.over(target);
    const [level, reason] = target && lines.ghost ? carry.verdict(lines.ghost.row, target) : [0, ""];
    hint(target ? (level ? `${target.key}: ${reason}.` : `Drop it on ${target.key}.`) : "Drop it on a field.", level === 2 ? "bad" : "active");
  },
  drop: (row, target) => { carry.end(); hint(""); drop(row, target); },
  cancel: () => { carry.end(); hint(""); say("Nothing was mapped"); },
});
for (const rows of [from, to]) {
  for (const kind of ["pointerover", "focusin"]) rows.list.addEventListener(kind, (event) => lines.light(rows.rowOf(event.target)?.key ?? ""));
  rows.list.addEventListener("pointerleave", () => lines.light(""));
}

// Undo

const turn = (way) => server.send({ do: way });
by("mapper-undo").addEventListener("click", () => turn("undo"));
by("mapper-redo").addEventListener("click", () => turn("redo"));

// Another event, the last events

// Asks how the lines stand on another event, or against another version.
async function another() {
  const mine = (asked += 1);
  const answer = await server.ask(`${model.urls.values}?${new URLSearchParams(about())}`);
  await still();
  if (mine !== asked) return; // somebody has asked for others since
  if (!answer) return hint("The server does not answer. Choose again.", "bad");
  if (answer.revision < state.revision) return another(); // a change has overtaken it
  accept(answer);
  if (answer.trouble) hint(answer.trouble, "bad");
}
by("mapper-event").addEventListener("change", another);

by("mapper-last").addEventListener("click", async () => {
  const body = by("mapper-results-body");
  const waiting = node("p", { className: "muted", role: "status" }, "Trying every line on the last events…");
  body.replaceChildren(waiting);
  by("mapper-results").showModal();
  const answer = await server.ask(model.urls.last);
  if (!waiting.isConnected) return; // it was asked for again
  body.replaceChildren(...(answer ? results(answer) : [node("p", {}, "The server does not answer. Try again.")]));
});

by("mapper-paths").replaceChildren(...from.all.filter((row) => !row.group).map((row) => node("option", { value: row.key })));
accept(state);
page.dataset.ready = "";
performance.mark("mapper-ready");
globalThis.mapper = { lines, from, to }; // for whoever measures
