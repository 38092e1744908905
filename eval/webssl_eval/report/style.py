"""The page's style sheet: system fonts, light and dark, nothing from outside."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1d232a; --soft: #5b6570; --line: #d9dee4; --paper: #ffffff; --own: #eef5fb;
  --mean: #f5f6f8; --warn: #9a4a00; --right: #23734a; --wrong: #b3372b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #a3adb8; --line: #3a424b; --paper: #171b20;
  --own: #1d2a36; --mean: #20262c; --warn: #e2a15c; --right: #6cc498; --wrong: #ec8379; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 24px; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 10px; } h3 { font-size: 16px; margin: 22px 0 8px; }
p, ul { margin: 6px 0; } .soft, small { color: var(--soft); } .warn { color: var(--warn); }
code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:first-child, thead th.text, td.text { text-align: left; } thead th { vertical-align: bottom; font-weight: 600; max-width: 170px; }
tbody th { font-weight: 400; white-space: nowrap; } td.own { background: var(--own); font-weight: 600; }
tr.mean > * { background: var(--mean); font-weight: 600; } tr.total > * { border-top: 2px solid var(--ink); font-weight: 700; }
td small { display: block; font-weight: 400; max-width: 200px; margin-left: auto; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0; } .facts dt { color: var(--soft); }
.facts dd { margin: 0; }
.bars { width: 100%; height: auto; font: 12px system-ui, "DejaVu Sans", sans-serif; } .bars text { fill: var(--ink); }
.bars .group { font-size: 14px; font-weight: 700; } .bars .name { text-anchor: end; }
.bars .tick { text-anchor: middle; fill: var(--soft); }
.bars .grid { stroke: var(--line); }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 14px; }
.example { border: 1px solid var(--line); border-top: 4px solid var(--wrong); border-radius: 6px; padding: 10px; overflow: hidden; }
.example.right { border-top-color: var(--right); } .example img { max-width: 100%; max-height: 224px; min-height: 72px;
  border: 1px solid var(--line); display: block; margin-bottom: 8px; }
.example p { overflow-wrap: anywhere; white-space: pre-line; } .verdict { font-weight: 700; color: var(--wrong); }
.right .verdict { color: var(--right); } figure { margin: 12px 0; } figure img { max-width: 100%; background: #fff; }
figcaption { color: var(--soft); }
@media print { body { max-width: none; } .example, figure { break-inside: avoid; } }
"""
