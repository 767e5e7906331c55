// The canvas by keyboard: going through the steps, moving them, copying and pasting.

const nodesOf = (seq) => [...seq.children].filter((child) => child.matches(".flow-node"));
const lastOf = (seq) => nodesOf(seq).at(-1)?.dataset.step ?? "";
const waysOf = (node) => [...(node?.querySelector(":scope > .ways")?.children ?? [])].map((way) => way.querySelector(":scope > .seq"));
const placeIn = (seq) => ({ parent: seq.dataset.parent, exit: seq.dataset.exit });

// The list that a step stands in, as the server names it.
export function placeOf(node) {
  return placeIn(node.parentElement.closest(".seq"));
}

// Where a step would go with Alt and an arrow; nothing where it cannot.
export function neighbours(node) {
  const seq = node.parentElement;
  const nodes = nodesOf(seq);
  const index = nodes.indexOf(node);
  const own = placeIn(seq);
  return {
    ArrowUp: () => (index > 0 ? { ...own, after: nodes[index - 2]?.dataset.step ?? "" } : null),
    ArrowDown: () => (index + 1 < nodes.length ? { ...own, after: nodes[index + 1].dataset.step } : null),
    ArrowLeft: () => {
      const parent = seq.closest(".flow-node");
      return parent ? { ...placeOf(parent), after: parent.dataset.step } : null;
    },
    ArrowRight: () => {
      const before = waysOf(nodes[index - 1])[0];
      if (before) return { ...placeIn(before), after: lastOf(before) };
      const behind = waysOf(nodes[index + 1])[0];
      if (behind) return { ...placeIn(behind), after: "" };
      const next = seq.closest(".way")?.nextElementSibling?.querySelector(":scope > .seq");
      return next ? { ...placeIn(next), after: lastOf(next) } : null;
    },
  };
}

function stepsIn(text) {
  try {
    const found = JSON.parse(text);
    const steps = Array.isArray(found) ? found : found.steps ?? [found];
    return Array.isArray(steps) && steps.length && steps.every((step) => step?.id && step?.kind) ? steps : null;
  } catch {
    return null;
  }
}

function find(steps, id) {
  for (const step of steps) {
    if (step.id === id) return step;
    const inside = find(Object.values(step.exits ?? {}).flat(), id);
    if (inside) return inside;
  }
  return null;
}

export function keys(sheet, { run, details, rove, say, turn, duplicate, remove, shift, pick, paste, publish, isReadOnly, focusCard }) {
  const items = () => [...sheet.querySelectorAll("[data-item]")].filter((item) => item.offsetParent);

  function go(item) {
    if (!item) return;
    rove(item);
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function walk(item, key) {
    const all = items();
    const at = all.indexOf(item);
    const seq = item.closest(".seq");
    const inside = item.closest(".flow-node")?.querySelector(":scope > .ways [data-item]");
    const around = seq?.closest(".flow-node")?.querySelector(":scope > .flow-card") ?? all[0];
    const beside = seq?.closest(".way")?.nextElementSibling?.querySelector("[data-item]");
    const target = { ArrowDown: all[at + 1], ArrowUp: all[at - 1], Home: all[0], End: all.at(-1), ArrowLeft: around, ArrowRight: inside ?? beside };
    go(target[key]);
  }

  sheet.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-item]");
    if (!item || event.isComposing) return;
    const step = item.dataset.step;
    const arrow = event.key.startsWith("Arrow");
    const command = event.ctrlKey || event.metaKey;
    if ((arrow || ["Home", "End"].includes(event.key)) && !event.altKey && !command) walk(item, event.key);
    else if (event.key === "i" && !command && step) details(step);
    else if (isReadOnly()) return;
    else if (event.key === "r" && !command && step) run(step);
    else if (event.key === "p" && !command) publish();
    else if (arrow && event.altKey && step) shift(step, event.key);
    else if (command && event.key.toLowerCase() === "d" && step && step !== "@trigger") duplicate(step);
    else if (["Delete", "Backspace"].includes(event.key) && step) remove(step);
    else if (event.key === "+" || event.key === "Insert") step ? pick(step) : item.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  sheet.addEventListener("focusin", (event) => {
    const item = event.target.closest("[data-item]");
    if (item) rove(item);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest?.(".panel")) return focusCard();
    if (isReadOnly() || event.target.matches?.("input, textarea, select") || event.target.closest?.("dialog[open]")) return;
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    turn(event.shiftKey ? "redo" : "undo");
  });

  document.addEventListener("copy", (event) => {
    const id = document.activeElement.closest?.(".flow-card")?.dataset.step;
    if (!id || !document.getSelection().isCollapsed) return;
    const step = find(JSON.parse(document.getElementById("design-document").textContent).steps, id);
    if (!step) return;
    event.clipboardData.setData("text/plain", JSON.stringify([step], null, 2));
    event.preventDefault();
    say("Copied. Paste it below any step, here or in another flow.");
  });

  document.addEventListener("paste", (event) => {
    const item = document.activeElement.closest?.("[data-item]");
    if (!item || isReadOnly()) return;
    event.preventDefault();
    const steps = stepsIn(event.clipboardData.getData("text/plain"));
    if (steps) paste(steps, item.dataset.step ?? "@trigger");
    else say("What was copied are no steps of a flow.");
  });
}
