// The one place where state changes: every value is clamped here, never read back from a widget. Only what comes from a slider is
// rounded to its step: the fastest point of a plane is a number with many digits.

export class Store {
  constructor(fields) {
    this.fields = fields;
    this.defaults = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fit(field, field.default) ?? field.default]));
    this.state = { ...this.defaults };
    this.listeners = new Set();
    this.passing = new Set(); // set by hovering: not worth a place in the link
  }

  // Merge a patch; tells the listeners which names changed.
  set(patch, source = "hand") {
    const changed = [];
    for (const [name, value] of Object.entries(patch)) {
      const field = Object.hasOwn(this.fields, name) ? this.fields[name] : null;
      if (!field) continue;
      const clean = fit(field, value, source === "slider");
      if (clean === undefined || same(clean, this.state[name])) continue;
      this.state[name] = clean;
      if (source === "hover") this.passing.add(name); else this.passing.delete(name);
      changed.push(name);
    }
    if (changed.length) for (const listener of this.listeners) listener(changed, source);
    return changed;
  }

  reset() {
    return this.set(this.defaults, "reset");
  }

  // What differs from the defaults, as text for the address bar.
  text() {
    return Object.entries(this.state)
      .filter(([name, value]) => this.fields[name].kind !== "document" && !this.passing.has(name) && !same(value, this.defaults[name]))
      .map(([name, value]) => `${name}=${encodeURIComponent(typeof value === "string" ? value : JSON.stringify(value))}`)
      .join("&");
  }

  // The state that a link stands for: what it leaves out is at its default.
  read(text) {
    const patch = { ...this.defaults };
    for (const part of text.split("&").filter(Boolean)) {
      const cut = part.indexOf("=");
      const name = part.slice(0, cut);
      const field = Object.hasOwn(this.fields, name) ? this.fields[name] : null;
      if (!field) continue;
      try {
        const raw = decodeURIComponent(part.slice(cut + 1));
        patch[name] = field.kind === "choice" || field.kind === "text" ? raw : JSON.parse(raw);
      } catch { /* a mangled link keeps the default */ }
    }
    this.set(patch, "link");
  }
}

// A value that the field allows, or undefined.
export function fit(field, value, stepped = false) {
  switch (field.kind) {
    case "number": return number(field, Number(value), stepped);
    case "numbers":
      if (!Array.isArray(value) || value.length < field.least || value.length > field.most) return undefined;
      return value.every((entry) => Number.isFinite(Number(entry))) ? value.map((entry) => number(field, Number(entry), false)) : undefined;
    case "choice": return Object.hasOwn(field.options, value) ? value : undefined;
    case "flag": return Boolean(value);
    case "text": return String(value).slice(0, field.most);
    default: return value;
  }
}

function number(field, value, stepped) {
  if (!Number.isFinite(value)) return undefined;
  const held = Math.min(Math.max(value, field.low), field.high);
  if (field.whole) return Math.round(held);
  return stepped && field.step ? Number((Math.round(held / field.step) * field.step).toPrecision(10)) : held;
}

export function same(a, b) {
  return a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((entry, i) => same(entry, b[i])));
}
