// Puts the light or dark theme on before anything is shown: the one that was chosen, else the system's.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("aqueduct-theme");
    } catch {
      return null; // storage is shut off
    }
  };
  const apply = () => {
    const theme = chosen() ?? (dark.matches ? "dark" : "light");
    document.documentElement.classList.toggle("dark", theme === "dark");
  };
  dark.addEventListener("change", apply);
  addEventListener("storage", apply); // chosen in another tab
  apply();
})();
