// The graph as data: nodes, edges, the order of the passes, partial sums and paths. Nothing here touches the page.

const data = JSON.parse(document.getElementById('data').textContent);
const WORDS = { NaN: NaN, Infinity: Infinity, '-Infinity': -Infinity };
const real = (x) => (typeof x === 'string' ? WORDS[x] : x);

function decoded(x) {
  if (x === null || typeof x !== 'object') return real(x);
  const y = { ...x, norm: real(x.norm), min: real(x.min), mean: real(x.mean), max: real(x.max) };
  if (x.data) y.data = x.data.map(real);
  return y;
}

const nodes = data.nodes;
for (const [id, n] of Object.entries(nodes)) {
  n.id = id;
  n.index = Number(id.slice(1));
  for (const name of ['data', 'grad', 'stored']) n[name] = decoded(n[name]);
}
const edges = data.edges.map(([s, t, slot, local, rule, share]) => ({ s, t, slot, local: real(local), rule, share: decoded(share) }));
const operandsOf = new Map();
const usesOf = new Map();
for (const e of edges) {
  operandsOf.set(e.t, [...(operandsOf.get(e.t) || []), e]);
  usesOf.set(e.s, [...(usesOf.get(e.s) || []), e]);
}
// A tree of levels: the first is what is drawn, each other one is the inside of a group, its owner. The page has one
// that opens as asked for and, where that has modules drawn open, one in which all are closed.
let levels;
let boxes;
let links;
let clusters;

function useTree(k) {
  levels = data.trees[k].levels;
  boxes = new Map();
  levels.forEach((level, i) => {
    for (const b of level.boxes) boxes.set(b.id, Object.assign(b, { level: i, opens: null }));
    if (level.owner !== null) boxes.get(level.owner).opens = i;
  });
  links = data.trees[k].links.map(([s, t, n, edge, said]) => ({ s, t, n, edge, said }));
  clusters = levels.flatMap((level) => level.clusters);
}
useTree(0);

function short(x, digits = 4) {
  if (x === null || x === undefined) return '–';
  if (Number.isNaN(x)) return 'NaN';
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '-∞';
  const [mantissa, exponent] = x.toExponential(digits - 1).split('e');
  if (x !== 0 && (exponent < -4 || exponent >= digits)) return `${Number(mantissa)}e${exponent}`;
  return String(Number(x.toPrecision(digits)));
}

// A number, the norm of an array, or a dash for what is not computed.
function size(x, digits = 4) {
  return x === null || x === undefined ? '–' : typeof x === 'number' ? short(x, digits) : `‖${short(x.norm, digits)}‖`;
}

const parens = (x) => (x < 0 || Object.is(x, -0) ? `(${short(x, 5)})` : short(x, 5));
const naming = (id) => {
  const n = nodes[id];
  return !n ? id : n.label ? `${n.label}` : n.op ? `${id} ${boxes.has(id) ? boxes.get(id).title : n.op}` : n.face === 'number' ? short(n.data) : id;
};

// Adding two gradients: numbers, small arrays entry by entry, and null where only norms are known.
function plus(a, b) {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a && b && a.data && b.data) {
    const sum = a.data.map((v, i) => v + b.data[i]);
    return { data: sum, norm: Math.hypot(...sum) };
  }
  return null;
}

// The backward pass in the engine's order: every result that has a gradient, the last first.
const computed = Object.values(nodes).filter((n) => n.grad !== null).sort((a, b) => b.index - a.index);
const backward = [{ seed: data.roots.filter((r) => nodes[r] && nodes[r].grad !== null) }];
for (const n of computed) if (n.op) backward.push({ node: n.id });
const forward = Object.values(nodes).filter((n) => n.op).sort((a, b) => a.index - b.index).map((n) => ({ node: n.id }));

// What each node has of its gradient after k steps: computed by going through the shares in order, as the engine does.
function partialSums(steps) {
  const sums = new Map();
  const log = [];
  for (const step of backward.slice(0, steps + 1)) {
    log.length = 0;
    if (step.seed) for (const r of step.seed) sums.set(r, { value: sharesInto(r) ? seedOf(r) : nodes[r].grad, parts: 1 });
    else {
      for (const e of operandsOf.get(step.node) || []) {
        if (e.share === null) continue;
        const old = sums.get(e.s);
        const value = old ? plus(old.value, e.share) : e.share;
        sums.set(e.s, { value, parts: old ? old.parts + 1 : 1 });
        log.push({ edge: e, before: old ? old.value : undefined, after: value, parts: sums.get(e.s).parts });
      }
    }
  }
  return { sums, log: [...log] };
}

// A root that another root uses starts from a one of its own.
function seedOf(id) {
  const n = nodes[id];
  if (typeof n.grad === 'number') return 1;
  const count = n.shape.reduce((a, b) => a * b, 1);
  return n.grad.data ? { data: n.grad.data.map(() => 1), norm: Math.sqrt(count) } : null;
}

const sharesInto = (id) => (usesOf.get(id) || []).filter((e) => e.share !== null).length;

function reach(start, next) {
  const seen = new Set([start]);
  const stack = [start];
  while (stack.length) for (const x of next(stack.pop())) if (!seen.has(x)) { seen.add(x); stack.push(x); }
  return seen;
}

// Every path from a node to a root with the product of the local derivatives, up to a limit; and how many there are.
// Where one runs through nodes that the page does not hold, the list is not complete.
function pathsFrom(start, limit = 200) {
  const order = Object.values(nodes).sort((a, b) => b.index - a.index);
  const count = new Map();
  const roots = new Set(data.roots);
  const lost = new Set();
  for (const n of order) {
    let total = roots.has(n.id) ? 1 : 0;
    for (const e of usesOf.get(n.id) || []) {
      if (e.share === null) continue;
      total += count.get(e.t) || 0;
      if (!nodes[e.t] || lost.has(e.t)) lost.add(n.id);
    }
    count.set(n.id, total);
  }
  const found = [];
  const stack = [{ at: start, path: [], product: 1 }];
  while (stack.length && found.length < limit) {
    const { at, path, product } = stack.pop();
    if (roots.has(at)) found.push({ path, product });
    const uses = (usesOf.get(at) || []).filter((e) => e.share !== null && count.get(e.t));
    for (const e of [...uses].reverse()) {
      stack.push({ at: e.t, path: [...path, e], product: product === null || e.local === null ? null : product * e.local });
    }
  }
  return { found, count: count.get(start), complete: !lost.has(start) };
}

const many = (n) => (n < 1e15 ? n.toLocaleString('en') : `about ${short(n, 2)}`);
