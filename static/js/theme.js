// Applies the stored choice of light or dark before the first paint; without one the page follows the system.
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll("input[name=theme]")) {
      radio.checked = radio.value === (chosen ?? "system");
      radio.addEventListener("change", () => {
        if (radio.value === "system") {
          localStorage.removeItem("theme");
          delete document.documentElement.dataset.theme;
        } else {
          localStorage.setItem("theme", radio.value);
          document.documentElement.dataset.theme = radio.value;
        }
      });
    }
  });
})();
