// Takes changes to the server one after the other, in order. What could not be sent is kept and sent again;
// each has a key, so that a change whose answer was lost is not made twice.

import { leaveOnceKept } from "./leaving.js";

const AGAIN_AFTER = 2000;
const LONGEST = 30_000; // for an answer; what is sent once more after that is not made twice

export class Sending {
  // `heard` gets the parts of the page and the change that they answer, `told` what the person has to know;
  // an answer is taken once `still` resolves.
  constructor(base, revision, { heard, told, still }) {
    this.base = base;
    this.revision = revision;
    this.heard = heard;
    this.told = told;
    this.still = still;
    this.waiting = [];
    this.busy = false;
    addEventListener("online", () => this.pump());
    leaveOnceKept(() => this.idle);
  }

  get idle() {
    return !this.waiting.length;
  }

  // Resolves once every change is kept.
  async kept() {
    while (!this.idle) await new Promise((done) => { setTimeout(done, 50); });
  }

  edits(edits, more = {}) {
    return this.put({ path: "edits/", edits, ...more });
  }

  form(step, fields, more = {}) {
    return this.put({ path: `${step}/settings/`, fields, step, ...more });
  }

  put(change) {
    this.waiting.push({ key: crypto.randomUUID(), revision: null, ...change });
    this.told({ waiting: this.waiting.length });
    this.pump();
  }

  // Takes back what waits behind the change that is on its way.
  drop(unwanted) {
    this.waiting = this.waiting.filter((change) => !unwanted(change));
    this.told({ waiting: this.waiting.length });
  }

  async pump() {
    if (this.busy || !this.waiting.length) return;
    this.busy = true;
    const change = this.waiting[0];
    const answer = await this.ask(change).catch(() => null);
    await this.still();
    this.busy = false;
    if (!answer || answer.redirected || [502, 503, 504].includes(answer.status)) {
      this.told({ waiting: this.waiting.length, lost: answer?.redirected ? "signed-out" : "lost" });
      setTimeout(() => this.pump(), AGAIN_AFTER);
      return;
    }
    this.waiting.shift();
    this.told({ waiting: this.waiting.length });
    this.heard(partsIn(answer.text), change, answer.status);
    this.pump();
  }

  async ask(change) {
    const headers = { "X-CSRFToken": document.querySelector("#design-first [name=csrfmiddlewaretoken]").value };
    const revision = change.revision ?? this.revision;
    const query = new URLSearchParams({ step: change.step ?? "" });
    let body;
    if (change.edits) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify({ revision, key: change.key, edits: change.edits });
    } else {
      // No setting of a step begins so, whereas one may be called “key”.
      body = new URLSearchParams({ ...change.fields, "@revision": revision, "@key": change.key });
    }
    return this.read(`${change.path}?${query}`, { method: "POST", headers, body });
  }

  // `seen` and `passed` are the revision and the counts that are shown: where both still hold, nothing comes.
  async look(step, { seen, passed } = {}) {
    const query = new URLSearchParams({ step: step ?? "" });
    if (seen) query.set("seen", seen);
    if (passed) query.set("passed", passed);
    // News that nobody has asked for do not keep a session that nobody uses.
    const headers = seen ? { "X-By-Itself": "1" } : {};
    const answer = await this.read(`parts/?${query}`, { headers }).catch(() => null);
    if (!answer || answer.status !== 200 || answer.redirected) return null;
    await this.still();
    return partsIn(answer.text);
  }

  // Returns an answer with all of its text: one that breaks off is none.
  async read(path, options = {}) {
    const answer = await fetch(`${this.base}${path}`, { signal: AbortSignal.timeout(LONGEST), ...options });
    return { status: answer.status, redirected: answer.redirected, text: await answer.text() };
  }
}

const partsIn = (text) => new DOMParser().parseFromString(text, "text/html").getElementById("design-parts");
