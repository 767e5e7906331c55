// Takes a value of Stripe to a field with the mouse, a pen or a finger.

const STARTS_AFTER = 5; // pixels; less is a click
const EDGE = 44;

export class Drag {
  // `hooks`: start(row), over(row), drop(row, target), cancel().
  constructor(from, to, lines, hooks) {
    Object.assign(this, { from, to, lines, hooks, held: null });
    from.list.addEventListener("pointerdown", (event) => this.down(event));
    document.addEventListener("pointermove", (event) => this.moved(event));
    document.addEventListener("pointerup", (event) => this.up(event));
    document.addEventListener("pointercancel", () => this.cancel());
    // The click that ends a drag picks nothing.
    from.list.addEventListener("click", (event) => { if (this.ended) event.stopImmediatePropagation(); this.ended = false; }, true);
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && this.held?.going) this.cancel(); });
  }

  down(event) {
    this.ended = false;
    const row = this.from.rowOf(event.target);
    // A finger on the row scrolls; on the dot it drags.
    const finger = event.pointerType === "touch" && !event.target.closest(".mapper-dot");
    if (!row || event.button || finger || row.group || event.target.closest(".mapper-twist")) return;
    this.held = { row, pointer: event.pointerId, x: event.clientX, y: event.clientY, going: false, at: null };
  }

  moved(event) {
    const held = this.held;
    if (!held || event.pointerId !== held.pointer) return;
    if (!held.going) {
      if (Math.hypot(event.clientX - held.x, event.clientY - held.y) < STARTS_AFTER) return;
      held.going = true;
      held.row.el.setPointerCapture(event.pointerId);
      this.hooks.start(held.row);
      this.scroll();
    }
    Object.assign(held, { x: event.clientX, y: event.clientY });
    this.look();
  }

  look() {
    const { row, x, y } = this.held;
    this.lines.ghost = { row, x, y };
    this.lines.later();
    const under = document.elementFromPoint(x, y);
    const target = under && this.to.rowOf(under);
    if (target === this.held.at) return;
    this.held.at = target;
    this.hooks.over(target);
  }

  // Near an edge of a pane it scrolls, the faster the nearer.
  scroll() {
    if (!this.held?.going) return;
    const { x, y } = this.held;
    for (const area of this.lines.areas) {
      const box = area.getBoundingClientRect();
      if (x < box.left || x > box.right) continue;
      const by = y < box.top + EDGE ? y - box.top - EDGE : Math.max(0, y - box.bottom + EDGE);
      if (by) {
        area.scrollTop += Math.max(-18, Math.min(18, by / 2));
        this.look();
      }
    }
    requestAnimationFrame(() => this.scroll());
  }

  up(event) {
    const held = this.held;
    if (!held || event.pointerId !== held.pointer) return;
    if (!held.going) {
      this.held = null;
      return;
    }
    const target = held.at;
    this.end();
    if (target) this.hooks.drop(held.row, target);
    else this.hooks.cancel();
  }

  cancel() {
    const going = this.held?.going;
    this.end();
    if (going) this.hooks.cancel();
  }

  end() {
    this.ended = Boolean(this.held?.going);
    this.held = null;
    this.lines.ghost = null;
    this.lines.later();
  }
}
