"use strict";
// The figures, a section each; what a build has not is left out.

const kept = source => total(Object.values(source.rows.kept));
const dropped = source => total(Object.values(source.rows.dropped));

function headOf(figures) {
  const sources = Object.values(figures.sources);
  const languages = new Set(sources.flatMap(source => Object.keys(source.languages)));
  const theme = el("button", {id: "theme", type: "button"}, "Dark");
  const numbers = [["conversations", total(sources.map(kept))],
    ["to train on", total(sources.map(source => source.rows.kept.train))],
    ["to measure by", total(sources.map(source => source.rows.kept.validation))],
    ["dropped, with reasons", total(sources.map(dropped))], ["sources", sources.length], ["languages", languages.size]];
  return [
    el("div", {class: "top"}, el("div", {}, el("p", {class: "kicker"}, "datamix report"), el("h1", {dir: "auto"}, figures.name)), theme),
    el("dl", {class: "numbers"}, numbers.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, count(value))))),
    el("dl", {class: "facts"}, el("dt", {}, "template"), el("dd", {}, figures.template.name, ", ends with ", el("code", {}, figures.template.eos)),
      el("dt", {}, "fingerprint"), el("dd", {}, el("code", {}, figures.fingerprint))),
  ];
}

function composition(figures) {
  const sources = Object.entries(figures.sources);
  const set = (label, count_) => ({label, colour: label, data: sources.map(([, source]) => count_(source))});
  const bySource = bars("By source", sources.map(([name]) => name),
    [set("train", source => source.rows.kept.train), set("validation", source => source.rows.kept.validation), set("dropped", dropped)],
    {across: true, first: "source", say: `${sources.length} sources.`});
  const languages = added(sources.map(([, source]) => source.languages));
  const first = languages.slice(0, 24), rest = languages.slice(24);
  if (rest.length) first.push([`${rest.length} others`, total(rest.map(each => each[1]))]);
  const byLanguage = bars("By language", first.map(each => each[0]), [{label: "kept", colour: "train", data: first.map(each => each[1])}],
    {across: true, first: "language", say: `${languages.length} languages.`});
  return section("composition", "Composition", "What was read of each source, and what became of it. The language is that of the last answer.",
    el("div", {class: "pair"}, bySource, byLanguage));
}

const barName = place => place ? `${8 * 2 ** place}–${16 * 2 ** place - 1}` : "under 16";

function spreads(figures, measured) {
  const names = Object.keys(measured.lengths), unit = measured.unit;
  const all = {...measured.lengths, "": measured.all};
  const last = Math.max(0, ...measured.all.bars.map((value, place) => value ? place : 0));
  const labels = measured.all.bars.slice(0, last + 1).map((_, place) => place === 11 ? `${8 * 2 ** 11} and more` : barName(place));
  const chooser = el("select", {"aria-label": "Source of the lengths"}, el("option", {value: ""}, "all sources"), names.map(name => el("option", {value: name}, name)));
  const of = name => all[name].bars.slice(0, last + 1);
  const figure = bars(`Length in ${unit}`, labels, [{label: "conversations", colour: "train", data: of("")}], {first: unit, chooser});
  chooser.addEventListener("change", () => figure.show(of(chooser.value)));
  const turns = measured.turns, most = Math.max(1, ...Object.values(turns).map(each => each.length - 1));
  const places = [...Array(most).keys()].map(place => place + 1);
  const turnsFigure = bars("Answers in a conversation", places.map(place => place === 8 ? "8 and more" : String(place)),
    [{label: "conversations", colour: "train", data: places.map(place => total(Object.values(turns).map(each => each[place] || 0)))}], {first: "answers"});
  const row = (name, spread) => {
    const q = spread.quantiles || {};
    return [name, spread.rows, spread.sum, percent(spread.sum, measured.all.sum), q.p5, q.median, q.p95, q.p99, q.longest].map(value => value ?? "–");
  };
  const lengths = table(["source", "conversations", unit, "share", "5 % below", "median", "95 % below", "99 % below", "longest"],
    names.map(name => row(name, measured.lengths[name])), {numeric: [1, 2, 3, 4, 5, 6, 7, 8], sum: names.length > 1 ? row("in all", measured.all) : null});
  return section("lengths", "Lengths and turns", spreadsLead(measured), el("div", {class: "pair"}, figure, turnsFigure), el("div", {class: "card"}, lengths));
}

function spreadsLead(measured) {
  const trained = total(Object.values(measured.trained_turns));
  const turns = `${count(trained)} answers count in the loss.`;
  if (!measured.tokenizer) return `In characters of the messages: no token shards of this build lie beside it. ${turns}`;
  const splits = Object.values(measured.tokenizer.splits), tokens = total(splits.map(each => each.tokens)), loss = total(splits.map(each => each.trained));
  return `${count(tokens)} tokens, ${count(loss)} of them (${percent(loss, tokens)}) trained on. ${turns} Tokenizer ${measured.tokenizer.sha256.slice(0, 12)}.`;
}

function drops(figures) {
  const sources = Object.entries(figures.sources).filter(([, source]) => dropped(source));
  if (!sources.length) return section("drops", "Drops", "No row was dropped.");
  const reasons = added(sources.map(([, source]) => source.rows.dropped));
  const rows = sources.map(([name, source]) => [name, source.rows.read, dropped(source), percent(dropped(source), source.rows.read), ...reasons.map(([reason]) => source.rows.dropped[reason] || 0)]);
  const read = total(sources.map(([, source]) => source.rows.read)), gone = total(sources.map(([, source]) => dropped(source)));
  const figure = bars("By reason", reasons.map(each => each[0]), [{label: "dropped", colour: "dropped", data: reasons.map(each => each[1])}], {across: true, first: "reason"});
  const each = table(["source", "read", "dropped", "share", ...reasons.map(each => each[0])], rows,
    {numeric: [1, 2, 3, ...reasons.map((_, place) => place + 4)], sum: rows.length > 1 ? ["in all", read, gone, percent(gone, read), ...reasons.map(each => each[1])] : null});
  return section("drops", "Drops", "Rows read are rows kept and rows dropped; each dropped row has one reason, the first that applied.", figure, el("div", {class: "card"}, el("h3", {}, "By source and reason"), each));
}

function duplicates(figures) {
  const sources = Object.entries(figures.sources);
  const exact = sources.map(([name, source]) => [name, source.rows.dropped.duplicate || 0, source.rows.dropped.duplicate_tree || 0, source.rows.dropped.near_duplicate || 0]).filter(row => row[1] + row[2] + row[3]);
  const near = figures.near_duplicates;
  const children = [];
  if (exact.length) children.push(el("div", {class: "card"}, table(["source", "duplicate", "duplicate_tree", "near_duplicate"], exact, {numeric: [1, 2, 3]})));
  if (near.clusters !== undefined) children.push(el("p", {}, `${count(near.clusters)} clusters of near-duplicates, of which ${count(near.rows)} rows were dropped.`));
  if (figures.clusters.length) {
    const rows = figures.clusters.map(cluster => [cluster.kept, cluster.rows, cluster.dropped.map(each => el("div", {}, el("span", {class: "mono"}, each.id), ` ${Number(each.similarity).toFixed(2)}`))]);
    children.push(el("div", {class: "card"}, el("h3", {}, "Largest clusters"), table(["kept", "dropped", "first of them, with similarity"], rows, {numeric: [1]})));
  }
  const lead = exact.length || near.clusters ? "Of rows that are alike the first in the order of the mix stays." : "No duplicate was found.";
  return section("duplicates", "Duplicates", near.clusters === undefined ? `${lead} Near-duplicates were not looked for.` : lead, children);
}

function contamination(figures) {
  const found = Object.entries(figures.contamination);
  if (!found.length && !Object.keys(figures.contaminated).length) return null;
  const examples = Object.entries(figures.contaminated).map(([name, rows]) => details(`${name}: what was found (${rows.length} examples)`,
    table(["row", "item", "text that both hold"], rows.map(row => [row.id, row.item, el("blockquote", {dir: "auto"}, visible(row.text))]))));
  return section("contamination", "Contamination", "Items of benchmarks that stand in rows of the sources.",
    el("div", {class: "card"}, table(["benchmark", "items found", "rows"], found.map(([name, each]) => [name, each.items, each.rows]), {numeric: [1, 2]}), examples));
}

function agreement(figures) {
  const sources = Object.entries(figures.sources).filter(([, source]) => Object.keys(source.agreement).length);
  if (!sources.length) return null;
  const pairs = {};
  for (const [, source] of sources) for (const [declared, found] of Object.entries(source.agreement)) {
    pairs[declared] = Object.fromEntries(added([pairs[declared] || {}, found]));
  }
  const rows = Object.keys(pairs).sort(), columns = [...new Set(rows.flatMap(row => Object.keys(pairs[row])))].sort();
  const line = declared => {
    const whole = total(Object.values(pairs[declared]));
    return el("tr", {}, el("th", {scope: "row"}, declared), columns.map(found => {
      const value = pairs[declared][found] || 0, shown = el("td", {class: found === declared ? "same" : value ? null : "zero"}, value ? count(value) : "·");
      if (value) shown.style.background = `color-mix(in srgb, var(--${found === declared ? "train" : "validation"}) ${Math.round(8 + 42 * value / whole)}%, transparent)`;
      return shown;
    }), el("td", {}, percent(pairs[declared][declared] || 0, whole)));
  };
  const head = el("tr", {}, el("th", {}, "declared"), columns.map(found => el("th", {scope: "col"}, found)), el("th", {scope: "col"}, "agree"));
  return section("agreement", "Language agreement", "The tag that a source declares (down) and the one that identification found (across), in rows. A framed cell is agreement.",
    el("div", {class: "card"}, el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Language agreement"}, el("table", {class: "matrix"}, el("thead", {}, head), el("tbody", {}, rows.map(line))))));
}

function findings(figures) {
  const rows = Object.entries(figures.sources).flatMap(([name, source]) => Object.entries(source.findings).map(([what, found]) => [name, what, found.rows, found.times]));
  if (!rows.length) return null;
  return section("findings", "Findings", "What stages found in texts: personal data, secrets, text that looks like a control token.",
    el("div", {class: "card"}, table(["source", "what", "rows", "times"], rows, {numeric: [2, 3]})));
}

function licences(figures) {
  const flags = source => source.restrictions.length ? source.restrictions.map(each => el("span", {class: each === "share-alike" ? "flag" : "flag bad"}, each)) : el("span", {class: "soft"}, "none found");
  const rows = Object.entries(figures.sources).map(([name, source]) => [name, source.licence, flags(source), kept(source), source.homepage ? link(source.homepage, source.homepage.replace(/^https?:\/\//, "")) : "–"]);
  return section("licences", "Licences", "Read off the names of the licences; what may be done with the mix is for its owner to find out.",
    el("div", {class: "card"}, table(["source", "licence", "restrictions", "kept", "homepage"], rows, {numeric: [3]})),
    figures.licence_warnings.length ? el("ul", {class: "notes"}, figures.licence_warnings.map(each => el("li", {dir: "auto"}, each))) : null);
}

function provenance(figures) {
  const each = Object.entries(figures.sources).map(([name, source]) => {
    const rows = source.files.map(file => [file.url, file.revision ?? "–", file.bytes === undefined ? "–" : bytes(file.bytes), file.sha256 ? el("code", {}, file.sha256) : `${file.ranges || 0} row groups, etag ${file.etag || "–"}`]);
    const files = source.files.length + source.more_files;
    const more = source.more_files ? el("p", {class: "small soft"}, `and ${count(source.more_files)} more, which manifest.json lists`) : null;
    const notices = source.notices.length ? el("ul", {class: "notes"}, source.notices.map(text => el("li", {dir: "auto"}, text))) : null;
    return details(`${name}: ${files} ${files === 1 ? "file" : "files"} by source ${source.source}`, notices, table(["file", "revision", "size", "SHA-256"], rows, {numeric: [2]}), more);
  });
  return section("provenance", "Provenance", "Every raw file, by revision and digest.", el("div", {class: "card"}, each));
}
