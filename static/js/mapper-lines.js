// The lines between the two trees, drawn in one SVG: everything is measured first and written afterwards.

const STUB = 30;
const NAMESPACE = "http://www.w3.org/2000/svg";

export class Lines {
  constructor(board, svg, from, to) {
    Object.assign(this, { board, svg, from, to, pairs: [], drawn: new Map(), waiting: 0, ghost: null, lit: "" });
    this.areas = [from.list.parentElement, to.list.parentElement];
    for (const area of this.areas) area.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(board);
  }

  // `pairs` are {field, paths, kind}; `kind` is a class such as warn, err, offered or pending.
  show(pairs) {
    this.pairs = pairs;
    this.later();
  }

  later() {
    this.waiting ||= requestAnimationFrame(() => this.draw());
  }

  // Draws at once, and returns how many lines there are.
  draw() {
    cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    if (!this.svg.checkVisibility()) return 0;
    const wanted = this.measure();
    for (const [key, path] of this.drawn) {
      if (!wanted.has(key)) {
        path.remove();
        this.drawn.delete(key);
      }
    }
    const fresh = document.createDocumentFragment();
    for (const [key, [shape, kind]] of wanted) {
      let path = this.drawn.get(key);
      if (!path) {
        path = document.createElementNS(NAMESPACE, "path");
        this.drawn.set(key, path);
        fresh.append(path);
      }
      if (path.shape !== shape) path.setAttribute("d", path.shape = shape);
      if (path.kind !== kind) path.setAttribute("class", path.kind = kind);
    }
    this.svg.append(fresh);
    return wanted.size;
  }

  measure() {
    const base = this.board.getBoundingClientRect();
    const [left, right] = this.areas.map((area) => area.getBoundingClientRect());
    const places = new Map();
    const middle = (element, area) => {
      if (!places.has(element)) {
        const box = element.getBoundingClientRect();
        const at = box.top + box.height / 2;
        const out = at < area.top + 4 ? -1 : at > area.bottom - 4 ? 1 : 0;
        places.set(element, { left: box.left - base.left - 1, right: box.right - base.left - 17, y: at - base.top, out });
      }
      return places.get(element);
    };
    const wanted = new Map();
    for (const { field, paths, kind } of this.pairs) {
      const target = this.to.byKey.get(field);
      if (!target?.shown) continue;
      const end = middle(target.chip ?? target.offer ?? target.dot, right);
      paths.forEach((path, place) => {
        const source = this.from.seen(path);
        if (!source) return;
        const start = middle(source.dot, left);
        if (start.out && end.out) return;
        const names = `${kind}${place ? " second" : ""}${start.out || end.out ? " off" : ""}${this.isLit(field, path) ? " lit" : ""}`;
        wanted.set(`${field} ${path}`, [shapeOf(start, end), names]);
      });
    }
    if (this.ghost) {
      const start = middle(this.ghost.row.dot, left);
      wanted.set("", [curve(start.right, start.y, this.ghost.x - base.left, this.ghost.y - base.top), "ghost"]);
    }
    return wanted;
  }

  isLit(field, path) {
    return this.lit === field || this.lit === path;
  }

  // Makes the lines of one row stand out.
  light(key) {
    if (this.lit === key) return;
    this.lit = key;
    this.later();
  }
}

// Of a line whose other end is out of sight only the beginning is drawn, towards where that is.
function shapeOf(start, end) {
  if (start.out) return curve(end.left - STUB, end.y + start.out * STUB / 2, end.left, end.y);
  if (end.out) return curve(start.right, start.y, start.right + STUB, start.y + end.out * STUB / 2);
  return curve(start.right, start.y, end.left, end.y);
}

function curve(x, y, toX, toY) {
  const bend = Math.max(toX - x <= STUB ? 8 : 36, Math.abs(toX - x) / 2);
  const round = (number) => Math.round(number * 10) / 10;
  return `M${round(x)} ${round(y)}C${round(x + bend)} ${round(y)} ${round(toX - bend)} ${round(toY)} ${round(toX)} ${round(toY)}`;
}
