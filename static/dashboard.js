// Draws the chart from the numbers of the table below it; anew when they change or light turns to dark.
(function () {
  "use strict";
  var FEW_DAYS = 14; // as many bars side by side stay broad enough to be seen
  var canvas = document.getElementById("chart");
  var names = ["--tblr-azure", "--tblr-green", "--tblr-orange"];
  var dashes = [[], [], [6, 4]];
  var chart, drawn;

  // By way of an element, because the variables themselves hold both colours, for light and for dark.
  function colour(name) {
    canvas.style.color = "var(" + name + ")";
    return getComputedStyle(canvas).color;
  }

  function datasets(data, isBars) {
    return data.series.map(function (series, number) {
      var ink = colour(names[number]);
      return {
        label: series.name, data: series.values, borderColor: ink, backgroundColor: ink, borderRadius: 3, categoryPercentage: 0.6, maxBarThickness: 20,
        borderDash: isBars ? [] : dashes[number], borderWidth: isBars ? 0 : 2, pointRadius: 0, pointHitRadius: 12, cubicInterpolationMode: "monotone"
      };
    });
  }

  function draw() {
    var numbers = document.getElementById("days").dataset.chart;
    var data = JSON.parse(numbers);
    var isBars = data.labels.length <= FEW_DAYS;
    var ink = colour("--ink-secondary");
    if (chart) {
      chart.destroy();
    }
    drawn = numbers;
    chart = new window.Chart(canvas, {
      type: isBars ? "bar" : "line",
      data: { labels: data.labels, datasets: datasets(data, isBars) },
      options: {
        maintainAspectRatio: false, animation: false, interaction: { mode: "index", intersect: false },
        font: { family: getComputedStyle(document.body).fontFamily },
        plugins: { legend: { position: "bottom", labels: { color: ink, boxWidth: 14, boxHeight: isBars ? 10 : 2 } } },
        scales: {
          x: { ticks: { color: ink, maxTicksLimit: 8, maxRotation: 0 }, grid: { display: false } },
          y: { beginAtZero: true, ticks: { color: ink, precision: 0, maxTicksLimit: 6 }, grid: { color: "rgba(128, 128, 128, 0.2)" }, border: { display: false } }
        }
      }
    });
  }

  draw();
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  document.body.addEventListener("htmx:afterSettle", function () {
    if (document.getElementById("days").dataset.chart !== drawn) {
      draw();
    }
  });
})();
