"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("loops");
  const cards = [...main.querySelectorAll("article")];
  const at = (id) => document.getElementById(id);
  const box = (card) => card.querySelector("input[type=checkbox]");
  const words = new Map();
  const wordsOf = (card) => {
    if (!words.has(card)) words.set(card, card.textContent.toLowerCase());
    return words.get(card);
  };
  const order = ["unsafe", "safe", "left"];

  function toggles(id, names) {
    for (const name of names) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: true });
      input.addEventListener("change", filter);
      label.append(input, " " + name);
      at(id).append(label);
    }
  }
  const on = (id) => new Set([...at(id).querySelectorAll("input:checked")].map((input) => input.value));
  const codesOf = (card) => card.dataset.codes ? card.dataset.codes.split(" ") : [];

  function filter() {
    const risks = on("risks"), codes = on("codes"), app = at("apps").value;
    const asked = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      const own = codesOf(card);
      card.hidden = !(risks.has(card.dataset.risk)
        && (own.length === 0 || own.some((code) => codes.has(code)))
        && (app === "" || app === card.dataset.app)
        && asked.every((word) => wordsOf(card).includes(word)));
    }
    for (const heading of main.querySelectorAll("h2")) {
      let next = heading.nextElementSibling, any = false;
      for (; next && next.tagName === "ARTICLE"; next = next.nextElementSibling) any = any || !next.hidden;
      heading.hidden = !any;
    }
    at("count").textContent = shown().length + " of " + cards.length;
  }
  const shown = () => [...main.querySelectorAll("article")].filter((card) => !card.hidden);

  function group() {
    const byFile = at("grouping").value === "file";
    const rank = (card) => order.indexOf(card.dataset.risk);
    const sorted = [...cards].sort((a, b) =>
      (byFile ? 0 : rank(a) - rank(b))
      || (a.dataset.path < b.dataset.path ? -1 : a.dataset.path > b.dataset.path ? 1 : 0)
      || a.dataset.line - b.dataset.line);
    main.replaceChildren();
    let last = null;
    for (const card of sorted) {
      const title = byFile ? card.dataset.path : card.dataset.risk;
      if (title !== last) main.append(Object.assign(document.createElement("h2"), { textContent: title }));
      last = title;
      main.append(card);
    }
    filter();
  }

  const chosen = () => cards.filter((card) => box(card) && box(card).checked);
  const quote = (text) => /^[\w@%+=:,.\/-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";

  function command() {
    const found = chosen(), all = cards.filter(box);
    const parts = ["migfix", "apply", ...data.arguments];
    if (data.narrowed || found.length < all.length) for (const card of found) parts.push("--only", card.dataset.place);
    if (found.some((card) => card.dataset.risk === "unsafe") && !parts.includes("--unsafe-fixes")) parts.push("--unsafe-fixes");
    return found.length ? parts.map(quote).join(" ") : "";
  }

  function patch() {
    const byPath = new Map();
    for (const card of chosen()) byPath.set(card.dataset.path, [...(byPath.get(card.dataset.path) || []), +card.dataset.line]);
    const parts = [], lacks = new Map();
    let missing = null;
    for (const [path, lines] of [...byPath].sort()) {
      const found = data.patches[path][lines.sort((a, b) => a - b).join(",")];
      if (!found || !found.text) { missing = path; continue; }
      parts.push(found.text);
      if (found.helper) lacks.set(found.helper, new Set([...(lacks.get(found.helper) || []), ...found.lacks]));
    }
    at("note").textContent = missing
      ? missing + ": for a part of its loops there is no patch here; the command does it" : "";
    for (const [path, functions] of lacks) parts.push(data.helpers[path][[...functions].sort().join(" ")]);
    return missing ? null : parts.join("");
  }

  function refresh() {
    at("command").textContent = command() || "nothing is chosen";
    at("note").textContent = "";
  }

  at("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(command()); at("note").textContent = "copied"; }
    catch { getSelection().selectAllChildren(at("command")); at("note").textContent = "selected: copy it from here"; }
  });
  at("download").addEventListener("click", () => {
    const text = patch();
    if (text === null) return;
    const link = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(new Blob([text], { type: "text/x-diff" })), download: "migfix.patch" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  for (const [id, value] of [["all", true], ["none", false]]) at(id).addEventListener("click", () => {
    for (const card of value ? shown() : cards) if (box(card)) box(card).checked = value;
    refresh();
  });
  main.addEventListener("change", refresh);
  at("search").addEventListener("input", filter);
  at("apps").addEventListener("change", filter);
  at("grouping").addEventListener("change", group);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName) && event.key !== "Escape") return;
    const visible = shown(), card = document.activeElement.closest("article");
    const place = visible.indexOf(card);
    if (event.key === "j" || event.key === "k") {
      const next = visible[place < 0 ? 0 : Math.max(0, Math.min(visible.length - 1, place + (event.key === "j" ? 1 : -1)))];
      if (next) { next.focus(); next.scrollIntoView({ block: "center" }); }
    } else if (event.key === "x" && card && box(card)) { box(card).checked = !box(card).checked; refresh(); }
    else if (event.key === "f" && card) { const facts = card.querySelector("details"); facts.open = !facts.open; }
    else if (event.key === "/") { at("search").focus(); event.preventDefault(); }
    else if (event.key === "Escape") document.activeElement.blur();
    else return;
    event.stopPropagation();
  });

  toggles("risks", order.filter((risk) => cards.some((card) => card.dataset.risk === risk)));
  toggles("codes", [...new Set(cards.flatMap(codesOf))].sort());
  for (const app of ["", ...[...new Set(cards.map((card) => card.dataset.app))].sort()])
    at("apps").append(new Option(app || "every app", app));
  window.migfix = { command, patch };
  group();
  refresh();
})();
