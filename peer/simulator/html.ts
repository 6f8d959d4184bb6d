/** The report of a simulation as a page: one file that needs nothing else, neither a network nor a server. */
import { createHash } from 'node:crypto';

import { toJson } from '../../shared/escape.ts';
import { pageScript, pageText, uPlotFile } from '../web/assets.ts';
import type { ReportData } from '../web/page/report-data.ts';
import {
  distributionCard,
  figuresCard,
  messagesCard,
  nodesCard,
  plotsCard,
  replayCard,
  settingsCard,
  verdictsCard,
  violationsCard,
  type Settled,
} from './html-cards.ts';
import { histogramData, timelineData } from './html-data.ts';
import { duration, number, plural } from './html-words.ts';
import { Markup, markup } from './markup.ts';
import { passed, type RunReport } from './report.ts';
import { settingsOf } from './settings.ts';

/**
 * Makes the page.
 *
 * @param command how the run can be repeated; by default a command line that says every setting of it
 */
export function renderHtml(
  report: RunReport,
  engine: Settled,
  command = replayCommand(report, engine),
): string {
  const { timeline } = report;
  const data: ReportData = {
    timeline: timeline === null ? null : timelineData(report, timeline),
    histograms: report.distributions.map(histogramData),
  };
  const title = `Simulation of ${report.engine}, seed ${report.seed}`;
  return `${page(title, data, body(report, engine, title, data, command)).text}\n`;
}

/** A command line that repeats a run: the settings that are not at their defaults. */
export function replayCommand({ engine: name, seed, settings }: RunReport, engine: Settled): string {
  const specs = settingsOf(engine);
  const values = Object.entries(settings.values).flatMap(([name, value]) =>
    specs[name]?.initial === value ? [] : [`--${name} ${value}`],
  );
  return [
    `node peer simulate ${name} --seed ${seed}`,
    ...values,
    ...(settings.shape === 'exponential' ? [] : [`--latency-shape ${settings.shape}`]),
    ...(settings.byzantine.length === 0 ? [] : [`--byzantine ${settings.byzantine.join(',')}`]),
    ...(settings.foreign === undefined ? [] : [`--foreign ${settings.foreign.join(',')}`]),
  ].join(' ');
}

function page(title: string, data: ReportData, content: Markup): Markup {
  const json = toJson(data).replace(/</g, '\\u003c');
  const { script, modules } = inlined(pageScript('report'));
  // Only scripts that bear this are run, so none that came from the report's texts; and nothing is loaded at all.
  const nonce = createHash('sha256').update(json).update(content.text).digest('base64');
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${raw(uPlotFile('uPlot.min.css'))}</style>
<style>
${raw(pageText('style.css'))}${raw(pageText('report.css'))}</style>
</head>
<body>
${content}
<script type="application/json" id="report-data">${raw(json)}</script>
<script nonce="${nonce}">${raw(uPlotFile('uPlot.iife.min.js'))}</script>
<script type="importmap" nonce="${nonce}">${raw(JSON.stringify({ imports: modules }))}</script>
<script type="module" nonce="${nonce}">
${raw(script)}</script>
</body>
</html>`;
}

/**
 * A script of the page with all that it imports, and that those import, as modules of the same file. They are named
 * without a path: a module whose address is its own text lies nowhere, so nothing lies beside it.
 */
function inlined(source: string): { readonly script: string; readonly modules: Record<string, string> } {
  const modules: Record<string, string> = {};
  const renamed = (text: string): string =>
    text.replace(/(?<=\bfrom (['"]))\.\/([\w-]+)\.js(?=\1)/g, (_, _quote, name: string) => {
      if (!Object.hasOwn(modules, name)) {
        // Before it is there: modules may import each other.
        modules[name] = '';
        const code = Buffer.from(renamed(pageScript(name))).toString('base64');
        modules[name] = `data:text/javascript;base64,${code}`;
      }
      return name;
    });
  return { script: renamed(source), modules };
}

function body(report: RunReport, engine: Settled, title: string, data: ReportData, command: string): Markup {
  const { violations, verdicts } = report;
  const verdict = passed(report)
    ? markup`<span class="badge" data-state="good">held</span> ${plural(verdicts.length, 'checker')}, and everything held.`
    : markup`<span class="badge" data-state="bad">violated</span> ${plural(violations.length, 'violation')} of what must hold.`;
  return markup`<a class="skip-link" href="#main">Skip to the report</a>
<main class="page" id="main">
<header class="masthead">
<h1>${title}</h1>
<p class="verdict">${verdict}</p>
<ul class="facts">
<li>${plural(report.nodes.length, 'node')}, ${report.settings.byzantine.length} of them Byzantine</li>
<li>${duration(report.simulatedSeconds)} simulated</li>
<li>${number(report.events)} events</li>
<li>digest <code>${report.digest}</code></li>
</ul>
</header>
${passed(report) ? undefined : violationsCard(report)}
${figuresCard(report)}
${data.timeline === null ? undefined : plotsCard(report, data.timeline)}
${
  report.distributions.length === 0
    ? undefined
    : markup`<div class="row">${report.distributions.map((each, index) => distributionCard(each, index, data))}</div>`
}
<div class="row">
${verdictsCard(report)}
${messagesCard(report)}
</div>
${nodesCard(report)}
${settingsCard(report, engine)}
${replayCard(report, command)}
</main>`;
}

/** What is put in as it is: what the project itself has written, and JSON whose brackets are escaped. */
function raw(text: string): Markup {
  return new Markup(text);
}
