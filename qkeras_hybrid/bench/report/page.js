(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Light or dark: as the system has it, until the reader chooses.
  const root = document.documentElement;
  const theme = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const remembered = (value) => {
    try {  // a page opened from a file may not be allowed to remember
      if (value) localStorage.setItem("qkeras-hybrid-theme", value);
      return localStorage.getItem("qkeras-hybrid-theme");
    } catch { return null; }
  };
  const sayTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  if (remembered()) root.dataset.theme = remembered();
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(root.dataset.theme);
    sayTheme();
  });
  system.addEventListener("change", sayTheme);
  sayTheme();

  // Tables: a click on a head sorts, another turns the order. Cells without a value stay last.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value ?? cell.textContent.trim();
    return "value" in cell.dataset && value !== "" ? (value === "inf" ? Infinity : Number(value)) : value;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const upward = heads[column].getAttribute("aria-sort") !== "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", upward ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
    rows.sort(([a], [b]) => (a === "") - (b === "") || (upward ? 1 : -1) * compare(a, b));
    body.append(...rows.map(([, row]) => row));
  };
  all("table.sortable").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.scope = "col";
      button.addEventListener("click", () => sort(table, column));
    });
  });

  // Filters: hide what is of another model, data set or contender.
  const fields = { model: byId("filter-model"), data: byId("filter-data"), contender: byId("filter-contender") };
  const text = byId("filter-text");
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    all(".filtered").forEach((item) => {
      const wanted = Object.entries(fields).every(
        ([name, field]) => !field.value || !(name in item.dataset) || item.dataset[name] === field.value);
      const found = item.tagName !== "TR" || words.every((word) => item.textContent.toLowerCase().includes(word));
      item.hidden = !(wanted && found);
    });
    const rows = all("#results-table tbody tr");
    byId("filter-count").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} results`;
  };
  Object.values(fields).forEach((field) => field.addEventListener("change", filter));
  text.addEventListener("input", filter);
  byId("filters").hidden = false;
  filter();

  // Legends: a click shows or hides a contender in the plots beside it.
  all(".legend").forEach((legend) => {
    const plots = legend.nextElementSibling;
    const drawn = new Set(all(".series", plots).map((series) => series.dataset.contender));
    all("button", legend).forEach((button) => {
      button.hidden = !drawn.has(button.dataset.contender);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        all(".series", plots).forEach((series) => {
          if (series.dataset.contender === button.dataset.contender) series.style.display = shown ? "" : "none";
        });
      });
    });
  });

  // What a mark is: under the pointer, at a touch, or at the focus of the keyboard.
  const tip = byId("tip");
  const show = (said, x, y) => {
    tip.textContent = said;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - width - 4))}px`;
    tip.style.top = `${y - height - 12 < 4 ? y + 16 : y - height - 12}px`;
  };
  const hide = () => { tip.hidden = true; };
  all(".mark").forEach((mark) => {
    const title = mark.querySelector("title");
    const said = title.textContent;
    title.remove();  // else the browser shows it a second time
    mark.setAttribute("aria-label", said);
    const place = () => {
      const box = mark.getBoundingClientRect();
      show(said, box.right, box.top);
    };
    mark.addEventListener("pointerenter", place);
    mark.addEventListener("focus", place);
    mark.addEventListener("pointerleave", hide);
    mark.addEventListener("blur", hide);
  });
  const time = (s) => s >= 60 ? `${(s / 60).toPrecision(2)} min` : s >= 1 ? `${s.toPrecision(2)} s` : `${(s * 1000).toPrecision(2)} ms`;
  all("svg[data-scales]").forEach((svg) => {
    const { x, y, xname, xsaid, percent } = JSON.parse(svg.dataset.scales);
    const back = ([low, high, start, end, log], place) => {
      const share = (place - start) / (end - start);
      return log ? low * (high / low) ** share : low + share * (high - low);
    };
    const traces = all(".trace", svg).map((trace) => ({
      trace, points: trace.getAttribute("d").slice(1).split("L").map((pair) => pair.split(" ").map(Number)),
    }));
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      let best = { distance: 24 };
      for (const { trace, points } of traces) {
        if (trace.parentNode.style.display === "none") continue;
        for (const point of points) {
          const distance = Math.hypot(point[0] - at[0], point[1] - at[1]);
          if (distance < best.distance) best = { distance, point, name: trace.dataset.name };
        }
      }
      if (!best.point) return hide();
      const score = back(y, best.point[1]);
      const place = back(x, best.point[0]);
      const apart = (xsaid || []).find(([at]) => Math.abs(at - best.point[0]) < 0.2);
      const where = apart ? `${xname}: ${apart[1]}` : xname === "after" ? `after ${time(place)}` : `${xname} ${Number(place.toPrecision(xname === "epoch" ? 6 : 3))}`;
      const value = percent ? `${(100 * score).toFixed(1)} %` : score.toFixed(3);
      show(`${best.name}, ${where.replace(/^epoch .*/, () => `epoch ${Math.round(place)}`)}: ${value}`, event.clientX, event.clientY);
    });
    svg.addEventListener("pointerleave", hide);
  });
  addEventListener("scroll", hide, { passive: true });

  // A link to a comparison opens it; printing opens all, for paper can't be clicked.
  const openLinked = () => {
    const linked = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (linked && linked.tagName === "DETAILS") { linked.open = true; linked.scrollIntoView(); }
  };
  addEventListener("hashchange", openLinked);
  openLinked();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
})();
