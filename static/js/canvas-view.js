// How the canvas is drawn, which the browser remembers.

const byId = (id) => document.getElementById(id);

// Shows a flow that is wider than the canvas from where it begins, with its branches on both sides.
export function centre() {
  const [frame, box] = [byId("canvas").getBoundingClientRect(), byId("card-trigger").getBoundingClientRect()];
  byId("canvas").scrollLeft += (box.left + box.right - frame.left - frame.right) / 2;
}

// Lets a box switch the class `name` of the canvas, and calls `drawn` after that; `usual` is what holds at first.
export function remember(name, usual, drawn) {
  const box = byId(`design-${name}`);
  if (!box) return;
  box.checked = (localStorage.getItem(name) ?? usual) === "on";
  byId("canvas").classList.toggle(name, box.checked);
  box.addEventListener("change", () => {
    localStorage.setItem(name, box.checked ? "on" : "off");
    byId("canvas").classList.toggle(name, box.checked);
    drawn();
  });
}
