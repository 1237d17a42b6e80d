// Under every figure: reset, copy as Python, save a picture, copy a link.

import { node } from "./dom.js";
import { picture, save } from "./picture.js";
import { plain } from "./theme.js";

export function toolbar(kit) {
  const said = node("span", { class: "said", role: "status" });
  const say = (words) => { said.textContent = words; setTimeout(() => { said.textContent = ""; }, 2200); };
  const tool = (words, press) => kit.tools.append(node("button", { type: "button", onclick: press }, words));
  const shown = (type, ending) => save(picture(kit, plain("paper")), `${kit.name}.${ending}`, type);
  tool("reset", () => { kit.store.reset(); if (kit.parts.reset) kit.parts.reset(); });
  tool("copy as Python", async () => {
    const reply = await kit.transport.ask({ figure: kit.name, state: kit.store.state, want: "python" });
    if (!reply.python) { say(reply.error.message); return; }
    await copied(reply.python);
    kit.root.dataset.python = reply.python;
    say("copied");
  });
  tool("SVG", () => shown("image/svg+xml", "svg"));
  tool("PNG", () => shown("image/png", "png"));
  if (!kit.alone) tool("link", async () => { await copied(kit.link()); say("link copied"); });
  kit.tools.append(said);
}

async function copied(text) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = node("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
