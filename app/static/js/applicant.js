/* The applicant's form: rows without a reload, saving every ten seconds. Without this file submit buttons do both. */
(() => {
  "use strict";
  const form = document.querySelector("form[data-autosave]");
  if (!form) return;
  const all = (selector, root = form) => [...root.querySelectorAll(selector)];

  /* ---- Rows ------------------------------------------------------------------------------- */
  const hex = () => [...crypto.getRandomValues(new Uint8Array(4))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const renumber = (field) => {
    all("[data-row-number]", field).forEach((number, index) => (number.textContent = index + 1));
    const rows = all("[data-row]", field).length;
    const add = field.querySelector("[data-add-row]");
    if (add) add.hidden = rows >= Number(field.dataset.maxRows);
  };
  form.addEventListener("click", (event) => {
    const add = event.target.closest("[data-add-row]");
    const remove = event.target.closest("[data-remove-row]");
    if (!add && !remove) return;
    event.preventDefault();
    event.stopPropagation();
    const field = (add ?? remove).closest("[data-rows-field]");
    if (add) {
      const count = field.querySelector("[data-row-count]");
      const place = Number(count.value);
      count.value = place + 1;
      const holder = document.createElement("div");
      holder.innerHTML = field.querySelector("template").innerHTML.replaceAll("__place__", place);
      const row = holder.firstElementChild;
      row.querySelector("input[name$='.row_id']").value = hex();
      add.before(row);
      document.dispatchEvent(new CustomEvent("htmx:after:swap", { bubbles: true }));
      row.querySelector("input:not([type=hidden]), select, textarea")?.focus();
    } else {
      const row = remove.closest("[data-row]");
      (row.nextElementSibling?.matches("[data-row]") ? row.nextElementSibling : field.querySelector("[data-add-row]"))?.focus();
      row.remove();
    }
    renumber(field);
    form.setAttribute("data-changed", "");
  });

  /* ---- Saving every ten seconds ------------------------------------------------------------- */
  const status = form.querySelector("[data-saved]");
  const version = form.querySelector("[data-content-version]");
  const say = (text, isProblem) => {
    status.textContent = text;
    status.classList.toggle("form-error", isProblem);
  };
  let running = false;
  let stopped = false;
  // What was refused is sent again once it has been changed: a page left open keeps no sign-in alive.
  let refused = false;
  for (const name of ["input", "change", "click"]) form.addEventListener(name, () => (refused = false));
  const save = async () => {
    if (running || stopped || refused || form.dataset.sent || !form.hasAttribute("data-changed")) return;
    running = true;
    const data = new FormData(form);
    all("input[type=file]").forEach((input) => data.delete(input.name));
    data.set("do", "stay");
    form.removeAttribute("data-changed");
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: data, credentials: "same-origin", redirect: "error", headers: { Accept: "application/json" },
      });
      const found = await answer.json();
      if (answer.ok) {
        version.value = found.content_version;
        say(status.dataset.savedText.replace("{time}", found.saved_at), false);
      } else {
        form.setAttribute("data-changed", "");
        refused = answer.status < 500;
        stopped = answer.status === 409 || answer.status === 403;
        if (answer.status !== 422) say(found.message, true);
      }
    } catch {
      form.setAttribute("data-changed", "");
      say(status.dataset.failedText, true);
    }
    running = false;
  };
  setInterval(save, 10000);
  document.addEventListener("visibilitychange", () => document.hidden && save());
  form.addEventListener("submit", () => (stopped = true));
})();
