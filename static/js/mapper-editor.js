// The dialog in which a line is changed: its paths, its chips, and what happens without a value.

import { control } from "./mapper-forms.js";
import { isSorting, row, sortable } from "./mapper-sort.js";
import { icon, node, say } from "./mapper-words.js";

const TRY_AFTER = 250;
const AGAIN_AFTER = 3000; // where there was no answer

export class Editor {
  // `desk`: server, event(), values(), choices(field), save(line, revision), remove(field, revision).
  constructor(dialog, model, desk) {
    Object.assign(this, { dialog, model, desk });
    this.forms = new Map(model.chips.map((form) => [form.slug, form]));
    dialog.addEventListener("close", () => this.after?.());
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.save();
    });
  }

  open(raw, row, after) {
    const given = raw.from ?? [];
    this.line = structuredClone({ ...raw, from: Array.isArray(given) ? given : [given], chips: raw.chips ?? [], empty: raw.empty ?? "skip" });
    // What is saved was made on the line as it is now, whatever others do until then.
    Object.assign(this, { row, after, known: new Map(), revision: this.desk.server.seen, turn: (this.turn ?? 0) + 1 });
    this.choices = this.desk.choices(row.key);
    this.draw();
    this.dialog.showModal();
    this.dialog.querySelector(".mapper-first")?.focus();
    this.later();
  }

  draw() {
    const { row } = this;
    this.outcome = node("div", { className: "mapper-result", role: "status" });
    this.trouble = node("p", { className: "mapper-wrong", role: "alert" });
    this.problem = "";
    this.dialog.replaceChildren(
      node("div", { className: "dialog-head" },
        node("h2", { id: "mapper-editor-title", className: "anywhere" }, row.key, row.el.dataset.label ? node("span", { className: "mapper-label" }, row.el.dataset.label) : null),
        node("button", { className: "copy", type: "button", ariaLabel: "Close", onclick: () => this.dialog.close() }, icon("x"))),
      node("div", { className: "dialog-body" }, this.paths(), this.chips(), this.empty(), this.part("Result", "on the chosen event", this.outcome), this.trouble),
      node("div", { className: "dialog-foot" },
        node("button", { className: "button danger", type: "button", onclick: () => this.remove() }, icon("trash-2"), "Remove the mapping"),
        node("span", { className: "push" }),
        node("button", { className: "button", type: "button", onclick: () => this.dialog.close() }, "Cancel"),
        node("button", { className: "button primary", type: "button", onclick: () => this.save() }, "Save")),
      node("datalist", { id: "mapper-choices" }, ...this.choices.map((value) => node("option", { value }))),
    );
  }

  redraw(focus = null) {
    const { scrollTop } = this.dialog.querySelector(".dialog-body");
    this.draw();
    this.dialog.querySelector(".dialog-body").scrollTop = scrollTop;
    if (focus) this.dialog.querySelector(focus)?.focus();
    this.later();
  }

  part(title, note, ...children) {
    return node("section", { className: "mapper-part" }, node("h3", {}, title, note ? node("small", {}, note) : null), ...children);
  }

  // Paths, of which the first that has a value is used

  paths() {
    const { from } = this.line;
    const rows = from.map((path, place) => row(from, place, [this.pathInput(path, place), node("code", {}, this.desk.values()[path] ?? "")], {
      name: `path ${place + 1}`,
      sorted: (to) => this.redraw(`[data-path-at="${to}"]`),
      removed: () => this.redraw("#mapper-more-paths"),
    }));
    const more = node("button", { className: "button small", type: "button", id: "mapper-more-paths", onclick: () => { from.push(""); this.redraw(`[data-path-at="${from.length - 1}"]`); } }, icon("plus"), from.length ? "Add a fallback" : "Add a path");
    const list = sortable(node("div", { className: "mapper-table" }, ...rows), from, () => this.redraw());
    return this.part("Value", "the first of these that has one", list, node("div", {}, more));
  }

  pathInput(path, place) {
    const input = node("input", { className: `input${place ? "" : " mapper-first"}`, value: path, ariaLabel: `Path ${place + 1}`, autocomplete: "off", spellcheck: false, "data-path-at": String(place) });
    input.setAttribute("list", "mapper-paths");
    input.addEventListener("input", () => {
      this.line.from[place] = input.value.trim();
      input.nextElementSibling.textContent = this.desk.values()[input.value.trim()] ?? "";
      this.later();
    });
    return input;
  }

  // Chips, in order, each with what goes in and comes out

  chips() {
    const { chips } = this.line;
    this.samples = [];
    const cards = chips.map((chip, place) => this.card(chip, place));
    const choose = node("select", { className: "input", id: "mapper-new-chip", ariaLabel: "Add a change" }, node("option", { value: "" }, "Add a change…"), ...this.model.chips.map((form) => node("option", { value: form.slug, title: form.help }, form.label)));
    choose.addEventListener("change", () => { if (choose.value) this.add(choose.value); });
    const list = sortable(node("div", { className: "mapper-cards" }, ...cards), chips, (to) => this.redraw(`[data-chip-at="${to}"]`));
    return this.part("Changes", "in this order", ...(cards.length ? [list] : []), node("div", { className: "mapper-item" }, choose));
  }

  add(slug) {
    const chip = { chip: slug };
    for (const setting of this.forms.get(slug).settings) {
      if (setting.kind === "choice" && setting.required) chip[setting.name] = setting.options[0];
      if (setting.kind === "table") chip[setting.name] = {};
      if (setting.kind === "paths" && setting.required) chip[setting.name] = [this.beside(setting.name)].filter(Boolean);
    }
    this.line.chips.push(chip);
    say(`Added ${this.forms.get(slug).label}`);
    this.redraw(`[data-chip-at="${this.line.chips.length - 1}"]`);
  }

  // A path that a setting most likely wants, such as the currency beside an amount.
  beside(name) {
    const owner = (this.line.from[0] ?? "").split(".").slice(0, -1);
    if (name === "of") return owner[0] ?? "";
    for (; owner.length; owner.pop()) if (`${owner.join(".")}.${name}` in this.desk.values()) return `${owner.join(".")}.${name}`;
    return "";
  }

  card(chip, place) {
    const form = this.forms.get(chip.chip);
    const sample = node("div", { className: "mapper-io" });
    this.samples.push(sample);
    const fields = (form?.settings ?? []).map((setting) => control(setting, chip, this.context(place), () => this.later()));
    const name = form?.label ?? chip.chip;
    return row(this.line.chips, place, [node("strong", { title: form?.help ?? "" }, name)], {
      name,
      sorted: (to) => this.redraw(`[data-chip-at="${to}"]`),
      removed: () => this.redraw("#mapper-new-chip"),
      around: (head) => node("div", { className: "mapper-step", tabIndex: -1, role: "group", "data-chip-at": String(place), "aria-label": name },
        node("div", { className: "mapper-step-head" }, ...head),
        node("div", { className: "mapper-step-body" }, form?.settings.length ? null : node("p", { className: "help" }, form?.help ?? "This change is not installed here."), ...fields),
        sample),
    });
  }

  context(place) {
    return { id: `mapper-chip-${place}`, choices: this.choices, seen: () => this.distinct(), family: this.row.family, complete: (text, at) => this.desk.server.ask(this.model.urls.complete, { text, position: at }) };
  }

  // The values that recorded events had at the line's paths, with how many of each; null without an answer.
  async distinct() {
    const { known } = this;
    const query = String(new URLSearchParams(this.line.from.filter(Boolean).map((path) => ["path", path])));
    if (!known.has(query)) {
      const told = await this.desk.server.ask(`${this.model.urls.seen}?${query}`);
      if (!told) return null;
      known.set(query, told.values);
    }
    return known.get(query);
  }

  empty() {
    const choices = [["skip", "Leave the field as it is"], ["clear", "Empty the field"], ["fail", "Refuse the record"]];
    const radios = choices.map(([value, text]) => node("label", { className: "check" },
      node("input", { type: "radio", name: "mapper-empty", value, checked: this.line.empty === value, onchange: () => { this.line.empty = value; this.later(); } }), text));
    return node("fieldset", { className: "mapper-part" }, node("legend", { className: "label" }, "Without a value"), ...radios);
  }

  // What it comes to, by the engine's own code

  later(wait = TRY_AFTER) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.try(), wait);
  }

  whole() {
    return { ...this.line, from: this.line.from.filter(Boolean) };
  }

  async try() {
    if (!this.dialog.open) return;
    const mine = (this.turn += 1);
    const told = await this.desk.server.ask(this.model.urls.try, { line: this.whole(), event: this.desk.event() });
    if (mine !== this.turn || !this.dialog.open) return;
    if (isSorting()) return this.later(); // what is drawn anew would move under the hand
    if (!told) this.later(AGAIN_AFTER);
    this.complain(told?.problem ?? "");
    this.show(outcome(told, (cel) => this.asExpression(cel)));
    this.samples.forEach((sample, place) => sample.replaceChildren(...inOut(told?.steps?.[place])));
  }

  // Shows what it comes to; what somebody has opened there stays open, and keeps the focus.
  show(parts) {
    const isOpen = this.outcome.querySelector("details")?.open;
    const controls = () => [...this.outcome.querySelectorAll("summary, button")];
    const held = controls().indexOf(document.activeElement);
    this.outcome.replaceChildren(...parts);
    const fold = this.outcome.querySelector("details");
    if (fold && isOpen) fold.open = true;
    if (held >= 0) (controls()[held] ?? this.dialog.querySelector("#mapper-new-chip")).focus();
  }

  // Says what is wrong; of an expression, a button leads to the place.
  complain(problem) {
    if (problem === this.problem) return;
    this.problem = problem;
    const place = /line (\d+), column (\d+)/.exec(problem);
    const text = this.dialog.querySelector("textarea");
    text?.setAttribute("aria-invalid", String(Boolean(place)));
    const lead = place && text ? node("button", { className: "button small", type: "button", onclick: () => goTo(text, ...place.slice(1).map(Number)) }, "Show the place") : null;
    this.trouble.replaceChildren(...[problem, lead].filter(Boolean));
  }

  // What the chips do, as one text to go on with by hand.
  asExpression(cel) {
    this.line.chips = [{ chip: "expression", text: cel }];
    this.line.from = [];
    say("The line is an expression now");
    this.redraw("textarea");
  }

  save() {
    const line = this.whole();
    for (const chip of line.chips) for (const [name, value] of Object.entries(chip)) if (value === undefined) delete chip[name];
    this.dialog.close();
    this.desk.save(line, this.revision);
  }

  remove() {
    this.dialog.close();
    this.desk.remove(this.row.key, this.revision);
  }
}

function goTo(text, line, column) {
  const before = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  text.focus();
  text.setSelectionRange(before + column - 1, before + column);
}

function outcome(told, edit) {
  if (!told) return [node("span", { className: "muted" }, "The server does not answer; what you change here stays.")];
  if (told.problem) return [node("span", { className: "muted" }, "It is not finished yet.")];
  if (told.trouble) return [node("span", { className: "muted" }, told.trouble)];
  const text = { left: "The field is left as it is.", cleared: "The field is emptied." }[told.state];
  const parts = [text ? node("span", { className: "muted" }, text) : node("code", {}, told.value ?? "")];
  if (told.wrong) parts.push(node("span", { className: "bad" }, told.wrong));
  for (const note of told.notes ?? []) parts.push(node("span", { className: "note" }, note));
  if (told.cel) parts.push(node("details", { className: "fold" }, node("summary", {}, icon("chevron-right"), "As an expression"), node("code", { className: "mapper-cel" }, told.cel), node("button", { className: "button small", type: "button", onclick: () => edit(told.cel) }, "Edit as an expression")));
  return parts;
}

function inOut(step) {
  if (!step) return [];
  if (step.skipped) return [node("span", {}, "left out: there is no value yet")];
  const result = step.wrong ? node("span", { className: "bad" }, step.wrong) : node("code", {}, step.after);
  return [node("code", {}, step.before), icon("arrow-right"), result, ...step.notes.map((note) => node("span", { className: "note" }, note))];
}
