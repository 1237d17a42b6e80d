// The page: asks Python for the table of contents, loads one module per figure, keeps the address bar in step.

import { mount, node } from "./kit.js";
import { SocketTransport } from "./transport.js";

const transport = new SocketTransport(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket`);
const mounted = new Map();
transport.onstate = (open) => {
  document.body.classList.toggle("closed", !open);
  if (open) for (const kit of mounted.values()) if (kit.awake) kit.request(); // what was asked while it was closed
};
const { figures } = await transport.ask({ want: "figures" });
// All are fetched at once; each is mounted as soon as it and those above it are there.
const modules = figures.map((spec) => import(`./figures/${spec.name}.js`).catch((error) => { console.error(spec.name, error); return null; }));
const host = document.getElementById("figures"), contents = document.getElementById("contents");

let later = 0;
function share(kit) {
  clearTimeout(later);
  later = setTimeout(() => history.replaceState(null, "", kit.link()), 250);
}

function restore() {
  const [name, text = ""] = location.hash.slice(1).split("?");
  const kit = mounted.get(name);
  if (!kit) return;
  if (text) kit.store.read(text);
  kit.wake();
  if (name !== figures[0].name) kit.root.scrollIntoView();
}

const list = node("ol", {});
for (const [i, spec] of figures.entries()) {
  const module = await modules[i];
  if (!module) continue;
  const kit = mount(host, spec, module, transport);
  kit.onshare = share;
  mounted.set(spec.name, kit);
  list.append(node("li", {}, node("a", { href: `#${spec.name}` }, spec.title)));
}
contents.append(node("h2", {}, "All figures"), list);
window.inertia = { mounted, transport };
addEventListener("hashchange", restore);
restore();
document.body.dataset.ready = "yes";
