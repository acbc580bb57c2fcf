"use strict";
// Where conversations come from: the sample in this file, or the server of this page. Both answer alike:
// page(filters, cursor, most) → {rows, next, looked, of}; next is null where no row is left.

const PAGE = 25;

const fits = (row, filters) => (!filters.source || row.source === filters.source) && (!filters.lang || row.lang === filters.lang)
  && (!filters.split || row.split === filters.split)
  && (!filters.min || (row.length !== null && row.length >= Number(filters.min)))
  && (!filters.max || (row.length !== null && row.length <= Number(filters.max)));

const holds = (row, words) => !words || row.id.toLowerCase().includes(words) || row.messages.some(each => each.content.toLowerCase().includes(words));

function rowsOfFile(rows) {
  return {
    whole: false,
    async page(filters, cursor, most) {
      const words = filters.q.toLowerCase(), found = [];
      let place = Number(cursor || 0);
      for (; place < rows.length && found.length < most; place += 1) {
        if (fits(rows[place], filters) && holds(rows[place], words)) found.push(rows[place]);
      }
      const left = rows.slice(place).some(row => fits(row, filters) && holds(row, words));
      return {rows: found, next: left ? place : null, looked: place, of: rows.length};
    },
    async row(id) { return rows.find(row => row.id === id) || null; },
  };
}

async function ask(path, parameters) {
  let answer;
  try {
    answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  } catch {
    throw new Error("The server does not answer; start datamix serve again.");
  }
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error);
  return data;
}

function rowsOfServer() {
  return {
    whole: true,
    async page(filters, cursor, most) {
      const given = Object.entries(filters).filter(([, value]) => value !== "");
      return ask("/api/rows", Object.fromEntries([...given, ["after", cursor || 0], ["rows", most]]));
    },
    async row(id) { return (await ask("/api/row", {id})).row; },
  };
}
