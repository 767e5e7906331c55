// Single keys for people who live in the keyboard; they can be switched off in the sheet (WCAG 2.1.4).

const sheet = document.getElementById("shortcuts");
const toggle = document.getElementById("keys-on");
let prefix = 0;

if (toggle) {
  toggle.checked = localStorage.getItem("keys") !== "off";
  toggle.addEventListener("change", () => localStorage.setItem("keys", toggle.checked ? "on" : "off"));
}

function move(step) {
  const rows = [...document.querySelectorAll(".row-link")].filter((link) => link.offsetParent);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  next.focus({ preventScroll: true });
  next.closest("tr, li, article")?.scrollIntoView({ block: "nearest" });
}

const ACTIONS = {
  "?": () => sheet?.showModal(),
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  r: () => document.querySelector("[data-key=r]")?.click(),
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
  event.preventDefault();
  action();
});
