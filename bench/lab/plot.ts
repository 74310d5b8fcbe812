/**
 * Draws a chart: Vega-Lite to SVG, and that to PNG. The same rows give the same bytes everywhere, so that a plot
 * can be committed and checked: text is measured by estimate, not with the machine's fonts, and the PNG is drawn
 * with a font that comes as a package.
 */
import { fileURLToPath } from "node:url";
import { Resvg } from "@resvg/resvg-js";
import { parse, View } from "vega";
import { compile, type Config, type TopLevelSpec } from "vega-lite";

const FONT = "DejaVu Sans";
const FONT_FILE = fileURLToPath(import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf"));
const PNG_WIDTH = 1_200;
const CONFIG: Config = {
  background: "white",
  font: FONT,
  axis: { labelLimit: 260 },
  legend: { orient: "bottom", labelLimit: 260 },
  title: { anchor: "start", fontSize: 13 },
};

export async function svgOf(chart: TopLevelSpec): Promise<string> {
  const { spec } = compile(chart, { config: CONFIG });
  const view = new View(parse(spec), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

export function pngOf(svg: string): Buffer {
  const font = { loadSystemFonts: false, fontFiles: [FONT_FILE], defaultFontFamily: FONT };
  return new Resvg(svg, { font, fitTo: { mode: "width", value: PNG_WIDTH } }).render().asPng();
}
