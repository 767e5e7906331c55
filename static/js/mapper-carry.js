// While a value is on its way to a field: which fields take it, and which one it most likely belongs to.

import { alike } from "./mapper-rows.js";

const LOOKS = ["good", "mend", "bad"];

export class Carry {
  // `fits` says by type of value and family of field: [0 fits, 1 with a chip, 2 not; why]. `offered` are
  // the suggestions for fields that are not mapped.
  constructor(page, from, to, fits, offered) {
    Object.assign(this, { page, from, to, fits, offered });
  }

  verdict(row, target) {
    if (target.locked) return [2, target.locked];
    return this.fits[row.type]?.[target.family] ?? [0, ""];
  }

  begin(row) {
    this.page.classList.add("carrying");
    const best = this.field(row);
    for (const target of this.to.all) {
      target.el.classList.remove(...LOOKS, "best");
      target.el.classList.add(LOOKS[this.verdict(row, target)[0]]);
      if (target === best) target.el.classList.add("best");
    }
  }

  over(target) {
    for (const row of this.to.all) row.el.classList.toggle("over", row === target);
  }

  end() {
    this.page.classList.remove("carrying", "dragging");
    for (const row of this.to.all) row.el.classList.remove("over", "best");
  }

  // The field that a value most likely belongs to.
  field(row) {
    const offer = this.offered().find((one) => one.paths.includes(row.key));
    if (offer) return this.to.byKey.get(offer.field);
    const free = this.to.all.filter((target) => target.shown && !target.used && this.verdict(row, target)[0] < 2);
    return likeliest(free, (target) => alike(row.key, target.key) + (target.required ? 0.1 : 0)) ?? this.to.visible()[0];
  }

  // The value that most likely belongs into a field.
  value(target) {
    const open = this.from.visible().filter((row) => !row.group && this.verdict(row, target)[0] < 2);
    return likeliest(open, (row) => alike(row.key, target.key)) ?? this.from.visible()[0];
  }
}

function likeliest(rows, score) {
  return rows.map((row) => [score(row), row]).sort((one, other) => other[0] - one[0])[0]?.[1];
}
