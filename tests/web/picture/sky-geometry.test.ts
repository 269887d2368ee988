import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GIB, MIB } from "../../../src/math/units.ts";
import {
  axisNumber,
  columnOf,
  layerAt,
  numberedLayers,
  skyAxis,
  skyGeometry,
} from "../../../src/web/picture/sky-geometry.ts";

const BOTH = { left: true, right: true };

describe("the layer picture's places", () => {
  test.each([
    ["64 layers on a phone", 358, 64],
    ["128 layers on a phone", 328, 128],
    ["28 layers at 1018", 1018, 28],
    ["one layer", 1018, 1],
    ["128 layers, 4K", 2400, 128],
  ])("%s: all columns lie side by side inside the picture", (_, width, layers) => {
    const g = skyGeometry(width, 330, layers, BOTH);
    let end = g.gutter + g.endWidth;
    for (let i = 0; i < layers; i++) {
      const [x, w] = columnOf(g, i);
      expect(x).toBeGreaterThanOrEqual(end - 0.001);
      expect(w).toBeGreaterThanOrEqual(1);
      end = x + w;
    }
    expect(end).toBeLessThanOrEqual(g.rightEnd);
  });

  test("a pointer in the middle of a column finds its layer", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 300, max: 2500 }),
        fc.nat(),
        (layers, width, n) => {
          const g = skyGeometry(width, 330, layers, BOTH);
          const i = n % layers;
          expect(layerAt(g, layers, g.x0 + i * g.step + g.column / 2)).toBe(i);
        },
      ),
    );
    expect(layerAt(skyGeometry(1000, 330, 10, BOTH), 10, 5)).toBeNull();
  });

  test.each([
    ["735 MiB", 735 * MIB, 256 * MIB, false],
    ["2.4 GiB", 2.4 * GIB, GIB, true],
    ["6 GiB", 6 * GIB, 2 * GIB, true],
    ["1 MiB", MIB, MIB / 4, false],
  ])("an axis for %s has at most five lines at a power of two", (_, max, unit, gib) => {
    const axis = skyAxis(max, 200);
    expect(axis.unit).toBe(unit);
    expect(axis.gib).toBe(gib);
    expect(Math.floor(axis.max / axis.unit) + 1).toBeLessThanOrEqual(5);
  });

  test("axis numbers", () => {
    expect(axisNumber(skyAxis(735 * MIB, 200), 512 * MIB)).toBe("512");
    expect(axisNumber(skyAxis(1.4 * GIB, 200), 1024 * MIB)).toBe("1,024");
    expect(axisNumber(skyAxis(2.4 * GIB, 200), GIB)).toBe("1.0");
    expect(axisNumber(skyAxis(6 * GIB, 200), 0)).toBe("0");
  });

  test("first and last layer are numbered", () => {
    expect(numberedLayers(64, false)).toEqual([0, 8, 16, 24, 32, 40, 48, 56, 63]);
    expect(numberedLayers(24, false)).toEqual([0, 4, 8, 12, 16, 20, 23]);
    expect(numberedLayers(1, false)).toEqual([0]);
  });
});
