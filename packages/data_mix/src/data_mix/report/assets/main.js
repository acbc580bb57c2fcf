"use strict";
// Puts the page together from the data that stand in it.

(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const dress = () => {
    const dark = chosen ?? system.matches;
    root.dataset.theme = dark ? "dark" : "light";
    const button = document.getElementById("theme");
    if (button) { button.textContent = dark ? "Light" : "Dark"; button.setAttribute("aria-label", dark ? "use light colours" : "use dark colours"); }
    repaint();
  };
  const figures = data.figures, main = document.getElementById("main");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  document.getElementById("head").append(...headOf(figures));
  dress();
  document.getElementById("theme").addEventListener("click", () => { chosen = root.dataset.theme !== "dark"; dress(); });
  system.addEventListener("change", dress);

  const provider = data.rows ? rowsOfFile(data.rows) : rowsOfServer();
  let measured = data.measured;
  const unit = measured ?? {unit: figures.unit};
  const conversations = browser(figures, unit, provider, data.per);
  const lengths = measured ? spreads(figures, measured) : section("lengths", "Lengths and turns", "Being measured …");
  const sections = [composition(figures), lengths, drops(figures), duplicates(figures), contamination(figures),
    agreement(figures), findings(figures), licences(figures), provenance(figures), conversations].filter(Boolean);
  main.replaceChildren(...sections);
  document.getElementById("nav").append(...sections.map(each => el("a", {href: `#${each.id}`}, each.firstChild.textContent)));
  document.body.append(el("footer", {}, "This page loads nothing from anywhere. Charts by Chart.js 4.6.1 (MIT)."));
  draw();
  await conversations.start();
  root.dataset.ready = "yes";
  if (!measured) {
    try { measured = await ask("/api/figures", {}); lengths.replaceWith(spreads(figures, measured)); draw(); }
    catch (error) { lengths.append(el("p", {class: "notice", role: "alert"}, error.message)); }
  }
  root.dataset.measured = "yes";
})();
