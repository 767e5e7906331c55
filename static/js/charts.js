// Tells the values of a chart where somebody points, by mouse, finger or the arrow keys: each chart has a slider over
// its field, whose places are the rows of the table below it. What is read there stands in the legend.

const chosen = new Map(); // by the id of the figure, the row that is told: it outlives what a live update draws anew

const rowsOf = (figure) => [...figure.querySelectorAll(".plot-table tbody tr")];
// A row is known by its time, so that what somebody looks at stays in place while the hour moves on.
const keyOf = (row) => row.querySelector("time")?.dateTime ?? row.querySelector("th").textContent;

function tell(figure, at) {
  const rows = rowsOf(figure);
  const row = rows[at];
  if (!row) return;
  chosen.set(figure.id, keyOf(row));
  const when = row.querySelector("th").textContent;
  const values = [...row.querySelectorAll("td")].map((cell) => cell.textContent);
  const keys = [...figure.querySelectorAll(".legend .key")];
  keys.forEach((key, number) => put(key.querySelector("b"), values[number]));
  put(figure.querySelector(".plot-told"), when);
  const slider = figure.querySelector("input[type=range]");
  slider.max = rows.length - 1;
  slider.value = at;
  const said = keys.map((key, number) => `${key.childNodes[1].textContent.trim()} ${values[number]}`);
  slider.setAttribute("aria-valuetext", `${when}: ${said.join(", ")}`);
  const line = figure.querySelector(".pointed");
  line.setAttribute("x1", row.dataset.x);
  line.setAttribute("x2", row.dataset.x);
  line.removeAttribute("visibility");
}

// What stands there otherwise, the totals, is kept beside it.
function put(element, text) {
  element.dataset.whole ??= element.textContent;
  element.textContent = text;
}

function rest(figure) {
  chosen.delete(figure.id);
  for (const element of figure.querySelectorAll("[data-whole]")) {
    element.textContent = element.dataset.whole;
    delete element.dataset.whole;
  }
  figure.querySelector(".pointed").setAttribute("visibility", "hidden");
}

const figureOf = (target) => target.closest?.("[data-plot]")?.closest("figure");

// By pointing

let pointed = null;

function point(event) {
  const figure = figureOf(event.target);
  if (pointed && pointed !== figure) leave(pointed);
  pointed = figure ?? null;
  if (!figure) return;
  const box = figure.querySelector(".chart").getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * 600;
  const away = rowsOf(figure).map((row) => Math.abs(row.dataset.x - x));
  if (away.length) tell(figure, away.indexOf(Math.min(...away)));
}

function leave(figure) {
  if (!figure.contains(document.activeElement) || !document.activeElement.matches("[type=range]")) rest(figure);
}

document.addEventListener("pointermove", point);
document.addEventListener("pointerdown", point);
document.addEventListener("click", (event) => {
  if (!figureOf(event.target)) return;
  point(event);
  // So that the arrow keys go on from there. Before the click the browser would take the focus away again.
  pointed.querySelector("input[type=range]")?.focus({ preventScroll: true });
});
document.documentElement.addEventListener("pointerleave", () => {
  if (pointed) leave(pointed);
  pointed = null;
});

// By keys

document.addEventListener("input", (event) => {
  const figure = figureOf(event.target);
  if (figure) tell(figure, Number(event.target.value));
});
document.addEventListener("focusin", (event) => {
  const figure = figureOf(event.target);
  if (figure && !chosen.has(figure.id)) tell(figure, Number(event.target.value));
});
document.addEventListener("focusout", (event) => {
  const figure = figureOf(event.target);
  if (figure && figure !== pointed) rest(figure);
});

// After a live update

function again() {
  for (const [id, key] of [...chosen]) {
    const figure = document.getElementById(id);
    const at = figure ? rowsOf(figure).findIndex((row) => keyOf(row) === key) : -1;
    if (at >= 0) tell(figure, at);
    else if (figure) rest(figure);
    else chosen.delete(id);
  }
}

// The page is changed once this event has been heard by everybody.
document.addEventListener("fragment", () => queueMicrotask(again));
document.addEventListener("refreshed", again);
