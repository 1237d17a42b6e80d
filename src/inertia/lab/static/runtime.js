// Modules without a server: each is a function under its name, made when first needed. Works from disk (file://), in a page and in a worker.
// This file and every module become plain scripts at export (inertia.lab.bundle); a worker is started from the text of the functions.

var inertia = (function runtime() {
  const makers = new Map(), made = new Map();
  return {
    define(name, make) { makers.set(name, make); },
    has: (name) => makers.has(name),
    names: () => [...makers.keys()],
    need(name) {
      if (!made.has(name)) {
        if (!makers.has(name)) throw new Error(`there is no module ${name}`);
        made.set(name, makers.get(name)(this.need.bind(this)));
      }
      return made.get(name);
    },
    // The script of a worker that knows these modules and runs `entry`.
    script: (names, entry) => [`var inertia = (${runtime})();`, ...names.map((name) => `inertia.define("${name}", ${makers.get(name)});`), `inertia.need("${entry}");`].join("\n"),
  };
})();
