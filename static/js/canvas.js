// The page on which a flow is built. The server owns the draft and draws every part; this script sends what
// people do, puts the parts that come back in their place, and moves the focus.

import { check, keep, mark } from "./canvas-checks.js";
import { draw } from "./canvas-lines.js";
import { Sending } from "./canvas-server.js";
import { drags, still } from "./canvas-drag.js";
import { keys, neighbours, placeOf } from "./canvas-keys.js";
import { openPicker } from "./canvas-picker.js";
import { overtaken, publishes, runCases, showStanding, upToDate } from "./canvas-publish.js";
import { regions } from "./canvas-regions.js";
import { Running } from "./canvas-run.js";
import { centre, remember } from "./canvas-view.js";
import { Combobox } from "./combobox.js";
import { changesOf, enterForm, focusAfter, isDirty, keepRow } from "./panel-form.js";

const NEWS_EVERY = 4000;
const COUNTS_EVERY = 3; // times that news are asked for
const byId = (id) => document.getElementById(id);
const sheet = byId("canvas-sheet");
const phone = matchMedia("(max-width: 640px)");
const say = (detail) => document.dispatchEvent(new CustomEvent("say", { detail }));

let selected = new URLSearchParams(location.search).get("step") ?? "";
let refused = []; // changes that somebody else was in the way of
let removedAt = 0;
let acting = false; // whether rows of the form are being changed
let asked = 0; // how often news were asked for
let asking = false;
let looking = 0; // forms of other steps that have been asked for

const sending = new Sending(byId("designer").dataset.base, Number(byId("design-first").dataset.revision), { heard, told, still });
const running = new Running(sending, sheet, { settled, shown: settle, focus });

const offered = new Combobox(byId("combobox"), (input, typed) => {
  const of = byId(input.dataset.of ?? "")?.value ?? "";
  const query = new URLSearchParams({ offers: input.dataset.offers, of, q: typed });
  return `${sending.base}${input.form.dataset.step}/offers/?${query}`;
});

// Where somebody is who does something. Whoever has gone on is not called back when the answer comes.
const here = () => ({ from: document.activeElement, chosen: selected });
const stays = ({ from, chosen }) => selected === chosen && [from, document.body].includes(document.activeElement);

// What the server says

function told({ waiting, lost }) {
  if (waiting) byId("design-toast").hidden = true; // it would take back something newer
  byId("design-saved").textContent = waiting ? "Keeping…" : "All changes are kept";
  byId("design-lost").hidden = !lost || !waiting;
  if (!lost) return;
  const what = waiting === 1 ? "1 change waits" : `${waiting} changes wait`;
  byId("design-lost-text").textContent = lost === "signed-out"
    ? `You have been signed out. Sign in in another tab: ${what} here and will be sent by then.`
    : `The server does not answer. ${what} and will be sent as soon as it does; leave this page open.`;
}

function heard(parts, change, status) {
  if (change.then) acting = false;
  if (!parts) {
    document.dispatchEvent(new CustomEvent("toast", { detail: { message: `That did not work (${status}). Reload the page and try again.`, tone: "err" } }));
    return;
  }
  const { message, nothing } = parts.dataset;
  if (status === 409 && nothing === undefined) {
    hold(change);
    byId("design-conflict-text").textContent = message;
    byId("design-conflict").hidden = false;
    adopt(parts, { panel: false, own: true });
    return;
  }
  if (message) {
    document.dispatchEvent(new CustomEvent("toast", { detail: { message, tone: "err" } }));
    adopt(parts, { panel: false, own: true });
    return;
  }
  const isHere = stays(change);
  if (change.follow && isHere) select(parts.dataset.focus, { fetch: false });
  adopt(parts, { panel: true, own: true });
  if (change.follow && isHere) focus(parts.dataset.focus);
  if (isHere) change.then?.();
  if (parts.dataset.label) say(change.undone ? `Taken back: ${parts.dataset.label}` : parts.dataset.label);
  if (change.toast && sending.idle) showUndo(parts.dataset.label);
}

// The form of a refused change shows what it was before: until somebody decides, nothing of it is sent, for it
// would pass over what the other one wrote.
function hold(change) {
  if (isForm(change)) {
    sending.drop((other) => isForm(other) && other.step === change.step);
    refused = refused.filter((other) => !isForm(other) || other.step !== change.step);
    acting = false;
  }
  refused.push(change);
}

const isForm = (change) => change.path.endsWith("/settings/");
const refusedForm = (step) => refused.find((change) => isForm(change) && change.step === step);

// Puts the parts of the page in place of what stands there. Whoever is about to publish goes by what the dialog
// shows: what others have changed comes into it only when it is asked for.
function adopt(parts, { panel, own = false }) {
  const before = sending.revision;
  sending.revision = Number(parts.dataset.revision);
  if (selected && !parts.querySelector(`#${cardOf(selected)}`)) select("", { fetch: false }); // it was removed
  const isNews = byId("design-publish").open && sending.revision > before + (own ? 1 : 0);
  if (isNews) overtaken(parts.dataset.news || "Somebody else has changed the flow.");
  replace(parts, (part) => (part.id === "panel" ? panel && fits(part) : !isNews || part.id !== "publish-body"));
  offered.forget();
  check(sending.base, sheet);
  if (byId("design-publish").open && !isNews) runCases(sending);
}

// Tells whether a form is that of what is selected, and takes nothing from there that is on its way or waits for
// a decision.
function fits({ dataset: { step } }) {
  if (step !== selected) return false;
  return byId("panel").dataset.step !== step || (sending.idle && !refusedForm(step));
}

function replace(parts, isWanted) {
  const active = document.activeElement;
  const item = active.closest?.("[data-item]")?.id;
  // Idiomorph would leave out the content of what has the focus as well, and so the text of a card.
  const ignoreActiveValue = active.matches("input, textarea, select");
  const follow = keepRow(active);
  for (const part of [...parts.children].filter(isWanted)) {
    const target = byId(part.id);
    if (part.id === "problems") keep(part);
    if (part.id === "design-document") target.textContent = part.textContent;
    else if (target) Idiomorph.morph(target, part, { morphStyle: "outerHTML", ignoreActiveValue, callbacks: { beforeNodeMorphed, beforeNodeRemoved, beforeAttributeUpdated } });
  }
  if (item && !byId(item)) focus(selected);
  follow();
  settle();
  showStanding();
}

// A form field that was sent has the value of the server from now on, unless somebody is typing in it.
function beforeNodeMorphed(old, fresh) {
  if (old.id === "publish-note") return false;
  if (old === document.activeElement || !old.matches?.("input, textarea, select")) return true;
  if (old.matches("textarea")) old.value = fresh.value ?? fresh.textContent;
  return true;
}

// What somebody has opened stays open, and a list of offers that is being chosen from too.
function beforeAttributeUpdated(name, element) {
  if (name === "open" && element.matches("details")) return false;
  return !(element === document.activeElement && ["aria-expanded", "aria-activedescendant"].includes(name));
}

// What a run came to stays at its card: the server knows nothing of it.
function beforeNodeRemoved(old) {
  return !old.matches?.(".card-result");
}

function settle() {
  for (const card of sheet.querySelectorAll(".flow-card")) card.dataset.step === selected ? card.setAttribute("aria-current", "true") : card.removeAttribute("aria-current");
  running.mark();
  rove();
  mark(sheet);
  drags(sheet, { phone: phone.matches, add, move });
  for (const set of document.querySelectorAll(".panel-set")) set.disabled = phone.matches;
  draw(sheet, byId("canvas-lines"));
}

// Only one item of the tree is in the order of the Tab key; arrows go on from there.
function rove(item) {
  const items = [...sheet.querySelectorAll("[data-item]")];
  const chosen = item ?? items.find((one) => one === document.activeElement) ?? byId(cardOf(selected)) ?? items[0];
  for (const one of items) one.tabIndex = one === chosen ? 0 : -1;
  for (const result of sheet.querySelectorAll("button[data-result]")) result.tabIndex = result.dataset.result === chosen.dataset.step ? 0 : -1;
}

const cardOf = (step) => (step === "@trigger" ? "card-trigger" : `card-${step}`);

function focus(step) {
  const card = byId(cardOf(step)) ?? byId("card-trigger");
  rove(card);
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest", inline: "nearest" });
}

async function select(step, { fetch: ask = true, enter = false } = {}) {
  selected = step ?? "";
  const address = new URL(location.href);
  if (selected) address.searchParams.set("step", selected);
  else address.searchParams.delete("step");
  history.replaceState(null, "", address);
  if (!ask) return;
  for (const card of sheet.querySelectorAll("[aria-current]")) card.removeAttribute("aria-current");
  byId(cardOf(selected))?.setAttribute("aria-current", "true");
  const panel = byId("panel");
  const isShown = panel.dataset.step === selected;
  const was = here();
  // What is typed while the form of another step still stands there would go into that one.
  if (enter && isShown) enterForm();
  looking += isShown ? 0 : 1;
  panel.inert = looking > 0;
  const parts = await lookAt(selected);
  looking -= isShown ? 0 : 1;
  panel.inert = looking > 0;
  if (!parts || parts.dataset.step !== selected) return;
  if (sending.idle) adopt(parts, { panel: true });
  else replace(parts, (part) => part.id === "panel" && fits(part)); // the rest comes with what is on its way
  if (enter && !isShown && stays(was)) enterForm();
}

// An answer that a change of one's own has overtaken would take that back on the page.
async function lookAt(step) {
  let parts;
  do parts = await sending.look(step);
  while (parts && Number(parts.dataset.revision) < sending.revision);
  return parts;
}

// Returns once every change is kept, that of a field that is being left included.
async function settled() {
  document.activeElement.closest?.(".panel-form") && document.activeElement.blur();
  await sending.kept();
}

// What people do

const edit = (wanted, more = {}) => sending.edits([wanted], { follow: true, ...here(), ...more });
const add = (kind, at) => edit({ edit: "add_step", kind, at });
const move = (step, at) => edit({ edit: "move_step", step, at });
const duplicate = (step) => edit({ edit: "duplicate_step", step });

function remove(step) {
  if (step === "@trigger") return say("What starts the flow cannot be removed.");
  return edit({ edit: "remove_step", step }, { toast: true });
}

function turn(way) {
  sending.put({ path: `turn/${way}/`, fields: {}, step: selected, undone: way === "undo" });
  byId("design-toast").hidden = true;
}

function showUndo(label) {
  const toast = byId("design-toast");
  toast.querySelector("p").textContent = `${label}.`;
  toast.hidden = false;
  removedAt = Date.now();
  setTimeout(() => { if (Date.now() - removedAt >= 7900) toast.hidden = true; }, 8000);
}

const pick = (at) => openPicker((kind) => add(kind, at), () => focus(at.after || at.parent || "@trigger"));
const below = (step) => (step === "@trigger" ? { parent: "", exit: "", after: "" } : { ...placeOf(byId(`node-${step}`)), after: step });

const ACTS = {
  after: (step) => pick(below(step)),
  up: (step) => shift(step, "ArrowUp"),
  down: (step) => shift(step, "ArrowDown"),
  duplicate,
  remove,
  run: (step) => running.to(step),
};

function shift(step, key) {
  const node = byId(`node-${step}`);
  const at = step === "@trigger" ? null : neighbours(node)[key]?.();
  if (at) move(step, at);
  else say({ ArrowUp: "It is the first step here.", ArrowDown: "It is the last step here.", ArrowLeft: "It is in no branch.", ArrowRight: "There is no branch beside it." }[key]);
}

function atPlus(plus) {
  const node = plus.closest(".flow-node");
  if (plus.dataset.parent !== undefined) return { parent: plus.dataset.parent, exit: plus.dataset.exit, after: plus.dataset.after };
  return { ...placeOf(node), after: plus.dataset.after };
}

document.addEventListener("click", (event) => {
  const target = event.target.closest?.("button, a");
  if (!target) return;
  if (target.dataset.open === "design-publish") byId("publish-news").hidden ? runCases(sending) : renewDialog();
  else if (target.matches(".flow-card")) {
    rove(target);
    select(target.dataset.step, { enter: event.detail === 0 });
  } else if (target.matches(".plus")) pick(atPlus(target));
  else if (target.closest(".palette-item")) add(target.closest(".palette-item").dataset.kind, selected ? below(selected) : { parent: "", exit: "" });
  else if (target.dataset.turn) turn(target.dataset.turn);
  else if (target.dataset.do) ACTS[target.dataset.do](selected);
  else if (target.dataset.add !== undefined) pick({ parent: target.dataset.parent, exit: target.dataset.exit });
  else if (target.dataset.act) act(target);
  else if (target.dataset.jump) select(target.dataset.jump, { enter: true });
});

byId("design-toast").querySelector("button").addEventListener("click", () => turn("undo"));
byId("design-news-close").addEventListener("click", () => { byId("design-news").hidden = true; });
byId("design-mine").addEventListener("click", () => {
  byId("design-conflict").hidden = true;
  for (const change of refused.splice(0)) sending.put({ ...change, key: crypto.randomUUID() });
});
byId("design-theirs").addEventListener("click", () => {
  byId("design-conflict").hidden = true;
  refused = [];
  document.activeElement.blur();
  document.querySelector(".panel-form")?.reset();
  select(selected);
});
document.addEventListener("click", (event) => {
  if (!event.target.closest?.("#design-discard")) return;
  const dialog = byId("confirm");
  dialog.querySelector("p").textContent = "The draft goes back to the newest version. You can take that back.";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") sending.put({ path: "discard/", fields: {}, step: selected });
  }, { once: true });
  dialog.showModal();
});

// The form of a step: what was changed is sent as soon as its field is left

const form = (element, more = {}, then = null) => sending.form(element.dataset.step, changesOf(element, more), { then, ...here() });

// Rows are named by their places, so that one change of them is made before the next is asked for.
function act(button) {
  if (acting || waits(button.form)) return;
  acting = true;
  form(button.form, { "@act": button.dataset.act }, focusAfter(button));
}

// Tells whether a form waits for somebody's decision; what has changed in it since is decided with it.
function waits(element) {
  const change = refusedForm(element.dataset.step);
  if (!change) return false;
  Object.assign(change.fields, changesOf(element));
  say("Decide first about the change that was not made.");
  return true;
}

document.addEventListener("change", (event) => {
  const element = event.target.closest?.(".panel-form");
  if (element && isDirty(event.target) && !waits(element)) form(element);
});
document.addEventListener("submit", (event) => {
  if (event.target.matches(".panel-form")) event.preventDefault();
});

// News of others

async function news() {
  if (asking || document.hidden || !sending.idle || byId("canvas").classList.contains("is-dragging")) return;
  asking = true;
  asked += 1;
  const passed = asked % COUNTS_EVERY === 0 && byId("canvas").matches(".traffic") && byId("canvas-tree").dataset.passed;
  const parts = await sending.look(selected, { seen: lacksForm() ? 0 : sending.revision, passed });
  asking = false;
  // An answer that a change of one's own has overtaken tells nothing new.
  if (!parts || !sending.idle || Number(parts.dataset.revision) < sending.revision) return;
  if (Number(parts.dataset.revision) === sending.revision) return replace(parts, isCounted);
  byId("design-news-text").textContent = parts.dataset.news ?? "";
  byId("design-news").hidden = !parts.dataset.news;
  // While somebody types, the revision stays the one that was seen: a clash is told and not overwritten.
  if (!isTyping()) adopt(parts, { panel: true });
}

const isTyping = () => Boolean(document.activeElement.closest?.(".panel-form")) && document.activeElement.matches("input, textarea") && isDirty(document.activeElement);

// The form of what was chosen did not come, and nobody is in the one that stands there.
const lacksForm = () => !looking && byId("panel").dataset.step !== selected && Boolean(byId(cardOf(selected))) && !document.activeElement.closest?.(".panel");

const isCounted = (part) => part.id === "canvas-tree" || (part.id === "panel" && lacksForm() && fits(part));

async function renewDialog() {
  const parts = await sending.look(selected);
  if (!parts) return;
  upToDate();
  adopt(parts, { panel: true, own: true });
}

// The frame

keys(sheet, {
  run: (step) => running.to(step),
  details: (step) => running.details(step),
  rove, say, turn, duplicate, remove, shift, pick: (step) => pick(below(step)),
  paste: (steps, step) => edit({ edit: "paste_steps", steps, at: below(step) }),
  publish: () => document.querySelector("[data-open=design-publish]").click(),
  isReadOnly: () => phone.matches,
  focusCard: () => focus(selected || "@trigger"),
});
regions(enterForm);

phone.addEventListener("change", settle);
new ResizeObserver(() => draw(sheet, byId("canvas-lines"))).observe(sheet);
document.fonts.ready.then(() => draw(sheet, byId("canvas-lines")));
setInterval(news, NEWS_EVERY);
publishes(sending);
byId("publish-news-show").addEventListener("click", renewDialog);
remember("compact", "off", () => draw(sheet, byId("canvas-lines")));
remember("traffic", "on", () => draw(sheet, byId("canvas-lines")));
settle();
centre();
check(sending.base, sheet);
// Who comes back to a step goes on there.
if (selected && document.activeElement === document.body && byId(cardOf(selected))) focus(selected);
byId("designer").dataset.ready = "";
