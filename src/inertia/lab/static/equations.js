// Formulas and sentences that react: numbers of a figure in the text, and terms that light up the part they mean.

import { words } from "./numerics/words.js";

// A number of a figure by its path: a field of its state, else a value of its view; dots go deeper.
function value(kit, path) {
  const [first, ...rest] = path.split(".");
  const start = Object.hasOwn(kit.store.state, first) ? kit.store.state[first] : kit.view?.[first];
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
    const names = term.dataset.term.split(":")[1].split(" ");
    const lit = (on) => {
      term.classList.toggle("lit", on);
      for (const name of names) for (const part of kit.root.querySelectorAll(`[data-field="${name}"], [data-key="${name}"], [data-key^="${name}-"]`)) part.classList.toggle("lit", on);
    };
    term.setAttribute("tabindex", "0");
    for (const name of ["pointerenter", "focus"]) term.addEventListener(name, () => lit(true));
    for (const name of ["pointerleave", "blur"]) term.addEventListener(name, () => lit(false));
  }
}
