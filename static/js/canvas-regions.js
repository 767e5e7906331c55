// F6 goes from one part of the page to the next, with Shift to the one before: what stands above, the steps to
// add, the canvas, the form, the problems.

const REGIONS = [".page-head .actions", ".palette", "#canvas-sheet", "#panel", "#problems"];
const FIELDS = "button, a[href], input:not([type=hidden]), select, textarea";

const isReached = (element) => !element.disabled && element.tabIndex >= 0 && element.offsetParent;
const firstIn = (region) => [...document.querySelectorAll(`${region} :is(${FIELDS})`)].find(isReached);

// `enter` gives the focus to the form, where there is one.
export function regions(enter) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "F6" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    const at = REGIONS.findIndex((region) => document.activeElement.closest(region));
    const step = event.shiftKey ? -1 : 1;
    for (let turn = 1; turn <= REGIONS.length; turn += 1) {
      const region = REGIONS[(at + (at < 0 && step < 0 ? 1 : 0) + step * turn + REGIONS.length * 2) % REGIONS.length];
      const first = firstIn(region);
      if (!first) continue;
      if (region === "#panel") enter();
      else first.focus();
      return;
    }
  });
}
