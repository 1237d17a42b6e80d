// Numbers as labels, and where an axis has its ticks.

const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";

const raised = (sign, power) => `10${sign === "+" ? "" : "⁻"}${[...power].map((digit) => SUPER[digit]).join("")}`;

// Words that came with numbers as programs write them: 4.9e-15 becomes 4.9·10⁻¹⁵, -2 gets its minus sign.
export const typeset = (words) => words.replace(/(\d)e([-−+])0*(\d+)/g, (_, digit, sign, power) => `${digit}·${raised(sign, power)}`).replace(/(^|[^\w)-])-(?=[\d.])/g, "$1−");

export function nice(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value), power = Math.floor(Math.log10(size) + 1e-9);
  if (power >= 5 || power < -3) {
    const lead = Number((value / 10 ** power).toPrecision(3));
    const scale = raised(power < 0 ? "-" : "+", String(Math.abs(power)));
    return lead === 1 ? scale : `${String(lead).replace("-", "−")}·${scale}`;
  }
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

export function ticks(ends, log, count) {
  const [low, high] = ends[0] < ends[1] ? ends : [ends[1], ends[0]]; // an axis may run downwards
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const stride = Math.max(1, Math.ceil((last - first) / count));
    const out = [];
    for (let power = last; power >= first; power -= stride) out.push(10 ** power);
    return out;
  }
  const raw = (high - low) / count, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * unit).find((s) => s >= raw - 1e-12);
  const out = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) out.push(Number(value.toPrecision(12)));
  return out.length > 1 || count > 12 ? out : ticks(ends, log, count + 1); // one number alone is no scale
}
