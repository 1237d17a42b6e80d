// The page: mounts each figure where the article wants it, and keeps the address bar in step with what the hand has changed.

import { react } from "./equations.js";
import { mount } from "./kit.js";
import { Local } from "./local.js";

const transport = inertia.has("served/routed") ? inertia.need("served/routed").routed() : new Local(), mounted = new Map(), article = document.querySelector("main");

// Every figure whose modules are there by now.
export function begin() {
  for (const place of document.querySelectorAll("[data-figure]:not([data-mounted])")) {
    const name = place.dataset.figure;
    if (!inertia.has(`figures/${name}`) || !inertia.has(`specs/${name}`)) continue;
    place.dataset.mounted = "yes";
    const kit = mount(place, inertia.need(`specs/${name}`), inertia.need(`figures/${name}`), transport);
    kit.onshare = share;
    mounted.set(name, kit);
    react(kit, article);
  }
}

// All modules are there: links can be followed.
export function ready() {
  begin();
  restore(false);
  if (document.querySelector('meta[name="laboratory"]')) given();
  for (const wide of article.querySelectorAll("math, table")) if (wide.scrollWidth > wide.clientWidth) wide.setAttribute("tabindex", "0"); // the keyboard scrolls too
  document.body.dataset.ready = "yes";
}

// Served by `inertia lab`: what it was started with is shown at once.
async function given() {
  const { record } = await (await fetch("given.json")).json();
  const kit = mounted.get("yours");
  if (!record) return;
  kit.parts.open(record);
  kit.wake();
}

// #map?alpha=2;hero?beta=0.9: what differs from the defaults in every figure, the one in hand first.
let later = 0, hand = null;
function share(kit) {
  hand = kit;
  clearTimeout(later);
  later = setTimeout(() => {
    const others = [...mounted.values()].filter((one) => one !== hand && one.store.text());
    history.replaceState(null, "", `#${[hand, ...others].map((one) => [one.name, one.store.text()].filter(Boolean).join("?")).join(";")}`);
  }, 250);
}

function restore(scroll = true, hash = location.hash) {
  const parts = hash.slice(1).split(";").map((part) => part.split("?"));
  parts.forEach(([name, text = ""], i) => {
    const kit = mounted.get(name);
    if (!kit) return;
    if (text) kit.store.read(text);
    kit.wake();
    if (i === 0 && (scroll || !text || name !== "hero")) kit.root.scrollIntoView();
  });
}

// Paper has no scrolling: everything is drawn before it is printed.
export const whole = () => { for (const kit of mounted.values()) { kit.wake(); kit.draw(); } };
addEventListener("beforeprint", whole);
addEventListener("hashchange", (event) => restore(true, new URL(event.newURL).hash)); // the address may have been renewed meanwhile
Object.assign(inertia, { mounted, transport, whole });
