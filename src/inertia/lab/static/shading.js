// What a panel paints on its canvas: contours of a surface, and grids of bytes.

import { rings } from "./contours.js";
import { colour, plain, table } from "./theme.js";

export const shading = {
  // Filled contours of a surface: what landscape.shaded() gives.
  contours(stamp, data) {
    this.shade(`contours ${stamp}`, (brush) => {
      const { left, top, width, height } = this.inner, all = rings(data);
      brush.fillStyle = colour("contour", 0);
      brush.fillRect(left, top, width, height);
      brush.lineWidth = 0.6;
      brush.strokeStyle = plain("isoline");
      all.forEach((level, i) => {
        brush.beginPath();
        for (const ring of level) {
          for (let j = 0; j < ring.length; j += 2) {
            const x = this.x(ring[j]), y = this.y(ring[j + 1]);
            if (j) brush.lineTo(x, y); else brush.moveTo(x, y);
          }
          brush.closePath();
        }
        brush.fillStyle = colour("contour", (i + 1) / all.length);
        brush.fill("evenodd");
        brush.stroke();
      });
    });
  },

  // A grid of bytes (rows from the bottom up), coloured by a ramp and stretched over extent [x0, x1, y0, y1]; outline clips it.
  pixels(stamp, grid, ramp, { extent = [...this.scale.x, ...this.scale.y], outline = null, smooth = true, up = true } = {}) {
    this.shade(`pixels ${stamp}`, (brush) => {
      const [rows, columns] = grid.shape, colours = table(ramp);
      const image = new ImageData(columns, rows);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const from = 3 * grid[(up ? rows - 1 - r : r) * columns + c], to = 4 * (r * columns + c);
          image.data[to] = colours[from]; image.data[to + 1] = colours[from + 1]; image.data[to + 2] = colours[from + 2]; image.data[to + 3] = 255;
        }
      }
      const buffer = new OffscreenCanvas(columns, rows);
      buffer.getContext("2d").putImageData(image, 0, 0);
      if (outline) {
        brush.beginPath();
        outline.x.forEach((value, i) => brush[i ? "lineTo" : "moveTo"](this.x(value), this.y(outline.y[i])));
        brush.closePath();
        brush.clip();
      }
      brush.imageSmoothingEnabled = smooth;
      brush.imageSmoothingQuality = "high";
      const [x0, x1, y0, y1] = extent;
      brush.drawImage(buffer, this.x(x0), this.y(y1), this.x(x1) - this.x(x0), this.y(y0) - this.y(y1));
    });
  },
};
