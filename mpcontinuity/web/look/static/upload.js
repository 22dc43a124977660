// Sends a file of users as it is: <section data-upload="PATH" data-csrf data-longest hidden>. It is sent once to be
// looked at, which changes nothing, and again to be imported. The answer is the path of a page that tells how far it is.

const EVERY = 1000; // ms from one look at that page to the next
const PATIENCE = 60000; // ms without any answer

function asked(method, path, more = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.responseType = more.page ? "document" : "text";
    if (more.page) request.timeout = PATIENCE;
    for (const [name, value] of Object.entries(more.headers ?? {})) request.setRequestHeader(name, value);
    if (more.progress) request.upload.addEventListener("progress", more.progress);
    request.onload = () => resolve(request);
    request.onerror = request.ontimeout = () => reject(new Error("The server cannot be reached. Please try again."));
    request.send(more.body ?? null);
  });
}

function serve(section) {
  const one = (selector) => section.querySelector(selector);
  const [input, said, outcome] = [one("input"), one("[role=alert]"), one("[data-outcome]")];
  const [look, take] = [one("[data-act=preview]"), one("[data-act=import]")];
  const sending = one("[data-sending]");
  const bar = sending.querySelector("progress");

  const say = (text) => {
    said.textContent = text;
    said.hidden = !text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };

  const send = async (act) => {
    const file = input.files[0];
    if (!file) throw new Error("Choose a file first.");
    if (file.size > Number(section.dataset.longest)) throw new Error("The file is too large: divide it.");
    const digest = outcome.firstElementChild?.dataset.digest ?? "";
    const query = new URLSearchParams({ act, name: file.name, digest });
    sending.hidden = false;
    try {
      const answer = await asked("PUT", `${section.dataset.upload}?${query}`, {
        headers: { "Content-Type": "text/csv", "X-CSRF-Token": section.dataset.csrf },
        progress: (event) => (bar.value = event.lengthComputable ? event.loaded / event.total : 0),
        body: file,
      });
      if (answer.status === 413) throw new Error("The file is too large: divide it.");
      if (answer.status !== 200) throw new Error(answer.responseText.trim() || "That did not work. Please try again.");
      return answer.responseText.trim();
    } finally {
      sending.hidden = true;
    }
  };

  // The page of the run is shown here until it has ended; the browser parses it, no script has a text of HTML.
  const follow = async (path) => {
    for (;;) {
      const answer = await asked("GET", path, { page: true });
      const part = answer.status === 200 && answer.response?.getElementById("run");
      if (!part) throw new Error("You are signed out, or the server is away. Load this page again.");
      const ended = !("live" in part.dataset);
      delete part.dataset.live;
      outcome.replaceChildren(document.adoptNode(part));
      if (ended) return;
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  };

  const act = (name) => async () => {
    say("");
    look.disabled = take.disabled = true;
    try {
      const path = await send(name);
      if (name === "import") {
        location.assign(path);
        return;
      }
      take.hidden = true;
      await follow(path);
      take.hidden = false;
      outcome.focus();
    } catch (error) {
      say(error.message);
      input.focus();
    } finally {
      look.disabled = take.disabled = false;
    }
  };

  input.addEventListener("change", () => {
    say("");
    take.hidden = true;
    outcome.replaceChildren();
  });
  look.addEventListener("click", act("preview"));
  take.addEventListener("click", act("import"));
  section.hidden = false;
}

for (const section of document.querySelectorAll("[data-upload]")) serve(section);
