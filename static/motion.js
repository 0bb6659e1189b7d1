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
  let tub = null;

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
    pieces: (path, from) => $$(`.pie .chosen ${of("data-piece", path)}`, from),
    sauce: (from) => $$('.pie .chosen use[href="#hot"]', from),
  };
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  // What only flies: `what` in the place of `element`, over everything. It is gone when its motion is, or the next begins.
  function ghost(element, what) {
    const at = element.closest(".art").getScreenCTM().inverse().multiply(element.parentNode.getScreenCTM());
    const frame = svg("g", { transform: `matrix(${[at.a, at.b, at.c, at.d, at.e, at.f].join(" ")})`, class: "leaving", "aria-hidden": "true" });
    frame.append(what);
    return frame;
  }
  function fly(frame, art, moving, frames, how) {
    art.append(frame);
    play([moving], frames, how);
    running.at(-1).finished.then(() => frame.remove(), () => frame.remove());
  }
  function fall(discs, delay) {
    play(discs, [{ translate: "0 -60px", opacity: 0 }, { opacity: 1, offset: .2 }, { translate: "0 0", opacity: 1 }], { duration: 300, delay });
    play(discs.flatMap((disc) => $$(":scope > .cast", disc)), [{ opacity: 0 }, { opacity: 0, offset: .5 }, {}], { duration: 300, delay });
  }

  // Each event's motion, forwards, over within 500 ms. `turn` is its place in the row of events, from 0 to 1, for those
  // that follow one another.
  const motions = {
    LayerReused({ digest }, from, turn) {
      const held = parts.discs(digest, from);
      for (const disc of held) {
        const words = svg("text", { class: "already", transform: disc.getAttribute("transform"), y: 5 });
        words.textContent = "Already exists";
        fly(ghost(disc, words), disc.closest(".art"), words, [{ opacity: 0 }, { opacity: 1, offset: .15 }, { opacity: 1, offset: .85 }, { opacity: 0 }], { duration: 500, easing: "linear" });
      }
      play([...held, ...parts.boxes(digest, from)], [{ opacity: 1 }, { opacity: .35 }, { opacity: 1 }, { opacity: .35 }, { opacity: 1 }], { duration: 360, delay: turn * 140, easing: "linear" });
    },
    LayerPulled({ digest }, from, turn) {
      play(parts.boxes(digest, from), [{ translate: "-700px -260px", opacity: 0 }, { translate: "-700px -260px", opacity: 1, offset: .15 }, { translate: "0 0", opacity: 1 }], { duration: 340, delay: turn * 80 });
      fall(parts.discs(digest, from), 120 + turn * 80);
    },
    FileCopiedUp({ kind, layer }, from) {
      if (kind === "dir") return;
      const rise = 90 + 40 * Math.max(0, $$(".disc", from).length - layer);
      play(parts.inside(from), [{ translate: `0 ${rise}px`, opacity: .15 }, { translate: "0 -9px", opacity: 1, offset: .8 }, { translate: "0 0", opacity: 1 }], { duration: 500 });
      play($$(".leaders .bead.hidden", from), [{ opacity: 0 }, { opacity: 0, offset: .5 }, { opacity: 1 }], { duration: 500 });
      play(parts.sauce(from), [{ clipPath: "inset(0 0 100% 0)" }, { clipPath: "inset(0)" }], { duration: 300, delay: 200 });
    },
    FileCreated({ path }, from) {
      play(parts.pieces(path, from), [{ translate: "0 -46px", opacity: 0 }, { opacity: 1, offset: .3 }, { translate: "0 0", opacity: 1 }], { duration: 380 });
      play(parts.inside(from), [{ translate: "0 -40px", opacity: 0 }, { translate: "0 0", opacity: 1 }], { duration: 380, delay: 80 });
    },
    PathWhitedOut({ path }, from) {
      play(parts.napkins(path, from), [{ translate: "14px -90px", rotate: "9deg", opacity: 0 }, { translate: "-5px -30px", rotate: "-5deg", opacity: 1, offset: .55 }, { translate: "0 0", rotate: "0deg", opacity: 1 }], { duration: 500 });
    },
    LayerCommitted({ digest }, from) {
      const discs = parts.discs(digest, from);
      if (tub && discs.length) {
        press(tub, discs[0]);
        play(discs, [{ opacity: 0 }, { opacity: 0, offset: .7 }, { opacity: 1 }], { duration: 500, easing: "linear" });
      } else fall(discs, 120);
      play(parts.boxes(digest, from), [{ translate: "-30px 0" }, { translate: "0 0" }], { duration: 340, delay: 160 });
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
    tub = null;
    const art = kitchen?.querySelector(".art");
    if (!art || still.matches) return;
    for (const event of facts(kitchen)) {
      for (const element of farewells[event.event]?.(event, kitchen) ?? []) leaving.push(ghost(element, element.cloneNode(true)));
    }
    const open = art.querySelector(".tub");
    tub = open && ghost(open, open.cloneNode(true));
  }

  // The lid goes on, and what is in the Tupperware is pressed into a disc.
  function press(frame, disc) {
    const art = disc.closest(".art"), box = frame.firstChild;
    const place = box.querySelector("g"), lid = place.cloneNode(false), cover = svg("use", { href: "#tub-lid" });
    lid.append(cover);
    box.append(lid);
    art.append(frame);
    const from = box.getBoundingClientRect(), to = disc.getBoundingClientRect(), unit = frame.getScreenCTM().a;
    const way = (side, length) => `${(to[side] + to[length] / 2 - from[side] - from[length] / 2) / unit}px`;
    play([cover], [{ translate: "0 -70px", opacity: 0 }, { translate: "0 0", opacity: 1, offset: .6 }, { translate: "0 0", opacity: 1 }], { duration: 300 });
    fly(frame, art, box, [{ translate: "0 0", scale: "1 1", opacity: 1 }, { opacity: 1, offset: .8 }, { translate: `${way("left", "width")} ${way("top", "height")}`, scale: ".9 .25", opacity: 0 }], { duration: 300, delay: 200 });
  }

  function after(kitchen) {
    if (!kitchen || still.matches) return;
    const moved = kitchen.dataset.moved;
    if (moved === "back") farewell(kitchen.querySelector(".art"));
    else if (moved === "forward") facts(kitchen).forEach((event, n, all) => motions[event.event]?.(event, kitchen, n / all.length));
  }

  function farewell(art) {
    for (const frame of leaving) {
      frame.dataset.leaving = "";
      fly(frame, art, frame.firstChild, [{ translate: "0 0", opacity: 1 }, { translate: "0 -70px", opacity: 0 }], { duration: 360, easing: "ease-in" });
    }
  }

  window.whaleMotion = { before, after };
})();
