// What is typed stays in this browser tab until it is saved: another case or page, a reload and a
// server that ends lose nothing. The session says what was saved.

const FIELDS = ".stTextArea textarea, .stTextInput input";

function keyOf(field) {
  const named = field.closest('[class*="st-key-"]');
  return named && [...named.classList].find((name) => name.startsWith("st-key-"));
}

function write(field, text) {
  const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
  Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  setTimeout(() => field.dispatchEvent(new FocusEvent("focusout", { bubbles: true })));
}

class Drafts {
  owner = "";
  #heard = new Set();
  #fields = new WeakMap(); // field: its key, and its text before anything was typed

  constructor() {
    document.addEventListener("input", (event) => this.#typed(event.target), true);
    window.addEventListener("keydown", (event) => this.#pressed(event), true);
    new MutationObserver(() => this.restore()).observe(document.body, {
      childList: true,
      subtree: true,
    });
  }

  hear({ owner, saved, forgotten }) {
    this.owner = owner;
    if (forgotten && this.#isNew(forgotten)) this.#drop(() => true);
    for (const { id, key, text } of saved)
      if (this.#isNew(id))
        this.#drop((place, draft) => place.endsWith(` st-key-${key}`) && draft.text === text);
    this.restore();
  }

  restore() {
    for (const field of document.querySelectorAll(FIELDS)) {
      const key = keyOf(field);
      if (!key || this.#fields.get(field)?.key === key) continue;
      this.#fields.set(field, { key, before: field.value });
      const draft = JSON.parse(sessionStorage.getItem(this.#place(key)));
      if (draft && draft.before === field.value && draft.text !== field.value)
        write(field, draft.text);
    }
  }

  #typed(field) {
    const known = this.#fields.get(field);
    if (known)
      sessionStorage.setItem(
        this.#place(known.key),
        JSON.stringify({ before: known.before, text: field.value }),
      );
  }

  #pressed(event) {
    // Alt with a letter writes a character on some keyboards: no command while somebody types.
    if (event.altKey && event.target.matches?.(FIELDS)) event.stopImmediatePropagation();
  }

  #place(key) {
    return `draft ${this.owner} ${key}`;
  }

  #isNew(id) {
    const isNew = !this.#heard.has(id);
    this.#heard.add(id);
    return isNew;
  }

  #drop(isGone) {
    for (const place of Object.keys(sessionStorage))
      if (place.startsWith("draft ") && isGone(place, JSON.parse(sessionStorage.getItem(place))))
        sessionStorage.removeItem(place);
  }
}

export default function ({ data }) {
  window.drafts ??= new Drafts();
  window.drafts.hear(data);
}
