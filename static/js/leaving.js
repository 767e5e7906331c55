// Lets nobody leave a page with changes that were not sent: a link waits for them, and then the browser asks.

const LONGEST = 15_000;

// `kept` tells whether nothing waits to be sent.
export function leaveOnceKept(kept) {
  addEventListener("beforeunload", (event) => { if (!kept()) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || kept()) return;
    event.preventDefault();
    const begun = Date.now();
    const waiting = setInterval(() => {
      if (!kept() && Date.now() - begun < LONGEST) return;
      clearInterval(waiting);
      location.assign(link.href);
    }, 50);
  });
}
