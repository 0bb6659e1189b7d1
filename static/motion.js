// What just happened, shown: played from the events of the state, never guessed. All of it is over within 500 ms times
// the reader's pace, is dropped when the next one begins, and none is played where the reader asked for less motion.
"use strict";
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const pace = () => 1 / Number(document.documentElement.dataset.speed || 1);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const facts = (kitchen) => JSON.parse(kitchen.querySelector("#events")?.textContent || "[]");
  const of = (attribute, value) => `[${attribute}="${CSS.escape(value)}"]`;
  let running = [];
  let leaving = [];

  function play(elements, frames, { duration = 400, delay = 0, easing = "cubic-bezier(.2,.7,.2,1)" } = {}) {
    for (const element of elements) {
      running.push(element.animate(frames, { duration: duration * pace(), delay: delay * pace(), easing, fill: "backwards" }));
    }
  }

  const parts = {
    discs: (digest, from) => $$(`.disc${of("data-digest", digest)}`, from),
    boxes: (digest, from) => $$(`.box${of("data-digest", digest)}`, from),
    napkins: (path, from) => $$(of("data-whiteout", path.replace(/^\//, "")), from).concat($$(of("data-whiteout", path), from)),
    inside: (from) => $$(".tub > g:first-of-type > g", from),
    chosen: (from) => $$(".pie .chosen", from),
  };

  // Each event's motion, forwards, over within 500 ms. `turn` is its place in the row of events, from 0 to 1, for those
  // that follow one another.
  const motions = {
    LayerReused({ digest }, from, turn) {
      play([...parts.discs(digest, from), ...parts.boxes(digest, from)], [{ opacity: 1 }, { opacity: .35 }, { opacity: 1 }, { opacity: .35 }, { opacity: 1 }], { duration: 360, delay: turn * 140, easing: "linear" });
    },
    LayerPulled({ digest }, from, turn) {
      play(parts.boxes(digest, from), [{ translate: "-700px -260px", opacity: 0 }, { translate: "-700px -260px", opacity: 1, offset: .15 }, { translate: "0 0", opacity: 1 }], { duration: 340, delay: turn * 80 });
      play(parts.discs(digest, from), [{ translate: "160px 0", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 300, delay: 120 + turn * 80 });
    },
    FileCopiedUp({ kind, layer }, from) {
      if (kind === "dir") return;
      const rise = 90 + 40 * Math.max(0, $$(".disc", from).length - layer);
      play(parts.inside(from), [{ translate: `0 ${rise}px`, opacity: .15 }, { translate: "0 -9px", opacity: 1, offset: .8 }, { translate: "0 0", opacity: 1 }], { duration: 500 });
      play($$(".leaders .bead.hidden", from), [{ opacity: 0 }, { opacity: 0, offset: .5 }, { opacity: 1 }], { duration: 500 });
      play(parts.chosen(from), [{ opacity: .25 }, { opacity: 1 }], { duration: 300, delay: 200 });
    },
    FileCreated(_event, from) {
      play(parts.chosen(from), [{ translate: "0 -16px", opacity: .3 }, { translate: "0 0", opacity: 1 }], { duration: 380 });
      play(parts.inside(from), [{ translate: "0 -40px", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 380, delay: 80 });
    },
    PathWhitedOut({ path }, from) {
      play(parts.napkins(path, from), [{ translate: "14px -90px", rotate: "9deg", opacity: 0 }, { translate: "-5px -30px", rotate: "-5deg", opacity: 1, offset: .55 }, { translate: "0 0", rotate: "0deg", opacity: 1 }], { duration: 500 });
    },
    LayerCommitted({ digest }, from) {
      play(parts.discs(digest, from), [{ translate: "0 -110px", scale: "1 2.2", opacity: 0 }, { translate: "0 0", scale: "1 1", opacity: 1 }], { duration: 460 });
      play(parts.boxes(digest, from), [{ translate: "-240px 0", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 340, delay: 160 });
    },
    ContainerCreated(_event, from) {
      play($$(".tub", from), [{ translate: "0 -70px", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 400 });
    },
  };

  // Undo: what the state is left with flies back the way it came, as a picture of what was.
  const farewells = {
    LayerPulled: ({ digest }, from) => [...parts.discs(digest, from), ...parts.boxes(digest, from)],
    FileCopiedUp: ({ kind }, from) => (kind === "dir" ? [] : parts.inside(from)),
    FileCreated: (_event, from) => parts.inside(from),
    PathWhitedOut: ({ path }, from) => parts.napkins(path, from),
    LayerCommitted: ({ digest }, from) => [...parts.discs(digest, from), ...parts.boxes(digest, from)],
    ContainerCreated: (_event, from) => $$(".tub", from),
  };

  function before(kitchen) {
    running.forEach((animation) => animation.cancel());
    running = [];
    $$(".leaving").forEach((ghost) => ghost.remove());
    leaving = [];
    const art = kitchen?.querySelector(".art");
    if (!art || still.matches) return;
    const home = art.getScreenCTM().inverse();
    for (const event of facts(kitchen)) {
      for (const element of farewells[event.event]?.(event, kitchen) ?? []) {
        const frame = document.createElementNS("http://www.w3.org/2000/svg", "g");
        const at = home.multiply(element.parentNode.getScreenCTM());
        frame.setAttribute("transform", `matrix(${[at.a, at.b, at.c, at.d, at.e, at.f].join(" ")})`);
        frame.append(element.cloneNode(true));
        leaving.push(frame);
      }
    }
  }

  function after(kitchen) {
    if (!kitchen || still.matches) return;
    const moved = kitchen.dataset.moved;
    if (moved === "back") farewell(kitchen.querySelector(".art"));
    else if (moved === "forward") facts(kitchen).forEach((event, n, all) => motions[event.event]?.(event, kitchen, n / all.length));
  }

  function farewell(art) {
    for (const ghost of leaving) {
      ghost.classList.add("leaving");
      ghost.dataset.leaving = "";
      ghost.setAttribute("aria-hidden", "true");
      art.append(ghost);
      play([ghost.firstChild], [{ translate: "0 0", opacity: 1 }, { translate: "0 -70px", opacity: 0 }], { duration: 360, easing: "ease-in" });
      running.at(-1).finished.then(() => ghost.remove(), () => ghost.remove());
    }
  }

  window.whaleMotion = { before, after };
})();
