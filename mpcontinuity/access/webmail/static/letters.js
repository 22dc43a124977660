// Copies of letters in this browser, of the user who writes them: they outlive a session that ends, a server that is
// away and a page that is closed, and go when the letter is saved or sent, or when the user logs out.

const PREFIX = "letter:";
const LASTS = 7 * 24 * 3600 * 1000; // ms

export function keep(user, draft, letter) {
  try {
    localStorage.setItem(`${PREFIX}${user}:${draft}`, JSON.stringify({ ...letter, time: Date.now() }));
    return true;
  } catch {
    return false; // no room, or not allowed: the server has what was saved
  }
}

export function kept(user, draft) {
  return read(`${PREFIX}${user}:${draft}`);
}

export function drop(user, draft) {
  try {
    localStorage.removeItem(`${PREFIX}${user}:${draft}`);
  } catch {
    // then there is none
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

// Old ones go, whose ever they are: who wrote them may never come back to this browser.
export function expire() {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX) && !(Date.now() - read(key)?.time <= LASTS)) localStorage.removeItem(key);
    }
  } catch {
    // then there are none
  }
}

// The drafts of this user of which there are copies, the newest first.
export function all(user) {
  const begin = `${PREFIX}${user}:`;
  const found = [];
  expire();
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(begin)) found.push([key.slice(begin.length), read(key)]);
    }
  } catch {
    return [];
  }
  return found.sort((one, other) => other[1].time - one[1].time);
}

export function forgetAll() {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  } catch {
    // then there are none
  }
}
