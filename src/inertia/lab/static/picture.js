// A figure as one SVG with everything inlined, or as a PNG of it: what is on the screen is what is saved.

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "fill-opacity", "stroke-opacity", "paint-order", "font-family", "font-size", "font-weight", "font-style", "text-anchor"];
const NS = "http://www.w3.org/2000/svg";

export function picture(root, panels, paper) {
  const frame = root.querySelector(".grid").getBoundingClientRect();
  const out = document.createElementNS(NS, "svg");
  const width = Math.ceil(frame.width) + 16, height = Math.ceil(frame.height) + 16;
  for (const [key, value] of Object.entries({ xmlns: NS, width, height, viewBox: `0 0 ${width} ${height}` })) out.setAttribute(key, value);
  add(out, "rect", { width, height, fill: paper });
  let bottom = 0;
  for (const panel of panels) {
    const box = panel.stage.getBoundingClientRect();
    if (!box.width) continue;
    const left = box.left - frame.left + 8, top = box.top - frame.top + 8;
    bottom = Math.max(bottom, top + box.height + 8);
    add(out, "image", { x: left, y: top, width: panel.width, height: panel.height, href: panel.canvas.toDataURL("image/png") });
    const copy = panel.svg.cloneNode(true);
    inline(panel.svg, copy);
    copy.setAttribute("x", left);
    copy.setAttribute("y", top);
    out.append(copy);
  }
  out.setAttribute("height", bottom);
  out.setAttribute("viewBox", `0 0 ${width} ${bottom}`);
  return { text: new XMLSerializer().serializeToString(out), width, height: bottom };
}

function add(parent, name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
}

function inline(from, to) {
  const style = getComputedStyle(from);
  for (const name of STYLES) to.style.setProperty(name, style.getPropertyValue(name));
  for (let i = 0; i < from.children.length; i++) inline(from.children[i], to.children[i]);
}

export async function save({ text, width, height }, name, type) {
  let blob = new Blob([text], { type: "image/svg+xml" });
  if (type === "image/png") {
    const url = URL.createObjectURL(blob), image = new Image();
    image.src = url;
    await image.decode();
    const canvas = new OffscreenCanvas(width * 2, height * 2);
    canvas.getContext("2d").drawImage(image, 0, 0, width * 2, height * 2);
    URL.revokeObjectURL(url);
    blob = await canvas.convertToBlob({ type });
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 5000);
}
