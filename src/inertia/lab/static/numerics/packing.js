// Replies between threads and to tests: arrays lose their shape when they are cloned, so it travels beside them.

const TYPES = { f8: Float64Array, i4: Int32Array, u1: Uint8Array };
const kind = (array) => Object.keys(TYPES).find((name) => array instanceof TYPES[name]);

// The same tree with every array as {$: [array, shape]}; `text` writes the bytes as base64.
export function packed(value, text = false) {
  if (ArrayBuffer.isView(value)) return { $: text ? [kind(value), value.shape || [value.length], base64(value)] : [value, value.shape || [value.length]] };
  if (Array.isArray(value)) return value.map((part) => packed(part, text));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, packed(part, text)]));
  return value;
}

export function unpacked(value) {
  if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
    if (value.$) { const [array, shape] = value.$; array.shape = shape; return array; }
    if (Array.isArray(value)) return value.map(unpacked);
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, unpacked(part)]));
  }
  return value;
}

function base64(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength), parts = [];
  for (let i = 0; i < bytes.length; i += 8192) parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
  return btoa(parts.join(""));
}
