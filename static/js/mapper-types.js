// Record types: the one that a step gives its records, chosen by name, and the values that go with it.

import { by, node } from "./mapper-words.js";

const FIELD = "RecordType.DeveloperName"; // the line that gives a record its type
const MAPPED = "*"; // where several may come out

export class RecordTypes {
  // `desk`: save(line), remove(field).
  constructor(types, picklists, desk) {
    Object.assign(this, { types, picklists, desk, name: "" });
    this.select = node("select", { className: "input", id: "mapper-record-type" });
    this.select.addEventListener("change", () => this.choose(this.select.value));
    this.box = node("label", { className: "mapper-kind push", hidden: true }, node("span", { className: "muted small" }, "Record type"), this.select);
    by("mapper-to-title").parentElement.append(this.box);
  }

  show(known) {
    const line = known.get(FIELD);
    this.box.hidden = !this.types.length && !line;
    if (this.box.hidden) return;
    this.name = line ? fixed(line.raw) ?? MAPPED : "";
    const usual = this.types.find((type) => type.default);
    const options = [["", usual ? `Default: ${usual.label}` : "Not chosen"], ...this.types.map((type) => [type.name, type.label])];
    if (this.name === MAPPED) options.push([MAPPED, "By its line below"]);
    else if (!options.some(([name]) => name === this.name)) options.push([this.name, `${this.name} (not in the org)`]);
    const told = JSON.stringify([options, this.name]);
    if (this.told === told && this.select.value === this.name) return; // a list that somebody has opened stays open
    this.told = told;
    this.select.replaceChildren(...options.map(([value, text]) => node("option", { value, selected: value === this.name }, text)));
  }

  choose(name) {
    if (name === MAPPED) return;
    if (name) this.desk.save({ field: FIELD, from: [], chips: [{ chip: "constant", value: name }] });
    else this.desk.remove(FIELD);
  }

  // The values that a picklist offers: of the record type, once one is chosen.
  choices(field) {
    const taken = this.types.find((type) => type.name === this.name)?.picklists[field];
    const every = this.picklists[field] ?? [];
    return taken ? every.filter((value) => taken.includes(value)) : every;
  }
}

// The name that a line always comes to, if it has no other way.
function fixed(raw) {
  const chips = raw?.chips ?? [];
  return !raw?.from?.length && chips.length === 1 && chips[0].chip === "constant" ? String(chips[0].value ?? "") : null;
}
