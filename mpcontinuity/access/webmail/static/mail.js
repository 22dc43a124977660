// What every page of webmail does in a browser with JavaScript, beyond what it does without.

import { localise } from "./times.js";

localise(document);
const zone = document.querySelector("footer [data-zone]");
if (zone) zone.hidden = true; // times are by the reader's own clock now
