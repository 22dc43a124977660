// Says times by the clock of the reader, in the words that the server uses for UTC: <time datetime="…" data-short>.

const language = document.documentElement.lang;

function short(then, now) {
  if (then.toDateString() === now.toDateString()) {
    return `${then.getHours()}:${String(then.getMinutes()).padStart(2, "0")}`;
  }
  const day = `${then.getDate()} ${then.toLocaleString(language, { month: "short" })}`;
  return then.getFullYear() === now.getFullYear() ? day : `${day} ${then.getFullYear()}`;
}

const full = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short" });

export function localise(part) {
  const now = new Date();
  for (const time of part.querySelectorAll("time[data-short], time[data-full]")) {
    const then = new Date(time.dateTime);
    if (Number.isNaN(then.getTime())) continue;
    if ("short" in time.dataset) {
      time.textContent = short(then, now);
      time.title = full.format(then);
    } else {
      time.textContent = full.format(then);
    }
  }
}
