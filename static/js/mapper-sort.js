// Rows whose order counts: moved by buttons, and with the mouse or a finger by their grip.

import { icon, node, say } from "./mapper-words.js";

const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;

// A row of `list`, with what moves and removes it. `name` is what it is called, `sorted(place)` is told where a
// moved one stands now, `removed()` that it is gone; `least` rows stay.
export function row(list, place, children, { name, sorted, removed, least = 0, around = null }) {
  const several = list.length > 1;
  const go = (to) => { shift(list, place, to); say(`Moved ${name} ${to < place ? "up" : "down"}`); sorted(to); };
  const take = () => { list.splice(place, 1); say(`Removed ${name}`); removed(); };
  const grip = several && window.Sortable ? node("span", { className: "mapper-grip", "aria-hidden": "true", title: `Drag ${name}` }, icon("chevrons-up-down")) : null;
  const parts = [grip, ...children,
    several ? button(`Move ${name} up`, "arrow-up", place === 0, () => go(place - 1)) : null,
    several ? button(`Move ${name} down`, "arrow-down", place === list.length - 1, () => go(place + 1)) : null,
    button(`Remove ${name}`, "trash-2", list.length <= least, take)];
  const made = around ? around(parts) : node("div", { className: "mapper-item" }, ...parts);
  made.classList.add("mapper-sorted");
  return made;
}

// Lets the rows of `list` that stand in `box` be dragged, and returns the box.
export function sortable(box, list, sorted) {
  if (list.length < 2 || box.sorts) return box;
  box.sorts = true;
  window.Sortable?.create(box, {
    draggable: ".mapper-sorted",
    handle: ".mapper-grip",
    animation: CALM ? 0 : 120,
    forceFallback: true, // within a dialog nothing of the page around it can be seen
    fallbackTolerance: 3,
    onStart: () => box.classList.add("sorting"),
    onEnd: ({ oldDraggableIndex: from, newDraggableIndex: to }) => {
      box.classList.remove("sorting");
      if (from === to) return;
      shift(list, from, to);
      say(`Moved to place ${to + 1}`);
      sorted(to);
    },
  });
  return box;
}

export const isSorting = () => Boolean(document.querySelector(".sorting"));

function shift(list, from, to) {
  list.splice(to, 0, ...list.splice(from, 1));
}

function button(label, drawn, disabled, onclick) {
  return node("button", { className: "mapper-icon", type: "button", ariaLabel: label, disabled, onclick }, icon(drawn));
}
