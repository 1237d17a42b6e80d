// The state of a figure as Python: the same text as inertia.lab.api.snippet.

// A value as Python writes it.
export function repr(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map((one) => repr(one)).join(", ")}]`;
  if (typeof value === "string") return value.includes("'") && !value.includes('"') ? `"${value}"` : `'${value.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
  return real(value);
}

// Numbers of whole fields are written without a point, all others with one.
export function real(value, whole = false) {
  if (whole) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [lead, power] = value.toExponential().split("e");
    return `${lead}e${power[0] === "-" ? "-" : "+"}${power.slice(1).padStart(2, "0")}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

export function snippet(name, state) {
  const { spec, steps } = { spec: inertia.need(`specs/${name}`), steps: inertia.need(`specs/${name}`).steps };
  const written = (key) => { const field = spec.fields[key], value = state[key]; return field.kind === "number" ? real(value, field.whole) : repr(value); };
  const changed = Object.keys(spec.fields).filter((key) => spec.fields[key].kind !== "document" && JSON.stringify(state[key]) !== JSON.stringify(spec.fields[key].default));
  const own = state.record ? ["record=json.loads(Path('record.json').read_text())"] : [], words = [...changed.filter((key) => !(state.record && key === "key")).map((key) => `${key}=${written(key)}`), ...own];
  const text = [
    ...(own.length ? ["import json", "from pathlib import Path", ""] : []),
    "from inertia.lab import data, figure",
    "",
    `shown = data("${name}"${words.map((word) => `, ${word}`).join("")})`,
    'print(shown["caption"])',
    `figure("${name}"${words.map((word) => `, ${word}`).join("")}).savefig("${name}.png", dpi=150)`,
    "",
  ].join("\n");
  return steps ? `${text}\n# the same numbers, step by step\n${steps.trim().replace(/\$(\w+)/g, (_, key) => written(key))}\n` : text;
}
