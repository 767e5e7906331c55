// The dialog in which a draft is published: its test cases are run on the draft as soon as it opens, and
// Control with Enter publishes. Only what is kept is run and published: what is on its way is waited for, and so
// is what the org says of it.

import { isAsking, settled } from "./canvas-checks.js";

const LONGEST = 120_000; // for the test cases of a flow
const byId = (id) => document.getElementById(id);
const dialog = byId("design-publish");
const cases = () => byId("publish-cases");
let ran = 0; // the revision on which they were run last
let came = null;
let running = 0; // the revision on which they are being run
let awaited = false; // whether the version waits for a change that is on its way

dialog.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  settled().then(() => dialog.open && dialog.querySelector(".dialog-foot .primary:not(:disabled)")?.click());
});

// Shows in the dialog how the draft stands; nothing is published while that is being checked.
export function showStanding() {
  const [button, line] = [dialog.querySelector(".dialog-foot .primary"), byId("publish-standing")];
  const said = byId("design-verdict");
  const errors = said.classList.contains("err");
  if (!line) return; // what is wrong with the draft by itself is told in its place
  button.disabled = isAsking() || errors;
  line.classList.toggle("errors", errors && !isAsking());
  const words = isAsking() ? "Being checked…" : errors ? `${said.textContent}. See Problems on the page.` : "";
  if (line.textContent !== words) line.textContent = words;
}
document.addEventListener("checked", showStanding);

// Publishes once every change is kept and checked; a second click meanwhile publishes nothing more.
export function publishes(sending) {
  dialog.addEventListener("htmx:confirm", async (event) => {
    if (sending.idle && !isAsking()) return;
    event.preventDefault();
    if (awaited) return;
    awaited = true;
    await sending.kept();
    await settled();
    awaited = false;
    if (dialog.open && !dialog.querySelector(".dialog-foot .primary").disabled) event.detail.issueRequest();
  });
}

// Tells in the dialog that somebody else has changed the flow: what it shows is then not what there is now.
export function overtaken(text) {
  byId("publish-news-text").textContent = text;
  byId("publish-news").hidden = false;
}

export const upToDate = () => { byId("publish-news").hidden = true; };

// Runs the test cases on what is kept, if they were not run on that yet.
export async function runCases(sending) {
  await sending.kept();
  if (!dialog.open || !cases()) return;
  const { revision } = sending;
  if (ran === revision && came) return void cases().replaceChildren(came);
  say("Running the test cases…");
  if (running === revision) return;
  running = revision;
  const found = await run(sending).catch(() => null);
  running = 0;
  if (revision !== sending.revision || !cases()) return; // what is newer runs them by itself
  if (!found) return say("The test cases could not be run. Close this and try again.");
  [ran, came] = [revision, document.adoptNode(found)];
  cases().replaceChildren(came);
  document.dispatchEvent(new CustomEvent("say", { detail: came.querySelector("p").textContent }));
}

async function run(sending) {
  const headers = { "X-CSRFToken": document.querySelector("#design-first [name=csrfmiddlewaretoken]").value };
  const answer = await sending.read("cases/", { method: "POST", headers, signal: AbortSignal.timeout(LONGEST) });
  return new DOMParser().parseFromString(answer.text, "text/html").getElementById("publish-ran");
}

function say(text) {
  const line = Object.assign(document.createElement("p"), { className: "sub", textContent: text });
  line.setAttribute("role", "status");
  cases().replaceChildren(line);
}
