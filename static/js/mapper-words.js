// Small parts that the mapper's modules share: elements, icons, what is said to screen readers.

export const by = (id) => document.getElementById(id);

const icons = JSON.parse(by("mapper-data").textContent).icons;

// Makes an element; texts stay texts.
export function node(name, fields = {}, ...children) {
  const made = document.createElement(name);
  for (const [field, value] of Object.entries(fields)) {
    if (field.includes("-")) made.setAttribute(field, value);
    else made[field] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function icon(name) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawn.setAttribute("class", "icon");
  drawn.setAttribute("aria-hidden", "true");
  drawn.setAttribute("focusable", "false");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${icons}#${name}`);
  drawn.append(use);
  return drawn;
}

export function say(text) {
  document.dispatchEvent(new CustomEvent("say", { detail: text }));
}
