// The search for a step kind: type, choose with the arrows, take with Enter.

const dialog = document.getElementById("picker");
const search = document.getElementById("picker-search");
const list = document.getElementById("picker-list");
const options = [...list.children];
let chosen = null;
let take = () => {};
let leave = () => {};

const visible = () => options.filter((option) => !option.hidden);

function choose(option) {
  chosen?.setAttribute("aria-selected", "false");
  chosen = option ?? null;
  chosen?.setAttribute("aria-selected", "true");
  chosen?.scrollIntoView({ block: "nearest" });
  if (chosen) search.setAttribute("aria-activedescendant", chosen.id);
  else search.removeAttribute("aria-activedescendant");
}

// What begins with the words stands before what has them somewhere in its help.
function rank(option, words) {
  const label = option.querySelector("strong").textContent.toLowerCase();
  if (!words.every((word) => option.dataset.words.includes(word))) return 9;
  if (!words.length || label.startsWith(words[0])) return 0;
  return words.every((word) => label.includes(word)) ? 1 : 2;
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const ranked = options.map((option, index) => [rank(option, words), index, option]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  for (const [place, , option] of ranked) option.hidden = place === 9;
  list.replaceChildren(...ranked.map(([, , option]) => option));
  document.getElementById("picker-none").hidden = visible().length > 0;
  choose([...list.children].find((option) => !option.hidden));
}

function accept(option) {
  if (!option) return;
  const act = take;
  leave = () => {};
  dialog.close();
  act(option.dataset.kind);
}

search.addEventListener("input", filter);
search.addEventListener("keydown", (event) => {
  const shown = [...list.children].filter((option) => !option.hidden);
  const at = shown.indexOf(chosen);
  if (event.key === "ArrowDown") choose(shown[Math.min(at + 1, shown.length - 1)]);
  else if (event.key === "ArrowUp") choose(shown[Math.max(at - 1, 0)]);
  else if (event.key === "Enter") accept(chosen);
  else return;
  event.preventDefault();
});
list.addEventListener("click", (event) => accept(event.target.closest("[role=option]")));
dialog.addEventListener("close", () => leave());

// Asks which kind of step, and calls `taken` with it, or `left` if none was taken.
export function openPicker(taken, left) {
  take = taken;
  leave = left;
  search.value = "";
  filter();
  dialog.showModal();
  search.focus();
}
