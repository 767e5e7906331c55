// Sends changes to the server one after the other, and keeps those that could not be sent. Each carries the
// revision that it was made at, so that none passes over what somebody else has changed since.

import { leaveOnceKept } from "./leaving.js";

const AGAIN_AFTER = 3000;
const LONGEST = 30_000; // milliseconds that an answer may take; a change is sent again then
const MOST_MADE = 50; // changes that a draft remembers

export class Server {
  // `hooks`: about(), still(), state(told, edit, about), refused(why, edit), conflict(told, edit), lost(text), kept(number);
  // an answer is taken once `still` resolves.
  constructor({ urls, revision, step }, hooks) {
    Object.assign(this, { urls, seen: revision, hooks, busy: false, stopped: false });
    this.place = `mapper:${location.pathname}:${step}`;
    this.token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
    Object.assign(this, this.recall()); // queue: what waits, made: keys of what was changed here
    addEventListener("online", () => this.pump());
    leaveOnceKept(() => !this.queue.length);
    if (!this.queue.length) return;
    hooks.kept(this.queue.length);
    this.pump();
  }

  recall() {
    try {
      const { queue = [], made = [] } = JSON.parse(sessionStorage.getItem(this.place)) ?? {};
      return { queue, made };
    } catch {
      return { queue: [], made: [] };
    }
  }

  keep() {
    if (this.queue.length) sessionStorage.setItem(this.place, JSON.stringify({ queue: this.queue, made: this.made }));
    else sessionStorage.removeItem(this.place);
    this.hooks.kept(this.queue.length);
  }

  // Sends a change that was made on the draft at `revision`, and returns its key.
  send(edit, revision = this.seen) {
    const key = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    this.queue.push({ ...edit, key, revision });
    this.keep();
    this.pump();
    return key;
  }

  async pump() {
    if (this.busy || this.stopped) return;
    this.busy = true;
    clearTimeout(this.timer);
    while (this.queue.length && !this.stopped && (await this.next()));
    this.busy = false;
  }

  // Sends the oldest change; false if it has to wait.
  async next() {
    const edit = this.queue[0];
    const about = this.hooks.about();
    const answer = await this.post(this.urls.edits, { ...about, revision: edit.revision, made: this.made, edit }, LONGEST);
    if (answer?.redirected || answer?.status === 403) {
      return this.wait("You have been signed out, or your role has changed. Sign in again and reload this page; what you changed is kept until then.");
    }
    if (answer?.status === 429 || answer?.status >= 500) return this.wait("The server cannot take it now. What you change is kept here and sent again.");
    const told = await answer?.json().catch(() => null);
    if (!answer || (answer.ok && !told)) return this.wait("What you change is kept here and sent as soon as the server answers.");
    await this.hooks.still();
    this.hooks.lost("");
    if (answer.status === 409) {
      this.stopped = true;
      this.hooks.conflict(told ?? {}, edit);
      return false;
    }
    this.queue.shift();
    const isMade = answer.ok && !told.refused;
    if (isMade) this.took(edit, told.revision);
    this.keep();
    if (isMade) this.hooks.state(told, edit, about);
    else this.hooks.refused(told?.refused ?? { reason: told?.detail ?? `It could not be done (${answer.status}).` }, edit);
    return true;
  }

  // What waits was made on top of this change; where nobody else came between, on the draft as it is now.
  took({ key, revision }, now) {
    this.made = [...this.made, key].slice(-MOST_MADE);
    if (now !== revision + 1) return;
    for (const edit of this.queue) if (edit.revision === revision) edit.revision = now;
  }

  wait(text) {
    this.hooks.lost(text);
    this.timer = setTimeout(() => this.pump(), AGAIN_AFTER);
    return false;
  }

  // Goes on after a conflict: with the change that met it, on top of what there is at `revision`, or without it.
  // What waits behind it for the same fields was made on top of it, and goes the same way.
  settle(mine, revision) {
    const [met] = this.queue;
    const fields = fieldsOf(met);
    const isOfIt = (edit) => edit === met || (fieldsOf(edit).length > 0 && fieldsOf(edit).every((field) => fields.includes(field)));
    if (mine) for (const edit of this.queue.filter(isOfIt)) edit.revision = revision;
    else this.queue = without(this.queue, isOfIt);
    this.stopped = false;
    this.keep();
    this.pump();
  }

  async post(url, body, longest = 2 * LONGEST) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": this.token, Accept: "application/json" };
    return fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(longest) }).catch(() => null);
  }

  // Asks for something that changes nothing; null where there is no answer.
  async ask(url, body) {
    const signal = AbortSignal.timeout(2 * LONGEST);
    const answer = body ? await this.post(url, body) : await fetch(url, { headers: { Accept: "application/json" }, signal }).catch(() => null);
    return answer?.ok && !answer.redirected ? answer.json().catch(() => null) : null;
  }
}

// The fields whose lines a change makes, changes or removes.
export const fieldsOf = ({ field, line, offers }) => [field, line?.field, ...(offers ?? []).map((offer) => offer.line.field)].filter(Boolean);

// What is left of changes that wait without those that are `gone`; what would take one of them back goes with it,
// since it would take back another.
function without(queue, gone) {
  const done = [];
  const undone = [];
  return queue.filter((edit) => {
    const [from, to] = { undo: [done, undone], redo: [undone, done] }[edit.do] ?? [];
    const stays = from ? from.pop() ?? true : !gone(edit);
    (to ?? done).push(stays);
    if (!from) undone.length = 0;
    return stays;
  });
}
