// Running the draft as far as a step: choosing an event, and showing at each card what became of it.
// What came back stays in this page until it is cleared; nothing of it is kept anywhere.

const byId = (id) => document.getElementById(id);
const say = (detail) => document.dispatchEvent(new CustomEvent("say", { detail }));
const toast = (message, tone) => document.dispatchEvent(new CustomEvent("toast", { detail: { message, tone } }));
// A dialog would take the focus from whoever does something else by now.
const hasGoneOn = (from) => ![from, document.body].includes(document.activeElement);
const STORE = `run:${location.pathname}`;

export class Running {
  // `settled` is awaited before a run, so that it sees every change; `shown` draws the canvas anew.
  constructor(sending, sheet, { settled, shown, focus }) {
    Object.assign(this, { sending, sheet, settled, shown, focus });
    this.step = "";
    this.walked = []; // what became of each step
    this.revision = 0;
    this.answers = {};
    this.typed = { pasted: "", record: "" }; // what was pasted, or which record was named; it is kept nowhere
    this.busy = false;
    this.known = null; // on which event it was run last
    this.turn = 0; // what was asked for last; an answer to something older comes too late
    const event = new URLSearchParams(location.search).get("event"); // the page of a run led here with its event
    this.search = /^[0-9]{1,18}$/.test(event ?? "") ? `?event=${event}` : "";
    if (this.search) this.remember({ on: `event:${event}`, live: false });
    byId("run-form").addEventListener("submit", (event) => this.take(event));
    byId("run-again").addEventListener("click", () => this.go(this.step));
    byId("run-change").addEventListener("click", () => this.choose(this.step));
    byId("run-clear").addEventListener("click", () => this.clear());
    byId("run-bar").addEventListener("click", (event) => this.answer(event.target.closest?.("[data-answer]")));
    sheet.addEventListener("click", (event) => {
      const result = event.target.closest?.("button[data-result]");
      if (result) this.details(result.dataset.result);
    });
  }

  // Runs to `step` on the event that was used last; asks for one if there is none.
  to(step) {
    if (!step || step === "@trigger") return say("Choose a step to run to.");
    this.answers = {};
    const known = this.remembered();
    if (!known || this.typed[known.on] === "") return this.choose(step);
    return this.go(step);
  }

  remembered() {
    try {
      return JSON.parse(localStorage.getItem(STORE)) ?? this.known;
    } catch {
      return this.known;
    }
  }

  remember(known) {
    this.known = known;
    try {
      localStorage.setItem(STORE, JSON.stringify(known));
    } catch {
      // A browser that keeps nothing knows it until the page is left.
    }
  }

  async choose(step, trouble = null) {
    const mine = (this.turn += 1);
    const from = document.activeElement;
    const answer = await this.sending.read(`run/${this.search}`).catch(() => null);
    if (mine !== this.turn) return;
    if (answer?.status !== 200 || answer.redirected) return this.failed(answer);
    if (hasGoneOn(from) && !byId("run-to").open) return say("Press R at the step to choose an event.");
    this.step = step;
    const page = new DOMParser().parseFromString(answer.text, "text/html");
    byId("run-choices").replaceWith(page.getElementById("run-choices"));
    document.dispatchEvent(new CustomEvent("fragment", { detail: byId("run-choices") }));
    byId("run-trouble").replaceChildren(...(trouble ? [trouble] : []));
    byId("run-to-name").textContent = nameOf(step);
    this.fill(this.remembered());
    if (!byId("run-to").open) byId("run-to").showModal();
    byId("run-choices").querySelector("input:checked")?.focus();
  }

  fill(known) {
    const form = byId("run-form");
    const chosen = [...form.querySelectorAll("input[name=on]")].find((one) => one.value === known?.on);
    if (chosen) chosen.checked = true;
    chosen?.closest("details")?.setAttribute("open", "");
    if (form.elements.live && known?.live) form.elements.live.checked = true;
    if (form.elements.body) form.elements.body.value = this.typed.pasted;
    if (form.elements.record) form.elements.record.value = this.typed.record;
  }

  take(event) {
    event.preventDefault();
    const form = byId("run-form");
    this.typed = { pasted: form.elements.body?.value ?? "", record: form.elements.record?.value ?? "" };
    this.answers = {};
    const live = Boolean(form.elements.live?.checked);
    this.remember({ on: form.elements.on.value, live });
    byId("run-to").close();
    this.go(this.step);
  }

  answer(button) {
    if (!button) return;
    this.answers[button.dataset.asked] = button.dataset.answer;
    this.go(this.step);
  }

  async go(step) {
    if (this.busy) return;
    this.busy = true;
    say("Running…");
    this.sheet.setAttribute("aria-busy", "true");
    await this.settled();
    const mine = (this.turn += 1);
    const from = document.activeElement;
    const answer = await this.ask(step).catch(() => null);
    this.busy = false;
    this.sheet.removeAttribute("aria-busy");
    if (mine !== this.turn) return;
    const page = new DOMParser().parseFromString(answer?.redirected ? "" : answer?.text ?? "", "text/html");
    const came = page.getElementById("run-came");
    if (!came) return this.failed(answer);
    this.step = step;
    say(came.dataset.said);
    if (came.dataset.trouble === undefined) this.show(page, came);
    else if (hasGoneOn(from)) toast(came.dataset.said, "warn");
    else this.choose(step, came.firstElementChild);
  }

  ask(step) {
    const { on = "", live = false } = this.remembered() ?? {};
    const body = new URLSearchParams({ on, ...(live ? { live: "on" } : {}), ...(on === "pasted" ? { body: this.typed.pasted } : {}), ...(on === "record" ? { record: this.typed.record } : {}) });
    for (const [asked, answer] of Object.entries(this.answers)) body.set(`answer.${asked}`, answer);
    const headers = { "X-CSRFToken": document.querySelector("#design-first [name=csrfmiddlewaretoken]").value };
    return this.sending.read(`run/${step}/`, { method: "POST", headers, body });
  }

  failed(answer) {
    toast(answer?.status === 403 ? "Your role does not allow this." : "That did not work. Reload the page and try again.", "err");
  }

  show(page, came) {
    this.revision = Number(came.dataset.revision);
    this.walked = [...page.querySelectorAll("[data-walked]")].map((part) => ({
      step: part.dataset.walked,
      state: part.dataset.state,
      exits: part.dataset.exits.split(" ").filter(Boolean),
      result: document.adoptNode(part.querySelector("[data-result]")),
      detail: document.adoptNode(part.querySelector(".walked-detail")),
    }));
    byId("run-came").replaceWith(document.adoptNode(came));
    byId("run-bar").hidden = false;
    this.shown();
    reveal(this.sheet.closest(".canvas"), this.sheet.querySelector(`[data-result="${this.step}"]`));
    byId("run-bar").scrollIntoView({ block: "nearest" });
  }

  clear() {
    this.turn += 1;
    this.walked = [];
    byId("run-bar").hidden = true;
    say("Cleared.");
    this.shown();
    this.focus(this.step);
  }

  // Puts the results at their cards; the server draws the cards anew after each change.
  mark() {
    for (const old of this.sheet.querySelectorAll(".card-result")) {
      if (!this.walked.some((one) => one.result === old)) old.remove();
    }
    for (const node of this.sheet.querySelectorAll("[data-ran]")) delete node.dataset.ran;
    for (const way of this.sheet.querySelectorAll("[data-taken]")) delete way.dataset.taken;
    for (const word of this.sheet.querySelectorAll(".taken-word")) word.remove();
    const isStale = this.walked.length > 0 && this.sending.revision !== this.revision;
    this.sheet.classList.toggle("stale", isStale);
    byId("run-stale").hidden = !isStale;
    for (const one of this.walked) this.markOne(one);
  }

  markOne({ step, state, exits, result }) {
    const node = byId(`node-${step}`);
    if (!node) return; // it was removed
    node.dataset.ran = state;
    const card = node.querySelector(":scope > .flow-card");
    if (card.nextElementSibling !== result) card.after(result);
    for (const way of node.querySelectorAll(":scope > .ways > .way")) {
      if (!exits.includes(way.dataset.way)) continue;
      way.dataset.taken = "";
      const word = Object.assign(document.createElement("span"), { className: "taken-word visually-hidden", textContent: ", taken" });
      way.querySelector(":scope > .way-name").append(word);
    }
  }

  // Shows what went into a step and what came out of it.
  details(step) {
    const found = this.walked.find((one) => one.step === step);
    if (!found || found.state === "not_reached") return say("The step was not run. Press R to run to it.");
    byId("walked-title").textContent = nameOf(step);
    byId("walked-body").replaceChildren(found.detail.cloneNode(true));
    byId("walked").showModal();
  }
}

// Scrolls the canvas alone, so that what came of the run stays in sight above it.
function reveal(canvas, result) {
  if (!result) return;
  const [frame, box] = [canvas.getBoundingClientRect(), result.getBoundingClientRect()];
  canvas.scrollTop += Math.max(0, box.bottom + 12 - frame.bottom) - Math.max(0, frame.top + 64 - box.top);
}

const nameOf = (step) => byId(`card-${step}`)?.querySelector("strong").textContent ?? step;
