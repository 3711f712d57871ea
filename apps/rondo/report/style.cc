// The page's style sheet (page.h).
//
// The strategies' colours are those of Okabe and Ito, darker on white and lighter on black, so that
// they keep a contrast of about 3 to both; the parts of bars have the light ones of Tol. Within
// drawings letters grow on narrow screens, where the drawing shrinks: the margins in chart.cc and
// the widths in labels.cc leave room for that.
#include "apps/rondo/report/page.h"

namespace apps::report {

const char kStyle[] = R"css(:root {
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5b6675; --grid: #e7eaee;
  --edge: #dfe3e8; --axis: #9aa4b1; --link: #0b62a8;
  --c0: #0072b2; --c1: #008f68; --c2: #d98a00; --c3: #c44a00; --c4: #b0568c; --c5: #3d9fd8;
  --c6: #6b7480; --c7: #8a7d00; --c8: #5b6675;
  --k0: #77aadd; --k1: #ee8866; --k2: #e8d56f; --k3: #44bb99; --k4: #bbcc33; --k5: #ffaabb;
  --k6: #b8bec6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11151b; --card: #191f27; --ink: #e6eaf0; --soft: #9aa5b3; --grid: #28303b;
    --edge: #2a323d; --axis: #5d6877; --link: #7cbcf2;
    --c0: #4a9fe3; --c1: #2bc197; --c2: #f0b13a; --c3: #f27c45; --c4: #e093c2; --c5: #9bd5fb;
    --c6: #a6afba; --c7: #cdbf4a; --c8: #9aa5b3;
    --k0: #5f94c9; --k1: #d8734f; --k2: #cdb94f; --k3: #36a385; --k4: #9fae2b; --k5: #d98a9b;
    --k6: #7b8490;
  }
}
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); }
.c3 { --c: var(--c3); } .c4 { --c: var(--c4); } .c5 { --c: var(--c5); }
.c6 { --c: var(--c6); } .c7 { --c: var(--c7); } .c8 { --c: var(--c8); }
.k0 { fill: var(--k0); } .k1 { fill: var(--k1); } .k2 { fill: var(--k2); }
.k3 { fill: var(--k3); } .k4 { fill: var(--k4); } .k5 { fill: var(--k5); }
.k6 { fill: var(--k6); }
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 0 24px 48px; max-width: 1180px; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
  Arial, sans-serif; -webkit-text-size-adjust: 100%;
}
header { padding: 36px 0 8px; }
h1, h3 { overflow-wrap: anywhere; }
h1 { margin: 0 0 18px; font-size: 28px; font-weight: 650; line-height: 1.2; }
h2 { margin: 40px 0 14px; font-size: 20px; font-weight: 600; }
h3 { margin: 0 0 6px; font-size: 15px; font-weight: 600; line-height: 1.35; }
p { margin: 0 0 12px; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 14px; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px 36px; margin: 0 0 18px; }
.tiles b { display: block; font-size: 22px; font-weight: 600; line-height: 1.2; }
.tiles span { color: var(--soft); font-size: 13px; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 18px; }
.figures > * { grid-column: 1 / -1; }
.figures > figure { grid-column: auto; }
.figures > figure.wide { grid-column: 1 / -1; }
figure {
  margin: 0; padding: 16px 18px 14px; background: var(--card); border: 1px solid var(--edge);
  border-radius: 10px; min-width: 0;
}
figure.wide { display: grid; grid-template-columns: minmax(0, 1fr) 230px; column-gap: 26px;
  grid-template-rows: auto auto 1fr; }
figure.wide h3 { grid-column: 1 / -1; }
figure.wide .chart { grid-column: 1; grid-row: 2 / 4; }
figure.wide .legend { grid-column: 2; grid-row: 2; flex-direction: column; margin-top: 24px; }
figure.wide figcaption { grid-column: 2; grid-row: 3; }
figcaption, .caption { color: var(--soft); font-size: 13px; line-height: 1.45; }
figcaption { margin-top: 6px; max-width: 75ch; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 6px; font-size: 13px;
  color: var(--soft); }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.legend svg { width: 22px; height: 14px; flex: none; }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.wide svg text { font-size: 11px; }
svg text.name { fill: var(--ink); }
svg text.label { fill: var(--c); font-weight: 600; paint-order: stroke; stroke: var(--card);
  stroke-width: 3px; stroke-linejoin: round; }
.grid { stroke: var(--grid); fill: none; }
.axis { stroke: var(--axis); fill: none; }
.line { stroke: var(--c); fill: none; stroke-width: 2; stroke-linejoin: round;
  stroke-linecap: round; }
.line[stroke-width="1"] { stroke-width: 1; } .line[stroke-width="1.3"] { stroke-width: 1.3; }
.line[stroke-width="1.5"] { stroke-width: 1.5; }
.line[stroke-width="7"] { stroke-width: 7; stroke-linecap: butt; }
.dash { stroke-dasharray: 5 4; }
.band { fill: var(--c); fill-opacity: 0.16; stroke: none; }
.mark { fill: var(--c); stroke: var(--card); stroke-width: 1.2; }
.cross { stroke: var(--c); stroke-width: 2.4; fill: none; stroke-linecap: round; }
.spread { stroke: var(--c); stroke-width: 1.2; stroke-opacity: 0.7; fill: none; }
.stroke { stroke: var(--soft); stroke-opacity: 0.75; fill: none; }
.rule { stroke: var(--ink); stroke-width: 2.2; fill: none; }
.table { overflow-x: auto; background: var(--card); border: 1px solid var(--edge);
  border-radius: 10px; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; font-size: 12.5px; line-height: 1.3; white-space: normal;
  vertical-align: bottom; border-bottom: 1px solid var(--edge); }
td { border-top: 1px solid var(--grid); }
tbody tr:first-child td { border-top: 0; }
.n { text-align: right; }
.dot { display: inline-block; width: 9px; height: 9px; margin-right: 8px; border-radius: 50%;
  background: var(--c); }
ul { margin: 0; padding-left: 20px; }
li { margin: 0 0 6px; overflow-wrap: anywhere; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
@media (max-width: 760px) {
  body { padding: 0 14px 32px; }
  header { padding-top: 22px; }
  h1 { font-size: 23px; }
  .figures { grid-template-columns: minmax(0, 1fr); gap: 12px; }
  figure { padding: 12px 12px 10px; }
  figure.wide { display: block; }
  figure.wide .legend { flex-direction: row; margin-top: 0; }
  svg text { font-size: 14.5px; }
  .wide svg text { font-size: 17px; }
}
@media print { body { max-width: none; } figure, .table { break-inside: avoid; } }
)css";

}  // namespace apps::report
