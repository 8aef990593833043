// What pages can do beyond links and forms, each by an attribute; see CONTRIBUTING.md. Everything listens at the
// document, so that what htmx puts in later works too.

const root = document.documentElement;
const say = (words) => {
  const announcer = document.getElementById("announcer");
  if (announcer) announcer.textContent = words;
};

// data-theme-switch: light or dark, remembered.
function switchTheme() {
  const dark = root.classList.toggle("dark");
  try {
    localStorage.setItem("aqueduct-theme", dark ? "dark" : "light");
  } catch {
    // storage is shut off: it holds for this page
  }
  say(dark ? "Dark theme" : "Light theme");
}

// data-copy="ID": the text of that element goes to the clipboard; without one (plain HTTP) it is selected.
async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.value ?? source.textContent;
  const label = button.querySelector("span");
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
    say("Copied to the clipboard");
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    label.textContent = "Press Ctrl+C";
    say("Selected. Press Control and C to copy.");
  }
  setTimeout(() => (label.textContent = before), 2000);
}

// data-menu: the side bar on narrow screens.
function toggleMenu(open) {
  document.body.classList.toggle("menu-open", open);
  document.querySelector("[data-menu]")?.setAttribute("aria-expanded", String(open));
  if (open) document.querySelector("#sidebar a")?.focus();
}

// data-confirms="NAME": the form's button works once the name is typed.
function guard(input) {
  const button = input.form.querySelector("[type=submit]");
  button.disabled = input.value !== input.dataset.confirms;
}

function openDialog(id) {
  const dialog = document.getElementById(id);
  for (const input of dialog.querySelectorAll("[data-confirms]")) {
    input.value = "";
    guard(input);
  }
  dialog.showModal();
}

// data-tabs: one panel at a time, by click or arrow keys; the choice is kept for the next page.
function showTab(tab) {
  for (const other of tab.parentElement.children) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
}

document.addEventListener("click", (event) => {
  const target = event.target.closest(
    "[data-theme-switch], [data-copy], [data-menu], [data-menu-close], [data-dialog], [data-dialog-close], [role=tab]",
  );
  for (const open of document.querySelectorAll("details[data-closes][open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
  if (event.target instanceof HTMLDialogElement) event.target.close(); // beside the dialog
  if (!target) return;
  if (target.matches("[data-theme-switch]")) switchTheme();
  else if (target.matches("[data-copy]")) copy(target);
  else if (target.matches("[data-menu]")) toggleMenu(!document.body.classList.contains("menu-open"));
  else if (target.matches("[data-menu-close]")) toggleMenu(false);
  else if (target.matches("[data-dialog]")) openDialog(target.dataset.dialog);
  else if (target.matches("[data-dialog-close]")) target.closest("dialog").close();
  else if (target.closest("[data-tabs]")) showTab(target);
});

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-confirms]")) guard(event.target);
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.querySelector("[data-slash]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "Escape") {
    toggleMenu(false);
    for (const open of document.querySelectorAll("details[data-closes][open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  } else if (event.target.matches("[data-tabs] [role=tab]")) {
    const tabs = [...event.target.parentElement.children];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
      showTab(next);
      next.focus();
    }
  }
});

// Instants in the reader's own time, when one points at them.
function localise(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.valueOf())) time.title = at.toLocaleString();
  }
}

// data-takes-fragment: the code of a link leaves the address, and the history with it.
for (const form of document.querySelectorAll("form[data-takes-fragment]")) {
  if (location.hash.length > 1) {
    form.elements.code.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname);
    form.querySelector("[type=submit]").focus();
  }
}

localise(document);
document.addEventListener("htmx:afterSwap", (event) => localise(event.target));
document.addEventListener("htmx:sendError", () => say("The gateway does not answer. Check the connection."));
