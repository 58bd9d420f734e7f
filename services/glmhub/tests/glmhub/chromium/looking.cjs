// What every script in Chromium does: opens it, notes what its pages complain of, and has axe look at them.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** The rules of WCAG 2.2, levels A and AA. */
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];
const LOCALES = { en: 'en-GB', zh: 'zh-CN' };
const WIDE = { width: 1200, height: 800 };
/** As wide as WCAG 1.4.10 has it: nothing may need scrolling to the side. */
const NARROW = { width: 320, height: 640 };

/** All that the tests tell a script, as one JSON object on stdin. */
const given = () => JSON.parse(fs.readFileSync(0, 'utf8'));

/** Chromium without its sandbox: it is started by root in containers, and looks at the tests' own hub only. */
const open = (executable) =>
  chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** A visitor with cookies and a language of its own; what its pages complain of is put into `complaints`. */
async function visitor(browser, language, complaints) {
  const context = await browser.newContext({ locale: LOCALES[language], viewport: WIDE, reducedMotion: 'reduce' });
  context.setDefaultTimeout(30000);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error}`));
  page.on('console', (message) => {
    // That a page was answered with an error is looked at where the page is, and htmx says that a stream has ended when its
    // page is left.
    const expected = /^(Failed to load resource|\[object Event\])/.test(message.text());
    if (message.type() === 'error' && !expected) complaints.push(`${page.url()}: ${message.text()}`);
  });
  return page;
}

/** Opens a session with a link of `glmhub admin link`, by its button. */
async function signIn(page, url, link) {
  await page.goto(`${url}/admin/sign-in?link=${link}`);
  await Promise.all([page.waitForURL(/\/admin\/reviews/), page.click('main form button')]);
}

/** What axe finds on a page, in light and, as to colours, in the dark; and whether it fits a narrow window. */
async function faults(page, name) {
  const found = [];
  const look = async (scheme, only) => {
    await page.emulateMedia({ colorScheme: scheme });
    const result = await page.evaluate((options) => globalThis.axe.run(document, options), { runOnly: only });
    for (const violation of result.violations) {
      const places = violation.nodes.slice(0, 3).map((node) => `${node.html} (${node.failureSummary})`);
      found.push(`${name}, ${scheme}: ${violation.id}: ${violation.help}\n  ${places.join('\n  ')}`);
    }
  };
  await page.evaluate(axe);
  await look('light', { type: 'tag', values: WCAG });
  await look('dark', { type: 'rule', values: ['color-contrast'] });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(NARROW);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) found.push(`${name}: it is ${over} px wider than a window of ${NARROW.width} px`);
  await page.setViewportSize(WIDE);
  return found;
}

/** Keeps a picture of the page. */
async function picture(page, folder, name) {
  fs.mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/** Ends well if nothing was found; else says what. */
function finish(found) {
  if (found.length > 0) {
    console.error(found.join('\n'));
    process.exitCode = 1;
  }
}

module.exports = { given, open, visitor, signIn, faults, picture, finish };
