// Painting the state, and what is said of the chosen node: numbers, heat maps, health, sums over paths.

function element(tag, text = null, className = '', parent = null) {
  const e = document.createElement(tag);
  if (text !== null) e.textContent = text;
  if (className) e.className = className;
  if (parent) parent.append(e);
  return e;
}

function button(text, act, parent, label = null) {
  const b = element('button', text, '', parent);
  if (label) b.setAttribute('aria-label', label);
  b.addEventListener('click', act);
  return b;
}

// Colours for gradient norms, from small to large (cividis, which reads the same to the colour-blind).
const SCALE = ['#00224e', '#35456c', '#666970', '#948e77', '#c8b866', '#fee838'];
const isDark = (i) => i < 3;

function paint() {
  const chosen = state.chosen && scene.boxes.get(scene.owner.get(state.chosen) || state.chosen);
  let lit = null;
  if (chosen && state.step === null) lit = litAround(chosen);
  const step = state.step === null ? null : stepNow();
  const hits = new Set(state.hits.map((id) => scene.owner.get(id)));
  for (const b of scene.boxes.values()) {
    const classes = b.group.classList;
    classes.toggle('chosen', b === chosen);
    classes.toggle('hit', hits.has(b.id));
    classes.toggle('far', lit !== null && !lit.has(b.id));
    classes.toggle('now', step !== null && step.now.has(b.id));
    classes.toggle('touched', step !== null && step.touched.has(b.id));
    classes.toggle('waiting', step !== null && !step.reached.has(b.id));
    b.group.setAttribute('tabindex', b === (chosen || firstBox()) ? 0 : -1);
    const n = nodes[b.id];
    const grad = n && n.grad !== null && step && state.mode === 'backward' ? step.grads.get(b.id) : n && (step && state.mode === 'forward' ? undefined : n.grad);
    if (b.gradSpan && n) b.gradSpan.textContent = n.grad === null ? '–' : grad === undefined ? '–' : grad === null ? '…' : n.shape.length || typeof grad !== 'number' ? size(grad, 3) : short(grad);
    if (b.dataSpan && n) b.dataSpan.textContent = step && state.mode === 'forward' && !step.reached.has(b.id) ? '–' : b.lines.find(([what]) => what === 'data')[1];
    paintHealth(b);
  }
  for (const l of scene.links) {
    const live = step && l.edges.some((i) => step.edges.has(i));
    for (const g of [l.group, l.labelGroup]) {
      g.classList.toggle('live', Boolean(live));
      g.classList.toggle('far', lit !== null && !(lit.has(l.s) && lit.has(l.t)));
      g.classList.toggle('way', lit !== null && state.mark !== null && lit.has(l.s) && lit.has(l.t));
      g.classList.toggle('waiting', step !== null && !(step.reached.has(l.s) && step.reached.has(l.t)));
    }
    if (l.text) {
      const [upper, lower] = live && l.edge !== null && state.mode === 'backward' ? product(edges[l.edge]) : [l.said, ''];
      l.text.textContent = upper;
      l.second.textContent = lower;
    }
  }
}

// Opens whatever a node or group is inside of.
function reveal(id) {
  for (let b = boxes.get(id); b; b = boxes.get(levels[b.level].owner)) {
    prefixes(b.scope).forEach((k) => state.closed.delete(k));
    if (b.id !== id) state.open.add(b.id);
  }
  drawScene();
}

const firstBox = () => [...scene.boxes.values()].find((b) => b.root) || scene.boxes.values().next().value;

function litAround(box) {
  const next = (map, end) => (id) => scene.links.filter((l) => l[map] === id).map((l) => l[end]);
  const up = reach(box.id, next('t', 's'));
  const down = reach(box.id, next('s', 't'));
  if (state.mark === null) return new Set([...up, ...down]);
  const start = scene.owner.get(state.mark) || state.mark;
  const between = (a, b) => [...reach(a, next('s', 't'))].filter((id) => reach(b, next('t', 's')).has(id));
  const way = [...between(start, box.id), ...between(box.id, start)];
  return new Set(way.length ? way : [start, box.id]);
}

// Health: the gradient's size by colour and number, dead and saturated units, where NaN and infinity begin.
const norms = computed.map((n) => (typeof n.grad === 'number' ? Math.abs(n.grad) : n.grad.norm)).filter((x) => x > 0 && Number.isFinite(x)).map(Math.log10);
const [lowest, highest] = [Math.min(...norms), Math.max(...norms)];

function paintHealth(b) {
  const body = b.group.querySelector('.body');
  const n = nodes[b.id];
  const texts = b.group.querySelectorAll('text, tspan');
  const on = state.overlay === 'health' && n && n.grad !== null && state.step === null;
  body.style.fill = '';
  texts.forEach((t) => { t.style.fill = ''; });
  if (!on) return;
  const norm = typeof n.grad === 'number' ? Math.abs(n.grad) : n.grad.norm;
  if (!Number.isFinite(norm)) return;
  const i = norm === 0 ? 0 : highest > lowest ? Math.round(((Math.log10(norm) - lowest) / (highest - lowest)) * (SCALE.length - 1)) : SCALE.length - 1;
  body.style.fill = SCALE[i];
  texts.forEach((t) => { t.style.fill = isDark(i) ? '#ffffff' : '#101010'; });
}

function showHealth() {
  const panel = $('details');
  panel.replaceChildren();
  element('h2', 'Gradient health', '', panel);
  const scale = element('div', null, 'scale', panel);
  if (norms.length) {
    element('span', short(10 ** lowest, 2), '', scale);
    for (const c of SCALE) element('i', null, '', scale).style.background = c;
    element('span', short(10 ** highest, 2), '', scale);
  }
  element('p', 'Boxes are coloured by the norm of their gradient, on a logarithmic scale.', 'faint', panel);
  const list = (title, found) => {
    element('h3', title, '', panel);
    if (!found.length) element('p', 'none', 'faint', panel);
    const ul = element('ul', null, '', panel);
    for (const [id, text, alarm] of found.slice(0, 12)) {
      const li = element('li', null, '', ul);
      button(naming(id), () => choose(id), li).className = 'go';
      element('span', ` ${text}`, alarm ? 'alarm' : '', li);
    }
    if (found.length > 12) element('p', `and ${found.length - 12} more`, 'faint', panel);
  };
  list('NaN or infinity begins at', data.bad && nodes[data.bad[0]] ? [[data.bad[0], `in its ${data.bad[1] === 'data' ? 'data' : 'gradient'}`, true]] : data.bad ? [[data.bad[0], 'inside a group', true]] : []);
  const idle = Object.values(nodes).filter((n) => n.idle > 0).sort((a, b) => b.idle - a.idle);
  list('Dead or saturated units', idle.map((n) => [n.id, `${Math.round(n.idle * 100)} % ${n.op === 'relu' ? 'dead' : 'saturated'}`, n.idle > 0.5]));
  const leaves = computed.filter((n) => n.kind === 'leaf');
  const of = (n) => (typeof n.grad === 'number' ? Math.abs(n.grad) : n.grad.norm);
  list('Leaves without any gradient', Object.values(nodes).filter((n) => n.kind === 'leaf' && (n.grad === null || of(n) === 0)).map((n) => [n.id, n.grad === null ? 'none reaches it' : 'all zero', true]));
  list('Largest gradients of leaves', [...leaves].sort((a, b) => of(b) - of(a)).slice(0, 5).map((n) => [n.id, size(n.grad, 3)]));
  list('Smallest gradients of leaves', [...leaves].sort((a, b) => of(a) - of(b)).slice(0, 5).map((n) => [n.id, size(n.grad, 3)]));
}

// Selection and details.
function choose(id, focus = false) {
  if (id !== null && !scene.boxes.has(id)) {
    if (!boxes.has(id)) return;
    reveal(id);
  }
  state.chosen = id;
  paint();
  showDetails();
  const box = id !== null && scene.boxes.get(scene.owner.get(id) || id);
  if (box) {
    bringIntoView(box);
    if (focus) box.group.focus({ preventScroll: true });
  }
}

function showDetails() {
  const panel = $('details');
  if (state.chosen === null) return state.overlay === 'health' ? showHealth() : showLegend();
  panel.replaceChildren();
  const n = nodes[state.chosen];
  const box = scene.boxes.get(state.chosen);
  if (!n) return showGroup(panel, box || boxes.get(state.chosen));
  element('h2', `${n.id}: ${boxes.get(n.id).title}`, '', panel);
  const actions = element('p', null, '', panel);
  button(state.mark === n.id ? 'Forget path start' : 'Path from here', () => { state.mark = state.mark === n.id ? null : n.id; paint(); showDetails(); }, actions);
  if (n.grad !== null && n.kind !== 'constant') button('Sum over paths', () => showPaths(n), actions);
  if (state.mark !== null && state.mark !== n.id) element('p', `Showing the paths between ${naming(state.mark)} and ${naming(n.id)}.`, 'faint', panel);
  const dl = element('dl', null, '', panel);
  const row = (name, text, className = '') => { if (text !== undefined && text !== null && text !== '') { element('dt', name, '', dl); element('dd', String(text), className, dl); } };
  row('kind', `${n.kind}, ${n.face}`);
  row('op', n.op);
  row('formula', n.formula);
  for (const [k, v] of n.params || []) row(k, v);
  row('shape', n.shape.length ? `(${n.shape.join(', ')}${n.shape.length === 1 ? ',' : ''})` : '');
  row('dtype', `${n.dtype}, ${n.bytes.toLocaleString('en')} bytes`);
  row('module', n.scope && n.scope[n.scope.length - 1]);
  row('line', n.source);
  if (!n.shape.length) row('data', n.data, Number.isFinite(n.data) ? '' : 'alarm');
  if (!n.shape.length) row('gradient', n.grad === null ? 'not computed' : n.grad, 'grad');
  row('.grad', n.stored === null ? 'not computed' : typeof n.stored === 'number' ? n.stored : size(n.stored));
  if (n.idle !== undefined) row(n.op === 'relu' ? 'dead' : 'saturated', `${Math.round(n.idle * 100)} % of the units`, n.idle > 0.5 ? 'alarm' : '');
  row('note', n.note, 'alarm');
  if (n.shape.length) {
    arrayDetails(panel, 'Data', n.data, n.shape);
    if (n.grad !== null) arrayDetails(panel, 'Gradient', n.grad, n.shape);
    else element('p', 'Gradient: not computed', 'faint', panel);
  }
  const edgeList = (title, found, other) => {
    if (!found.length) return;
    element('h3', title, '', panel);
    const ul = element('ul', null, '', panel);
    for (const e of found) {
      const li = element('li', null, '', ul);
      button(naming(e[other]), () => choose(e[other]), li).className = 'go';
      const what = e.local !== null ? `d = ${short(e.local, 6)}` : e.rule ? e.rule : e.share === null ? 'no gradient' : '';
      element('span', ` ${other === 's' ? `operand ${e.slot}` : `as operand ${e.slot}`}  `, 'faint', li);
      element('span', what, e.share === null ? 'faint' : 'derivative', li);
      if (e.share !== null) element('span', `  gives ${size(e.share)}`, '', li);
    }
  };
  edgeList('Operands', operandsOf.get(n.id) || [], 's');
  edgeList('Used by', usesOf.get(n.id) || [], 't');
}

function showGroup(panel, box) {
  if (!box) return;
  element('h2', box.full || box.title, '', panel);
  for (const [, said] of box.lines) element('p', said, '', panel);
  if (canOpen(box)) button('Expand', () => openBox(box), element('p', null, '', panel));
  else element('p', 'Its inside is not in this page, which would be too large: give depth=, collapse= or focus= to see it.', 'faint', panel);
}

function arrayDetails(panel, name, x, shape) {
  element('h3', name, name === 'Gradient' ? 'grad' : '', panel);
  const bad = (x.nan ? `, ${x.nan} NaN` : '') + (x.inf ? `, ${x.inf} infinite` : '');
  const p = element('p', null, '', panel);
  if (x.min === null || x.min === undefined) element('span', `norm ${short(x.norm)}`, '', p);
  else element('span', `from ${short(x.min)} to ${short(x.max)}, mean ${short(x.mean)}, norm ${short(x.norm)}, ${short(100 * x.zeros, 3)} % zeros`, '', p);
  if (bad) element('span', bad, 'alarm', p);
  if (x.data && x.data.length) heatMap(panel, x.data, shape, `${name} of shape ${shape.join(' by ')}`);
}

// A heat map with blue for negative and orange for positive entries; NaN and infinity are written out.
function heatMap(panel, values, shape, label) {
  const columns = shape[shape.length - 1] || 1;
  const rows = values.length / columns;
  const finite = values.filter(Number.isFinite).map(Math.abs);
  const largest = Math.max(...finite, 0) || 1;
  const cell = Math.max(14, Math.min(34, 300 / columns));
  const map = make('svg', { class: 'heat', width: columns * cell, height: rows * cell, viewBox: `0 0 ${columns * cell} ${rows * cell}`, role: 'img', 'aria-label': `${label}: ${values.map((v) => short(v, 3)).join(', ')}` });
  values.forEach((v, i) => {
    const [x, y] = [(i % columns) * cell, Math.floor(i / columns) * cell];
    const strength = Number.isFinite(v) ? Math.abs(v) / largest : 1;
    const fill = !Number.isFinite(v) ? '#000000' : v < 0 ? `rgba(0,104,163,${strength})` : `rgba(214,110,0,${strength})`;
    const rect = make('rect', { x, y, width: cell - 1, height: cell - 1, fill, stroke: 'var(--rim)', 'stroke-width': 0.5 }, map);
    make('title', {}, rect, `[${indexOf(i, shape)}] = ${v}`);
    if (!Number.isFinite(v)) make('text', { x: x + cell / 2, y: y + cell / 2 + 3, style: 'fill:#ffffff' }, map, Number.isNaN(v) ? 'NaN' : v > 0 ? '∞' : '-∞');
    else if (cell >= 30) make('text', { x: x + cell / 2, y: y + cell / 2 + 3, style: strength > 0.55 ? 'fill:#ffffff' : '' }, map, short(v, 2));
  });
  panel.append(map);
}

function indexOf(i, shape) {
  const index = [];
  for (let k = shape.length - 1; k >= 0; k -= 1) { index.unshift(i % shape[k]); i = Math.floor(i / shape[k]); }
  return index.join(', ');
}

function showLegend() {
  const panel = $('details');
  panel.replaceChildren();
  element('h2', 'Legend', '', panel);
  const legend = element('div', null, 'legend', panel);
  const kinds = { leaf: 'leaf (square)', constant: 'constant (dashed)', result: 'result (rounded)', root: 'root (double)', module: 'module (tab)', fold: 'folded (stack)' };
  for (const [kind, text] of Object.entries(kinds)) {
    if (kind !== 'root' && ![...boxes.values()].some((b) => b.kind === kind) && !(kind === 'module' && clusters.length)) continue;
    const s = element('span', text, '', legend).style;
    s.background = `var(--${kind})`;
    s.borderColor = `var(--${kind}-rim)`;
    s.borderStyle = kind === 'constant' ? 'dashed' : kind === 'root' ? 'double' : 'solid';
    s.borderRadius = kind === 'result' ? '9px' : '0';
    if (kind === 'root') s.borderWidth = '4px';
  }
  element('p', 'On each arrow: the local derivative, as a number between numbers and as a rule for arrays. In a rule, g is the gradient of the result, x, y, z are the operands in order and out is the result.', '', panel);
  element('p', 'Choose a node to see its numbers, its ancestors and its descendants. “Step” below goes through the backward pass in the order in which the engine goes.', '', panel);
  const keys = element('div', null, 'keys', panel);
  element('h3', 'Keys', '', keys);
  const dl = element('dl', null, '', keys);
  for (const [key, text] of [['← →', 'step'], ['↑ ↓', 'from node to node'], ['Enter', 'choose; collapse, expand'], ['/', 'search'], ['p', 'start of a path'], ['f', 'fit'], ['+ −', 'zoom'], ['space', 'play, pause'], ['Esc', 'clear']]) { element('dt', key, '', dl); element('dd', text, '', dl); }
}

function showPaths(n) {
  const panel = $('details');
  const { found, count, complete } = pathsFrom(n.id);
  panel.replaceChildren();
  element('h2', `Sum over paths: ${naming(n.id)}`, '', panel);
  button('Back', showDetails, element('p', null, '', panel));
  const products = found.map((f) => f.product);
  const known = products.every((x) => x !== null);
  const capped = found.length < count;
  element('p', capped ? `The first ${found.length} of ${many(count)} paths:` : `${count} path${count === 1 ? '' : 's'} to the root${complete ? '' : ' through the nodes in this page'}:`, '', panel);
  const list = element('ul', null, '', panel);
  for (const { path, product: value } of found) {
    const li = element('li', null, '', list);
    element('div', [naming(n.id), ...path.map((e) => naming(e.t))].join(' → '), 'faint', li);
    element('div', path.length ? `${path.map((e) => (e.local === null ? e.rule || '?' : parens(e.local))).join(' × ')}${value === null ? '' : ` = ${short(value, 6)}`}` : '1', 'derivative', li);
  }
  const total = known ? products.reduce((a, b) => a + b, 0) : null;
  const result = element('p', null, '', panel);
  result.id = 'path-total';
  if (!known) result.textContent = 'Products of paths are numbers only between single numbers; here they are compositions of the rules above.';
  else if (!complete) result.textContent = `Their total is ${short(total, 6)}; the others run through folded nodes that this page does not hold, and with them it is the gradient, ${size(n.grad, 6)}.`;
  else if (capped) result.textContent = `Their total is ${short(total, 6)}; with all ${many(count)} paths it is the gradient, ${size(n.grad, 6)}.`;
  else {
    const close = typeof n.grad === 'number' && Math.abs(total - n.grad) <= 1e-9 * Math.max(1, Math.abs(n.grad));
    result.textContent = `total ${short(total, 6)} ${close ? '=' : '≠'} gradient ${size(n.grad, 6)}${close ? ' ✓' : ''}`;
    result.className = close ? '' : 'alarm';
    result.dataset.total = total;
  }
}
