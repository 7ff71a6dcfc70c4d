// Every chart saves pictures: the bar of its buttons gets PNG, and SVG as wide as a paper's column.

const COLUMN = 450; // pixels that are set to 85 mm: letters of 13 pixels are 7 points high there
const PICTURES = [
  { label: "PNG", title: "Save as PNG, 300 dpi", options: { format: "png", scale: 3 } },
  {
    label: "85 mm",
    title: "Save as SVG for a column of 85 mm",
    options: { format: "svg", width: COLUMN, scale: 1 },
  },
];

function nameOf(plot) {
  const named = plot.closest('[class*="st-key-"]');
  const key = named && [...named.classList].find((name) => name.startsWith("st-key-"));
  return key ? key.replace("st-key-", "") : "chart";
}

function save(plot, options) {
  const context = plot._context;
  const before = context.toImageButtonOptions;
  context.toImageButtonOptions = { ...before, filename: nameOf(plot), ...options };
  plot.querySelector('.modebar-btn[data-title^="Download plot"]').click();
  context.toImageButtonOptions = before;
}

function button(plot, { label, title, options }) {
  const made = document.createElement("a");
  made.className = "modebar-btn picture";
  made.rel = "tooltip";
  made.dataset.title = title;
  made.textContent = label;
  made.role = "button";
  made.tabIndex = 0;
  made.style.cssText = "font-size: 11px; line-height: 20px; width: auto; padding: 0 4px";
  made.addEventListener("click", () => save(plot, options));
  made.addEventListener("keydown", (event) => event.key === "Enter" && save(plot, options));
  return made;
}

function complete() {
  for (const bar of document.querySelectorAll(".js-plotly-plot .modebar")) {
    const plot = bar.closest(".js-plotly-plot");
    if (bar.querySelector(".picture") || !bar.querySelector('[data-title^="Download plot"]'))
      continue;
    const group = document.createElement("div");
    group.className = "modebar-group";
    group.append(...PICTURES.map((picture) => button(plot, picture)));
    bar.prepend(group);
  }
}

export default function () {
  if (window.pictures) return;
  window.pictures = new MutationObserver(complete);
  window.pictures.observe(document.body, { childList: true, subtree: true });
  complete();
}
