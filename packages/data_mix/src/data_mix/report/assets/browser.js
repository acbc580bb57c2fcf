"use strict";
// The browser of conversations: filters, a list by pages, and a reader.

function browser(figures, measured, provider, per) {
  const filters = {source: "", lang: "", split: "", min: "", max: "", q: ""};
  const state = {page: null, rows: [], cursors: [0], place: 0, selected: -1, turn: 0};
  const unit = measured ? measured.unit : "length";
  const list = el("ol", {class: "list", "aria-label": "Conversations"}), reader = el("div", {class: "reader card", id: "reader", tabindex: "-1"});
  const status = el("span", {role: "status"}), notice = el("div");
  const before = el("button", {type: "button", id: "page-before"}, "Previous"), after = el("button", {type: "button", id: "page-after"}, "Next");

  const languages = added(Object.values(figures.sources).map(source => source.languages)).map(each => each[0]).sort();
  const select = (name, label, values) => {
    const field = el("select", {id: `filter-${name}`}, el("option", {value: ""}, "any"), values.map(value => el("option", {value}, value)));
    field.addEventListener("change", () => { filters[name] = field.value; restart(); });
    return el("label", {}, label, field);
  };
  const input = (name, label, attributes, broad) => {
    const field = el("input", {id: `filter-${name}`, autocomplete: "off", ...attributes});
    let waiting = 0;
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { filters[name] = field.value.trim(); restart(); }, 180);
    });
    return el("label", {class: broad ? "broad" : null}, label, field);
  };
  const form = el("div", {class: "filters", role: "search"},
    input("q", "search in texts and ids", {type: "search", placeholder: "words", spellcheck: "false"}, true),
    select("source", "source", Object.keys(figures.sources)), select("lang", "language", languages), select("split", "split", figures.splits),
    input("min", `at least (${unit})`, {type: "number", min: "0", inputmode: "numeric"}), input("max", `at most (${unit})`, {type: "number", min: "0", inputmode: "numeric"}));

  async function load() {
    const turn = state.turn += 1, cursor = state.cursors[state.place];
    let next = cursor, rows = [], looked = cursor;
    status.textContent = "looking …";
    try {
      do {
        const part = await provider.page(filters, next, PAGE - rows.length);
        if (turn !== state.turn) return false;
        rows = rows.concat(part.rows);
        ({next, looked} = part);
        if (next !== null && rows.length < PAGE) status.textContent = `looked through ${count(looked)} of ${count(part.of)} …`;
        show(rows, next);
      } while (next !== null && rows.length < PAGE);
    } catch (error) {
      if (turn === state.turn) { notice.replaceChildren(el("p", {class: "notice", role: "alert"}, error.message)); status.textContent = ""; }
      return false;
    }
    notice.replaceChildren();
    const first = state.place * PAGE + 1;
    status.textContent = rows.length ? `${count(first)}–${count(first + rows.length - 1)}${next === null ? ", the last" : ""}` : "no conversation fits";
    return true;
  }

  function show(rows, next) {
    state.rows = rows;
    if (next !== null && rows.length === PAGE) state.cursors[state.place + 1] = next;
    before.disabled = state.place === 0;
    after.disabled = next === null || rows.length < PAGE;
    list.replaceChildren(...rows.map((row, place) => item(row, place)));
  }

  function item(row, place) {
    const opening = row.messages.find(each => each.role !== "system") || row.messages[0];
    const text = opening ? visible(opening.content.slice(0, 140).replace(/\s+/g, " ")) : "";
    const size = row.length === null ? (row.drop || "–") : count(row.length);
    const button = el("button", {type: "button", "data-id": row.id}, el("span", {class: "opening", dir: "auto"}, text || "(no text)"),
      el("span", {class: "meta"}, el("span", {}, `${row.source} · ${row.lang} · ${row.split}`), el("span", {}, size)));
    button.addEventListener("click", () => open(place, true));
    return el("li", {}, button);
  }

  function mark(place) {
    state.selected = place;
    [...list.querySelectorAll("button")].forEach((button, each) => button.setAttribute("aria-current", String(each === place)));
  }

  function open(place, byHand) {
    mark(place);
    read(state.rows[place]);
    history.replaceState(null, "", `#row=${encodeURIComponent(state.rows[place].id)}`);
    if (byHand && innerWidth <= 820) reader.scrollIntoView();
  }

  function read(row) {
    const facts = [row.source, row.lang, row.split, row.length === null ? null : `${count(row.length)} ${unit}`, row.drop ? `dropped: ${row.drop}` : null];
    const step = (label, name, by) => {
      const button = el("button", {type: "button", "aria-label": name}, label);
      button.addEventListener("click", () => move(by));
      return button;
    };
    reader.replaceChildren(el("div", {class: "bar"}, el("h3", {dir: "auto"}, visible(row.id)), step("←", "previous conversation", -1), step("→", "next conversation", 1)),
      el("p", {class: "small soft"}, facts.filter(Boolean).join(" · ")), ...row.messages.map(each => turn(row, each)));
    reader.scrollTop = 0;
  }

  function turn(row, message) {
    const trained = message.train ? el("small", {}, "trained") : message.role === "assistant" ? el("small", {}, "not trained here") : null;
    const rest = message.cut ? cut(row, message) : null;
    return el("div", {class: `turn ${message.role}${message.train ? " trained" : ""}`}, el("div", {class: "who"}, message.role, trained),
      el("div", {class: "text", dir: "auto"}, marked(visible(message.content))), rest);
  }

  function cut(row, message) {
    const said = el("div", {class: "cut"}, `… ${count(message.cut)} more characters are left out here`);
    if (provider.whole) {
      const button = el("button", {type: "button"}, "Show all");
      button.addEventListener("click", async () => { const whole = await provider.row(row.id); if (whole) read(whole); });
      said.append(" ", button);
    }
    return said;
  }

  // The text with what was searched for marked.
  function marked(text) {
    const words = filters.q.toLowerCase(), low = text.toLowerCase();
    if (!words || low.length !== text.length) return [text];
    const pieces = [];
    let from = 0;
    for (let at = low.indexOf(words); at >= 0 && pieces.length < 400; at = low.indexOf(words, from)) {
      pieces.push(text.slice(from, at), el("mark", {}, text.slice(at, at + words.length)));
      from = at + words.length;
    }
    return [...pieces, text.slice(from)];
  }

  async function restart() {
    Object.assign(state, {cursors: [0], place: 0, selected: -1});
    if (await load() && state.rows.length) open(0, false);
    if (!state.rows.length) reader.replaceChildren(el("p", {class: "soft"}, "No conversation fits these filters."));
  }

  async function turnPage(by, last) {
    if (by > 0 ? after.disabled : before.disabled) return;
    state.place += by;
    if (await load() && state.rows.length) open(last ? state.rows.length - 1 : 0, false);
  }

  function move(by) {
    const place = state.selected + by;
    if (place >= 0 && place < state.rows.length) {
      open(place, false);
      list.children[place].scrollIntoView({block: "nearest"});
    } else turnPage(by, by < 0);
  }

  async function follow() {
    if (!location.hash.startsWith("#row=")) return false;
    let id;
    try { id = decodeURIComponent(location.hash.slice(5)); } catch { return false; }
    try {
      const row = await provider.row(id);
      if (row) { mark(state.rows.findIndex(each => each.id === id)); read(row); }
      else notice.replaceChildren(el("p", {class: "notice", role: "alert", dir: "auto"}, provider.whole ? `${id}: no such row in this build` : `${id}: is not in the sample of this file; datamix serve shows every row`));
    } catch (error) { notice.replaceChildren(el("p", {class: "notice", role: "alert"}, error.message)); }
    document.getElementById("conversations").scrollIntoView();
    return true;
  }

  const keys = {j: () => move(1), ArrowRight: () => move(1), k: () => move(-1), ArrowLeft: () => move(-1), "/": () => document.getElementById("filter-q").focus()};
  document.addEventListener("keydown", event => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) event.target.blur();
    else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  before.addEventListener("click", () => turnPage(-1, false));
  after.addEventListener("click", () => turnPage(1, false));
  addEventListener("hashchange", follow);

  const legend = el("p", {class: "legend"}, el("span", {}, el("i", {class: "mark"}), "a bar and the word “trained”: this text counts in the loss"),
    el("span", {class: "keys"}, el("kbd", {}, "j"), " ", el("kbd", {}, "k"), " next, previous"), el("span", {class: "keys"}, el("kbd", {}, "/"), " search"), el("span", {class: "keys"}, el("kbd", {}, "esc"), " leave the field"));
  const lead = provider.whole ? "Every row of the build." : `A sample that the ids determine: up to ${per} kept conversations of each source, with long texts cut. datamix serve shows every row.`;
  const side = el("div", {}, list, el("div", {class: "pager"}, before, status, after));
  const shown = section("conversations", "Conversations", lead, el("div", {class: "card"}, form, legend), notice, el("div", {class: "browser"}, side, reader));
  shown.start = async () => {
    const linked = location.hash.startsWith("#row=");
    const loaded = await load();
    if (linked) await follow();
    else if (loaded && state.rows.length) { mark(0); read(state.rows[0]); }
    else if (loaded) reader.replaceChildren(el("p", {class: "soft"}, "This build has no conversation."));
  };
  return shown;
}
