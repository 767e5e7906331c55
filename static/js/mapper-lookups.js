// Look-ups by external id: begun at a reference field, and shown as a row of their own below it.

import { targetRow } from "./mapper-rows.js";
import { icon, node, say } from "./mapper-words.js";

export class LookUps {
  // `relations` are by field; `desk`: to (the rows of the target side), ask(url), url.
  constructor(relations, desk) {
    Object.assign(this, { relations, desk, fields: new Map(Object.entries(relations).map(([field, relation]) => [relation.toLowerCase(), field])) });
    this.dialog = node("dialog", { className: "dialog mapper-lookups", "aria-labelledby": "mapper-lookup-title" });
    document.body.append(this.dialog);
  }

  // Gives each look-up its row, and each field that may have one the button that begins it.
  show(known) {
    const taken = new Set();
    for (const field of known.keys()) {
      if (!field.includes(".")) continue;
      taken.add(this.fields.get(relationOf(field)));
      this.row(field);
    }
    for (const field of Object.keys(this.relations)) {
      const row = this.desk.to.byKey.get(field);
      if (row) this.offer(row, !known.has(field) && !taken.has(field));
    }
  }

  offer(row, may) {
    if (may === Boolean(row.lookup)) return;
    row.lookup?.remove();
    row.lookup = null;
    if (!may) return;
    row.lookup = node("button", { className: "mapper-lookup", type: "button", tabIndex: -1, title: "Look up by an external id", ariaLabel: `Look up ${row.key} by an external id` }, icon("key-round"), node("span", {}, "Look up"));
    row.lookup.addEventListener("click", (event) => { event.stopPropagation(); this.begin(row); });
    row.el.insertBefore(row.lookup, row.value);
  }

  // Returns the row of a look-up; there is one from the first time on.
  row(field) {
    const { to } = this.desk;
    const there = to.byKey.get(field);
    if (there) return there;
    const owner = to.byKey.get(this.fields.get(relationOf(field)));
    const label = `${owner?.el.dataset.label || owner?.key || field}, by external id`;
    const el = node("li", { className: "mapper-row", role: "treeitem", tabIndex: -1, "aria-level": "1", "data-field": field, "data-label": label, "data-family": "text", "data-word": "look-up" },
      node("span", { className: "mapper-dot", "aria-hidden": "true" }),
      node("span", { className: "mapper-name" }, field, " ", node("span", { className: "mapper-label" }, label)),
      node("span", { className: "mapper-type" }, "look-up"),
      node("span", { className: "mapper-value" }),
      node("span", { className: "mapper-told" }));
    return to.insert(targetRow(el), owner ?? to.all.at(-1));
  }

  // The dialog is there at once: whoever goes on meanwhile is not called back by the answer.
  async begin(row) {
    this.draw(row, [node("p", { className: "muted", role: "status" }, "Looking for the external ids…")], []);
    this.dialog.returnValue = "";
    this.dialog.addEventListener("close", () => this.closed(row), { once: true });
    this.dialog.showModal();
    const mine = (this.turn = (this.turn ?? 0) + 1);
    const told = await this.desk.ask(`${this.desk.url}?field=${encodeURIComponent(row.key)}`);
    if (!this.dialog.open || mine !== this.turn) return;
    const keys = told?.keys ?? [];
    this.draw(row, keys.length ? this.keys(keys) : [nothing(told)], keys);
    (this.dialog.querySelector("input") ?? this.dialog.querySelector(".dialog-foot button")).focus();
  }

  draw(row, body, keys) {
    this.dialog.replaceChildren(
      node("div", { className: "dialog-head" },
        node("h2", { id: "mapper-lookup-title", className: "anywhere" }, `Look ${row.el.dataset.label || row.key} up by an external id`),
        node("button", { className: "copy", type: "button", ariaLabel: "Close", onclick: () => this.dialog.close() }, icon("x"))),
      node("form", { method: "dialog" },
        node("div", { className: "dialog-body" }, ...body),
        node("div", { className: "dialog-foot" },
          node("button", { className: "button", type: "button", onclick: () => this.dialog.close() }, keys.length ? "Cancel" : "Close"),
          keys.length ? node("button", { className: "button primary", value: "go" }, "Choose its value…") : null)));
  }

  keys(keys) {
    const radios = keys.map((key, place) => node("label", { className: "check" },
      node("input", { type: "radio", name: "mapper-lookup", value: key.field, checked: place === 0 }),
      node("span", { className: "anywhere" }, node("span", { className: "id" }, key.name), ` ${[key.label, `of ${key.object}`].filter(Boolean).join(" ")}`,
        key.unique ? null : node("span", { className: "sub" }, "Several records may have the same value: then none is chosen."))));
    return [
      node("p", {}, "Salesforce finds the record by this field. No id of Salesforce is needed."),
      node("fieldset", { className: "mapper-part" }, node("legend", { className: "label" }, "Find it by"), ...radios),
    ];
  }

  // The look-up is picked, so that the next value that is chosen goes there.
  closed(row) {
    const { to } = this.desk;
    const field = this.dialog.querySelector("input:checked")?.value;
    if (this.dialog.returnValue !== "go" || !field) return to.focus(row);
    const made = this.row(field);
    to.focus(made);
    made.el.click();
    say(`${field} is picked. Choose a value of Stripe.`);
  }
}

const relationOf = (field) => field.split(".")[0].toLowerCase();

// Why there is nothing to choose.
const nothing = (told) => (told?.trouble || !told
  ? node("p", { className: "mapper-wrong" }, told?.trouble || "The server does not answer. Try again.")
  : node("p", {}, "No field of that object is an external id, as far as the connection may see. Tick “External ID” at a field in Salesforce, then reload this page."));
