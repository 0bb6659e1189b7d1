// What just happened, shown: played from the events of the state, never guessed. Each motion lasts 300 to 500 ms times
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
    discs: (digest, from) => $$(`[data-disc]${of("data-digest", digest)}`, from),
    boxes: (digest, from) => $$(`[data-box]${of("data-digest", digest)}`, from),
    at: (path, from) => $$(of("data-path", path), from),
  };

  // Each event's motion, forwards. `after` is its place in the row of events, for those that follow one another.
  const motions = {
    LayerReused({ digest }, from, after) {
      play([...parts.discs(digest, from), ...parts.boxes(digest, from)], [{ opacity: 1 }, { opacity: .35 }, { opacity: 1 }, { opacity: .35 }, { opacity: 1 }], { duration: 480, delay: after * 60, easing: "linear" });
    },
    LayerPulled({ digest }, from, after) {
      play(parts.boxes(digest, from), [{ translate: "-700px -260px", opacity: 0 }, { translate: "-700px -260px", opacity: 1, offset: .15 }, { translate: "0 0", opacity: 1 }], { duration: 480, delay: after * 90 });
      play(parts.discs(digest, from), [{ translate: "160px 0", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 420, delay: 260 + after * 90 });
    },
    FileCopiedUp({ path, kind }, from) {
      if (kind === "dir") return;
      play(parts.at(path, from), [{ translate: "0 190px", opacity: .2 }, { translate: "0 -8px", opacity: 1, offset: .8 }, { translate: "0 0", opacity: 1 }], { duration: 500 });
      play($$('[data-state="hidden"]', from), [{ scale: 1.8 }, { scale: 1 }], { duration: 400 });
    },
    FileCreated({ path }, from) {
      play(parts.at(path, from), [{ translate: "0 -60px", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 380, delay: 60 });
    },
    FileWritten({ path }, from) {
      play($$(`[data-sauce]${of("data-path", path)}`, from), [{ opacity: 0 }, { opacity: 1 }], { duration: 320, delay: 400 });
    },
    PathWhitedOut({ path }, from) {
      play(parts.at(path, from), [{ translate: "14px -90px", rotate: "9deg", opacity: 0 }, { translate: "-5px -30px", rotate: "-5deg", opacity: 1, offset: .55 }, { translate: "0 0", rotate: "0deg", opacity: 1 }], { duration: 500 });
    },
    LayerCommitted({ digest }, from) {
      play(parts.discs(digest, from), [{ translate: "0 -110px", scale: "1 2.2", opacity: 0 }, { translate: "0 0", scale: "1 1", opacity: 1 }], { duration: 460 });
      play(parts.boxes(digest, from), [{ translate: "-240px 0", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 420, delay: 180 });
    },
    ContainerCreated(_event, from) {
      play($$("[data-tub]", from), [{ translate: "0 -70px", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 400 });
    },
    ImageUntagged() {}, ImageTagged() {},
  };

  // Undo: what the state is left with flies back the way it came, as a picture of what was.
  const farewells = {
    LayerPulled: ({ digest }, from) => [...parts.discs(digest, from), ...parts.boxes(digest, from)],
    FileCopiedUp: ({ path, kind }, from) => (kind === "dir" ? [] : parts.at(path, from)),
    FileCreated: ({ path }, from) => parts.at(path, from),
    PathWhitedOut: ({ path }, from) => parts.at(path, from),
    LayerCommitted: ({ digest }, from) => [...parts.discs(digest, from), ...parts.boxes(digest, from)],
    ContainerCreated: (_event, from) => $$("[data-tub]", from),
  };

  function before(kitchen) {
    running.forEach((animation) => animation.cancel());
    running = [];
    $$(".leaving").forEach((ghost) => ghost.remove());
    leaving = [];
    if (!kitchen || still.matches) return;
    const state = Number(kitchen.dataset.number);
    for (const event of facts(kitchen)) {
      for (const element of farewells[event.event]?.(event, kitchen) ?? []) {
        if (element.ownerSVGElement) leaving.push([state, element.cloneNode(true), element.ownerSVGElement.id]);
      }
    }
  }

  function after(kitchen) {
    if (!kitchen || still.matches) return;
    const now = Number(kitchen.dataset.number);
    const back = kitchen.dataset.moved === "back";
    if (back) {
      for (const [, ghost, home] of leaving) {
        const svg = document.getElementById(home);
        if (!svg) continue;
        ghost.classList.add("leaving");
        ghost.setAttribute("aria-hidden", "true");
        svg.append(ghost);
        play([ghost], [{ translate: "0 0", opacity: 1 }, { translate: "0 -70px", opacity: 0 }], { duration: 360 });
        running.at(-1).finished.then(() => ghost.remove(), () => ghost.remove());
      }
      return;
    }
    if (kitchen.dataset.played === String(now) && !kitchen.dataset.fresh) return;
    facts(kitchen).forEach((event, n) => motions[event.event]?.(event, kitchen, n));
  }

  window.whaleMotion = { before, after };
})();
