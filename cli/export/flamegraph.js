// Runs within the picture: zoom by click, search, details. Without it (in an <img>) the picture is whole, and still.
(function () {
  'use strict';
  const svg = document.documentElement;
  if (svg.nodeName !== 'svg') return; // pasted into a page: not ours to take over
  const byId = (id) => document.getElementById(id);
  const margin = 10;
  const rowHeight = 17;
  const narrowest = 0.3; // pixels; what is narrower is not shown
  const total = Number(svg.dataset.total);
  const details = byId('details');
  const query = byId('query');
  const matched = byId('matched');
  const reset = byId('reset');

  // In the order of the file: a frame stands behind its caller, siblings from left to right.
  const frames = Array.from(document.querySelectorAll('.frame'), (group) => ({
    group,
    rect: group.querySelector('rect'),
    text: group.querySelector('text'),
    title: group.querySelector('title').textContent,
    name: group.querySelector('title').textContent.split('\n')[0],
    start: Number(group.dataset.start),
    count: Number(group.dataset.count),
    depth: Number(group.dataset.depth),
  }));
  if (frames.length === 0) return;
  const root = frames[0];
  const frameOf = new Map(frames.map((frame) => [frame.group, frame]));
  let zoomed = root;
  let width = 1200;
  let characterWidth = 7.2;

  const isAncestor = (frame) =>
    frame.depth < zoomed.depth && frame.start <= zoomed.start && frame.start + frame.count >= zoomed.start + zoomed.count;

  function place(frame) {
    const inner = width - 2 * margin;
    const ancestor = isAncestor(frame);
    const scale = inner / Math.max(zoomed.count, 1);
    const x = ancestor ? 0 : (frame.start - zoomed.start) * scale;
    const w = ancestor ? inner : frame.count * scale;
    const inside = ancestor || (frame.depth >= zoomed.depth && x >= -0.001 && x + w <= inner + 0.001);
    const shown = inside && (w >= narrowest || frame === zoomed);
    frame.group.classList.toggle('hidden', !shown);
    frame.group.classList.toggle('ancestor', ancestor);
    if (!shown) return;
    frame.rect.setAttribute('x', (margin + x).toFixed(2));
    frame.rect.setAttribute('width', w.toFixed(2));
    frame.text.setAttribute('x', (margin + x + 3).toFixed(2));
    frame.text.textContent = shorten(frame.name, Math.floor((w - 6) / characterWidth));
  }

  function shorten(name, room) {
    const characters = Array.from(name);
    if (characters.length <= room) return name;
    return room < 3 ? '' : characters.slice(0, room - 1).join('') + '…';
  }

  function draw() {
    frames.forEach(place);
    reset.classList.toggle('hidden', zoomed === root);
  }

  function zoom(frame) {
    zoomed = frame;
    draw();
  }

  // A capital letter in what is searched for makes the search tell capitals from small letters.
  function search(text) {
    query.classList.remove('wrong');
    let pattern = null;
    if (text !== '') {
      try {
        pattern = new RegExp(text, /[A-Z]/.test(text) ? 'u' : 'iu');
      } catch (error) {
        query.classList.add('wrong');
        matched.textContent = 'not a regular expression';
        return;
      }
    }
    let count = 0;
    let until = -1; // a match within a match is counted once
    for (const frame of frames) {
      const hit = pattern !== null && frame !== root && pattern.test(frame.name);
      frame.group.classList.toggle('matched', hit);
      if (hit && frame.start >= until) {
        count += frame.count;
        until = frame.start + frame.count;
      }
    }
    svg.classList.toggle('searching', pattern !== null);
    matched.textContent = pattern === null ? '' : 'matched ' + ((100 * count) / Math.max(total, 1)).toFixed(1) + ' %';
  }

  function fit() {
    width = Math.max(svg.clientWidth || window.innerWidth, 480);
    svg.setAttribute('viewBox', '0 0 ' + width + ' ' + svg.getAttribute('height'));
    byId('right').setAttribute('transform', 'translate(' + width + ' 0)');
    const sample = byId('title');
    const length = sample.getComputedTextLength() / Math.max(sample.getNumberOfChars(), 1);
    if (length > 0) characterWidth = (length * 12) / 16; // the title has 16 pixels, frames have 12
    draw();
  }

  function groupAt(event) {
    return event.target instanceof Element ? event.target.closest('.frame') : null;
  }

  svg.addEventListener('click', (event) => {
    const group = groupAt(event);
    if (group !== null) zoom(frameOf.get(group));
  });
  svg.addEventListener('mouseover', (event) => {
    const group = groupAt(event);
    details.textContent = group === null ? ' ' : frameOf.get(group).title.replace('\n', '   ');
  });
  reset.addEventListener('click', () => zoom(root));
  query.addEventListener('input', () => search(query.value));
  window.addEventListener('resize', fit);
  window.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'f' && document.activeElement !== query) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === 'Escape') {
      if (query.value !== '') {
        query.value = '';
        search('');
      } else {
        zoom(root);
      }
      query.blur();
    }
  });

  svg.setAttribute('width', '100%');
  svg.classList.add('live');
  fit();
})();
