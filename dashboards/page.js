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
      Plotly.newPlot(plot, data, { ...layout, template: template() }, config);
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
