// Formulas and sentences that react: numbers of a figure in the text, and terms that light up the part they mean.

import { words } from "./numerics/words.js";

// A number of a figure by its path: a value of its view, else a field of its state; dots go deeper.
function value(kit, path) {
  const [first, ...rest] = path.split(".");
  const seen = kit.view?.[first], start = typeof seen === "number" || (seen && rest.length) ? seen : kit.store.state[first];
  return rest.reduce((found, part) => found?.[part], start);
}

// Bind everything in the article that speaks of this figure.
export function react(kit, article) {
  const shown = [...article.querySelectorAll(`[data-value^="${kit.name}:"]`)];
  if (shown.length) {
    kit.drawnfor.add(() => {
      for (const place of shown) {
        const found = value(kit, place.dataset.value.split(":")[1]);
        const text = typeof found === "number" ? words(found, place.dataset.form || ".4g").replace(/-(?=\d)/g, "−") : String(found ?? "–");
        if (place.textContent !== text) place.textContent = text;
      }
    });
  }
  for (const term of article.querySelectorAll(`[data-term^="${kit.name}:"]`)) {
    const names = term.dataset.term.split(":")[1].split(" "), means = (key) => names.some((name) => key === name || (key.startsWith(name) && /^\d+$/.test(key.slice(name.length))));
    const lit = (on) => {
      term.classList.toggle("lit", on);
      for (const part of kit.root.querySelectorAll("[data-field], [data-key]")) if (means(part.dataset.field || part.dataset.key)) part.classList.toggle("lit", on);
    };
    term.setAttribute("tabindex", "0");
    for (const name of ["pointerenter", "focus"]) term.addEventListener(name, () => lit(true));
    for (const name of ["pointerleave", "blur"]) term.addEventListener(name, () => lit(false));
  }
}
