// Before anything is painted: the theme that was chosen here, else that of the system.
try {
  const chosen = localStorage.getItem("streammer-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // no storage: the system's
}
