// A letter with formatting: the frame in which it is edited. It is loaded when it is wanted. The frame has no origin, so
// nothing of this page, and this page has its HTML as a text alone: it is never a part of this document.

const BEGINS_WITHIN = 15000; // ms, or there is no editor
const LOWEST = 260; // px of the frame
const HIGHEST = 0.75; // of the window

// `begin` is what it begins with: html or text. `hear` are functions for what it tells: html(text), picture(file, key),
// files(list), wanted(id), send(). Resolves to the editor once it has begun; rejects where there is none.
export function open(box, title, begin, hear) {
  const frame = document.createElement("iframe");
  const channel = new MessageChannel();
  const { port1: port } = channel;
  const asked = {};
  const editor = {
    changing: false,
    html: () => question("html"),
    text: () => question("text"),
    focus: () => port.postMessage({ focus: true }),
    place: (picture, id, key = "") => port.postMessage({ picture, id, key }),
    refuse: (key) => port.postMessage({ refused: key }),
    close: () => {
      port.close();
      frame.remove();
    },
  };
  const question = (ask) =>
    new Promise((resolve) => {
      asked[ask] = resolve;
      port.postMessage({ ask });
    });

  frame.title = title;
  frame.className = "editor";
  frame.setAttribute("sandbox", "allow-scripts");
  frame.src = "/write/editor";
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      editor.close();
      reject(new Error("no editor"));
    }, BEGINS_WITHIN);
    port.onmessage = ({ data }) => {
      if (data.begun) {
        clearTimeout(late);
        resolve(editor);
      }
      if (data.changing) editor.changing = true;
      if (typeof data.html === "string") {
        editor.changing = false;
        hear.html(data.html);
      }
      if (data.height) frame.style.height = `${Math.min(Math.max(data.height, LOWEST), innerHeight * HIGHEST)}px`;
      if (data.file instanceof File) hear.picture(data.file, String(data.key));
      if (Array.isArray(data.files)) hear.files(data.files.filter((each) => each instanceof File));
      if (typeof data.wanted === "string") hear.wanted(data.wanted);
      if (data.reply) asked[data.reply]?.(data[data.reply]);
      if (data.send) hear.send();
    };
    frame.addEventListener("load", () => frame.contentWindow.postMessage(begin, "*", [channel.port2]), { once: true });
    box.append(frame);
  });
}
