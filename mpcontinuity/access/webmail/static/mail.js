// What every page of webmail does in a browser with JavaScript, beyond what it does without.

import { forgetAll } from "./letters.js";
import { localise } from "./times.js";

localise(document);
const zone = document.querySelector("footer [data-zone]");
if (zone) zone.hidden = true; // times are by the reader's own clock now

// Who logs out leaves no letter behind in this browser.
document.querySelector('form[action="/logout"]')?.addEventListener("submit", forgetAll);
