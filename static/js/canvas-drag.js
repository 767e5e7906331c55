// Dragging steps: between lists, and new ones from the palette. Sortable moves what is seen; the server is told.

// A finger that moves over a card scrolls, so that it drags by a handle.
const touched = matchMedia("(pointer: coarse)").matches;
const wired = new WeakSet();
let acts = {};
let canvas = null;

function placeOf(item) {
  const before = item.previousElementSibling;
  const seq = item.parentElement;
  const after = before?.matches(".flow-node") ? before.dataset.step : "";
  return { parent: seq.dataset.parent, exit: seq.dataset.exit, after };
}

const COMMON = {
  animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 120,
  forceFallback: true,
  fallbackOnBody: true,
  fallbackTolerance: 5,
  delay: 180,
  delayOnTouchOnly: true,
  scroll: true,
  scrollSensitivity: 60,
  bubbleScroll: true,
  onStart: () => canvas.classList.add("is-dragging"),
};

function wireList(seq) {
  Sortable.create(seq, {
    ...COMMON,
    group: "steps",
    draggable: ".flow-node, .palette-item",
    handle: touched ? ".grip" : ".flow-card",
    delay: touched ? 0 : COMMON.delay,
    // Over the upper half of a step one drops before it, over the lower half behind it, in its own list.
    invertSwap: true,
    invertedSwapThreshold: 1,
    onMove: (event) => !event.dragged.contains(event.to),
    onAdd: (event) => {
      if (!event.item.matches(".palette-item")) return;
      const at = placeOf(event.item);
      event.item.remove();
      acts.add(event.item.dataset.kind, at);
    },
    onEnd: (event) => {
      canvas.classList.remove("is-dragging");
      const moved = event.from !== event.to || event.oldIndex !== event.newIndex;
      if (event.item.matches(".flow-node") && moved) acts.move(event.item.dataset.step, placeOf(event.item));
    },
  });
}

function wirePalette(list) {
  Sortable.create(list, {
    ...COMMON,
    group: { name: "steps", pull: "clone", put: false },
    sort: false,
    handle: touched ? ".grip" : undefined,
    delay: touched ? 0 : COMMON.delay,
    onEnd: () => canvas.classList.remove("is-dragging"),
  });
}

// Lets every list of steps take part, those that have come since the last call too.
export function drags(sheet, { phone, add, move }) {
  acts = { add, move };
  canvas = sheet.closest(".canvas");
  if (phone || !window.Sortable) return;
  for (const seq of sheet.querySelectorAll(".seq")) {
    if (!wired.has(seq)) wireList(seq);
    wired.add(seq);
  }
  for (const list of document.querySelectorAll(".palette-list")) {
    if (!wired.has(list)) wirePalette(list);
    wired.add(list);
  }
}

// Resolves once nothing is being dragged: a tree that is drawn anew would take it out of the hand.
export async function still() {
  while (canvas?.classList.contains("is-dragging")) await new Promise((done) => { setTimeout(done, 50); });
}
