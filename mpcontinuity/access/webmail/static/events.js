// What is new, by one connection of this browser: of its tabs the one that holds the lock has the stream, and tells the
// others. Who closes that tab passes the lock on. `hear` is given the name, the data, and whether this is that tab.

const CHANNEL = "mail-events";
const LOCK = "mail-events";

export function listen(hear) {
  const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(CHANNEL) : null;
  if (channel) channel.onmessage = (event) => hear(event.data.name, event.data.data);
  const open = (passed) => {
    const source = new EventSource("/events");
    const tell = (name, data) => {
      hear(name, data, true);
      channel?.postMessage({ name, data });
    };
    for (const name of ["mailbox", "folders", "continuity"]) {
      source.addEventListener(name, (event) => tell(name, JSON.parse(event.data)));
    }
    source.addEventListener("ended", () => {
      source.close(); // and the lock stays: the other tabs of this browser are signed out as well
      tell("ended", {});
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return; // the browser comes again by itself
      fetch("/events/session", { headers: { Accept: "text/plain" } }).then(
        (answer) => answer.status === 401 && tell("ended", {}),
        () => {},
      );
      setTimeout(() => passed(), 30000); // too many listen, or the server goes: later, perhaps another tab
    });
    return source;
  };
  if (!navigator.locks || !channel) {
    const again = () => open(again);
    again();
    return;
  }
  const take = () =>
    navigator.locks.request(LOCK, () => new Promise((release) => open(() => release()))).then(take, () => {});
  take();
}
