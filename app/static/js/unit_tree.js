/* The unit tree: links that open a level load it in place; arrow keys after the ARIA tree pattern. */
(() => {
  "use strict";
  const tree = document.querySelector("[data-tree]");
  if (!tree) return;
  const items = () => [...tree.querySelectorAll("li.tree-item")].filter((item) => !item.closest("ul[hidden]"));
  const level = (item) => item.querySelector(":scope > ul");
  const handle = (item) => item.querySelector(":scope > .tree-row .tree-name, :scope > [data-more]");
  const parentOf = (item) => item.parentElement.closest("li.tree-item");
  const isOpen = (item) => item.getAttribute("aria-expanded") === "true";

  const dress = (root, depth) => {
    for (const item of root.children) {
      item.setAttribute("role", "treeitem");
      item.setAttribute("aria-level", depth);
      const name = handle(item);
      if (name?.id === "" && item.id) name.id = `${item.id}-name`;
      if (name?.id) item.setAttribute("aria-labelledby", name.id);
      for (const link of item.querySelectorAll(":scope > .tree-row a, :scope > [data-more]")) link.tabIndex = -1;
      item.tabIndex = -1;
      if (item.dataset.below) item.setAttribute("aria-expanded", String("open" in item.dataset));
      item.querySelector(":scope > .tree-row a.tree-toggle")?.setAttribute("aria-hidden", "true");
      const below = level(item);
      if (!below) continue;
      below.setAttribute("role", "group");
      dress(below, depth + 1);
    }
  };

  const goTo = (item) => {
    if (!item) return;
    tree.querySelectorAll("li[tabindex='0']").forEach((other) => (other.tabIndex = -1));
    item.tabIndex = 0;
    item.focus();
    item.querySelector(":scope > .tree-row")?.scrollIntoView({ block: "nearest" });
  };

  const complain = (item) => {
    item.querySelector(":scope > .form-error")?.remove();
    const said = document.createElement("p");
    said.className = "form-error";
    said.setAttribute("role", "alert");
    said.textContent = tree.dataset.failed;
    item.append(said);
  };

  const fetchItems = async (address) => {
    const answer = await fetch(address, { headers: { "X-Requested-With": "fetch" }, credentials: "same-origin" });
    if (answer.redirected) return window.location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.text();
  };

  const open = async (item) => {
    if (!item.dataset.below || isOpen(item) || item.getAttribute("aria-busy")) return;
    item.querySelector(":scope > .form-error")?.remove();
    if (!level(item)) {
      item.setAttribute("aria-busy", "true");
      try {
        const below = document.createElement("ul");
        below.className = "tree-level";
        below.setAttribute("role", "group");
        below.innerHTML = (await fetchItems(item.dataset.below)) ?? "";
        dress(below, Number(item.getAttribute("aria-level")) + 1);
        item.append(below);
      } catch {
        complain(item);
        return;
      } finally {
        item.removeAttribute("aria-busy");
      }
    }
    level(item).hidden = false;
    item.setAttribute("aria-expanded", "true");
  };

  const close = (item) => {
    if (!isOpen(item)) return;
    level(item).hidden = true;
    item.setAttribute("aria-expanded", "false");
    if (item.contains(document.activeElement)) goTo(item);
  };

  const more = async (item) => {
    if (item.getAttribute("aria-busy")) return;
    item.setAttribute("aria-busy", "true");
    try {
      const holder = document.createElement("ul");
      holder.innerHTML = (await fetchItems(item.querySelector("[data-more]").href)) ?? "";
      for (const extra of [...holder.children])
        if (extra.id && document.getElementById(extra.id)) extra.remove();
      dress(holder, Number(item.getAttribute("aria-level")));
      const first = holder.firstElementChild;
      item.replaceWith(...holder.children);
      goTo(first);
    } catch {
      item.removeAttribute("aria-busy");
      complain(item);
    }
  };

  tree.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const item = event.target.closest("li.tree-item");
    if (event.target.closest("a.tree-toggle")) {
      event.preventDefault();
      if (isOpen(item)) close(item);
      else open(item);
      goTo(item);
    } else if (event.target.closest("[data-more]")) {
      event.preventDefault();
      more(item);
    }
  });

  tree.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const item = event.target.closest("li.tree-item");
    if (!item) return;
    const shown = items();
    const place = shown.indexOf(item);
    const keys = {
      ArrowDown: () => goTo(shown[place + 1]),
      ArrowUp: () => goTo(shown[place - 1]),
      Home: () => goTo(shown[0]),
      End: () => goTo(shown.at(-1)),
      ArrowRight: () => (isOpen(item) ? goTo(level(item).querySelector("li.tree-item")) : open(item)),
      ArrowLeft: () => (isOpen(item) ? close(item) : goTo(parentOf(item))),
      Enter: () => (item.querySelector(":scope > [data-more]") ? more(item) : handle(item)?.click()),
      " ": () => (isOpen(item) ? close(item) : open(item)),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });

  tree.setAttribute("role", "tree");
  dress(tree, 1);
  const first = tree.querySelector("li.is-opened") ?? tree.querySelector("li.tree-item");
  if (first) first.tabIndex = 0;
})();
