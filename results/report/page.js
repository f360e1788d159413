'use strict';
// Unpacks plotly.js and the charts' figures, draws every chart, and keeps each as wide as its box.
(async () => {
  const boxes = [...document.querySelectorAll('.chart')];
  const say = text => boxes.forEach(box => { box.textContent = text; box.classList.add('lacking'); });
  if (!window.DecompressionStream || !window.ResizeObserver) {
    say('This browser is too old to draw the chart: Chrome 80, Firefox 113 and Safari 16.4 are the first that can. '
      + 'The folder figures/ has it as a picture.');
    return;
  }

  async function unpacked(name) {
    const letters = atob(document.getElementById(name).textContent);
    const bytes = new Uint8Array(letters.length);
    for (let n = 0; n < letters.length; n++) bytes[n] = letters.charCodeAt(n);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')));
  }

  // As a file of its own a script is read in the background, which takes two thirds of the time.
  async function run(blob) {
    const script = document.createElement('script');
    script.src = URL.createObjectURL(blob);
    const ended = new Promise(resolve => { script.onload = script.onerror = resolve; });
    document.head.append(script);
    await ended;
    URL.revokeObjectURL(script.src);
  }

  const hovers = matchMedia('(hover: hover)').matches; // a finger that moves over a chart moves the page instead
  const config = {
    displaylogo: false,
    displayModeBar: hovers ? 'hover' : false,
    modeBarButtons: [['zoom2d', 'pan2d', 'resetScale2d', 'toImage']],
    responsive: false, // plotly's own follows the window alone, not the box
  };
  const plotly = unpacked('plotly').then(answer => answer.blob()).then(run);
  const page = await (await unpacked('page-data')).json();
  await plotly;
  if (!window.Plotly) return say('The chart cannot be drawn: the page is damaged. Make it again from the run folder.');

  // --- What a point says where it is pointed at: its row of each column, as plotly's small HTML.
  const safe = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  const texts = new Map();
  function told(row) {
    if (!texts.has(row)) {
      const lines = [`<b>${safe(page.points.title[row])}</b>${page.points.more[row] || ''}`];
      for (const { name, values } of page.points.objectives) lines.push(`${safe(name)} = ${safe(values[row])}`);
      for (const { metric, bounds, values, broken } of page.points.guards) {
        if (values[row] === '' && !broken.includes(row)) continue;
        const verdict = broken.includes(row) ? '<b>breaks the guard</b>' : 'keeps';
        lines.push(`${safe(metric)} = ${safe(values[row]) || 'none'}: ${verdict} ${safe(bounds)}`);
      }
      for (const { name, values } of page.points.parameters) {
        if (values[row] !== '') lines.push(`${safe(name)}: ${safe(values[row])}`);
      }
      const others = page.points.metrics.filter(({ values }) => values[row] !== '');
      for (let n = 0; n < others.length; n += 2) {
        lines.push(others.slice(n, n + 2).map(({ name, values }) => `<i>${safe(name)} ${safe(values[row])}</i>`).join(' · '));
      }
      texts.set(row, lines.join('<br>'));
    }
    return texts.get(row);
  }

  // --- Colours: those of the column that is chosen.
  const drawn = new Set();
  let coloured = 0;
  function coloursOf(trace) {
    const { colours, symbols, of } = page.colours[coloured];
    const { rows, hollow } = trace.meta;
    const levels = rows.map(row => of[row]);
    const marks = symbols ? levels.map(level => symbols[level]) : rows.map(row => page.symbols[row]);
    return {
      colour: levels.map(level => colours[level]),
      symbol: marks.map(mark => mark + (hollow ? '-open' : '')),
    };
  }
  function recolour(chart) {
    const found = page.charts[chart.id].data.map((trace, n) => [trace, n]).filter(([trace]) => trace.meta?.rows && !trace.meta.grey);
    if (!found.length) return;
    const looks = found.map(([trace]) => coloursOf(trace));
    const lines = found.map(([trace], n) => (trace.meta.line ? looks[n].colour[0] : trace.line?.color));
    const symbols = found.map(([trace], n) => (trace.meta.line || trace.meta.seed ? trace.marker.symbol : looks[n].symbol));
    const changes = { 'marker.color': looks.map(look => look.colour), 'marker.symbol': symbols, 'line.color': lines };
    Plotly.restyle(chart, changes, found.map(([, n]) => n));
  }
  const choice = document.getElementById('colour-by');
  choice?.addEventListener('change', () => {
    coloured = Number(choice.value);
    document.querySelectorAll('[data-colour]').forEach(part => { part.hidden = part.dataset.colour !== choice.value; });
    drawn.forEach(recolour);
  });

  // --- Charts: drawn as soon as their box has a width, drawn anew when it changes.
  async function draw(box) {
    drawn.add(box);
    const { data, layout } = page.charts[box.id];
    for (const trace of data) if (trace.meta?.rows && !trace.text) trace.text = trace.meta.rows.map(told);
    await Plotly.newPlot(box, data, { ...layout, autosize: true, dragmode: hovers ? 'zoom' : false }, config);
    follow(box);
    if (coloured) recolour(box);
  }
  function follow(box) {
    const layout = box._fullLayout; // of the picture as it was drawn; none while the first is
    const width = box.getBoundingClientRect().width;
    if (layout && width && Math.abs(layout.width - width) >= 1) Plotly.relayout(box, { autosize: true });
  }
  const watcher = new ResizeObserver(entries => {
    for (const { target, contentRect } of entries) {
      if (!contentRect.width) continue; // inside what is folded
      if (drawn.has(target)) follow(target);
      else draw(target);
    }
  });
  boxes.forEach(box => watcher.observe(box));

  // --- On paper a chart is scaled as the picture that it is, to the width of the paper.
  addEventListener('beforeprint', () => {
    document.querySelectorAll('details').forEach(part => { part.dataset.open = part.open; part.open = true; });
    for (const box of drawn) {
      const { width, height } = box._fullLayout;
      box.style.setProperty('--shape', `${width} / ${height}`);
      box.querySelectorAll('.main-svg').forEach(svg => svg.setAttribute('viewBox', `0 0 ${width} ${height}`));
    }
  });
  addEventListener('afterprint', () => {
    document.querySelectorAll('details').forEach(part => { part.open = part.dataset.open === 'true'; });
    document.querySelectorAll('.chart .main-svg').forEach(svg => svg.removeAttribute('viewBox'));
  });
})();
