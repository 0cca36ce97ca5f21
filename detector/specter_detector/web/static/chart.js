"use strict";
// From a stretch, as /api/v1/history gives it, to what Plotly draws. No state, no network.
const SpecterChart = (() => {
  const DRAWN_SCORE = 6;
  const MOST_SHAPES = 200;
  const ROWS = [
    { axis: "y", from: 0.56, to: 0.97 },
    { axis: "y2", from: 0.395, to: 0.505 },
    { axis: "y3", from: 0.25, to: 0.34 },
    { axis: "y4", from: 0.125, to: 0.2 },
    { axis: "y5", from: 0, to: 0.075 },
  ];
  const REASONS = { level_shift: "level shift", out_of_range: "out of range" };

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = ["text", "muted", "line", "surface", "blue", "red", "green", "orange", "purple", "yellow"];
    return Object.fromEntries(names.map((name) => [name, read(name)]));
  }

  function faded(hex, alpha) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},${alpha})`;
  }

  // Plotly reads some HTML in texts; a version of a deployment may hold anything.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  const clock = (seconds, stretch) =>
    new Date((seconds + stretch.utc_offset_seconds) * 1000).toISOString().slice(0, 19).replace("T", " ");
  const seconds = (text, stretch) => Date.parse(`${text.replace(" ", "T")}Z`) / 1000 - stretch.utc_offset_seconds;

  function tickFormat(unit) {
    if (unit === "ratio") return { tickformat: ".3~%" };
    if (unit === "seconds") return { tickformat: ".4~s", ticksuffix: "s" };
    if (unit.startsWith("bytes")) return { tickformat: ".4~s", ticksuffix: unit.replace("bytes", "B") };
    return { tickformat: ".4~s" };
  }

  function line(name, x, y, axis, colour, more = {}) {
    return {
      type: "scatter", mode: "lines", name, x, y, xaxis: "x", yaxis: axis, connectgaps: false,
      line: { color: colour, width: 1.4, ...more.line },
      ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== "line")),
    };
  }

  function traces(stretch, tried, paint) {
    const x = stretch.times.map((at) => clock(at, stretch));
    const bad = stretch.score.map((score, at) => (score > 1 && stretch.observed[at] !== null ? at : -1)).filter((at) => at >= 0);
    const said = (at) => {
      const alarm = stretch.alarms.find((each) => each.start <= stretch.times[at] && stretch.times[at] <= each.end);
      const reason = alarm ? alarm.reason : "";
      return plain(REASONS[reason] || reason);
    };
    const drawn = [
      line("lower", x, stretch.lower, "y", paint.muted, { line: { width: 0 }, meta: "lower" }),
      line("expected band", x, stretch.upper, "y", paint.muted, {
        line: { width: 0 }, fill: "tonexty", fillcolor: faded(paint.muted, 0.22), meta: "upper",
      }),
      line("expected", x, stretch.expected, "y", paint.muted, { line: { dash: "4px,4px", width: 1.2 }, meta: "expected" }),
      line("observed", x, stretch.observed, "y", paint.blue, { meta: "observed" }),
      {
        type: "scatter", mode: "markers", name: "anomalous", x: bad.map((at) => x[at]), y: bad.map((at) => stretch.observed[at]),
        text: bad.map(said), xaxis: "x", yaxis: "y", marker: { color: paint.red, size: 5 },
        hovertemplate: "%{text}<extra>anomalous</extra>", meta: "anomalous",
      },
      line("score", x, stretch.score, "y2", paint.text, { meta: "score", fill: "tozeroy", fillcolor: faded(paint.muted, 0.15) }),
      line("trend", x, stretch.trend, "y3", paint.blue, { meta: "trend" }),
      line("seasonal", x, stretch.seasonal, "y4", paint.blue, { meta: "seasonal" }),
      line("remainder", x, stretch.remainder, "y5", paint.blue, { line: { width: 1 }, meta: "remainder" }),
    ];
    return tried ? drawn.concat(triedTraces(stretch, tried, paint)) : drawn;
  }

  function triedTraces(stretch, tried, paint) {
    // On the clock of the stretch that is shown, whatever time zone was tried.
    const x = tried.times.map((at) => clock(at, stretch));
    const edge = { line: { width: 1, dash: "2px,2px" } };
    return [
      line("tried: lower", x, tried.lower, "y", paint.orange, { ...edge, meta: "tried-lower" }),
      line("tried: band", x, tried.upper, "y", paint.orange, { ...edge, meta: "tried-upper" }),
      line("tried: score", x, tried.score, "y2", paint.orange, { line: { width: 1.4, dash: "2px,2px" }, meta: "tried-score" }),
    ];
  }

  function shapes(stretch, paint) {
    const half = stretch.step_seconds / 2;
    const stripe = (from, to, colour, alpha) => ({
      type: "rect", xref: "x", yref: "paper", layer: "below", y0: 0, y1: ROWS[0].to, line: { width: 0 },
      x0: clock(from, stretch), x1: clock(to, stretch), fillcolor: faded(colour, alpha),
    });
    const marks = stretch.windows.map((each) => stripe(each.start, each.end, each.kind === "incident" ? paint.purple : paint.green, 0.16));
    const alarms = stretch.alarms.slice(-MOST_SHAPES).map((each) => stripe(each.start - half, each.end + half, paint.red, 0.13));
    const events = stretch.events.map((each) => ({
      type: "line", xref: "x", yref: "paper", y0: 0, y1: ROWS[0].to, x0: clock(each.at, stretch), x1: clock(each.at, stretch),
      line: { color: paint.blue, width: 1, dash: "dot" },
    }));
    const threshold = {
      type: "line", xref: "paper", yref: "y2", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: paint.red, width: 1, dash: "dash" },
    };
    return [...marks, ...alarms, ...events, threshold];
  }

  function captions(stretch, paint) {
    const unit = stretch.unit ? `, ${stretch.unit === "1/s" ? "per second" : stretch.unit}` : "";
    const highest = Math.max(0, ...stretch.score.filter((score) => score !== null));
    const texts = [
      `Observed and expected${unit}`,
      highest > DRAWN_SCORE ? `Score: an alarm above 1, drawn up to ${DRAWN_SCORE}` : "Score: an alarm above 1",
      `Trend${unit}`, `Seasonal${unit}`, `Remainder${unit}`,
    ];
    const rows = texts.map((text, row) => ({
      text, xref: "paper", yref: "paper", x: 0, y: ROWS[row].to, xanchor: "left", yanchor: "bottom", showarrow: false,
      font: { size: 12, color: paint.muted }, yshift: 2,
    }));
    const [first, last] = [stretch.times[0], stretch.times[stretch.times.length - 1]];
    // A text near the right edge is written to the left of its line, or it would be cut.
    const side = (at) => (at > first + 0.8 * (last - first) ? { xanchor: "right", xshift: -3 } : { xanchor: "left", xshift: 3 });
    const events = stretch.events.map((each) => ({
      text: `deployed ${plain(each.text.slice(0, 40))}`, xref: "x", yref: "paper", x: clock(each.at, stretch), y: ROWS[0].to - 0.005,
      showarrow: false, yanchor: "top", font: { size: 11.5, color: paint.blue }, ...side(each.at),
    }));
    const worst = [...stretch.alarms].sort((one, other) => other.score - one.score).slice(0, 3).map((each) => ({
      text: plain(REASONS[each.reason] || each.reason), xref: "x", yref: "paper", x: clock(each.worst, stretch),
      y: ROWS[0].from, yanchor: "bottom", showarrow: false, font: { size: 11.5, color: paint.red }, ...side(each.worst),
    }));
    return [...rows, ...events, ...worst];
  }

  function layout(stretch, tried, paint, width) {
    const grid = { gridcolor: paint.line, zerolinecolor: paint.line, linecolor: paint.line, tickfont: { size: 11, color: paint.muted } };
    const scores = [...stretch.score, ...(tried ? tried.score : [])].filter((score) => score !== null);
    const highest = Math.min(DRAWN_SCORE, Math.max(1.6, 1.1 * Math.max(0, ...scores)));
    const axes = {};
    ROWS.forEach((row, at) => {
      axes[`yaxis${at ? at + 1 : ""}`] = {
        ...grid, ...tickFormat(stretch.unit), domain: [row.from, row.to], anchor: "x", nticks: at ? 4 : 7, fixedrange: at > 0, zeroline: at > 2,
      };
    });
    Object.assign(axes.yaxis2, { range: [0, highest], tickformat: "~r", ticksuffix: "", zeroline: false });
    return {
      ...axes,
      xaxis: {
        ...grid, type: "date", anchor: "y5", domain: [0, 1], showspikes: true, spikemode: "across", spikethickness: 1, spikecolor: paint.muted,
        spikedash: "dot", range: [clock(stretch.times[0], stretch), clock(stretch.times[stretch.times.length - 1], stretch)],
        tickfont: { size: 11.5, color: paint.text }, nticks: Math.max(4, Math.min(14, Math.round(width / 90))), tickangle: 0,
      },
      shapes: shapes(stretch, paint), annotations: captions(stretch, paint),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: "zoom", hovermode: "x unified", hoversubplots: "axis",
      hoverlabel: { bgcolor: paint.surface, bordercolor: paint.line, font: { color: paint.text, size: 12 } },
      font: { family: getComputedStyle(document.body).fontFamily, color: paint.text, size: 12 },
      margin: { l: 62, r: 14, t: 4, b: 38 }, showlegend: false,
      uirevision: `${stretch.times[0]}`,
    };
  }

  function draw(element, stretch, tried) {
    const paint = colours();
    const config = { displaylogo: false, responsive: true, displayModeBar: false, doubleClick: "reset", scrollZoom: false };
    return Plotly.react(element, traces(stretch, tried, paint), layout(stretch, tried, paint, element.clientWidth), config);
  }

  return { draw, clock, seconds, reason: (name) => REASONS[name] || name };
})();
