// Lines are copied with a button. An upload shows how far it is; without this the form is sent as it stands.
"use strict";
(() => {
  for (const line of document.querySelectorAll("pre[data-tool]")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
    button.setAttribute("aria-label", `Copy the line for ${line.dataset.tool}`);
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(line);
      try { await navigator.clipboard.writeText(line.textContent); button.textContent = "Copied"; } catch { button.textContent = "Selected"; }  // a page without TLS may not
    });
    line.before(button);
  }
  const form = document.getElementById("bring"), sending = document.getElementById("sending"), bar = sending?.querySelector("progress");
  if (!form) return;
  form.addEventListener("submit", (event) => {
    const file = form.archive.files[0];
    if (!file) return;
    event.preventDefault();
    const request = new XMLHttpRequest();
    request.open("POST", event.submitter?.getAttribute("formaction") || form.action);
    request.upload.addEventListener("progress", ({ loaded, total }) => { bar.max = total; bar.value = loaded; });
    request.upload.addEventListener("load", () => { bar.removeAttribute("value"); });  // it is there, and being read
    request.addEventListener("load", () => {
      if (request.status < 400) { location.assign(request.responseURL); return; }
      document.open();
      document.write(request.responseText);
      document.close();
    });
    const buttons = (off) => { for (const button of form.querySelectorAll(":scope > button")) button.disabled = off; };
    sending.querySelector("button").onclick = () => request.abort();
    const cut = () => { sending.hidden = true; buttons(false); form.querySelector("output").textContent = "The connection was cut; nothing was kept."; };
    request.addEventListener("error", cut);
    request.addEventListener("abort", () => { cut(); form.querySelector("output").textContent = "Stopped; nothing was kept."; });
    sending.hidden = false;
    form.querySelector("output").textContent = `Sending ${file.name} …`;
    buttons(true);
    request.send(new FormData(form));
  });
})();
