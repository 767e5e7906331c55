// Suggestions that nobody has judged yet: drawn dashed, and accepted or rejected one by one, or the sure ones
// together.

import { put } from "./mapper-view.js";
import { by, say } from "./mapper-words.js";

const LOOKING = "Looking for suggestions…";

export class Offers {
  // `desk`: server, urls, known() by field, to (the rows of the target side), change(edit), show(), hint(text, look).
  constructor(desk) {
    Object.assign(this, { desk, byField: new Map(), judged: new Set(), together: 0, turn: 0 });
    by("mapper-suggest")?.addEventListener("click", () => this.ask());
    by("mapper-accept-sure").addEventListener("click", () => this.acceptSure());
    by("mapper-offers-next").addEventListener("click", () => this.next());
    by("mapper-offers-away").addEventListener("click", () => this.away());
  }

  // Those of fields that are not mapped, the surest first.
  get open() {
    const known = this.desk.known();
    return [...this.byField.values()].filter((offer) => !known.has(offer.field) && !known.has(offer.line?.field));
  }

  get sure() {
    return this.open.filter((offer) => offer.sure).slice(0, this.together);
  }

  lines() {
    return this.open.map((offer) => ({ field: offer.field, paths: [offer.path], kind: "offered" }));
  }

  async ask() {
    const mine = (this.turn += 1);
    this.desk.hint(LOOKING);
    const told = await this.desk.server.ask(this.desk.urls.suggestions);
    if (mine !== this.turn) return;
    if (by("mapper-hint-text").textContent === LOOKING) this.desk.hint("");
    if (!told) return this.desk.hint("There are no suggestions now. Try again.", "bad");
    const { byKey } = this.desk.to;
    this.together = told.together;
    const fresh = told.suggestions.filter((offer) => byKey.has(offer.field) && !this.judged.has(nameOf(offer)));
    this.byField = new Map(fresh.map((offer) => [offer.field, offer]));
    this.desk.show();
    say(this.open.length ? by("mapper-offers-text").textContent : "There is nothing left to suggest.");
    if (!this.open.length) this.desk.hint("There is nothing left to suggest.");
  }

  // Tells how many there are, and how many may be accepted together.
  show() {
    const { open, sure } = this;
    by("mapper-offers").hidden = !open.length;
    if (!open.length) return;
    put(by("mapper-offers-text"), `${open.length} suggestion${open.length > 1 ? "s" : ""}. Accept or reject each at its field; nothing is mapped by itself.`);
    by("mapper-accept-sure").hidden = !sure.length;
    const text = by("mapper-accept-sure").querySelector("span");
    put(text, `Accept the ${sure.length > 1 ? `${sure.length} that are` : "one that is"} complete and ${text.dataset.sure} % sure or more`);
  }

  next() {
    const rows = this.open.map((offer) => this.desk.to.byKey.get(offer.field)).sort((one, other) => this.desk.to.all.indexOf(one) - this.desk.to.all.indexOf(other));
    const next = rows[(rows.indexOf(this.last) + 1) % rows.length];
    this.last = next;
    if (next) this.desk.go(next);
  }

  away() {
    this.byField = new Map();
    this.desk.show();
    this.desk.go(this.desk.to.current);
    say("The suggestions are put away");
  }

  acceptSure() {
    const offers = this.sure.map(({ path, field, line }) => ({ path, field, line }));
    if (!offers.length) return;
    this.desk.change({ do: "accept", offers });
    this.desk.hint(`${offers.length} suggestion${offers.length > 1 ? "s are" : " is"} accepted. Undo takes ${offers.length > 1 ? "them back together" : "it back"}.`);
    this.desk.go(this.desk.to.byKey.get(offers[0].field));
  }

  async judge(offer, accepted) {
    this.byField.delete(offer.field);
    if (!accepted) this.judged.add(nameOf(offer));
    if (accepted) this.desk.change(offer.line ? { do: "line", line: offer.line } : { do: "join", source: offer.path, field: offer.field, mend: true });
    else this.desk.show();
    say(`${accepted ? "Accepted" : "Rejected"} ${offer.path} for ${offer.field}`);
    this.desk.to.focus(this.desk.to.byKey.get(offer.field));
    const kept = await this.desk.server.ask(this.desk.urls.judge, { path: offer.path, field: offer.field, accepted });
    if (!kept && !accepted) this.desk.hint(`${offer.path} for ${offer.field} is put away here, but the server did not answer: it may be suggested again.`, "bad");
  }
}

const nameOf = ({ path, field }) => `${path} ${field}`;
