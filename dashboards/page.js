"use strict";
// Figures follow the page's colours, in light, dark and print; tables sort and filter. Nothing is fetched.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const plots = [...document.querySelectorAll(".plot")];
  const config = { responsive: true, displaylogo: false, displayModeBar: false };

  function template() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = {
      gridcolor: color("--line"),
      linecolor: color("--line-strong"),
      zerolinecolor: color("--ink-faint"),
      tickcolor: color("--line-strong"),
      title: { standoff: 8, font: { size: 13 } },
      automargin: true,
    };
    return {
      layout: {
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: style.fontFamily, size: 13, color: color("--ink") },
        xaxis: axis,
        yaxis: axis,
        hoverlabel: {
          bgcolor: color("--surface"),
          bordercolor: color("--line-strong"),
          font: { color: color("--ink") },
        },
        updatemenudefaults: { bgcolor: color("--surface"), bordercolor: color("--line-strong") },
      },
    };
  }

  function draw() {
    for (const plot of plots) {
      const { data, layout } = JSON.parse(plot.nextElementSibling.textContent);
      if (layout.meta?.choices) plot.before(menu(plot, layout.meta.choices));
      Plotly.newPlot(plot, data, { ...layout, template: template() }, config);
      plot.on("plotly_afterplot", () => openLegend(plot));
      openLegend(plot);
    }
  }

  // A menu of what a figure shows: Plotly's own cannot be reached by keyboard.
  function menu(plot, choices) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.className = "choice";
    label.append("Shown: ", select);
    for (const choice of choices) select.add(new Option(choice.label));
    select.addEventListener("change", () => Plotly.restyle(plot, { visible: choices[select.selectedIndex].visible }));
    return label;
  }

  // Plotly's legend answers the mouse alone: each entry becomes a button that hides or shows what it names.
  function openLegend(plot) {
    for (const entry of plot.querySelectorAll(".legend .traces")) {
      const button = entry.querySelector(".legendtoggle");
      button.setAttribute("tabindex", 0);
      button.setAttribute("role", "button");
      button.setAttribute("aria-label", entry.querySelector(".legendtext").textContent);
      button.setAttribute("aria-pressed", Number(entry.style.opacity || 1) === 1);
      button.onkeydown = (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        for (const kind of ["mousedown", "mouseup"]) button.dispatchEvent(new MouseEvent(kind, { bubbles: true }));
      };
    }
  }

  function recolor(extra = {}) {
    for (const plot of plots) Plotly.relayout(plot, { template: template(), ...extra });
  }

  // Plotly, which would be most of a page, is packed. It runs as a script that the page's policy knows by its hash.
  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (part) => part.charCodeAt(0));
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
  }

  if (plots.length && !window.DecompressionStream) {
    for (const plot of plots) plot.textContent = "This browser is too old to draw figures: it needs one of 2023 or later.";
  } else if (plots.length) {
    unpack().then(draw);
    dark.addEventListener("change", () => recolor());
    // Plotly's pictures have fixed widths: A4 less its margins, and back to the window afterwards.
    window.addEventListener("beforeprint", () => {
      document.documentElement.classList.add("printing");
      recolor({ width: 660 });
    });
    window.addEventListener("afterprint", () => {
      document.documentElement.classList.remove("printing");
      recolor({ width: null, autosize: true });
    });
  }

  // Paper has no clicks: print everything, and close again what was closed.
  const closed = () => document.querySelectorAll("details:not([open])");
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...closed()];
    for (const details of opened) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
  if (window.matchMedia("(max-width: 40rem)").matches) document.querySelector(".contents details").open = false;

  // What scrolls can be scrolled by keyboard, and a table that goes on sideways says so.
  function mark(part) {
    const sideways = part.scrollWidth > part.clientWidth + 1;
    part.classList.toggle("sideways", sideways);
    part.classList.toggle("at-end", part.scrollLeft + part.clientWidth >= part.scrollWidth - 1);
    if (sideways || part.scrollHeight > part.clientHeight + 1) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  }
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));
  for (const part of document.querySelectorAll(".scroll, .command")) {
    sizes.observe(part);
    part.addEventListener("scroll", () => mark(part), { passive: true });
    if (part.matches(".scroll")) {
      const hint = document.createElement("p");
      hint.className = "hint";
      hint.textContent = "Scroll sideways to see all columns \u2192";
      part.after(hint);
    }
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
        const rows = [...body.rows].sort((one, two) => {
          const [a, b] = [key(one), key(two)];
          if (a === "" || b === "") return (a === "") - (b === ""); // what is missing comes last, both ways
          const order = isNaN(a) || isNaN(b) ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
    const search = document.getElementById(table.dataset.filter);
    const count = document.getElementById(table.dataset.count);
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += !row.hidden;
      }
      count.textContent = `${left} of ${body.rows.length} cells`;
    });
  }
})();
