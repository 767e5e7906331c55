// What the org says of the draft: asked when nothing has changed for a moment, and shown until it says otherwise.

const CHECK_AFTER = 1500;
const LONGEST = 20_000; // for an answer: without one the server decides when somebody publishes
const byId = (id) => document.getElementById(id);

let due = 0;
let asked = 0; // how often it was asked for: only what was asked last is shown
let answered = 0; // which of these was answered last, or never will be

const cardOf = (step) => (step === "@trigger" ? "card-trigger" : `card-${step}`);

// Lets fresh parts of the page keep what the org said of the draft before.
export function keep(part) {
  part.querySelector("#design-checks").replaceWith(byId("design-checks").cloneNode(true));
  const said = byId("design-verdict");
  if (said.dataset.asked !== undefined) part.querySelector("#design-verdict[data-open]")?.replaceWith(said.cloneNode(true));
}

// Tells whether what the org says of the draft as it is now is still to come.
export const isAsking = () => answered < asked;

// Resolves once the org has said what it says.
export async function settled() {
  while (isAsking()) await new Promise((done) => { setTimeout(done, 50); });
}

function told(mine) {
  answered = Math.max(answered, mine);
  document.dispatchEvent(new CustomEvent("checked"));
}

// Asks the server once nothing has changed for a moment.
export function check(base, sheet) {
  clearTimeout(due);
  const mine = (asked += 1);
  document.dispatchEvent(new CustomEvent("checked"));
  due = setTimeout(async () => {
    const answer = await fetch(`${base}checks/`, { signal: AbortSignal.timeout(LONGEST) }).catch(() => null);
    const text = answer?.ok && !answer.redirected ? await answer.text().catch(() => "") : "";
    if (mine !== asked) return;
    if (!text) return void told(mine);
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const id of ["design-checks", "design-verdict"]) {
      const fresh = page.getElementById(id);
      if (fresh) Idiomorph.morph(byId(id), fresh, { morphStyle: "outerHTML" });
    }
    mark(sheet);
    told(mine);
  }, CHECK_AFTER);
}

// Shows at each step how many errors the org would make of it.
export function mark(sheet) {
  for (const badge of sheet.querySelectorAll("[data-org]")) {
    badge.closest(".flow-card").classList.remove("bad");
    badge.remove();
  }
  for (const error of document.querySelectorAll("#design-checks [data-error]")) count(byId(cardOf(error.dataset.jump)));
}

function count(card) {
  if (!card || card.querySelector(".count:not([data-org])")) return;
  let badge = card.querySelector("[data-org]");
  if (!badge) {
    badge = Object.assign(document.createElement("span"), { className: "count err" });
    badge.dataset.org = "0";
    card.querySelector(".node-end").prepend(badge);
    card.classList.add("bad");
  }
  badge.dataset.org = String(Number(badge.dataset.org) + 1);
  const words = Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: " to solve" });
  badge.replaceChildren(badge.dataset.org, words);
}
