// Lets a hand move the patch in the first diagram of the convolution page. The numbers
// are read from the drawing; without this script it stands still and says the same.
(() => {
  "use strict";
  const svg = document.querySelector('svg[data-diagram="convolution-patch"]');
  if (!svg) return;

  const FILTERS = {
    "brighter toward the right": [-1, 0, 1, -1, 0, 1, -1, 0, 1],
    "brighter toward the bottom": [-1, -1, -1, 0, 0, 0, 1, 1, 1],
    "a bright spot": [-1, -1, -1, -1, 8, -1, -1, -1, -1],
    "the pixel in the middle": [0, 0, 0, 0, 1, 0, 0, 0, 0],
  };
  const SIZE = 5, KERNEL = 3, LAST = SIZE - KERNEL; // LAST: where the last patch begins
  const texts = (name) => [...svg.querySelectorAll(`[data-cell="${name}"]`)];
  const parts = (name) => [...svg.querySelectorAll(`[data-part="${name}"]`)];
  const cells = {};
  for (const name of ["picture", "filter", "product", "sum", "map"]) cells[name] = texts(name);
  const number = (text) => Number(text.textContent.replace("\u2212", "-"));
  const minus = (value) => String(value).replace("-", "\u2212");
  const put = (text, value) => { text.textContent = minus(value); };
  const picture = cells.picture.map(number);

  // Where the two grids stand: the outlines start in row 0, column 1.
  const origin = {};
  for (const [name, part, side] of [["picture", "patch", SIZE], ["map", "place", KERNEL]]) {
    const [first, second] = cells[name].map((text) => Number(text.getAttribute("x")));
    const step = second - first, y = Number(parts(part)[0].getAttribute("y"));
    origin[name] = { x: first - step / 2, y, step, side };
  }

  let row = 0, column = 1, filter = cells.filter.map(number);
  const products = (i, j) => filter.map(
    (f, at) => f * picture[(i + Math.floor(at / KERNEL)) * SIZE + j + (at % KERNEL)] + 0);
  const sum = (values) => values.reduce((a, b) => a + b, 0);

  const show = (moved) => {
    const now = products(row, column), total = sum(now);
    filter.forEach((value, at) => put(cells.filter[at], value));
    now.forEach((value, at) => put(cells.product[at], value));
    put(cells.sum[0], total);
    cells.map.forEach((text, at) => {
      const [i, j] = [Math.floor(at / KERNEL), at % KERNEL];
      const here = i === row && j === column;
      put(text, sum(products(i, j)));
      text.setAttribute("fill", here ? "var(--accent)" : "var(--ink)");
    });
    for (const [name, list] of [["picture", parts("patch")], ["map", parts("place")]]) {
      for (const rect of list) {
        rect.setAttribute("x", origin[name].x + column * origin[name].step);
        rect.setAttribute("y", origin[name].y + row * origin[name].step);
      }
    }
    parts("slice")[0].textContent =
      `patch = picture[${row}:${row + KERNEL}, ${column}:${column + KERNEL}]`;
    parts("terms")[0].textContent = now.map(
      (value, at) => (at ? (value < 0 ? " \u2212 " : " + ") : value < 0 ? "\u2212" : "")
        + Math.abs(value)).join("");
    const where = `Row ${row + 1}, column ${column + 1} of the feature map: ${minus(total)}`;
    status.textContent = where;
    if (moved) svg.setAttribute("aria-label", `A patch times a filter, summed. ${where}`);
  };
  const move = (down, right) => {
    row = Math.min(LAST, Math.max(0, row + down));
    column = Math.min(LAST, Math.max(0, column + right));
    show(true);
  };

  // Under the drawing: four buttons, a choice of filters, and what came out, spoken.
  const make = (tag, options, ...inside) => {
    const element = Object.assign(document.createElement(tag), options);
    element.append(...inside);
    return element;
  };
  const look = "font: inherit; color: var(--ink); background: var(--paper);"
    + "border: 1px solid var(--muted); border-radius: 0.2rem; min-height: 2rem;"
    + "min-width: 2rem; padding: 0 0.5rem; cursor: pointer;";
  const STEPS = [["\u2190", "left", 0, -1], ["\u2191", "up", -1, 0],
                 ["\u2193", "down", 1, 0], ["\u2192", "right", 0, 1]];
  const buttons = STEPS.map(([sign, way, down, right]) => {
    const button = make("button", { type: "button", style: look }, sign);
    button.setAttribute("aria-label", `Move the patch ${way}`);
    button.addEventListener("click", () => move(down, right));
    return button;
  });
  const choice = make("select", { style: look }, ...Object.keys(FILTERS).map(
    (name) => make("option", { value: name }, name)));
  choice.addEventListener("change", () => { filter = FILTERS[choice.value]; show(true); });
  const status = make("output", { style: "color: var(--accent); flex-basis: 100%;" });
  const bar = make("div", {
    className: "by-hand",
    style: "display: flex; flex-wrap: wrap; align-items: center; gap: 0.4rem;"
      + "margin: 0.6rem 0; font: 0.75rem var(--sans); color: var(--muted);",
  }, "Move it:", ...buttons, make("label", {}, "look for ", choice), status);
  bar.addEventListener("keydown", (event) => {
    const step = STEPS.find(([, way]) => event.key === `Arrow${way[0].toUpperCase()}${way.slice(1)}`);
    if (!step || event.target === choice) return;
    event.preventDefault();
    move(step[2], step[3]);
  });
  show(false);
  svg.parentElement.insertBefore(bar, svg.nextSibling);

  // A press on the picture, or on a number of the feature map, brings the patch there.
  svg.addEventListener("pointerdown", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(svg.getScreenCTM().inverse());
    for (const [name, back] of [["picture", 1], ["map", 0]]) {
      const { x, y, step, side } = origin[name];
      const [i, j] = [Math.floor((point.y - y) / step), Math.floor((point.x - x) / step)];
      if (i >= 0 && i < side && j >= 0 && j < side) move(i - back - row, j - back - column);
    }
  });
})();
