// Numbers in words as Python's format writes them: words(1234.5, ",.0f"), words(0.25, ".0%"), words(3, "g").

const FORM = /^(,?)(?:\.(\d+))?([gfe%])$/;

export function words(value, form) {
  const [, comma, digits, kind] = FORM.exec(form), places = digits === undefined ? 6 : Number(digits);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (kind === "%") return `${fixed(value * 100, places)}%`;
  if (kind === "e") return scientific(value, places);
  if (kind === "f") return comma ? grouped(fixed(value, places)) : fixed(value, places);
  return general(value, Math.max(places, 1), comma);
}

function general(value, places, comma) {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [lead, power] = value.toExponential(places - 1).split("e"), size = Number(power);
  if (size < -4 || size >= places) return `${trimmed(lead)}e${signed(size)}`;
  const plain = trimmed(fixed(value, places - 1 - size));
  return comma ? grouped(plain) : plain;
}

function scientific(value, places) {
  const [lead, power] = value.toExponential(places).split("e");
  return `${lead}e${signed(Number(power))}`;
}

// toFixed turns to exponents from 1e21 on; Python writes all digits.
function fixed(value, places) {
  if (Math.abs(value) < 1e21) return value.toFixed(places);
  const whole = BigInt(value).toString();
  return places ? `${whole}.${"0".repeat(places)}` : whole;
}

const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
const signed = (power) => `${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;

function grouped(text) {
  const [whole, rest] = text.split(".");
  const made = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return rest === undefined ? made : `${made}.${rest}`;
}

// The word that goes with a number: counted(1, "step") is "step".
export const counted = (count, one, many = `${one}s`) => (count === 1 ? one : many);

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
