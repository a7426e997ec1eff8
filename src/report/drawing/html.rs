//! A graph as one HTML file that needs nothing else: the picture, to be moved, enlarged and searched.

use super::{Drawing, escaped, svg};

const STYLE: &str = "body{margin:0;font:14px sans-serif;overflow:hidden}#bar{position:fixed;top:8px;left:8px;background:#fffd;\
padding:6px 10px;border:1px solid #ccc;border-radius:4px}svg{width:100vw;height:100vh;cursor:grab}g[data-node]{cursor:pointer}\
.picked g[data-node]:not(.near){opacity:.15}.picked path:not(.near){opacity:.06}path.near{stroke:#c0392b!important}\
.found rect{stroke:#c0392b;stroke-width:3}";

const SCRIPT: &str = "
const svg = document.querySelector('svg'), all = selector => [...svg.querySelectorAll(selector)];
const nodes = all('g[data-node]'), edges = all('path'), box = svg.viewBox.baseVal;
svg.removeAttribute('width'); svg.removeAttribute('height');
svg.addEventListener('wheel', event => {
  event.preventDefault();
  const factor = event.deltaY > 0 ? 1.15 : 1 / 1.15, area = svg.getBoundingClientRect();
  const x = box.x + box.width * event.clientX / area.width, y = box.y + box.height * event.clientY / area.height;
  box.x = x - (x - box.x) * factor; box.y = y - (y - box.y) * factor;
  box.width *= factor; box.height *= factor;
}, { passive: false });
svg.addEventListener('pointermove', event => {
  if (!event.buttons) return;
  const scale = Math.max(box.width / innerWidth, box.height / innerHeight);
  box.x -= event.movementX * scale; box.y -= event.movementY * scale;
});
const below = {}, above = {};
for (const edge of edges) {
  (below[edge.dataset.from] ||= []).push(edge); (above[edge.dataset.to] ||= []).push(edge);
}
const walk = (start, map, end) => {
  const seen = new Set([start]), used = [], left = [start];
  while (left.length) for (const edge of map[left.pop()] || []) {
    used.push(edge);
    if (!seen.has(edge.dataset[end])) { seen.add(edge.dataset[end]); left.push(edge.dataset[end]); }
  }
  return [seen, used];
};
const clear = () => { svg.classList.remove('picked'); all('.near').forEach(one => one.classList.remove('near')); };
svg.addEventListener('click', event => {
  const node = event.target.closest('g[data-node]');
  clear();
  if (!node) return;
  const [down, edgesDown] = walk(node.dataset.node, below, 'to'), [up, edgesUp] = walk(node.dataset.node, above, 'from');
  svg.classList.add('picked');
  [...edgesDown, ...edgesUp].forEach(edge => edge.classList.add('near'));
  nodes.filter(one => down.has(one.dataset.node) || up.has(one.dataset.node)).forEach(one => one.classList.add('near'));
});
document.querySelector('input').addEventListener('input', event => {
  const text = event.target.value.toLowerCase();
  const hits = nodes.filter(node => {
    const hit = text && node.querySelector('text').textContent.toLowerCase().includes(text);
    node.classList.toggle('found', !!hit);
    return hit;
  });
  if (hits.length) {
    const rect = hits[0].querySelector('rect');
    box.x = rect.x.baseVal.value - box.width / 2; box.y = rect.y.baseVal.value - box.height / 2;
  }
});
";

/// The page.
pub fn html(drawing: &Drawing, title: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body>\n{}<div id=\"bar\"><b>{title}</b>: {} nodes, {} edges; <input placeholder=\"find\"> drag to move, turn the wheel \
         to enlarge, click a node to see what it needs and what needs it</div>\n<script>{SCRIPT}</script></body></html>\n",
        svg(drawing),
        drawing.nodes.len(),
        drawing.edges.len()
    )
}
