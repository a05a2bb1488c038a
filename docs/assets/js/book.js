// Two faults of the theme, mended: its search dialog has no name, and the bar over each
// code block calls itself a landmark, of which a page would have dozens of one name.
(() => {
  "use strict";
  const mend = () => {
    document.querySelector(".md-search:not([aria-label])")
      ?.setAttribute("aria-label", "Search the book");
    for (const bar of document.querySelectorAll(".md-code__nav:not([role])")) {
      bar.setAttribute("role", "none");
    }
  };
  mend();
  // The theme adds the bars late, when a code block comes near the window.
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
})();
