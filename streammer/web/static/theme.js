// Before anything is painted: the theme that was chosen here, else that of the system.
const light = matchMedia("(prefers-color-scheme: light)");

function setTheme() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("streammer-theme");
  } catch {
    // no storage: the system's
  }
  document.documentElement.dataset.theme = chosen ?? (light.matches ? "light" : "dark");
}

setTheme();
light.addEventListener("change", setTheme);
