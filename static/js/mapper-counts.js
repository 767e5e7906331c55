// Counts what is mapped, missing and wrong; each count leads from one field to the next of its kind.

import { put } from "./mapper-view.js";
import { by } from "./mapper-words.js";

export class Counts {
  // `go(row)` shows a row of the target side and gives it the focus.
  constructor(to, icons, go) {
    Object.assign(this, { to, icons });
    for (const id of ["mapper-left", "mapper-wrong"]) {
      by(id).addEventListener("click", () => {
        const { rows, last } = by(id);
        const next = rows[(rows.indexOf(last) + 1) % rows.length];
        if (!next) return;
        by(id).last = next;
        go(next);
      });
    }
  }

  // `mapped` is how many lines there are, `filled` the fields that look-ups fill under another name.
  show(mapped, filled = []) {
    const wrong = this.to.all.filter((row) => row.wrong);
    const left = this.to.all.filter((row) => row.required && !row.used && !filled.includes(row.key));
    put(by("mapper-count"), `${mapped} mapped`);
    const button = by("mapper-left");
    put(button.querySelector("span"), left.length ? `${left.length} required left` : "All required mapped");
    button.classList.toggle("ok", !left.length);
    button.disabled = !left.length;
    button.querySelector("use").setAttribute("href", `${this.icons}#${left.length ? "circle-alert" : "check"}`);
    by("mapper-wrong").hidden = !wrong.length;
    put(by("mapper-wrong").querySelector("span"), `${wrong.length} wrong`);
    button.rows = left;
    by("mapper-wrong").rows = wrong;
  }
}
