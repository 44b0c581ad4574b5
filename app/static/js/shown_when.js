/* Fields shown only while another field has one of some values: data-shown-when="name",
   data-shown-values='["a", "true"]' around the field. Without this file all are shown, and the server
   leaves out what does not apply. */
(() => {
  "use strict";
  const valuesOf = (form, name) => {
    const found = form.elements.namedItem(name);
    if (found === null) return null;
    const controls = found instanceof RadioNodeList ? [...found] : [found];
    if (controls.length === 1 && controls[0].type === "checkbox") return [String(controls[0].checked)];
    return controls.flatMap((control) => {
      if (control.type === "checkbox" || control.type === "radio") return control.checked ? [control.value] : [];
      return control.multiple ? [...control.selectedOptions].map((option) => option.value) : [control.value];
    });
  };

  const update = (form) => {
    const hidden = new Set();
    for (const field of form.querySelectorAll("[data-shown-when]")) {
      const other = field.dataset.shownWhen;
      const values = valuesOf(form, other);
      const wanted = JSON.parse(field.dataset.shownValues);
      field.hidden = values !== null && (hidden.has(other) || !values.some((value) => wanted.includes(value)));
      if (!field.hidden) continue;
      for (const control of field.querySelectorAll("[name]")) hidden.add(control.name);
    }
  };

  for (const form of document.querySelectorAll("form")) {
    if (!form.querySelector("[data-shown-when]")) continue;
    form.addEventListener("change", () => update(form));
    form.addEventListener("input", () => update(form));
    update(form);
  }
})();
