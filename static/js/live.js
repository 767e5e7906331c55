// Keeps an open page true: news come over the socket of hx-ws, or by asking while that is lost.
// Rows in view are changed where they stand; new rows are announced and never shift what is read.

const root = document.getElementById("live");

const GROUPS = {
  queued: ["queued", "retrying"],
  passed: ["ignored", "superseded", "echo", "refused", "discarded"],
};
const SIGNED_OUT = 4401;
const LONGEST = 20_000; // for an answer
const RECONNECTING = [1006, 1011, 1012, 1013]; // hx-ws comes back by itself after these

// Lists of what waits for a person, and the number of the navigation that tells when they change.
const COUNTED = { letters: "nav-dead", questions: "nav-questions" };

// What somebody has opened stays open.
const beforeAttributeUpdated = (name, element) => !(name === "open" && element.matches("details"));

function follow() {
  const topics = root.dataset.topics.split(" ").filter(Boolean);
  const unseen = new Set();
  let position = root.dataset.position;
  let more = false;
  let socket = null;
  let polling = 0;
  let asking = false;
  let leaving = false;
  let spoken = 0;
  let tabsAt = 0;
  let tabsDue = 0;
  let tabsAsked = 0;
  const counted = topics.map((topic) => COUNTED[topic]).find(Boolean);
  const waiting = () => document.getElementById(counted)?.dataset.count; // the text stops at 999
  let waited = waiting();
  let refreshAt = 0;

  const rows = () => {
    const shown = [...document.querySelectorAll("tr[data-run]")].map((row) => row.dataset.run);
    return [...shown, ...[...document.querySelectorAll("[data-watch]")].map((box) => box.dataset.watch)];
  };

  function show(state) {
    const label = document.getElementById("live-state");
    if (label) {
      label.dataset.state = state;
      label.textContent = { on: "Live", poll: "Asking every 5 s", off: "Connecting" }[state];
    }
    document.getElementById("lost").hidden = state !== "poll";
  }

  function apply(html) {
    const box = document.createElement("template");
    box.innerHTML = html;
    position = box.content.querySelector("[data-position]")?.dataset.position || position;
    document.dispatchEvent(new CustomEvent("fragment", { detail: box.content }));
    let watched = false;
    const ignoreActiveValue = document.activeElement.matches("input, textarea, select");
    for (const part of box.content.querySelectorAll("[data-part]")) {
      watched ||= Boolean(part.dataset.run && document.querySelector(`[data-watch="${CSS.escape(part.dataset.run)}"]`));
      const target = document.getElementById(part.id);
      if (!target) continue;
      const before = target.textContent;
      Idiomorph.morph(target, part, { morphStyle: "outerHTML", ignoreActiveValue, callbacks: { beforeAttributeUpdated } });
      const now = document.getElementById(part.id);
      if (part.dataset.run && now.textContent !== before) {
        now.classList.add("fresh");
        setTimeout(() => now.classList.remove("fresh"), 1700);
      }
    }
    htmx.process(document.body);
    if (watched && Date.now() - refreshAt > 900) {
      refreshAt = Date.now();
      document.body.dispatchEvent(new CustomEvent("refresh", { bubbles: true }));
    }
    arrive(box.content);
  }

  // What is new and not on the page

  function arrive(news) {
    const list = document.querySelector("[data-runs]");
    if (list) {
      for (const stub of news.querySelectorAll("i[data-run]")) {
        if ("newest" in list.dataset && fits(stub.dataset, list.dataset)) unseen.add(stub.dataset.run);
      }
      more ||= "newest" in list.dataset && Boolean(news.querySelector("[data-more]"));
      if (unseen.size || more) pill(`${unseen.size || "Many"}${more && unseen.size ? "+" : ""} new`);
    } else if (topics.includes("events") && news.querySelector("[data-stale]")) {
      pill("New events");
    } else if (counted && waiting() !== waited) {
      waited = waiting();
      pill("The list has changed");
    } else if (["alerts", "payments"].some((topic) => topics.includes(topic) && news.querySelector(`[data-${topic}]`))) {
      document.body.dispatchEvent(new CustomEvent("refresh", { bubbles: true }));
    }
    if (news.querySelector("[data-stale]")) count();
  }

  function fits(run, list) {
    const group = GROUPS[list.fate] ?? [list.fate];
    return (!list.fate || group.includes(run.fate)) && (!list.flow || list.flow === run.flow) && (!list.type || list.type === run.type);
  }

  function pill(text) {
    const box = document.getElementById("arrivals");
    if (!box) return;
    box.hidden = false;
    box.querySelector("span").textContent = text;
    if (Date.now() - spoken > 10000) {
      spoken = Date.now();
      document.dispatchEvent(new CustomEvent("say", { detail: text }));
    }
  }

  // The numbers over the list, at most every three seconds

  function count() {
    if (!document.getElementById("tabs") || tabsDue) return;
    tabsDue = setTimeout(async () => {
      tabsAt = Date.now();
      tabsDue = 0; // what arrives from now on is not in the answer
      const mine = (tabsAsked += 1);
      const answer = await fetch(location.href, { headers: { "X-Part": "tabs", "X-By-Itself": "1" } }).catch(() => null);
      const text = answer?.ok && !answer.redirected ? await answer.text().catch(() => "") : "";
      if (!text || mine !== tabsAsked) return;
      const box = document.createElement("template");
      box.innerHTML = text;
      const tabs = box.content.getElementById("tabs");
      if (tabs) Idiomorph.morph(document.getElementById("tabs"), tabs, { morphStyle: "outerHTML" });
    }, Math.max(0, tabsAt + 3000 - Date.now()));
  }

  // Asking, while the socket is lost

  async function ask() {
    if (asking) return;
    asking = true;
    const query = new URLSearchParams({ after: position, topics: topics.join(" "), rows: rows().slice(0, 100).join(",") });
    const answer = await fetch(`${root.dataset.poll}?${query}`, { signal: AbortSignal.timeout(LONGEST), headers: { "X-By-Itself": "1" } }).catch(() => null);
    const text = answer?.ok && !answer.redirected ? await answer.text().catch(() => "") : "";
    asking = false;
    if (!polling) return; // the socket is back, and tells what is newer
    if (answer?.redirected) signedOut();
    else if (text) apply(text);
  }

  function poll() {
    if (polling || leaving) return;
    show("off");
    polling = setInterval(() => { show("poll"); ask(); }, 5000);
  }

  function signedOut() {
    clearInterval(polling);
    polling = 1; // never again
    document.getElementById("lost").hidden = true;
    const banner = document.getElementById("signed-out");
    banner.querySelector("a").href = location.href;
    banner.hidden = false;
  }

  // hx-ws reconnects to the address of the page load, so the position travels in the first message.

  htmx.config.wsReconnectDelay = (tries) => Math.min(15000, 500 * 2 ** Math.min(tries, 5)) * (0.5 + Math.random() / 2);
  addEventListener("pagehide", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });

  root.addEventListener("htmx:wsOpen", (event) => {
    socket = event.detail.socketWrapper;
    socket.sendImmediately(JSON.stringify({ after: position, topics, rows: rows() }));
    clearInterval(polling);
    polling = 0;
    show("on");
  });
  root.addEventListener("htmx:wsBeforeMessage", (event) => {
    event.preventDefault();
    apply(event.detail.message);
  });
  root.addEventListener("htmx:wsClose", (event) => {
    const wrapper = event.detail.socketWrapper;
    socket = null;
    if (leaving) return;
    const code = event.detail.event.code;
    if (code === SIGNED_OUT) {
      signedOut();
      return;
    }
    if (!RECONNECTING.includes(code)) setTimeout(() => wrapper.reconnect(), 2000);
    poll();
  });
  document.addEventListener("refreshed", () => { waited = waiting(); });
  for (const name of ["htmx:afterSettle", "refreshed"]) {
    document.addEventListener(name, () => socket?.sendImmediately(JSON.stringify({ topics, rows: rows() })));
  }
}

if (root) follow();
