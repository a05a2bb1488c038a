// Three faults of the theme, mended: its search dialog has no name; the bar over each
// code block calls itself a landmark, of which a page would have dozens of one name; and
// without a mouse, what scrolls sideways inside itself is out of the Tab key's reach.
(() => {
  "use strict";
  const reach = (box) => {
    if (box.scrollWidth > box.clientWidth && box.getAttribute("tabindex") !== "0") box.tabIndex = 0;
  };
  // Where there is no mouse, the theme takes the attribute away again.
  const kept = new MutationObserver((records) => records.forEach(({ target }) => reach(target)));
  const wide = new ResizeObserver((entries) => entries.forEach(({ target }) =>
    reach(target.matches("table") ? target.closest(".md-typeset__scrollwrap") : target)));
  const watch = (box) => {
    wide.observe(box);
    kept.observe(box, { attributes: true, attributeFilter: ["tabindex"] });
  };
  const tables = new Set();
  const mend = () => {
    document.querySelector(".md-search:not([aria-label])")
      ?.setAttribute("aria-label", "Search the book");
    for (const bar of document.querySelectorAll(".md-code__nav:not([role])")) {
      bar.setAttribute("role", "none");
    }
    for (const table of document.querySelectorAll(".md-typeset__scrollwrap table")) {
      if (tables.has(table)) continue;
      tables.add(table);
      wide.observe(table);
      watch(table.closest(".md-typeset__scrollwrap"));
    }
  };
  mend();
  // The theme adds the bars late, when a code block comes near the window, and wraps tables.
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  const boxes = [...document.querySelectorAll("pre > code")];
  boxes.forEach(watch);
  // A font that comes late makes the code wider, and the box around it stays as it is.
  document.fonts.ready.then(() => boxes.forEach(reach));

  // What the copy button of a snippet hands over: the steps of its chain, from the first on.
  const code = {};
  for (const step of document.querySelectorAll("[data-snippet]")) {
    const { snippet, from, shows } = step.dataset;
    code[snippet] = step.querySelector("code").textContent;
    const steps = [];
    for (let number = Number(from); number <= Number(snippet); number++) steps.push(code[number]);
    step.dataset.copy = [...steps, ...(shows ? [shows] : [])].join("\n");
  }
})();
