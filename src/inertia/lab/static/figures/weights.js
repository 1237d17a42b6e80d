// What a velocity remembers, how fast it gets, and how a drop of the learning rate is felt.

import { nice } from "../numbers.js";
import { row } from "../numerics/arrays.js";
import { tone } from "../theme.js";

export function build(kit) {
  kit.row(12, "wide");
  kit.slider("beta");
  const shape = { span: 4, aspect: (width) => (width > 330 ? 0.6 : 0.86) };
  const weights = kit.panel({ ...shape, label: "weight of a gradient against its age", margin: { right: 14, top: 22 } });
  const velocity = kit.panel({ ...shape, label: "velocity on a constant slope against step", margin: { right: 14, top: 22 } });
  const lengths = kit.panel({ ...shape, label: "length of each step when the learning rate drops", margin: { right: 14, top: 22 } });
  kit.row(12);
  kit.more(() => {
    kit.slider("span");
    kit.slider("drop", { high: () => kit.store.state.span - 1 });
    kit.slider("factor");
  });
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  return {
    draw(view, state) {
      const count = view.weights.length;
      weights.domain({ x: [-0.5, count - 1], y: [0, 1.08] });
      view.betas.forEach((beta, i) => {
        const values = row(view.others, i), at = Math.min(beta ? Math.round(Math.log(0.45) / Math.log(beta)) : 0, count - 2);
        weights.line(`beta${i}`, null, values, "faintline", { stroke: tone(view.betas.length - 1 - i, view.betas.length) });
        weights.text(`name${i}`, at, values[at], nice(beta), { dx: 6, dy: beta ? -5 : 40, fill: tone(view.betas.length - 1 - i, view.betas.length) });
      });
      weights.stems("stems", null, view.weights, "stem hot");
      weights.dots("dots", null, view.weights, 2.4, "dots hot");
      if (view.window < count) {
        weights.line("window", [view.window, view.window], [0, 1.08], "dash hot");
        weights.text("windowwords", view.window, 1.08, `1/(1 − β) = ${nice(view.window)}`, { dx: 6, dy: 16, className: "label hot" });
      }
      weights.axes({ x: "age of the gradient", y: "weight of a gradient, for several β", yticks: [0, 0.5, 1] });

      const last = view.velocity.length - 1, high = Math.max(Math.min(view.terminal, 2.2 * view.velocity[last]), 1) * 1.18;
      velocity.domain({ x: [0, last], y: [0, high] });
      velocity.line("terminal", [0, last], [view.terminal, view.terminal], "dash grey");
      velocity.line("one", [0, last], [1, 1], "dash grey");
      velocity.text("onewords", last, 1, "one gradient", { dx: -8, dy: -6, anchor: "end", className: "label quiet" });
      velocity.text("terminalwords", last, view.terminal, `terminal: ${nice(view.terminal)}`, { dx: -8, dy: -6, anchor: "end" });
      velocity.line("velocity", null, view.velocity, "hot wide");
      if (view.reached <= last) {
        velocity.dots("reached", [view.reached], [view.velocity[Math.round(view.reached)]], 4, "dots hot");
        velocity.text("reachedwords", view.reached, view.velocity[Math.round(view.reached)], `99% at step ${view.reached}`, { dx: 0, dy: 20, anchor: "middle", className: "label hot" });
      }
      velocity.axes({ x: "step", y: "velocity on a steady slope" });

      const steps = Array.from({ length: last }, (_, k) => k + 1), top = Math.max(...view.inside, ...view.outside);
      lengths.domain({ x: [0, last], y: [0, top * 1.18] });
      lengths.area("extra", steps, view.outside, view.inside, "band");
      lengths.line("inside", steps, view.inside, "", { stroke: tone(2, 3) });
      lengths.line("outside", steps, view.outside, "hot wide");
      const at = Math.min(view.drop + 2, last - 1);
      lengths.text("insidewords", steps[at], view.inside[at], "α inside", { dx: 8, dy: -6, fill: tone(2, 3) });
      lengths.text("outsidewords", steps[at], view.outside[at], "α outside", { dx: 8, dy: -8, className: "label hot" });
      lengths.knob("drop", view.drop, view.inside[Math.max(view.drop - 1, 0)], { label: "step where the learning rate drops", step: [1, 0], move: (k) => kit.store.set({ drop: clamp(Math.round(k), 1, last - 1) }), words: `step ${view.drop}` });
      lengths.axes({ x: "step", y: "length of the step when α drops" });
    },
  };
}
