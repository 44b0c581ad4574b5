/* Behaviour of every page. No inline handlers anywhere: elements ask for behaviour by data attributes.
   Pages work without this file; it only makes them more comfortable. */
(() => {
  "use strict";
  const texts = document.getElementById("portal-texts")?.dataset ?? {};
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const fill = (text, values) => (text ?? "").replace(/\{(\w+)\}/g, (_, name) => values[name]);

  /* ---- Confirm: <button data-confirm="…"> ------------------------------------------------ */
  const dialog = document.getElementById("portal-confirm");
  const ask = (question) =>
    new Promise((resolve) => {
      if (!dialog?.showModal) return resolve(window.confirm(question));
      dialog.querySelector("#portal-confirm-text").textContent = question;
      dialog.returnValue = "cancel";
      dialog.onclose = () => resolve(dialog.returnValue === "ok");
      dialog.showModal();
    });
  if (dialog)
    all("button", dialog).forEach((button) => button.addEventListener("click", () => dialog.close(button.value)));

  const confirmed = new WeakSet();
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      const button = event.submitter;
      if (form.matches("[data-bulk]") && !bulkBoxes(form.id).some((box) => box.checked)) {
        event.preventDefault();
        event.stopImmediatePropagation();
        announceBulk(form.id, true);
        return;
      }
      const question = button?.dataset.confirm ?? form.dataset.confirm;
      if (!question || confirmed.delete(form)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(question).then((yes) => {
        if (!yes) return;
        confirmed.add(form);
        form.requestSubmit(button ?? undefined);
      });
    },
    true,
  );

  /* ---- Sent once: <form data-once> ------------------------------------------------------- */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented) return;
    form.removeAttribute("data-changed");
    if (form.matches("[data-filter]")) {
      all("input[name], select[name]", form).forEach((control) => {
        if (control.value === "") control.disabled = true;
      });
      return;
    }
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    const button = event.submitter;
    setTimeout(() => {
      if (!button) return;
      button.setAttribute("aria-disabled", "true");
      button.dataset.label = button.textContent;
      button.append(` ${texts.working}`);
    });
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    all("form[data-sent]").forEach((form) => delete form.dataset.sent);
    all("[data-filter] :disabled").forEach((control) => (control.disabled = false));
    all("button[data-label]").forEach((button) => {
      button.textContent = button.dataset.label;
      button.removeAttribute("aria-disabled");
    });
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[aria-disabled='true']:not([role='option'])")) event.preventDefault();
  });

  /* ---- Unsaved changes: <form data-dirty> ------------------------------------------------ */
  document.addEventListener("input", (event) => {
    event.target.closest?.("form[data-dirty]")?.setAttribute("data-changed", "");
  });
  window.addEventListener("beforeunload", (event) => {
    if (document.querySelector("form[data-changed]:not([data-sent])")) event.preventDefault();
  });

  /* ---- Rows and bulk selection ----------------------------------------------------------- */
  const bulkBoxes = (id) => all(`input[type=checkbox][name=rowid][form="${id}"]`);
  const announceBulk = (id, complain = false) => {
    const bar = document.querySelector(`[data-bulk-bar="${id}"]`);
    const boxes = bulkBoxes(id);
    const count = boxes.filter((box) => box.checked).length;
    boxes.forEach((box) => box.closest("tr")?.classList.toggle("is-selected", box.checked));
    const top = document.querySelector(`[data-check-all="${id}"]`);
    if (top) {
      top.checked = count > 0 && count === boxes.length;
      top.indeterminate = count > 0 && count < boxes.length;
    }
    if (!bar) return;
    bar.classList.toggle("is-active", count > 0 || complain);
    bar.querySelector(".bulk-count").textContent =
      complain && !count ? texts.noneSelected : fill(texts.selected, { count });
  };
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches?.("[data-check-all]")) {
      bulkBoxes(box.dataset.checkAll).forEach((row) => (row.checked = box.checked));
      announceBulk(box.dataset.checkAll);
    } else if (box.matches?.("input[name=rowid][form]")) {
      announceBulk(box.getAttribute("form"));
    }
  });
  all("[data-bulk-bar]").forEach((bar) => announceBulk(bar.dataset.bulkBar));

  document.addEventListener("click", (event) => {
    const row = event.target.closest?.("tr[data-href]");
    if (!row || event.target.closest("a, button, input, label, select, form")) return;
    if (window.getSelection()?.toString()) return;
    window.location.assign(row.dataset.href);
  });

  /* ---- Keyboard: / search, j k rows, Enter open ------------------------------------------- */
  const rows = all("table[data-rows] tbody tr");
  let current = -1;
  const goTo = (index) => {
    rows[current]?.classList.remove("is-current");
    current = Math.max(0, Math.min(rows.length - 1, index));
    const row = rows[current];
    row.classList.add("is-current");
    const link = row.querySelector("td a[href]");
    (link ?? row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeSide();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], dialog, .ts-wrapper")) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search-focus], input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    } else if (rows.length && (event.key === "j" || event.key === "k")) {
      event.preventDefault();
      goTo(current + (event.key === "j" ? 1 : -1));
    } else if (event.key === "Enter" && rows[current]?.dataset.href && event.target === document.body) {
      window.location.assign(rows[current].dataset.href);
    }
  });

  /* ---- Side bar and pop-up menus ---------------------------------------------------------- */
  const side = document.getElementById("sidebar");
  const opener = document.querySelector("[data-sidebar-open]");
  const closeSide = () => {
    if (!side?.classList.contains("is-open")) return;
    side.classList.remove("is-open");
    opener?.setAttribute("aria-expanded", "false");
    opener?.focus();
  };
  const toggleSide = (event) => {
    event.preventDefault();
    if (side.classList.contains("is-open")) return closeSide();
    side.classList.add("is-open");
    opener.setAttribute("aria-expanded", "true");
    side.querySelector("a")?.focus();
  };
  if (side && opener) {
    opener.addEventListener("click", toggleSide);
    opener.addEventListener("keydown", (event) => event.key === " " && toggleSide(event));
    side.querySelector("[data-sidebar-close]")?.addEventListener("click", (event) => {
      event.preventDefault();
      closeSide();
    });
    side.querySelector("[aria-current=page]")?.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("click", (event) => {
    all("details[data-popup][open]").forEach((menu) => menu.contains(event.target) || menu.removeAttribute("open"));
    if (side?.classList.contains("is-open") && !side.contains(event.target) && !opener.contains(event.target)) closeSide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    all("details[data-popup][open]").forEach((menu) => {
      menu.removeAttribute("open");
      menu.querySelector("summary")?.focus();
    });
  });

  /* ---- Server clock: <time datetime="…" data-clock> --------------------------------------- */
  const started = performance.now();
  const two = (number) => String(number).padStart(2, "0");
  const clocks = all("time[data-clock]").map((element) => {
    const iso = element.getAttribute("datetime");
    const zone = /([+-])(\d\d):(\d\d)$/.exec(iso);
    const offset = zone ? (zone[1] === "-" ? -1 : 1) * (Number(zone[2]) * 60 + Number(zone[3])) : 0;
    return { element, base: Date.parse(iso), offset };
  });
  const tick = () => {
    for (const { element, base, offset } of clocks) {
      const t = new Date(base + (performance.now() - started) + offset * 60000);
      element.textContent =
        `${t.getUTCFullYear()}-${two(t.getUTCMonth() + 1)}-${two(t.getUTCDate())} ` +
        `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}:${two(t.getUTCSeconds())}`;
    }
  };
  if (clocks.length) {
    tick();
    setInterval(tick, 1000);
  }

  /* ---- Pickers: select[data-lookup], select[data-picker], FAB's .my_select2 ---------------- */
  const pick = (select) => {
    if (select.tomselect || typeof TomSelect === "undefined") return;
    const url = select.dataset.lookup;
    const plugins = {};
    if (select.multiple) plugins.remove_button = { title: texts.remove };
    else if (url && !select.required) plugins.clear_button = { title: texts.remove };
    const settings = {
      allowEmptyOption: !url && !select.multiple,
      maxOptions: 200,
      plugins,
      render: {
        no_results: () => element("div", "no-results", texts.nothingFound),
        option: (found) => {
          const shown = element("div", "", found.text);
          if (found.note) shown.append(element("small", "option-note", found.note));
          return shown;
        },
      },
    };
    if (url) {
      Object.assign(settings, {
        valueField: "id",
        labelField: "text",
        searchField: [],
        preload: "focus",
        refreshThrottle: 0,
        loadThrottle: 250,
        shouldLoad: () => true,
        // What was found before does not fit any more: Enter must not choose it.
        onType() {
          this.clearOptions();
          this.refreshOptions(false);
        },
        placeholder: select.options[0]?.value === "" ? select.options[0].textContent || texts.typeMore : texts.typeMore,
        load(query, callback) {
          const address = new URL(url, window.location.href);
          address.searchParams.set("q", query);
          const master = select.dataset.lookupMaster && document.getElementById(select.dataset.lookupMaster);
          if (master) address.searchParams.set("master", master.value);
          fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" })
            .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
            .then((found) => {
              if (query !== this.inputValue()) return callback();
              this.clearOptions();
              callback(Array.isArray(found) ? found : found.results);
            })
            .catch(() => {
              callback();
              this.setTextboxValue("");
              this.settings.placeholder = texts.lookupFailed;
              this.inputState();
            });
        },
      });
    }
    const picker = new TomSelect(select, settings);
    const label = document.querySelector(`label[for="${select.id}"]`);
    if (label) label.setAttribute("for", picker.control_input.id);
    const described = select.getAttribute("aria-describedby");
    if (described) picker.control_input.setAttribute("aria-describedby", described);
    if (select.getAttribute("aria-invalid")) picker.control.setAttribute("aria-invalid", "true");
  };
  const element = (tag, class_, text) => {
    const made = document.createElement(tag);
    made.className = class_;
    made.textContent = text;
    return made;
  };
  const startPickers = (root) =>
    all("select[data-lookup], select[data-picker], select.my_select2", root).forEach(pick);
  startPickers(document);

  /* ---- The filter bar is folded on a phone unless something is filtered ---------------------- */
  if (window.matchMedia("(max-width: 767.98px)").matches && !/[?&]_flt_[^=]*=[^&]/.test(window.location.search))
    all("details[data-fold-on-phone]").forEach((fold) => fold.removeAttribute("open"));

  /* ---- Files: <input type="file" data-max-bytes data-accept-text> --------------------------- */
  const size = (bytes) => (bytes < 1048576 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1048576).toFixed(1)} MB`);
  const accepts = (input, file) => {
    const kinds = (input.accept ?? "").split(",").map((kind) => kind.trim().toLowerCase()).filter(Boolean);
    if (!kinds.length) return true;
    const name = file.name.toLowerCase();
    return kinds.some((kind) =>
      kind.startsWith(".") ? name.endsWith(kind) : kind.endsWith("/*") ? file.type.startsWith(kind.slice(0, -1)) : file.type === kind,
    );
  };
  const describeFiles = (input) => {
    let list = input.parentElement.querySelector(".file-list");
    if (!list) {
      list = element("ul", "file-list", "");
      list.setAttribute("aria-live", "polite");
      input.after(list);
    }
    list.textContent = "";
    const limit = Number(input.dataset.maxBytes || 0);
    let fault = "";
    for (const file of input.files) {
      const line = element("li", "", `${file.name} · ${size(file.size)}`);
      if (limit && file.size > limit) fault = fill(texts.fileTooBig, { limit: size(limit) });
      else if (!accepts(input, file)) fault = fill(texts.fileWrongType, { types: input.dataset.acceptText || input.accept });
      else fault = "";
      if (fault) line.append(element("span", "form-error", fault));
      list.append(line);
      input.setCustomValidity(fault);
    }
    if (!input.files.length) input.setCustomValidity("");
  };
  document.addEventListener("change", (event) => event.target.matches?.("input[type=file]") && describeFiles(event.target));
  for (const name of ["dragover", "dragleave", "drop"])
    document.addEventListener(name, (event) => {
      const zone = event.target.closest?.(".file-drop");
      if (!zone) return;
      event.preventDefault();
      zone.classList.toggle("is-over", name === "dragover");
      if (name !== "drop") return;
      const input = zone.querySelector("input[type=file]");
      input.files = event.dataTransfer.files;
      describeFiles(input);
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });

  /* ---- Charts: loaded only when one comes into view ---------------------------------------- */
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(name).trim();
  let loading;
  const loadCharts = () =>
    (loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${texts.vendor}echarts-6.1.0.portal.min.js`;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    }));
  const drawChart = async (box) => {
    await loadCharts();
    const labels = JSON.parse(box.dataset.labels);
    const series = JSON.parse(box.dataset.series);
    const lying = box.dataset.chart === "hbar";
    const names = { type: "category", data: labels, inverse: lying, axisTick: { show: false },
      axisLabel: { color: token("--portal-ink-soft"), width: lying ? 120 : undefined, overflow: "truncate" },
      axisLine: { lineStyle: { color: token("--portal-line") } } };
    const figures = { type: "value", minInterval: 1, axisLabel: { color: token("--portal-ink-soft") },
      splitLine: { lineStyle: { color: token("--portal-line") } } };
    const chart = window.echarts.init(box, null, { renderer: "canvas" });
    chart.setOption({
      animation: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
      color: [token("--portal-primary"), token("--portal-soon-line"), token("--portal-late"), token("--portal-ok")],
      textStyle: { fontFamily: token("--portal-font") },
      grid: { left: 8, right: 16, top: 16, bottom: 8, containLabel: true },
      tooltip: { trigger: "axis", renderMode: "richText" },
      xAxis: lying ? figures : names,
      yAxis: lying ? names : figures,
      series: series.map(([name, data]) => ({ name, data, type: box.dataset.chart === "line" ? "line" : "bar", barMaxWidth: 28 })),
    });
    new ResizeObserver(() => chart.resize()).observe(box);
  };
  const charts = all("[data-chart]");
  if (charts.length && "IntersectionObserver" in window) {
    const watcher = new IntersectionObserver((entries) =>
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        watcher.unobserve(entry.target);
        drawChart(entry.target).catch(() => (entry.target.hidden = true));
      }),
    );
    charts.forEach((box) => watcher.observe(box));
  }

  /* ---- Progress of a background job: <div data-poll="/jobs/progress/7" data-state="running"> --- */
  all("[data-poll]").forEach((box) => {
    const bar = box.querySelector("progress");
    const look = async () => {
      if (document.hidden) return;
      const answer = await fetch(box.dataset.poll, { headers: { Accept: "application/json" }, redirect: "manual" });
      // The sign-in has ended, by its idle limit for one: the page itself says so.
      if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
      if (!answer.ok) return;
      const { state, done, total } = await answer.json();
      if (state !== box.dataset.state) return location.reload();
      if (!bar) return;
      bar.max = total || 1;
      bar.value = done;
      bar.nextElementSibling.textContent = `${done} / ${total}`;
    };
    setInterval(() => look().catch(() => {}), 1500);
  });

  /* ---- First: the error summary takes the focus -------------------------------------------- */
  document.querySelector("[data-autofocus]")?.focus();
  document.addEventListener("htmx:after:swap", (event) => startPickers(event.target));
})();
