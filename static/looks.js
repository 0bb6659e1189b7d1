// The reader's own looks, before the first paint: theme, projector, pace of the motion.
"use strict";
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("theme");
    if (theme) root.dataset.theme = theme;
    if (localStorage.getItem("projector")) root.setAttribute("data-projector", "");
    root.dataset.speed = localStorage.getItem("speed") || "1";
  } catch { root.dataset.speed = "1"; }
})();
