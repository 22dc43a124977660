// Sends files to a draft in pieces, each of which is durable when it is answered: what was cut off goes on.

const PIECE = 1024 * 1024;
const PATIENCE = 60; // failures in a row, some five minutes; then the file is given up

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

export class Failed extends Error {}

// `ask(path, options)` is fetch with what the page adds. Resolves to the attachment as the server has it.
export async function upload(ask, draft, file, progress, role = "") {
  const begun = await ask(`/write/${draft}/attachments`, {
    method: "POST",
    body: new URLSearchParams({ name: file.name, kind: file.type || "application/octet-stream", size: file.size, role }),
  });
  if (!begun.ok) throw new Failed(await reason(begun));
  const { id, cid } = await begun.json();
  let received = 0;
  let failures = 0;
  while (received < file.size) {
    const path = `/write/${draft}/attachments/${id}?start=${received}`;
    let answer = null;
    try {
      answer = await ask(path, { method: "PUT", body: file.slice(received, received + PIECE) });
    } catch {
      // no connection: it is tried again
    }
    if (answer?.ok || answer?.status === 409) {
      const there = await answer.json();
      if (typeof there.received !== "number") throw new Failed();
      failures = there.received > received ? 0 : failures + 1;
      received = there.received;
      progress(received / file.size);
    } else if (answer && answer.status !== 401 && answer.status < 500) {
      throw new Failed(await reason(answer));
    } else {
      failures += 1;
      if (answer?.status === 401) failures = 0; // until the user has signed in again
      const found = await standing(ask, draft, id);
      if (found !== null) received = found;
    }
    if (failures > PATIENCE) throw new Failed();
    if (failures) await wait(Math.min(failures, 5));
    else if (answer?.status === 401) await wait(3);
  }
  return { id, cid, name: file.name, size: file.size };
}

async function standing(ask, draft, id) {
  try {
    const answer = await ask(`/write/${draft}/attachments`, {});
    return answer.ok ? ((await answer.json()).find((each) => each.id === id)?.received ?? null) : null;
  } catch {
    return null;
  }
}

async function reason(answer) {
  const kind = answer.headers.get("content-type") ?? "";
  const text = await answer.text();
  if (kind.startsWith("application/json")) return JSON.parse(text).message ?? "";
  if (kind.startsWith("text/plain")) return text.trim();
  return "";
}
