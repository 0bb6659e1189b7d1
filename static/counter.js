// An upload shows how far it is, and can be stopped by leaving the page; without this the form is sent as it stands.
"use strict";
(() => {
  const form = document.getElementById("bring"), bar = document.getElementById("sending");
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
    request.addEventListener("error", () => { bar.hidden = true; form.querySelector("output").textContent = "The connection was cut; nothing was kept."; });
    bar.hidden = false;
    form.querySelector("output").textContent = `Sending ${file.name} …`;
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    request.send(new FormData(form));
  });
})();
