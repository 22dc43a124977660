// Says times by the clock of the reader, in the words that the server uses for UTC: <time datetime="…" data-short>.

const spoken = document.documentElement.lang;
const language = navigator.language.startsWith(spoken) ? navigator.language : spoken; // en-GB, where the page is in en
const said = document.querySelector("[data-day]")?.dataset; // as the server writes a day, and its names of months
const pattern = said?.day ?? "%(day)d %(month)s";
const months = (said?.months ?? "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec").split(",");

function short(then, now) {
  if (then.toDateString() === now.toDateString()) {
    return `${then.getHours()}:${String(then.getMinutes()).padStart(2, "0")}`;
  }
  const day = pattern.replace("%(day)d", then.getDate()).replace("%(month)s", months[then.getMonth()]);
  return then.getFullYear() === now.getFullYear() ? day : `${day} ${then.getFullYear()}`;
}

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
