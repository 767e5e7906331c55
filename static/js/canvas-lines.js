// Draws the lines between steps, into branches and back together: all places are read first, then written.

const TURN = 9; // radius of a corner

export function draw(sheet, svg) {
  if (!svg.getClientRects().length) return; // phones show none
  const origin = sheet.getBoundingClientRect();
  const paths = [];
  const taken = []; // the ways that a trial took
  const ends = [];
  const at = (element, side) => {
    const box = element.getBoundingClientRect();
    return { x: (box.left + box.right) / 2 - origin.left, y: box[side] - origin.top };
  };

  function add(path, isTaken) {
    (isTaken ? taken : paths).push(path);
  }

  // Joins the steps of one list, and returns where the run goes on from its last one; null if it ends there.
  function list(seq, from, isTaken) {
    const nodes = [...seq.children].filter((child) => child.matches(".flow-node"));
    if (!nodes.length) {
      const lone = seq.querySelector(":scope > .lone > .plus");
      const box = lone ?? seq;
      add(straight(from, at(box, "top")), isTaken);
      return at(box, "bottom");
    }
    let last = from;
    for (const node of nodes) {
      const card = node.querySelector(":scope > .flow-card");
      const foot = node.querySelector(":scope > .card-result") ?? card;
      if (last) add(straight(last, at(card, "top")), wasReached(node));
      last = node.hasAttribute("data-ends") ? null : behind(node, at(foot, "bottom"));
    }
    return last;
  }

  function behind(node, from) {
    const ways = node.querySelector(":scope > .ways");
    if (!ways) return from;
    const top = at(ways, "top").y;
    const join = { x: from.x, y: at(ways, "bottom").y };
    let joins = false;
    for (const way of ways.children) {
      const name = way.querySelector(":scope > .way-name");
      const isTaken = way.hasAttribute("data-taken");
      const seq = way.querySelector(":scope > .seq");
      add(bent(from, at(name, "top"), top + 12), isTaken);
      const end = list(seq, at(name, "bottom"), isTaken);
      if (!end) continue;
      joins = true;
      add(bent(end, join, join.y - 12), isTaken && wentThrough(seq));
    }
    return joins ? join : null;
  }

  const trigger = sheet.querySelector("#card-trigger");
  const last = list(sheet.querySelector("#seq-root"), at(trigger, "bottom"), false);
  if (last) ends.push(last);

  const size = { width: sheet.offsetWidth, height: sheet.offsetHeight };
  svg.setAttribute("width", size.width);
  svg.setAttribute("height", size.height);
  const lines = make("path", paths.join(""));
  const walked = make("path", taken.join(""));
  walked.setAttribute("class", "taken");
  const dots = ends.map((end) => make("path", `M${end.x} ${end.y}v14m-5 0h10`));
  svg.replaceChildren(lines, walked, ...dots);
}

// Whether a trial came to the step; and whether it went on behind the last step of a list.
const wasReached = (node) => node.dataset.ran !== undefined && node.dataset.ran !== "not_reached";

function wentThrough(seq) {
  const last = [...seq.children].filter((child) => child.matches(".flow-node")).at(-1);
  return !last || ["done", "handled"].includes(last.dataset.ran);
}

function make(name, d) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  element.setAttribute("d", d);
  return element;
}

function straight(from, to) {
  return Math.abs(from.x - to.x) < 1 ? `M${from.x} ${from.y}V${to.y}` : bent(from, to, (from.y + to.y) / 2);
}

// Down to `y`, across, and down again, with round corners.
function bent(from, to, y) {
  const far = to.x - from.x;
  if (Math.abs(far) < 1) return `M${from.x} ${from.y}V${to.y}`;
  const turn = Math.min(TURN, Math.abs(far) / 2, Math.max(0, y - from.y), Math.max(0, to.y - y));
  const side = Math.sign(far) * turn;
  return `M${from.x} ${from.y}V${y - turn}q0 ${turn} ${side} ${turn}H${to.x - side}q${side} 0 ${side} ${turn}V${to.y}`;
}
