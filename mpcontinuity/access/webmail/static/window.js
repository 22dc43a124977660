// A window over a folder of any size: the list is as high as all its rows, which have one height, and those near what
// is seen stand in it. The server gives rows by their place; what is checked stays so wherever it is.

import { exchange, fetched, renewed } from "./list.js";

const NEAR = 40; // rows above and below what is seen that stand in the list
const PIECE = 50; // rows that are asked for at once
const KEPT = 1000; // rows that are remembered
const MOST = 200; // rows of an answer
const HIGHEST = 15e6; // CSS pixels: browsers have a limit to what can be high
const REST = 60; // ms without scrolling until rows are asked for
const AGAIN = 3000; // ms until what did not come is asked for again
const PLACE = "place"; // in the session's storage: where somebody was who has left the page

export class ListWindow {
  constructor(list) {
    this.list = list;
    this.form = list.closest("form");
    this.total = Number(list.dataset.total);
    this.rows = new Map([...list.children].map((row, place) => [place, row]));
    for (const [place, row] of this.rows) row.ariaPosInSet = place + 1;
    this.waiting = new Map(); // what stands for rows that have not come
    this.chosen = new Set();
    this.asked = new Set();
    this.renewing = null;
    this.lost = ""; // the message that had the focus, and is out of sight
    list.classList.add("window");
    list.tabIndex = -1;
    history.scrollRestoration = "manual";
    this.measure();
    this.followChoice();
    addEventListener("scroll", () => this.scrolled(), { passive: true });
    addEventListener("resize", () => this.resized());
    addEventListener("pagehide", () => this.remember());
    if (!this.comeBack()) this.show();
  }

  measure() {
    this.height = this.list.firstElementChild?.getBoundingClientRect().height || this.height || 44;
    this.shown = Math.min(this.total, Math.floor(HIGHEST / this.height));
    const further = document.querySelector("[data-further]");
    if (further) further.hidden = this.shown === this.total;
  }

  // Where the upper edge of what is seen stands, in rows.
  get top() {
    return -this.list.getBoundingClientRect().top / this.height;
  }

  span() {
    const top = Math.floor(this.top);
    const from = Math.max(Math.min(top - NEAR, this.shown - NEAR), 0);
    return [from, Math.min(Math.max(top + Math.ceil(innerHeight / this.height) + NEAR, 0), this.shown)];
  }

  show() {
    const [from, to] = this.span();
    const wanted = new Set();
    for (let place = from; place < to; place++) wanted.add(this.rows.get(place) ?? this.placeholder(place));
    const focused = document.activeElement?.closest("#messages > .message");
    if (focused && !wanted.has(focused)) {
      this.lost = focused.dataset.uid ?? "";
      this.list.focus({ preventScroll: true });
    }
    for (const row of [...this.list.children]) if (!wanted.has(row)) row.remove();
    let next = this.list.firstElementChild;
    for (const row of wanted) {
      if (row === next) next = next.nextElementSibling;
      else this.list.insertBefore(row, next);
      if (row.ariaSetSize !== String(this.total)) row.ariaSetSize = this.total;
      if (this.lost && row.dataset.uid === this.lost && document.activeElement === this.list) {
        this.lost = "";
        row.querySelector("a")?.focus({ preventScroll: true });
      }
    }
    this.list.style.paddingTop = `${from * this.height}px`;
    this.list.style.paddingBottom = `${(this.shown - to) * this.height}px`;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.ask(from, to), REST);
  }

  placeholder(place) {
    let row = this.waiting.get(place);
    if (!row) {
      row = document.createElement("li");
      row.className = "message";
      row.ariaBusy = "true";
      row.ariaPosInSet = place + 1;
      row.append("…");
      this.waiting.set(place, row);
    }
    return row;
  }

  scrolled() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.show();
    });
  }

  resized() {
    const top = this.top;
    this.measure();
    if (top > 0) this.scrollTo(top);
    this.show();
  }

  scrollTo(top) {
    this.list.style.paddingBottom = `${this.shown * this.height}px`; // there has to be room for it
    scrollTo(0, this.list.getBoundingClientRect().top + scrollY + top * this.height);
  }

  // Asks for the pieces of the list that are seen and have not come.
  ask(from, to) {
    this.forget(from, to);
    for (let piece = Math.floor(from / PIECE); piece * PIECE < to; piece++) {
      const places = [...Array(PIECE).keys()].map((each) => piece * PIECE + each);
      if (this.asked.has(piece) || !places.some((place) => place >= from && place < to && !this.rows.has(place))) continue;
      this.asked.add(piece);
      this.fetch({ from: piece * PIECE, count: PIECE }).then(
        (fresh) => {
          this.asked.delete(piece);
          if (Number(fresh.dataset.total) !== this.total) return this.renew(); // places have moved
          if (Number(fresh.dataset.modseq) >= Number(this.list.dataset.modseq)) this.take(fresh);
          this.show();
        },
        () => setTimeout(() => {
          this.asked.delete(piece);
          this.scrolled();
        }, AGAIN),
      );
    }
  }

  forget(from, to) {
    if (this.rows.size + this.waiting.size < KEPT) return;
    for (const known of [this.rows, this.waiting]) {
      for (const place of known.keys()) if (place < from - 2 * PIECE || place >= to + 2 * PIECE) known.delete(place);
    }
  }

  fetch(query) {
    const address = new URL(this.list.dataset.window, location);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    return fetched(address).then((page) => page.getElementById("messages"));
  }

  // Takes rows that have come; those that are in the list already stay, where nothing of them has changed.
  take(fresh, known = new Map()) {
    for (const row of [...fresh.children]) {
      const place = Number(row.ariaPosInSet) - 1;
      const old = known.get(row.dataset.uid) ?? this.rows.get(place);
      const same = old?.dataset.uid === row.dataset.uid;
      let now = old;
      if (!same || old.dataset.modseq !== row.dataset.modseq) {
        now = renewed(same ? old : null, row);
        const box = now.querySelector("input[type=checkbox]");
        if (box) box.checked = this.chosen.has(now.dataset.uid);
        if (same && old.isConnected) exchange(old, now);
      }
      now.ariaPosInSet = place + 1;
      this.rows.set(place, now);
      this.waiting.delete(place);
    }
  }

  // Takes in what has changed: what is seen stays where it is, unless the newest is.
  renew() {
    if (this.renewing) this.stale = true;
    else {
      this.renewing = this.renewed().catch(() => setTimeout(() => this.renew(), AGAIN)).finally(() => {
        this.renewing = null;
        if (this.stale) this.renew();
        this.stale = false;
      });
    }
    return this.renewing;
  }

  async renewed() {
    const top = this.top;
    let place = Math.max(Math.floor(top), 0);
    while (place < this.shown && !this.rows.has(place)) place++;
    const anchor = top > 0 ? this.rows.get(place) : null;
    const [from, to] = this.span();
    const count = Math.min(to - from + NEAR, MOST);
    const fresh = await this.fetch(anchor ? { uid: anchor.dataset.uid, above: Math.max(place - from, 0), count } : { from, count });
    this.adopt(fresh);
    const moved = anchor ? Number(fresh.dataset.at) - place : 0;
    if (moved) this.scrollTo(this.top + moved);
    this.show();
  }

  adopt(fresh) {
    const total = Number(fresh.dataset.total);
    if (!total) return location.reload(); // which says why there is nothing
    const known = new Map([...this.rows.values()].map((row) => [row.dataset.uid, row]));
    this.rows.clear();
    this.waiting.clear();
    this.total = total;
    this.list.dataset.modseq = fresh.dataset.modseq;
    this.take(fresh, known);
    this.measure();
  }

  // Where somebody was who has left the page, by the message at the upper edge: to that they come back.
  remember() {
    const top = this.top;
    const row = this.rows.get(Math.floor(top));
    if (top > 0 && row) {
      const place = { list: this.list.dataset.window, uid: row.dataset.uid, beyond: top % 1 };
      sessionStorage.setItem(PLACE, JSON.stringify(place));
    } else sessionStorage.removeItem(PLACE);
  }

  comeBack() {
    const place = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
    sessionStorage.removeItem(PLACE);
    if (place?.list !== this.list.dataset.window) return false;
    const above = Math.ceil(innerHeight / this.height);
    this.fetch({ uid: place.uid, above, count: 3 * above }).then(
      (fresh) => {
        this.adopt(fresh);
        this.scrollTo(Number(fresh.dataset.at) + place.beyond);
        this.show();
      },
      () => this.show(),
    );
    return true;
  }

  // What is checked and not in the list any more goes with the form.
  followChoice() {
    const told = this.form.querySelector("[data-chosen]");
    const count = () => {
      this.form.classList.toggle("some", this.chosen.size > 0);
      if (told) told.textContent = this.chosen.size ? `${told.dataset.chosen} ${this.chosen.size}` : "";
    };
    for (const box of this.list.querySelectorAll("input:checked")) this.chosen.add(box.value); // as the browser has it
    count();
    this.list.addEventListener("change", (event) => {
      if (event.target.name !== "uid") return;
      if (event.target.checked) this.chosen.add(event.target.value);
      else this.chosen.delete(event.target.value);
      count();
    });
    this.form.addEventListener("formdata", (event) => {
      const there = new Set(event.formData.getAll("uid"));
      for (const uid of this.chosen) if (!there.has(uid)) event.formData.append("uid", uid);
    });
  }
}

// Who goes to a folder by the list of folders begins at its newest message.
document.getElementById("folders")?.addEventListener("click", (event) => {
  if (event.target.closest("a")) addEventListener("pagehide", () => sessionStorage.removeItem(PLACE));
});
