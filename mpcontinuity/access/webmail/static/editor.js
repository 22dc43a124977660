// The editor, in a document of its own without an origin: it has no cookie, no storage, and may ask nobody for anything.
// What is pasted is cleaned by DOMPurify and edited by Squire. The page around it hears of each change by a channel that
// it gave when it began, and has the HTML as a text alone.

(() => {
  const TAGS = ("a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt " +
    "em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strike strong sub sup table tbody " +
    "td tfoot th thead tr tt u ul var wbr").split(" ");
  const ATTRIBUTES = ("align alt bgcolor border cellpadding cellspacing color colspan dir face height href lang nowrap " +
    "rowspan size span src start style title type valign width").split(" ");
  const LINK = /^(?:https?:\/\/[^\s/]|mailto:[^\s@]+@|tel:[0-9+])/i;
  const PICTURE = /^image\/(?:png|jpeg|gif|webp)$/;
  const PLACE = "\u200b"; // Squire has the cursor stand on it
  const LARGE = 100_000; // characters of HTML that take a while to be handed over

  const letter = document.getElementById("letter");
  const inert = document.implementation.createHTMLDocument("");
  const byId = new Map(); // URLs of pictures of this letter, by their Content-IDs
  const byUrl = new Map(); // and the other way round; "" while a picture is on its way
  let port = null;
  let squire = null;
  let timer = 0;

  addEventListener("message", (event) => {
    if (port || event.source !== parent || event.origin !== location.origin || !event.ports[0]) return;
    port = event.ports[0];
    port.onmessage = ({ data }) => hear(data);
    begin(event.data);
  });

  function begin({ html, text }) {
    squire = new Squire(letter, { sanitizeToDOMFragment: clean, blockTag: "DIV" });
    squire.setHTML(html || (text ?? "").split("\n").map((line) => `<div>${escaped(line) || "<br>"}</div>`).join(""));
    squire.moveCursorToStart();
    squire.addEventListener("input", changed);
    squire.addEventListener("pathChange", mark);
    squire.addEventListener("select", mark);
    squire.addEventListener("cursor", mark);
    squire.addEventListener("pasteImage", (event) => files([...event.detail.clipboardData.files]));
    squire.setKeyHandler("Ctrl-Enter", (_, event) => {
      event.preventDefault();
      port.postMessage({ html: html_(), send: true });
    });
    squire.setKeyHandler("Ctrl-k", (_, event) => {
      event.preventDefault();
      does.link();
    });
    port.postMessage({ begun: true });
    fit();
  }

  function escaped(line) {
    const holder = document.createElement("div");
    holder.textContent = line;
    return holder.innerHTML;
  }

  function clean(html) {
    const fragment = DOMPurify.sanitize(html, {
      ALLOWED_TAGS: TAGS,
      ALLOWED_ATTR: ATTRIBUTES,
      ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|cid:|blob:)/i,
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
      RETURN_DOM_FRAGMENT: true,
      FORCE_BODY: false,
    });
    for (const image of fragment.querySelectorAll("img")) {
      const { id } = image.dataset;
      if (!id) image.remove();
      else if (byId.has(id)) image.src = byId.get(id);
      else port.postMessage({ wanted: id });
    }
    return document.importNode(fragment, true);
  }

  // A picture is one of this letter, or it goes: none is loaded from elsewhere. It loses its address before it comes
  // into this document, which would ask for it.
  DOMPurify.addHook("afterSanitizeAttributes", (node) => {
    if (node.nodeName !== "IMG") return;
    const source = node.getAttribute("src") ?? "";
    const id = source.startsWith("cid:") ? source.slice(4) : byUrl.get(source);
    node.removeAttribute("src");
    if (id) node.setAttribute("data-id", id);
  });

  function hear(data) {
    if (data.ask === "html") port.postMessage({ html: html_(), reply: data.ask });
    else if (data.ask === "text") port.postMessage({ text: text(), reply: data.ask });
    else if (data.focus) letter.focus();
    else if (data.picture) shown(data.picture, data.id, data.key);
    else if (data.refused) letter.querySelector(`img[data-coming="${CSS.escape(data.refused)}"]`)?.remove();
  }

  function shown(blob, id, key) {
    if (!PICTURE.test(blob.type)) return;
    const arrived = key && letter.querySelector(`img[data-coming="${CSS.escape(key)}"]`);
    const url = arrived ? arrived.src : URL.createObjectURL(blob);
    byId.set(id, url);
    byUrl.set(url, id);
    if (arrived) {
      delete arrived.dataset.coming;
      arrived.dataset.id = id;
      changed();
    }
    for (const image of letter.querySelectorAll("img[data-id]:not([src])")) if (image.dataset.id === id) image.src = url;
  }

  // Pictures stand in the text; other files are attached by the page.
  function files(all) {
    const others = [];
    for (const file of all) {
      if (!PICTURE.test(file.type)) {
        others.push(file);
        continue;
      }
      const key = `${Date.now()}-${byUrl.size}`;
      const url = URL.createObjectURL(file);
      byUrl.set(url, "");
      const image = squire.insertImage(url, { alt: file.name || "" });
      image.dataset.coming = key;
      port.postMessage({ file, key });
    }
    if (others.length) port.postMessage({ files: others });
  }

  document.addEventListener(
    "drop",
    (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      event.stopPropagation();
      files([...event.dataTransfer.files]);
    },
    true,
  );
  document.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());

  function html_() {
    const copy = inert.importNode(letter, true); // which asks for no picture of its own
    for (const image of copy.querySelectorAll("img")) {
      const { id } = image.dataset;
      if (!id) {
        image.remove();
        continue;
      }
      image.removeAttribute("data-id");
      image.setAttribute("src", `cid:${id}`);
    }
    return copy.textContent.trim() || copy.querySelector("img, hr, table") ? copy.innerHTML.replaceAll(PLACE, "") : "";
  }

  // As the plain text of the letter has it.
  function text() {
    const lines = [""];
    const add = (words) => (lines[lines.length - 1] += words);
    const end = () => lines.at(-1) && lines.push("");
    const walk = (node, level, marker) => {
      for (const child of node.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) {
          const words = child.data.replaceAll(PLACE, "").replace(/[ \t\r\n\u00a0]+/g, " ");
          if (!lines.at(-1) && level && words.trim()) add("> ".repeat(level));
          add(lines.at(-1) ? words : words.trimStart());
        } else if (child.nodeName === "BR") {
          if (child.nextSibling || !lines.at(-1)) lines.push("");
        } else if (child.nodeType === Node.ELEMENT_NODE) {
          const block = getComputedStyle(child).display !== "inline";
          if (block) end();
          if (child.nodeName === "LI") add(marker(child));
          const ordered = child.nodeName === "OL";
          walk(child, level + (child.nodeName === "BLOCKQUOTE"), ordered ? (one) => `${place_(one)}. ` : () => "- ");
          if (block) end();
        }
      }
    };
    const place_ = (item) => [...item.parentNode.children].indexOf(item) + 1;
    walk(letter, 0, () => "- ");
    return lines.map((line) => line.trimEnd().replace(/^--$/, "-- ")).join("\n").trim(); // that of a signature
  }

  function changed() {
    fit();
    clearTimeout(timer);
    if (letter.innerHTML.length < LARGE) {
      port.postMessage({ html: html_() });
      return;
    }
    port.postMessage({ changing: true });
    timer = setTimeout(() => port.postMessage({ html: html_() }), 400);
  }

  function fit() {
    port?.postMessage({ height: document.documentElement.scrollHeight });
  }
  new ResizeObserver(fit).observe(letter);

  // The buttons.
  const bar = document.querySelector("[role=toolbar]");
  const button = (name) => bar.querySelector(`[data-does=${name}]`);
  const link = document.getElementById("link");
  const address = document.getElementById("address");
  const unfit = document.getElementById("unfit");
  const within = (name) => squire.hasFormat(name) || Boolean(nearest(name));

  function nearest(name) {
    let node = squire.getSelection()?.startContainer;
    while (node && node !== letter) {
      if (node.nodeName === name) return node;
      node = node.parentNode;
    }
    return null;
  }

  const does = {
    bold: () => (squire.hasFormat("B") ? squire.removeBold() : squire.bold()),
    italic: () => (squire.hasFormat("I") ? squire.removeItalic() : squire.italic()),
    underline: () => (squire.hasFormat("U") ? squire.removeUnderline() : squire.underline()),
    list: () => (nearest("UL") ? squire.removeList() : squire.makeUnorderedList()),
    numbers: () => (nearest("OL") ? squire.removeList() : squire.makeOrderedList()),
    quote: () => (nearest("BLOCKQUOTE") ? squire.decreaseQuoteLevel() : squire.increaseQuoteLevel()),
    clear: () => squire.removeAllFormatting(),
    link: () => {
      link.hidden = !link.hidden;
      button("link").setAttribute("aria-expanded", String(!link.hidden));
      unfit.hidden = true;
      fit();
      if (link.hidden) return squire.focus();
      address.value = nearest("A")?.getAttribute("href") ?? "";
      return address.focus();
    },
  };

  bar.addEventListener("mousedown", (event) => event.preventDefault()); // what is selected stays so
  bar.addEventListener("click", (event) => {
    const name = event.target.closest("button")?.dataset.does;
    if (!name || !squire) return;
    does[name]();
    if (name !== "link") squire.focus();
    mark();
  });
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...bar.querySelectorAll("button")];
    all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
  });

  function mark() {
    const on = {
      bold: within("B"), italic: within("I"), underline: within("U"), link: within("A"),
      list: nearest("UL"), numbers: nearest("OL"), quote: nearest("BLOCKQUOTE"),
    };
    for (const [name, is] of Object.entries(on)) button(name).setAttribute("aria-pressed", String(Boolean(is)));
  }

  function add() {
    let leads = address.value.trim();
    if (/^[^\s@:/]+@[^\s@/]+$/.test(leads)) leads = `mailto:${leads}`;
    else if (/^[\w-]+(?:\.[\w-]+)+(?:[/?#:]|$)/.test(leads)) leads = `https://${leads}`;
    unfit.hidden = LINK.test(leads);
    if (!unfit.hidden) return address.focus();
    does.link();
    squire.makeLink(leads);
    return squire.focus();
  }
  link.addEventListener("click", (event) => {
    const what = event.target.closest("button")?.dataset.link;
    if (what === "add") add();
    if (what === "remove") {
      does.link();
      squire.removeLink();
    }
  });
  link.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === address) {
      event.preventDefault();
      add();
    } else if (event.key === "Escape") {
      does.link();
    }
  });
})();
