// The page where a letter is written: a copy in this browser each second, the draft on the server every few seconds,
// files in pieces with progress, by drag and drop too, completion of addresses, and formatting (rich.js). Without it the
// form works as well.

import { all, drop, keep, kept } from "./letters.js";
import { Failed, upload } from "./uploads.js";

const SAVED_AFTER = 4000; // ms without a key
const AGAIN_AFTER = 5000; // ms, where it could not be saved
const megabytes = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
const FIELDS = ["sender", "to", "cc", "bcc", "subject", "text", "format", "html", "quote"];
// What the letter is about, and what it takes along: as it began, also where it is taken up on another page.
const ABOUT = ["in_reply_to", "references", "about", "how", "original", "enclose"];
const PREFERRED = "write-format"; // in this browser: how letters begin

const form = document.querySelector("form[data-letter]");
if (form) begin(form);

function begin(form) {
  const user = form.dataset.user;
  const words = form.querySelector("[data-words]").dataset;
  const state = form.querySelector("[data-state]");
  const field = (name) => form.elements.namedItem(name);
  // Of a letter with formatting the plain text is made by the server.
  const read = () => {
    const now = Object.fromEntries(FIELDS.map((name) => [name, field(name)?.value ?? ""]));
    return now.format === "plain" ? { ...now, html: "", quote: "" } : { ...now, text: "" };
  };
  const same = (one, other) => FIELDS.every((name) => one[name] === other[name]);
  if (field("format").value === "kept") field("format").value = "rich";
  let saved = read(); // as the server has it
  let copied = saved;
  let timer = 0;
  let saving = null;
  let uploads = 0;
  const attached = form.querySelector("[data-attached]");
  const input = field("files");
  let edits = 0; // how often an editor was opened
  let editor = null; // of a letter with formatting
  const [plain, rich, quote] = ["plain", "rich", "quoted"].map((name) => form.querySelector(`[data-${name}]`));
  // What stands at the end of the plain text, where that quotes; the server joins the same to one with formatting.
  const below = Number(form.dataset.below);
  let quoted = below ? field("text").defaultValue.slice(-below).trim() : "";
  const wanted = []; // ids of pictures that the editor waits for
  // What was sent, and perhaps saved, though no answer came: it is sent again as it was, so that it is known for the same.
  let unanswered = null;
  let repeated = false; // for a button, which does not wait for ever
  let foreign = false; // somebody else has signed in in this browser

  // Who loads this page again, or comes back to it, goes on with the same letter.
  const here = new URL(location.href);
  if (field("version").value === "0" && here.pathname === "/write" && !here.searchParams.has("draft")) {
    here.searchParams.set("new", field("draft").value);
    history.replaceState(null, "", here);
  }

  const say = (text, link = "") => {
    state.textContent = text;
    if (!link) return;
    const a = document.createElement("a");
    a.href = link;
    a.target = "_blank";
    a.rel = "noopener";
    a.textContent = words.signIn;
    state.append(" ", a);
  };
  const draft = () => field("draft").value;
  const ask = (path, options) =>
    fetch(path, { ...options, headers: { "X-CSRF-Token": field("csrf").value, ...options.headers } });

  // The copy in this browser.
  const copy = () => {
    const now = read();
    if (!same(now, copied)) {
      const about = Object.fromEntries(ABOUT.map((name) => [name, field(name)?.value ?? ""]));
      keep(user, draft(), { fields: { ...now, ...about }, version: Number(field("version").value) });
      copied = now;
      schedule(SAVED_AFTER);
    }
  };
  setInterval(copy, 1000);
  addEventListener("pagehide", copy);

  const take = (letter) => {
    if (letter.enclose && !field("enclose") && field("version").value === "0") {
      const enclose = Object.assign(document.createElement("input"), { type: "hidden", name: "enclose" });
      form.prepend(enclose);
    }
    for (const name of [...FIELDS, ...ABOUT]) if (field(name) && name in letter) field(name).value = letter[name];
    if (letter.format === "rich") return edit({ html: letter.html });
    field("quote").value = "none";
    quote.hidden = true;
    return undefined;
  };
  const own = kept(user, draft());
  if (own && own.version >= Number(field("version").value) && !same(own.fields, saved)) {
    take(own.fields);
    say(words.back);
    schedule(SAVED_AFTER);
  } else if (own && own.version < Number(field("version").value)) {
    drop(user, draft());
  } else if (field("version").value === "0" && !field("how").value && !field("to").value) {
    offer(); // where a letter begins with nothing, or with a signature
  }
  if (!edits && field("format").value === "rich") edit({ html: field("html").value });
  else if (!own && field("version").value === "0" && preferred() === "rich") enrich();

  // A letter that no server ever got.
  function offer() {
    const [found] = all(user).filter(([, letter]) => letter.version === 0 && (letter.fields?.text?.trim() || letter.fields?.html));
    if (!found) return;
    const [id, letter] = found;
    const box = document.createElement("p");
    box.className = "notice hint";
    box.append(words.found.replace("{}", letter.fields.subject || words.noSubject), " ");
    for (const [text, does] of [[words.takeUp, () => take(letter.fields)], [words.throwAway, () => {}]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain";
      button.textContent = text;
      button.addEventListener("click", () => {
        does();
        drop(user, id);
        box.remove();
      });
      box.append(button, " ");
    }
    form.before(box);
  }

  // The draft on the server.
  function schedule(after) {
    clearTimeout(timer);
    timer = setTimeout(save, after);
  }

  function save() {
    saving ??= send().finally(() => (saving = null));
    return saving;
  }

  // It has this id and version on the server, whether it could be shown in Drafts or not: the next try goes on with it.
  function begun(given) {
    if (given.draft !== draft()) drop(user, draft());
    field("draft").value = given.draft;
    field("version").value = given.version;
    field("enclose")?.remove();
  }

  async function send() {
    const again = unanswered;
    const now = again?.now ?? read();
    if (foreign) return false;
    if (!again && same(now, saved) && field("version").value !== "0") return true;
    const body = again?.body ?? new URLSearchParams();
    if (!again) for (const [name, value] of new FormData(form)) if (typeof value === "string") body.append(name, value);
    body.set("action", "autosave");
    body.set("csrf", field("csrf").value);
    unanswered = { now, body };
    try {
      const answer = await fetch("/write", { method: "POST", body });
      unanswered = null;
      if (answer.status === 401) {
        say(words.signedOut, "/login");
      } else if (answer.status === 403) {
        const given = await answer.json();
        if (given.user !== user) {
          foreign = true;
          say(words.foreign);
          return false;
        }
        for (const each of document.querySelectorAll("input[name=csrf]")) each.value = given.csrf;
        schedule(0);
        return false;
      } else if (answer.ok) {
        const given = await answer.json();
        begun(given);
        saved = now;
        drop(user, given.draft);
        list(given.attachments);
        show(wanted);
        history.replaceState(null, "", `/write?draft=${given.draft}`);
        say(given.said || words.saved.replace("{}", new Date().toLocaleTimeString(document.documentElement.lang)));
        repeated = false;
        return again ? send() : true;
      } else {
        const kind = answer.headers.get("content-type") ?? "";
        const given = kind.startsWith("application/json") ? await answer.json() : {};
        if (given.draft) begun(given);
        say(given.message ?? words.notNow);
      }
    } catch {
      say(words.offline);
    }
    schedule(AGAIN_AFTER);
    return false;
  }

  // Formatting.
  function preferred() {
    try {
      return localStorage.getItem(PREFERRED);
    } catch {
      return "";
    }
  }

  function prefer(format) {
    try {
      localStorage.setItem(PREFERRED, format);
    } catch {
      // then the next letter begins as plain text
    }
  }

  // The plain text holds until the editor has it.
  async function edit(begins) {
    const hear = {
      html: (html) => (field("html").value = html),
      picture: place,
      files: attach,
      wanted: (id) => show([id]),
      send: () => form.requestSubmit(form.querySelector("button[value=send]")),
    };
    const mine = ++edits;
    let opened = null;
    try {
      const { open } = await import("./rich.js");
      opened = await open(rich, words.editor, begins, hear);
      if ("text" in begins) field("html").value = await opened.html();
    } catch {
      // What is changed in the plain text now counts, where that is known: the server compares.
      if (field("format").value === "rich" && field("text").value.trim()) field("format").value = "kept";
      field("text").disabled = field("format").value === "rich";
      return say(words.noEditor);
    }
    if (mine !== edits) return opened.close(); // another text has come meanwhile
    editor?.close();
    editor = opened;
    field("format").value = "rich";
    field("text").disabled = true;
    plain.hidden = true;
    rich.hidden = false;
    quote.hidden = !field("original").value;
    return undefined;
  }

  // What the plain text quotes as it was given becomes the quote of the message itself, which the server joins.
  async function enrich() {
    let text = field("text").value;
    if (quoted && field("original").value && text.trimEnd().endsWith(quoted)) {
      text = text.trimEnd().slice(0, -quoted.length).trimEnd();
      field("quote").value = "whole";
    }
    const untouched = same(read(), saved);
    await edit({ text });
    if (untouched) saved = copied = read(); // nobody has typed anything
  }

  async function flatten() {
    let text = await editor.text();
    if (field("original").value && field("quote").value === "whole") {
      const answer = (await save()) && (await fetch(`/write/${draft()}/quote.txt`));
      if (!answer?.ok) return say(words.notNow);
      quoted = (await answer.text()).trim();
      text += `\n\n${quoted}`;
    }
    field("quote").value = "none"; // it is in the text now, or is not wanted
    field("text").value = text;
    field("text").disabled = false;
    field("format").value = "plain";
    field("html").value = "";
    editor.close();
    editor = null;
    rich.hidden = quote.hidden = true;
    plain.hidden = false;
    return field("text").focus();
  }

  for (const button of form.querySelectorAll("[data-format-switch]")) button.hidden = false;
  form.querySelector("[data-to-rich]").addEventListener("click", async () => {
    prefer("rich");
    await enrich();
    editor?.focus();
  });
  form.querySelector("[data-to-plain]").addEventListener("click", () => {
    if (!field("html").value) return flatten().then(() => prefer("plain"));
    const dialog = document.querySelector("[data-plain-dialog]");
    dialog.returnValue = "";
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && flatten().then(() => prefer("plain")), { once: true });
    return dialog.showModal();
  });
  quote.querySelector("details").addEventListener("toggle", async (event) => {
    const frame = quote.querySelector("iframe");
    if (!event.target.open || frame.src.includes(draft())) return;
    if (field("quote").value === "whole" && (await save())) frame.src = `/write/${draft()}/quote`;
  });

  async function place(file, key) {
    uploads += 1;
    try {
      if (file.size > Number(form.dataset.room)) throw new Failed(words.tooLarge);
      while (field("version").value === "0" && !(await save())) await new Promise((go) => setTimeout(go, 1000));
      const { cid } = await upload(ask, draft(), file, (part) => say(`${file.name}: ${Math.round(100 * part)} %`), "picture");
      editor?.place(file, cid, key);
    } catch (error) {
      editor?.refuse(key);
      say(error instanceof Failed && error.message ? error.message : words.notSent);
    }
    uploads -= 1;
  }

  // Pictures of this draft that the editor has no octets of; those that are not there yet come with the next save.
  async function show(ids) {
    if (!ids.length) return;
    for (const id of ids) if (!wanted.includes(id)) wanted.push(id);
    if (field("version").value === "0") return;
    const listed = await fetch(`/write/${draft()}/attachments`).catch(() => null);
    for (const each of listed?.ok ? await listed.json() : []) {
      if (!wanted.includes(each.cid)) continue;
      const answer = await fetch(`/write/${draft()}/attachments/${each.id}`).catch(() => null);
      if (!answer?.ok) continue;
      editor?.place(await answer.blob(), each.cid);
      wanted.splice(wanted.indexOf(each.cid), 1);
    }
  }

  // What is attached.
  function list(all) {
    if (uploads) return;
    attached.replaceChildren(...all.map(line));
  }

  function line(each) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    Object.assign(button, { type: "submit", name: "action", value: `detach ${each.id}`, className: "plain" });
    button.textContent = words.remove;
    button.setAttribute("aria-label", `${words.remove} ${each.name}`);
    item.append(each.name, " ", size(each.size), " ", button);
    return item;
  }

  function size(octets) {
    const shown = document.createElement("span");
    shown.className = "quiet";
    shown.textContent = octets < 1e6 ? `${Math.ceil(octets / 1e3)} kB` : `${megabytes.format(octets / 1e6)} MB`;
    return shown;
  }

  async function attach(files) {
    uploads += files.length;
    for (const file of files) {
      const item = document.createElement("li");
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.setAttribute("aria-label", file.name);
      item.append(file.name, " ", bar);
      attached.append(item);
      try {
        if (file.size > Number(form.dataset.room)) throw new Failed(words.tooLarge);
        while (field("version").value === "0" && !(await save())) await new Promise((go) => setTimeout(go, 1000));
        item.replaceWith(line(await upload(ask, draft(), file, (part) => (bar.value = part))));
      } catch (error) {
        bar.remove();
        item.classList.add("error");
        item.setAttribute("role", "alert");
        item.append(error instanceof Failed && error.message ? error.message : words.notSent);
      }
      uploads -= 1;
    }
  }
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    attach(files);
  });
  form.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) {
      event.preventDefault();
      form.classList.add("dropping");
    }
  });
  form.addEventListener("dragleave", () => form.classList.remove("dropping"));
  form.addEventListener("drop", (event) => {
    form.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    attach([...event.dataTransfer.files]);
  });

  // A button waits for what is on its way, so that two answers do not cross.
  form.addEventListener("submit", async (event) => {
    if (event.defaultPrevented) return;
    const button = event.submitter;
    if (uploads && button?.value === "send") {
      event.preventDefault();
      say(words.filesComing);
      return;
    }
    if (editor?.changing) {
      event.preventDefault();
      await editor.html();
      form.requestSubmit(button);
      return;
    }
    clearTimeout(timer);
    copy();
    clearTimeout(timer);
    // It is asked before (confirm.js), which stops the first of two submits and marks the second.
    if (button?.value === "discard" && (form.dataset.confirmed || !button.dataset.confirm)) drop(user, draft());
    if (unanswered && !repeated) {
      repeated = true;
      save();
    }
    if (!saving) return;
    event.preventDefault();
    await saving;
    clearTimeout(timer);
    form.requestSubmit(button);
  });

  // People, by what was typed of them.
  const people = document.getElementById("people");
  let asked = "";
  for (const name of ["to", "cc", "bcc"]) {
    field(name).addEventListener("input", async (event) => {
      const typed = event.target.value;
      const at = Math.max(typed.lastIndexOf(","), typed.lastIndexOf(";")) + 1;
      const last = typed.slice(at).trim();
      if (last.length < 2 || last === asked || last.includes(">")) return;
      asked = last;
      try {
        const answer = await fetch(`/write/people?${new URLSearchParams({ q: last })}`);
        if (!answer.ok || asked !== last) return;
        const before = at ? `${typed.slice(0, at)} ` : "";
        people.replaceChildren(
          ...(await answer.json()).map((each) => {
            const option = document.createElement("option");
            option.value = `${before}${each}`;
            option.label = each;
            return option;
          }),
        );
      } catch {
        // then it is typed
      }
    });
  }
}
