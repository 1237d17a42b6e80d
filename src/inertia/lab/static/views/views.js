// Two views of one path: as the parameters see it, and in the basis of the eigenvectors, where everything is separate.

import { shaped, zeros } from "../numerics/arrays.js";
import { ellipses, paths, quadratic } from "../numerics/landscape.js";
import { edge, orbit, rate } from "../numerics/modes.js";
import { family } from "../numerics/plane.js";
import { counted, words } from "../numerics/words.js";

const DOMAIN = [[-3.2, 3.2], [-3.2, 3.2]];

export function view(state) {
  const { angle, flat, steep, steps } = state, turn = (angle * Math.PI) / 180, c = Math.cos(turn), s = Math.sin(turn), centre = [state.wx, state.wy];
  const one = family(state.family, state.alpha, state.beta, state.gamma), h = [flat, steep], begin = [state.x, state.y];
  const ground = quadratic(angle, flat, steep, centre), [a, b, d] = ground.hessian();
  const first = [c * begin[0] - s * begin[1] + centre[0], s * begin[0] + c * begin[1] + centre[1]], ran = paths(ground, [one], first, steps)[0];
  const seen = zeros(steps + 1, 2), sizes = zeros(2, steps + 1), orbits = h.map((v, i) => orbit(one, v, begin[i]));
  let gap = NaN;
  for (let k = 0; k <= steps; k++) {
    const x = ran.points[2 * k] - centre[0], y = ran.points[2 * k + 1] - centre[1];
    seen[2 * k] = c * x + s * y;
    seen[2 * k + 1] = c * y - s * x;
    for (const i of [0, 1]) {
      const now = orbits[i](k), closed = now.params - one.alpha * (one.delta - one.gamma) * now.velocity, off = Math.abs(closed - seen[2 * k + i]);
      sizes[i * (steps + 1) + k] = Math.abs(closed);
      if (off >= 0 && !(off <= gap)) gap = off;
    }
  }
  const rates = shaped(Float64Array.from(h, (v) => rate(one, v)));
  const values = {
    w: ran.points,
    x: seen,
    sizes,
    rates,
    q: shaped(Float64Array.of(c, -s, s, c), 2, 2),
    optimum: centre,
    alpha_high: (1.05 * edge(family(state.family, 1, 0.9, state.gamma))) / Math.max(flat, steep),
    diverged_at: ran.lost,
    matrix: shaped(Float64Array.of(a, b, b, d), 2, 2),
    domain: DOMAIN[0],
  };
  const lost = ran.lost === null ? "" : `*Diverges* at step ${ran.lost}. `;
  const caption = `${lost}Along q₁ each step multiplies the error by *${words(rates[0], ".4f")}*, along q₂ by *${words(rates[1], ".4f")}*.`
    + ` The path, run with the matrix and then turned, differs from the two closed forms by at most ${words(gap, ".1e")}.`;
  const alt = `The same path in two coordinate systems; eigenvalues ${words(flat, "g")} and ${words(steep, "g")}, eigenvectors turned by ${words(angle, "g")} ${counted(angle, "degree")}.`;
  return {
    values,
    caption,
    alt,
    costly: {
      left: [`${angle}|${flat}|${steep}|${centre}`, () => ellipses([a, b, b, d], centre, DOMAIN)],
      right: [`${flat}|${steep}`, () => ellipses([flat, 0, 0, steep], [0, 0], DOMAIN)],
    },
  };
}
