// What pages do by themselves. Everything works without it but live progress, instant what-if and keys.
//
//   data-open="ID"       a button that opens the dialog ID; data-close inside closes it
//   data-once            a form whose button is dead after the first click (the server answers a second one as the first)
//   data-busy            words in such a form that are shown once it is sent
//   data-live="URL"      an element that is loaded anew from URL every second, until the answer carries X-Live: over;
//                        X-Live: reload loads the whole page anew
//   data-instant="URL"   a form that is sent to URL whenever a field changes; the answer goes into data-into="ID"
//   data-sets="ID"       a slider that writes its value into the field ID, and follows what is typed there
//   data-try="ID"        a button that puts its data-value into the field ID, alone in its form, and goes there
//   data-search          the field that "/" goes to

for (const button of document.querySelectorAll("[data-back]")) button.addEventListener("click", () => history.back());

document.addEventListener("click", (event) => {
  const open = event.target.closest("[data-open]");
  if (open) document.getElementById(open.dataset.open)?.showModal();
  const close = event.target.closest("[data-close]");
  if (close) close.closest("dialog")?.close();
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "yes";
  for (const busy of event.target.querySelectorAll("[data-busy]")) busy.hidden = false;
  for (const button of event.target.querySelectorAll("button")) button.disabled = true;
});
// Back again by the browser's button: what was sent may be looked at and sent again; the key is still the same.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("[data-once]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
});

// A form that was refused is found again as it was filled in: kept in this tab alone, until any page but the one that says no.
const KEPT = "filled";
const fields = (form) => [...form.elements].filter((one) => one.name && !one.hidden && !["hidden", "file", "submit"].includes(one.type));
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[data-once]")) return;
  const values = fields(form).map((one) => [one.name, one.value, Boolean(one.checked)]);
  sessionStorage.setItem(KEPT, JSON.stringify({ page: location.pathname, action: form.getAttribute("action"), values }));
});
const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
if (kept && !document.querySelector("[data-back]")) {
  sessionStorage.removeItem(KEPT);
  const back = performance.getEntriesByType("navigation")[0]?.type === "back_forward" && kept.page === location.pathname;
  const form = back && [...document.querySelectorAll("form[data-once]")].find((one) => one.getAttribute("action") === kept.action);
  if (form) {
    fields(form).forEach((one, place) => {
      const [name, value, checked] = kept.values[place] ?? [];
      if (name !== one.name) return;
      if (["checkbox", "radio"].includes(one.type)) one.checked = checked;
      else one.value = value;
    });
    form.closest("dialog")?.showModal();
  }
}

async function live(element) {
  for (;;) {
    await new Promise((done) => setTimeout(done, document.hidden ? 5000 : 1000));
    try {
      const answer = await fetch(element.dataset.live, { headers: { accept: "text/html" } });
      if (answer.ok) {
        element.innerHTML = await answer.text();
        element.removeAttribute("data-lost");
        const said = answer.headers.get("x-live");
        if (said === "over") return;
        // More of the page has changed than this part; whoever writes a reason in a dialog is not disturbed.
        if (said === "reload" && !document.querySelector("dialog[open]")) { location.reload(); return; }
      } else if (answer.status < 500 && answer.status !== 429) { location.reload(); return; }
    } catch {
      // The server is gone for now: what is shown says since when it is old.
      if (!element.dataset.lost) {
        element.dataset.lost = new Date().toISOString();
        const note = document.createElement("p");
        note.className = "trouble";
        note.setAttribute("role", "alert");
        note.textContent = "The server does not answer. What was asked for is kept by the database and goes on; this page looks again by itself.";
        element.prepend(note);
      }
    }
  }
}
for (const element of document.querySelectorAll("[data-live]")) live(element);

for (const form of document.querySelectorAll("form[data-instant]")) {
  const into = document.getElementById(form.dataset.into);
  let asked = 0, waiting;
  const ask = async () => {
    const mine = ++asked;
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.dataset.instant, { method: "POST", body, headers: { accept: "text/html" } });
    const text = await answer.text();
    if (mine !== asked) return;  // a later question is under way
    if (answer.ok) into.innerHTML = text;
    else into.textContent = new DOMParser().parseFromString(text, "text/html").querySelector("[role=alert]")?.textContent ?? "This cannot be answered.";
  };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  form.addEventListener("reset", () => { clearTimeout(waiting); waiting = setTimeout(ask, 120); });
}

for (const slider of document.querySelectorAll("[data-sets]")) {
  const field = document.getElementById(slider.dataset.sets), begin = slider.value;
  slider.addEventListener("input", () => { field.value = slider.value; });
  field.addEventListener("input", () => { slider.value = field.value.trim() === "" ? begin : field.value; });
}

for (const button of document.querySelectorAll("[data-try]")) button.addEventListener("click", () => {
  const field = document.getElementById(button.dataset.try);
  field.form.reset();
  const more = field.closest("details");
  if (more) more.open = true;
  field.value = button.dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.scrollIntoView({ block: "center" });
  field.focus({ preventScroll: true });
});

// What is wider than its place can be scrolled by keys.
const wide = new ResizeObserver((changed) => {
  for (const { target } of changed) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else if (!target.hasAttribute("role")) target.removeAttribute("tabindex");
  }
});
for (const element of document.querySelectorAll(".scroll, pre")) wide.observe(element);

// Keys: g and a letter goes somewhere, / to the search, j and k through the rows, ? says them all.
let before = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
  const key = event.key;
  if (before === "g") {
    before = "";
    const place = document.querySelector(`nav a[data-key="${CSS.escape(key)}"]`);
    if (place) { event.preventDefault(); place.click(); }
    return;
  }
  before = key === "g" ? "g" : "";
  if (key === "?") { event.preventDefault(); document.getElementById("keys").showModal(); }
  else if (key === "/") {
    const field = document.querySelector("[data-search]") ?? document.querySelector(".filters input");
    if (field) { event.preventDefault(); field.focus(); }
  } else if (key === "j" || key === "k") {
    const links = [...document.querySelectorAll("main tbody tr a:first-of-type, main tbody tr td:first-child a")];
    const rows = links.filter((link, place) => links.findIndex((other) => other.closest("tr") === link.closest("tr")) === place);
    const at = rows.indexOf(document.activeElement);
    const next = rows[at + (key === "j" ? 1 : -1)] ?? rows[key === "j" ? 0 : rows.length - 1];
    if (next) { event.preventDefault(); next.focus(); }
  }
});
