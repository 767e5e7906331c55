// What came of a change that was not simply made: refused with what would mend it, met by what somebody else
// changed, or not sent yet.

import { put } from "./mapper-view.js";
import { by, say } from "./mapper-words.js";

// `desk`: server(), to (the rows of the target side), accept(told), state(), change(edit), hint(text, look, more).
export class Told {
  constructor(desk) {
    Object.assign(this, { desk, last: null });
    by("mapper-mine").addEventListener("click", () => this.settle(true));
    by("mapper-theirs").addEventListener("click", () => this.settle(false));
    by("mapper-mend-late").addEventListener("click", () => this.mend(by("mapper-mend-late").edit));
  }

  // Remembers where the person was once the change with that key was asked for.
  asked(key) {
    queueMicrotask(() => { this.last = { key, at: document.activeElement }; });
  }

  // Tells whether somebody waits for the answer, and has not gone on to something else.
  isAwaited(edit) {
    return this.last?.key === edit.key && [this.last.at, document.body].includes(document.activeElement) && !document.querySelector("dialog[open]");
  }

  refused(why, edit) {
    this.desk.accept(why.state ?? this.desk.state());
    if (!why.fix) return this.desk.hint(why.reason, "bad");
    const text = `${edit.source} does not fit ${edit.field}: ${why.reason}.`;
    if (this.isAwaited(edit)) return this.askAbout(text, why.fix, edit);
    this.desk.hint(text, "bad", { mend: { label: why.fix, edit } });
  }

  askAbout(text, fix, edit) {
    const dialog = by("mapper-refusal");
    by("mapper-refusal-text").textContent = text;
    by("mapper-mend").textContent = fix;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "mend") this.mend(edit);
      else say("Nothing was mapped");
      this.desk.to.focus(this.desk.to.byKey.get(edit.field));
    }, { once: true });
    dialog.showModal();
    by("mapper-mend").focus();
  }

  mend({ source, field }) {
    this.desk.hint("");
    this.desk.change({ do: "join", source, field, mend: true });
    this.desk.to.focus(this.desk.to.byKey.get(field));
  }

  conflict(told) {
    by("mapper-conflict").hidden = false;
    put(by("mapper-conflict-text"), told.text ?? "Somebody else changed this meanwhile.");
    by("mapper-conflict").state = told.state;
  }

  settle(mine) {
    const [met, shown] = [by("mapper-conflict").state, this.desk.state()];
    const newest = met?.revision > shown.revision ? met : shown;
    by("mapper-conflict").hidden = true;
    this.desk.server().settle(mine, newest.revision);
    this.desk.accept(newest);
    this.desk.to.focus(this.desk.to.current);
  }

  lost(text) {
    put(by("mapper-lost-text"), text);
    by("mapper-lost").hidden = !text;
  }
}
