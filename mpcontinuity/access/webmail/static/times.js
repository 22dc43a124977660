// Says times by the clock of the reader, in the words that the server uses for UTC: <time datetime="…" data-short>.

const spoken = document.documentElement.lang;
const language = navigator.language.startsWith(spoken) ? navigator.language : spoken; // en-GB, where the page is in en

function short(then, now) {
  if (then.toDateString() === now.toDateString()) {
    return `${then.getHours()}:${String(then.getMinutes()).padStart(2, "0")}`;
  }
  const english = spoken === "en"; // the day comes first there too, as the server says it
  const day = english ? `${then.getDate()} ${then.toLocaleString(language, { month: "short" })}` : days.format(then);
  return then.getFullYear() === now.getFullYear() ? day : `${day} ${then.getFullYear()}`;
}

const days = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(language, {
  weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "numeric", minute: "2-digit",
});

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
