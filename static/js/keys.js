// Single keys for people who live in the keyboard; they can be switched off in the sheet (WCAG 2.1.4).

const sheet = document.getElementById("shortcuts");
const toggle = document.getElementById("keys-on");
const ENTRY = "tr, li, article";
let prefix = 0;

if (toggle) {
  toggle.checked = localStorage.getItem("keys") !== "off";
  toggle.addEventListener("change", () => localStorage.setItem("keys", toggle.checked ? "on" : "off"));
}

// The entry of a list that has the focus, wherever in it that is.
const entry = () => document.activeElement?.closest(ENTRY);

function move(step) {
  const rows = [...document.querySelectorAll(".row-link, [data-row]")].filter((row) => row.offsetParent);
  if (!rows.length) return;
  const within = entry();
  const at = rows.findIndex((row) => row === document.activeElement || within?.contains(row));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  next.focus({ preventScroll: true });
  next.closest(ENTRY)?.scrollIntoView({ block: "nearest" });
}

// What a key does to the entry that was gone to, and otherwise to what the whole page is about: in a list it
// does nothing before that, so that no stray key acts on an entry that nobody has chosen.
function act(key) {
  (entry()?.querySelector(`[data-row-key="${key}"]`) ?? document.querySelector(`[data-key="${key}"]`))?.click();
}

// The sheet tells only of what this page has.
function tell() {
  for (const line of sheet?.querySelectorAll("[data-needs]") ?? []) {
    const hidden = !document.querySelector(line.dataset.needs);
    line.hidden = hidden;
    line.nextElementSibling.hidden = hidden;
  }
}
document.addEventListener("click", (event) => { if (event.target.closest?.("[data-open=shortcuts]")) tell(); }, true);

const ACTIONS = {
  "?": () => { tell(); sheet?.showModal(); },
  "/": () => {
    const field = document.querySelector("[data-search]");
    field?.focus();
    return Boolean(field); // where there is none, the key is the browser's own
  },
  j: () => move(1),
  k: () => move(-1),
  r: () => act("r"),
  x: () => act("x"),
  a: () => act("a"),
  g: () => { prefix = Date.now(); },
};

// A number puts the focus on the answer that it names; only Enter gives it, so that no stray key does.
for (let number = 1; number <= 9; number += 1) {
  ACTIONS[number] = () => document.querySelector(`[data-focus="${number}"]`)?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable], dialog[open]")) return;
  if (toggle && !toggle.checked && event.key !== "?") return;
  if (Date.now() - prefix < 1500) {
    prefix = 0;
    const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      link.click();
      return;
    }
  }
  const action = ACTIONS[event.key];
  if (!action) return;
  if (action() !== false) event.preventDefault();
});
