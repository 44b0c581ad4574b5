/* The editor of screens: drag a field, or move it with Alt and the arrows. Both send the form #editor-move;
   without this file the buttons of the panel do the same. */
(() => {
  "use strict";
  const form = document.getElementById("editor-move");
  if (!form) return;
  const send = (values) => {
    for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
    form.requestSubmit();
  };
  const keyOf = (item) => item.dataset.item.split("/").pop();
  const itemOf = (node) => node.closest?.("[data-item]");

  document.addEventListener("keydown", (event) => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const item = itemOf(event.target);
    if (!item) return;
    event.preventDefault();
    send({ at: item.dataset.item, way: event.key === "ArrowUp" ? "up" : "down", before: "" });
  });

  let dragged = null;
  document.addEventListener("dragstart", (event) => {
    const item = itemOf(event.target);
    if (!item) return;
    dragged = item;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", item.dataset.item);
    item.classList.add("is-dragged");
  });
  const over = (event) => {
    const item = dragged && itemOf(event.target);
    return item && item !== dragged && item.parentElement === dragged.parentElement ? item : null;
  };
  const clear = () => document.querySelectorAll(".is-target").forEach((each) => each.classList.remove("is-target"));
  document.addEventListener("dragover", (event) => {
    const item = over(event);
    clear();
    if (!item) return;
    event.preventDefault();
    item.classList.add("is-target");
  });
  document.addEventListener("drop", (event) => {
    const item = over(event);
    if (!item) return;
    event.preventDefault();
    const box = item.getBoundingClientRect();
    const target = event.clientY > box.top + box.height / 2 ? item.nextElementSibling : item;
    if (target === dragged) return;
    send({ at: dragged.dataset.item, before: target ? keyOf(target) : "", way: "" });
  });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("is-dragged");
    dragged = null;
    clear();
  });
  const outline = document.querySelector(".editor-outline");
  const chosen = outline?.querySelector("[aria-current]");
  if (chosen) outline.scrollTop += chosen.getBoundingClientRect().top - outline.getBoundingClientRect().top - outline.clientHeight / 3;
})();
