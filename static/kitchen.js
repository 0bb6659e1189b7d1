// The kitchen's manners: terminal history and completion, keys, theme, and narration. Every act is a form that works
// without any of this; here they only become quicker.
"use strict";
(() => {
  const root = document.documentElement;
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const kitchen = () => $("#kitchen");
  const remember = (key, value) => { try { value ? localStorage.setItem(key, value) : localStorage.removeItem(key); } catch { /* private mode */ } };
  const recall = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

  // Looks: theme, projector, speed

  const looks = {
    theme(value) { value ? root.dataset.theme = value : delete root.dataset.theme; remember("theme", value); },
    projector(on) { root.toggleAttribute("data-projector", on); remember("projector", on ? "1" : ""); settle(); },
    speed(value) {
      root.dataset.speed = value;
      remember("speed", value);
      const pace = $("#pace");
      if (pace) pace.textContent = { 1: "full", 0.5: "half", 0.25: "a quarter" }[value];
    },
  };
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const speeds = ["1", "0.5", "0.25"];

  // Terminal: history by the arrows, completion by Tab, several lines one after the other

  const history = () => JSON.parse(recall("history") || "[]");
  let at = 0;
  const prompt = () => $("#command");
  const keep = (line) => remember("history", JSON.stringify([...history().filter((old) => old !== line), line].slice(-100)));

  async function complete(field) {
    const before = field.value.slice(0, field.selectionStart);
    const answer = await fetch(`${kitchen().dataset.home}/complete?${new URLSearchParams({ line: before })}`);
    if (!answer.ok) return;
    const { start, words } = await answer.json();
    if (!words.length) return offers(field, []);
    const common = words.reduce((a, b) => { let n = 0; while (n < a.length && a[n] === b[n]) n++; return a.slice(0, n); });
    const put = (text) => field.setRangeText(text, start, field.selectionStart, "end");
    if (common.length > before.length - start || words.length === 1) put(common + (words.length === 1 && !common.endsWith("/") ? " " : ""));
    offers(field, words.length > 1 ? words : [], put);
  }

  function offers(field, words, put) {
    $("#offers")?.remove();
    field.removeAttribute("aria-activedescendant");
    field.toggleAttribute("aria-controls", words.length > 0);
    if (!words.length) return;
    field.setAttribute("aria-controls", "offers");
    $("#narration").textContent = `${words.length} completions: ${words.slice(0, 5).join(", ")}`;
    const list = Object.assign(document.createElement("ul"), { id: "offers", className: "offers" });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Completions");
    list.append(...words.slice(0, 60).map((word, n) => {
      const item = Object.assign(document.createElement("li"), { textContent: word, id: `offer-${n}` });
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.addEventListener("mousedown", (event) => { event.preventDefault(); put(word + (word.endsWith("/") ? "" : " ")); offers(field, []); });
      return item;
    }));
    field.closest(".slip").append(list);
  }

  function choose(field, step) {
    const items = $$("#offers li");
    if (!items.length) return false;
    const now = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
    const next = items[(now + step + items.length) % items.length];
    items[now]?.setAttribute("aria-selected", "false");
    next.setAttribute("aria-selected", "true");
    next.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", next.id);
    return true;
  }

  // One command a line, but for what a quote or a backslash holds together, as in a shell.
  function commands(text) {
    const lines = [""];
    let quote = "";
    for (let n = 0; n < text.length; n++) {
      let piece = text[n];
      if (piece === "\n" && !quote) { lines.push(""); continue; }
      if (piece === "\\" && quote !== "'") { piece += text[++n] ?? ""; if (piece === "\\\n") continue; }
      else if (quote ? piece === quote : piece === "'" || piece === '"') quote = quote ? "" : piece;
      lines[lines.length - 1] += piece;
    }
    return lines.map((line) => line.trim()).filter(Boolean);
  }

  const queue = [];
  function send(field) {
    const lines = commands(field.value);
    if (!lines.length) return;
    lines.forEach(keep);
    at = 0;
    field.value = lines[0];
    queue.push(...lines.slice(1));
    field.form.requestSubmit();
  }

  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (field.id !== "command") return;
    const chosen = $('#offers [aria-selected="true"]');
    if (event.key === "Tab" && !event.shiftKey && field.value.trim()) { event.preventDefault(); complete(field); }
    else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      chosen ? chosen.dispatchEvent(new MouseEvent("mousedown", { cancelable: true })) : send(field);
    } else if (event.key === "Escape") { offers(field, []); field.blur(); }
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const step = event.key === "ArrowUp" ? -1 : 1;
      if (choose(field, step)) { event.preventDefault(); return; }
      if (field.value.includes("\n")) return;
      const lines = history();
      at = Math.max(-lines.length, Math.min(0, at + step));
      field.value = at ? lines[lines.length + at] : "";
      event.preventDefault();
    } else if (event.key.length === 1) offers(field, []);
  });

  // Keys: every act has one

  const click = (selector) => { const found = $(selector); if (found && !found.disabled) found.click(); return Boolean(found); };
  const slice = () => Number($("#picture")?.dataset.slice || 3);
  const turn = (step) => follow($(`.slice[data-slice="${(slice() - 1 + step + 8) % 8 + 1}"]`));
  function climb(step) {
    const rows = $$("#picture .row-hit a:not(.blob)").reverse();
    const now = rows.findIndex((row) => row.getAttribute("aria-current"));
    follow(rows[now < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, now + step))]);
  }

  // Links that only look elsewhere in the same kitchen swap it in place; without this they load the page anew.
  let pressed = "";
  async function follow(link) {
    if (!link) return;
    const to = link.getAttribute("href");
    pressed = link.id || (link.dataset.slice ? `.slice[data-slice="${link.dataset.slice}"]` : `#picture a[href="${CSS.escape(to)}"]`);
    await htmx.ajax("GET", location.pathname + to, { target: "#kitchen", swap: "outerMorph" });
    window.history.replaceState(null, "", location.pathname + to);
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#kitchen a[href^='?']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    follow(link);
  });

  const keys = {
    "?": () => $("#keys")?.showModal(),
    "/": () => prompt()?.focus(),
    u: () => click("#undo"), r: () => click("#redo"), 0: () => click("#reset"),
    p: () => looks.projector(!root.hasAttribute("data-projector")),
    t: () => looks.theme(dark() ? "light" : "dark"),
    s: () => looks.speed(speeds[(speeds.indexOf(root.dataset.speed) + 1) % speeds.length]),
    d: () => click("#save-picture"),
    ArrowRight: () => turn(1), ArrowLeft: () => turn(-1),
    ArrowUp: () => climb(1), ArrowDown: () => climb(-1),
    "[": () => click("#undo"), "]": () => click("#redo"),
  };
  const popovers = ".pick > details, .brand details, .forks";
  function shut(but) {
    for (const open of $$(popovers)) if (open.open && open !== but) { if (open.contains(document.activeElement)) open.firstElementChild.focus(); open.open = false; }
  }
  for (let n = 1; n <= 8; n++) keys[n] = () => follow($(`.slice[data-slice="${n}"]`));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { $("body > .tip")?.remove(); shut(); }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    const act = keys[event.key] || $(`[data-key="${CSS.escape(event.key)}"]`);
    if (!act) return;
    if (event.target.closest("button, a, summary") && event.key.startsWith("Arrow") && !event.target.closest(".picture")) return;
    event.preventDefault();
    typeof act === "function" ? act() : act.click();
  });
  document.addEventListener("click", (event) => {
    const look = event.target.closest("[data-look]")?.dataset.look;
    if (look === "theme") keys.t(); else if (look === "projector") keys.p(); else if (look === "keys") keys["?"](); else if (look === "speed") keys.s();
    shut(event.target.closest(popovers));
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.(popovers) && event.target.open) shut(event.target);
    if (event.target.matches?.(".forks")) event.target.classList.toggle("below", event.target.getBoundingClientRect().top < innerHeight / 2);
  }, true);

  // A figure or a box opens the ledger at its line; a question mark shows its answer where it stands

  function open(hash) {
    const found = hash.length > 1 && document.getElementById(hash.slice(1));
    if (!found) return;
    const details = found.closest("details");
    if (details) details.open = true;
    $$(".found").forEach((old) => old.classList.remove("found"));
    found.classList.add("found");
    found.scrollIntoView({ block: "center" });
  }
  function ask(mark) {
    const part = document.getElementById(mark.getAttribute("href").slice(1));
    const old = $("body > .tip");
    old?.remove();
    if (!part || old?.dataset.of === part.id) return;
    const tip = Object.assign(document.createElement("div"), { className: "tip", innerHTML: part.innerHTML });
    tip.dataset.of = part.id;
    tip.setAttribute("role", "note");
    document.body.append(tip);
    const at = mark.getBoundingClientRect();
    tip.style.left = `${scrollX + Math.max(16, Math.min(at.left - 40, innerWidth - tip.offsetWidth - 16))}px`;
    tip.style.top = `${scrollY + (at.bottom + tip.offsetHeight + 16 < innerHeight ? at.bottom + 10 : Math.max(8, at.top - tip.offsetHeight - 10))}px`;
    $("#narration").textContent = tip.textContent;
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const to = link?.getAttribute("href") ?? "";
    if (to.startsWith("#what-")) { event.preventDefault(); ask(link); return; }
    $("body > .tip")?.remove();
    if (/^#(blob|ledger)-/.test(to)) { event.preventDefault(); open(to); }
  });
  open(location.hash);

  // Time: drag the bitten slice. The step under the slice is marked while it is dragged, and jumped to where it is let go; Escape lets it go at home.

  let drag = null;
  const nearest = (x) => $$("#track > li").reduce((best, step) => {
    const box = step.getBoundingClientRect(), away = Math.abs(box.left + box.width / 2 - x);
    return away < best.away ? { step, away } : best;
  }, { step: null, away: Infinity }).step;
  function aim(step) {
    $$("#track .aimed").forEach((old) => old.classList.remove("aimed"));
    step?.classList.add("aimed");
  }
  function release(jump) {
    if (!drag) return;
    const { track, handle, home, step } = drag;
    drag = null;
    aim(null);
    delete track.dataset.dragging;
    handle.style.translate = "";
    if (!jump || !step || step === home) return;
    $("button", step).click();
    const swallow = (event) => { event.preventDefault(); event.stopPropagation(); };  // the click of letting go
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }));
  }
  document.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest?.("#track [aria-current] i svg");
    if (!handle || event.button || $("button", handle.closest("li")).disabled) return;
    event.preventDefault();
    const home = handle.closest("li");
    drag = { track: $("#track"), handle, home, step: home, from: event.clientX };
    handle.setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.track.dataset.dragging = "";
    drag.handle.style.translate = `${event.clientX - drag.from}px 0`;
    drag.step = nearest(event.clientX);
    aim(drag.step);
  });
  document.addEventListener("pointerup", () => release(true));
  document.addEventListener("pointercancel", () => release(false));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") release(false); });

  // After a swap: say it, scroll the slip, keep the focus, run the next line, play what happened

  // Where the control that had the focus is gone or greyed out, the focus goes to what now stands in its place.
  let focused = "", beside = null;
  const able = (element) => element?.isConnected && element !== document.body && !element.disabled && element.checkVisibility();
  const controls = (part) => $$("button, a[href], summary, textarea, select", part).filter(able);
  const polls = (event) => event.detail?.ctx?.sourceElement?.id === "underway" && Boolean($("#underway"));  // how far a delivery is, not what it did
  document.addEventListener("htmx:before:swap", (event) => {
    if (polls(event) && !event.detail.ctx.hx?.retarget) return;
    const had = document.activeElement;
    const part = had?.closest("#kitchen > [id], #kitchen .left > [id]");
    focused = had?.id || "";
    beside = part ? { part: part.id, at: controls(part).indexOf(had) } : null;
    window.whaleMotion?.before(kitchen());
  });
  function refocus() {
    if (able(document.activeElement)) return;
    const named = focused ? document.getElementById(focused) : /^[.#]/.test(pressed) ? $(pressed) : null;
    const there = beside && controls(document.getElementById(beside.part) ?? kitchen());
    const back = able(named) ? named : there?.[Math.max(0, Math.min(there.length - 1, beside.at))];
    back?.focus({ preventScroll: true });
  }
  document.addEventListener("htmx:after:swap", (event) => {
    if (polls(event)) return;
    if (focused || beside || pressed) refocus();
    pressed = "";
    const told = $("#headline")?.textContent.trim() ?? "";
    $("#narration").textContent = kitchen()?.dataset.moved === "back" ? `Undone. ${told}` : told;
    settle();
    window.whaleMotion?.after(kitchen());
    const field = prompt();
    if (field && queue.length) { field.value = queue.shift(); field.form.requestSubmit(); }
    else if (field && (focused === "command" || event.detail?.ctx?.sourceElement?.matches?.(".prompt"))) field.value = "";
  });
  const faded = (log) => log.classList.toggle("scrolled", log.scrollTop > 0);  // above is more
  // The last command from its own line on, however much it printed; what is shorter stands at the bottom.
  function settle() {
    const log = $("#log"), last = log?.lastElementChild;
    if (!last) return;
    const line = last.getBoundingClientRect().top - log.getBoundingClientRect().top + log.scrollTop;
    log.scrollTop = last.dataset.status === "0" ? Math.max(0, line - (last.previousElementSibling ? 16 : 0)) : log.scrollHeight;  // below where the log fades; a refusal stands at the end
    log.scrollLeft = 0;
    faded(log);
  }
  document.addEventListener("scroll", (event) => { if (event.target.id === "log") faded(event.target); }, true);
  settle();
})();
