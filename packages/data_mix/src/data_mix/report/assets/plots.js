"use strict";
// Plots by Chart.js, each with a table of the same numbers.

const plots = [], waiting = [];

// Draw the plots whose figures now stand in the page: Chart.js measures where it draws.
const draw = () => waiting.splice(0).forEach(make => make());

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function paint(chart) {
  for (const set of chart.data.datasets) set.backgroundColor = colour(set.colour);
  for (const scale of Object.values(chart.options.scales)) {
    scale.grid.color = colour("line");
    scale.ticks.color = colour("soft");
    if (scale.title) scale.title.color = colour("soft");
  }
  chart.options.plugins.legend.labels.color = colour("ink");
  chart.update();
}

const repaint = () => plots.forEach(paint);

// The sum of a lying bar at its end, so that a short one can be read too.
const sums = {
  id: "sums",
  afterDatasetsDraw(chart) {
    if (chart.options.indexAxis !== "y") return;
    const {ctx, data} = chart;
    ctx.save();
    ctx.font = `12px ${Chart.defaults.font.family}`;
    ctx.fillStyle = colour("soft");
    ctx.textBaseline = "middle";
    data.labels.forEach((_, place) => {
      const shown = data.datasets.map((set, each) => chart.isDatasetVisible(each) ? each : -1).filter(each => each >= 0);
      const ends = shown.map(each => chart.getDatasetMeta(each).data[place]);
      if (ends.length) ctx.fillText(count(total(shown.map(each => data.datasets[each].data[place]))), Math.max(...ends.map(bar => bar.x)) + 6, ends[0].y);
    });
    ctx.restore();
  },
};

function options(across, unit) {
  const value = {stacked: true, beginAtZero: true, border: {display: false}, grid: {}, ticks: {maxTicksLimit: 6, precision: 0}, title: {display: true, text: unit}};
  const name = {stacked: true, border: {display: false}, grid: {display: false}, ticks: {autoSkip: !across}};
  return {
    indexAxis: across ? "y" : "x", layout: {padding: {right: across ? 46 : 0}}, animation: false, responsive: true, maintainAspectRatio: false, locale: "en-US",
    scales: across ? {x: value, y: name} : {x: name, y: value},
    plugins: {legend: {position: "top", align: "start", labels: {boxWidth: 12, boxHeight: 12}}, tooltip: {mode: "index"}},
  };
}

// A figure of bars. sets: [{label, colour, data}], stacked. `across`: the bars lie, one line each.
function bars(title, labels, sets, {across = false, unit = "conversations", first = "", chooser = null, say = ""} = {}) {
  const canvas = el("canvas", {role: "img", "aria-label": `${title}. ${say} The table below holds the same numbers.`});
  const plot = el("div", {class: "plot"}, canvas);
  plot.style.height = across ? `${Math.max(labels.length * 27 + 92, 150)}px` : "270px";
  const numbers = el("div");
  const shown = sets.map(set => ({...set, maxBarThickness: 22, borderRadius: 2}));
  const tell = () => numbers.replaceChildren(table([first, ...shown.map(set => set.label)],
    labels.map((label, place) => [label, ...shown.map(set => set.data[place])]), {numeric: shown.map((_, place) => place + 1)}));
  let chart = null;
  waiting.push(() => {
    chart = new Chart(canvas, {type: "bar", data: {labels, datasets: shown}, options: options(across, unit), plugins: [sums]});
    chart.options.plugins.legend.display = sets.length > 1;
    plots.push(chart);
    paint(chart);
  });
  tell();
  const figure = el("figure", {}, el("figcaption", {}, title, chooser), plot, details("The numbers as a table", numbers));
  figure.show = data => { shown[0].data = data; chart.update(); tell(); };
  return figure;
}
