// Offers what a field may hold while somebody types into it: https://www.w3.org/WAI/ARIA/apg/patterns/combobox/
// Whatever is typed stays as it is; only what is chosen takes its place. The server filters.
// In a text of several lines it offers what may stand behind a brace that was opened.

const ASK_AFTER = 160;
const MOST_KEPT = 40;
const LONGEST = 20_000; // for an answer
const say = (detail) => document.dispatchEvent(new CustomEvent("say", { detail }));

export class Combobox {
  // `box` holds the list and a note; `address(input, typed)` returns where to ask for what may stand there.
  constructor(box, address) {
    Object.assign(this, { box, list: box.querySelector("ul"), note: box.querySelector("p"), address, input: null, options: [], active: -1, turn: 0, kept: new Map() });
    document.addEventListener("input", (event) => this.owns(event.target) && this.later(event.target));
    document.addEventListener("click", (event) => this.clicked(event));
    document.addEventListener("focusout", (event) => event.target === this.input && this.close());
    document.addEventListener("keydown", (event) => this.owns(event.target) && this.pressed(event), true);
    // The field keeps the focus while somebody chooses with the mouse.
    box.addEventListener("mousedown", (event) => event.preventDefault());
    addEventListener("scroll", (event) => this.input && !box.contains(event.target) && this.place(), true);
    addEventListener("resize", () => this.close());
  }

  owns(element) {
    return Boolean(element?.matches?.("[data-offers]"));
  }

  clicked(event) {
    const option = event.target.closest?.("[role=option]");
    if (option && this.list.contains(option)) this.take(Number(option.dataset.at));
    else if (this.owns(event.target)) this.open(event.target);
    else if (!this.box.contains(event.target)) this.close();
  }

  pressed(event) {
    const { key } = event;
    const isOpen = this.input === event.target;
    if (key === "ArrowDown" || key === "ArrowUp") {
      if (!isOpen && event.target.matches("textarea")) return;
      if (!isOpen) this.open(event.target, key === "ArrowDown" ? 0 : -1);
      else if (event.altKey) this.close();
      else this.choose(this.active + (key === "ArrowDown" ? 1 : -1));
    } else if (isOpen && key === "Enter" && this.active >= 0) this.take(this.active);
    else if (isOpen && key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // What was offered for less than is typed now is neither shown nor taken any more.
  later(input) {
    this.turn += 1;
    this.leave();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(input), ASK_AFTER);
  }

  // Shows what may stand there, with the offer at the place `first` chosen, as far as one was asked for.
  async open(input, first = null) {
    clearTimeout(this.timer);
    if (input.disabled || input.readOnly || document.activeElement !== input) return;
    const part = partOf(input);
    if (!part) return void this.close();
    const mine = (this.turn += 1);
    const told = await this.ask(this.address(input, part.text));
    if (mine !== this.turn || document.activeElement !== input) return;
    this.show(input, told ?? { offers: [], trouble: "The server does not answer." });
    if (first !== null) this.choose(first);
  }

  // What was told is remembered for this page as long as nothing was chosen elsewhere.
  async ask(address) {
    const { kept } = this;
    if (kept.has(address)) return kept.get(address);
    const answer = await fetch(address, { signal: AbortSignal.timeout(LONGEST) }).catch(() => null);
    const told = answer?.ok && !answer.redirected ? await answer.json().catch(() => null) : null;
    if (!told) return null;
    if (kept.size >= MOST_KEPT) kept.clear();
    if (!told.trouble) kept.set(address, told);
    return told;
  }

  // What is still on its way was asked before, and is not remembered either.
  forget() {
    this.kept = new Map();
  }

  show(input, { offers, more, trouble }) {
    const chosen = input === this.input ? this.options[this.active]?.value : undefined;
    this.expand(false);
    this.leave();
    Object.assign(this, { input, options: offers });
    const rows = offers.map((offer, at) => {
      const row = Object.assign(document.createElement("li"), { id: `combobox-${at}` });
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", "false");
      row.dataset.at = at;
      row.append(line("strong", offer.value), ...(offer.label ? [line("span", offer.label)] : []), ...(offer.detail ? [line("small", offer.detail)] : []));
      return row;
    });
    const note = trouble || (more ? "There are more: go on typing." : offers.length ? "" : "Nothing known fits. What you type is kept.");
    this.list.replaceChildren(...rows);
    Object.assign(this.note, { textContent: note, hidden: !note });
    this.box.hidden = false;
    this.place();
    this.expand(true);
    say(offers.length ? `${offers.length}${more ? " or more" : ""} offered. ${note}` : note);
    const again = offers.findIndex((offer) => offer.value === chosen);
    if (again >= 0) this.choose(again); // what somebody has chosen meanwhile stays so
  }

  place() {
    const box = this.input.getBoundingClientRect();
    const below = innerHeight - box.bottom;
    const above = below < 220 && box.top > below;
    Object.assign(this.box.style, {
      insetInlineStart: `${Math.min(box.left, innerWidth - Math.max(box.width, 280) - 8)}px`,
      inlineSize: `${Math.max(box.width, 280)}px`,
      maxBlockSize: `${Math.min(300, (above ? box.top : below) - 12)}px`,
      insetBlockStart: above ? "auto" : `${box.bottom + 4}px`,
      insetBlockEnd: above ? `${innerHeight - box.top + 4}px` : "auto",
    });
  }

  choose(at) {
    if (!this.options.length) return;
    const next = (at + this.options.length + (this.active < 0 && at < -1 ? 1 : 0)) % this.options.length;
    const rows = this.list.querySelectorAll("[role=option]");
    this.leave();
    this.active = next;
    rows[next].setAttribute("aria-selected", "true");
    rows[next].scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", rows[next].id);
  }

  // Lets no offer be chosen.
  leave() {
    this.list.querySelectorAll("[role=option]")[this.active]?.setAttribute("aria-selected", "false");
    this.input?.removeAttribute("aria-activedescendant");
    this.active = -1;
  }

  take(at) {
    const { input } = this;
    const { value } = this.options[at];
    const { start, end } = partOf(input) ?? {};
    this.close();
    if (input.matches("textarea")) {
      if (start !== undefined) input.setRangeText(input.value[end] === "}" ? value : `${value}}`, start, end, "end");
      return;
    }
    input.value = value;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // A text of several lines is no combobox, and has no such state.
  expand(open) {
    if (this.input?.matches("[role=combobox]")) this.input.setAttribute("aria-expanded", String(open));
  }

  close() {
    clearTimeout(this.timer);
    this.turn += 1;
    if (!this.input) return;
    this.expand(false);
    this.input.removeAttribute("aria-activedescendant");
    Object.assign(this, { input: null, options: [], active: -1 });
    this.box.hidden = true;
    this.list.replaceChildren();
  }
}

// Returns what is completed: the whole field, or in a text what stands between an open brace and the caret.
function partOf(input) {
  if (!input.matches("textarea")) return { text: input.value, start: 0, end: input.value.length };
  const end = input.selectionStart;
  const begun = /\{([^{}\n]*)$/.exec(input.value.slice(0, end));
  return begun ? { text: begun[1], start: end - begun[1].length, end } : null;
}

const line = (name, textContent) => Object.assign(document.createElement(name), { textContent });
