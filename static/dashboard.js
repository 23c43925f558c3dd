// Draws the chart; the table below it holds the same numbers. Drawn anew when light turns to dark.
(function () {
  "use strict";
  var canvas = document.getElementById("chart");
  var data = JSON.parse(canvas.dataset.chart);
  var styles = getComputedStyle(document.documentElement);
  var names = ["--ink-azure", "--ink-green", "--ink-secondary"];
  var dashes = [[], [], [6, 4]];
  var chart;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || styles.color;
  }

  function datasets() {
    return data.series.map(function (series, number) {
      var line = colour(names[number]);
      return {
        label: series.name, data: series.values, borderColor: line, backgroundColor: line, borderDash: dashes[number],
        borderWidth: 2, pointRadius: data.labels.length > 31 ? 0 : 2, tension: 0.25
      };
    });
  }

  function draw() {
    var ink = colour("--ink-secondary");
    var grid = "rgba(128, 128, 128, 0.25)";
    if (chart) {
      chart.destroy();
    }
    chart = new window.Chart(canvas, {
      type: "line",
      data: { labels: data.labels, datasets: datasets() },
      options: {
        maintainAspectRatio: false, animation: false, interaction: { mode: "index", intersect: false },
        plugins: { legend: { position: "bottom", labels: { color: ink, boxWidth: 24, boxHeight: 2 } } },
        scales: {
          x: { ticks: { color: ink, maxTicksLimit: 8, maxRotation: 0 }, grid: { display: false } },
          y: { beginAtZero: true, ticks: { color: ink, precision: 0 }, grid: { color: grid } }
        }
      }
    });
  }

  draw();
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
})();
