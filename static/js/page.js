// Small manners of every page: times in the reader's zone, toasts, copying, dialogs.

const announcer = document.getElementById("announcer");
let spoken = 0;

// Says `text` to a screen reader, politely and at most once a second.
function announce(text) {
  if (!announcer) return;
  const wait = Math.max(0, spoken + 1000 - Date.now());
  spoken = Date.now() + wait;
  setTimeout(() => { announcer.textContent = text; }, wait);
}

const TONES = { error: "err", success: "ok", warning: "warn" }; // Django's words for them
const ICONS = { ok: "circle-check", err: "circle-x", warn: "triangle-alert", info: "info" };

function toast(text, level = "info") {
  const tone = TONES[level] ?? level;
  const region = document.getElementById("toasts");
  const template = document.getElementById("toast");
  if (!region || !template) return;
  const box = template.content.firstElementChild.cloneNode(true);
  box.classList.add(`tone-${ICONS[tone] ? tone : "info"}`);
  const use = box.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${ICONS[tone] ?? "info"}`));
  box.querySelector("p").textContent = text;
  region.append(box);
  // Above a dialog that is open.
  if (region.matches(":popover-open")) region.hidePopover();
  region.showPopover();
  announce(text);
  // Failures stay until somebody has read them.
  if (tone !== "err") setTimeout(() => box.remove(), 8000);
}

document.addEventListener("toast", (event) => {
  const { message, tone, level } = event.detail ?? {};
  const text = message ?? event.detail?.value ?? "";
  const foot = level === "error" && event.target.closest?.("dialog[open]")?.querySelector(".dialog-foot");
  if (foot) refuse(foot, text);
  else toast(text, tone ?? level);
});

// Why an act was refused stands in the dialog that asked for it: what is behind an open dialog cannot be used.
function refuse(foot, text) {
  forget(foot.closest("dialog"));
  const line = Object.assign(document.createElement("p"), { className: "errors refusal anywhere", textContent: text });
  line.setAttribute("role", "alert");
  foot.before(line);
}

function forget(dialog) {
  for (const line of dialog?.querySelectorAll(".refusal") ?? []) line.remove();
}
document.addEventListener("close", (event) => forget(event.target), true);
document.addEventListener("htmx:beforeRequest", (event) => forget(event.target.closest?.("dialog")));
document.addEventListener("say", (event) => announce(event.detail));
for (const note of document.querySelectorAll("[data-toast]")) toast(note.dataset.toast, note.dataset.tone);

// Times

// The workspace's own time zone where it has chosen one, and the reader's otherwise.
const timeZone = document.body.dataset.zone || undefined;
// Written as the server writes them (24 Nov 2026), in whatever language the browser is: the words around are English.
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone });
const minute = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone });
const parts = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric", timeZone });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(moment) {
  const seconds = Math.round((moment - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS[3];
  return relative.format(Math.round(seconds / size), unit);
}

function dateOf(moment) {
  const { day, month, year } = Object.fromEntries(parts.formatToParts(moment).map((part) => [part.type, part.value]));
  return { day: `${day} ${month}`, year };
}

function localise(root) {
  const now = dateOf(new Date());
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const { day, year } = dateOf(moment);
    const time = (element.dataset.style === "minute" ? minute : clock).format(moment);
    const date = year === now.year ? day : `${day} ${year}`;
    if (element.dataset.style === "ago") element.textContent = ago(moment);
    else element.textContent = day === now.day && year === now.year ? time : `${date}, ${time}`;
    const utc = `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    element.title = element.dataset.style === "ago" ? `${day} ${year}, ${time}${timeZone ? ` ${timeZone}` : ""} · ${utc}` : `${ago(moment)} · ${utc}`;
  }
  for (const tick of root.querySelectorAll("text[data-at]")) tick.textContent = minute.format(new Date(tick.dataset.at));
}

localise(document);
document.addEventListener("htmx:load", (event) => localise(event.detail.elt));
document.addEventListener("fragment", (event) => localise(event.detail));
setInterval(() => {
  for (const element of document.querySelectorAll("time[data-style=ago]")) {
    element.textContent = ago(new Date(element.dateTime));
  }
}, 15000);

// Clicks: copy, open a dialog, close a toast or a dialog

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-open], [data-close], [data-shut]");
  if (!button) return;
  if (button.dataset.copy !== undefined) {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast("Copied.", "ok");
  } else if (button.dataset.open !== undefined) {
    document.getElementById(button.dataset.open)?.showModal();
  } else if (button.dataset.shut !== undefined) {
    button.closest("dialog")?.close();
  } else {
    button.closest(".toast")?.remove();
  }
});

// A form that an answer has settled closes the dialog it stands in; another that was opened meanwhile stays.
document.addEventListener("settled", (event) => event.target.closest?.("dialog")?.close());
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  toast(status === 403 ? "Your role does not allow this." : `That did not work (${status}). Reload the page and try again.`, "err");
});
document.addEventListener("htmx:sendError", () => toast("The server could not be reached.", "err"));

// A form that leads to another page is sent once, however often its button is pressed until that page comes.
const SENT_FOR = 8000; // after that it may have failed, or have been a download
const sent = new WeakSet();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (sent.has(form)) event.preventDefault();
  sent.add(form);
  setTimeout(() => sent.delete(form), SENT_FOR);
});

// Select fields of a filter form submit themselves; the button is for those without scripts.
document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-submit]")) event.target.form.requestSubmit();
});
// A clean address: fields left empty are not sent.
document.addEventListener("submit", (event) => {
  if (!event.target.matches?.("form.filters")) return;
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener("pageshow", () => {
  for (const form of document.forms) sent.delete(form);
  for (const field of document.querySelectorAll("form.filters [disabled]")) field.disabled = false;
});

// A dialog that came with an answer is shown at once.
document.addEventListener("htmx:afterSwap", () => {
  for (const dialog of document.querySelectorAll("dialog[data-show]:not([open])")) {
    dialog.removeAttribute("data-show");
    dialog.showModal();
  }
});

// hx-confirm asks in a dialog of ours.
document.addEventListener("htmx:confirm", (event) => {
  const dialog = document.getElementById("confirm");
  if (!event.detail.question || !dialog) return;
  event.preventDefault();
  dialog.querySelector("p").textContent = event.detail.question;
  dialog.returnValue = "";
  dialog.addEventListener("close", () => { if (dialog.returnValue === "yes") event.detail.issueRequest(true); }, { once: true });
  dialog.showModal();
});

// A button that waits for its answer is disabled, which takes the focus from it: it comes back with the answer.
let asking = null;
document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  asking = elt.contains(document.activeElement) ? document.activeElement : null;
});
document.addEventListener("htmx:afterRequest", ({ detail: { elt } }) => {
  if (document.activeElement === document.body && elt.contains(asking)) asking.focus({ preventScroll: true });
});

// Where the focus goes if what has it is taken away: to the entry that it was of, or to the one that stands in its
// place. Never to another button, which somebody who presses Enter twice would press.
function places(focused) {
  const entry = focused.closest("article, tr, li");
  const part = focused.closest("[data-refresh]");
  return [entry, entry?.nextElementSibling, entry?.previousElementSibling, part, document.getElementById("main")];
}

function settle(wanted) {
  const place = wanted.find((one) => one?.isConnected);
  if (!place) return;
  if (!place.hasAttribute("tabindex")) place.setAttribute("tabindex", "-1");
  place.focus({ preventScroll: true });
}

// Parts of a page that an act has changed are read again and changed where they stand, so that the
// focus, open folds and open dialogs stay as they are.
let reading = false;
let again = false;

// What somebody has changed in other forms and not sent yet stays as well, until its own form is sent.
const unsent = new WeakSet();
for (const type of ["input", "change"]) document.addEventListener(type, (event) => unsent.add(event.target));
document.addEventListener("reset", (event) => sentOff(event.target));
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) sentOff(event.detail.elt); });

function sentOff(form) {
  for (const field of form.elements ?? []) unsent.delete(field);
}

async function refresh() {
  if (reading) {
    again = true;
    return;
  }
  reading = true;
  const answer = await fetch(location.href, { headers: { "X-By-Itself": "1" } }).catch(() => null);
  if (answer?.ok && !answer.redirected) {
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    localise(fresh);
    const focused = document.activeElement;
    // What somebody types stays as it is; a focused button or switch shows its new state.
    const wanted = places(focused);
    const ignoreActiveValue = focused.matches("input, textarea, select");
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const next = fresh.getElementById(part.id);
      if (next) Idiomorph.morph(part, next, { morphStyle: "outerHTML", ignoreActiveValue, callbacks: { beforeNodeMorphed: (element) => !unsent.has(element), beforeAttributeUpdated } });
    }
    htmx.process(document.body);
    if (!focused.isConnected) settle(wanted);
    document.dispatchEvent(new CustomEvent("refreshed"));
  }
  reading = false;
  if (again) {
    again = false;
    refresh();
  }
}

function beforeAttributeUpdated(name, element) {
  // Without the tabindex that `settle` gave it, an entry would lose the focus at the next look.
  if (name === "tabindex" && element === document.activeElement) return false;
  return !(name === "open" && element.matches("details, dialog"));
}

document.addEventListener("refresh", refresh);
