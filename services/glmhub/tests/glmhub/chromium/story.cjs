// Two people at one hub: a reviewer approves and revokes, and whoever has sent the batch sees it start and stop on a
// page that is never loaded again.
'use strict';

const { given, open, visitor, signIn, faults, picture, finish } = require('./looking.cjs');

/** Waits until the batch's page says all of `there`, and none of `gone`. */
async function saysOf(page, there, gone) {
  await page.waitForFunction(
    ([there, gone]) => {
      const text = document.querySelector('#progress').innerText;
      return there.every((word) => text.includes(word)) && !gone.some((word) => text.includes(word));
    },
    [there, gone],
  );
}

/** What the submitter's page calls work that goes on, and work that is held. */
const GOING_ON = ['排队中', '已派发', '处理中'];
const HELD = '已搁置';

/** The submitter finds its batch by the links of the dashboard. */
async function findBatch(page, told) {
  await page.getByRole('link', { name: '批次' }).click();
  await page.locator(`a[href="/admin/batches/${told.batch}"]`).click();
  await saysOf(page, [HELD], GOING_ON);
  await page.evaluate(() => {
    globalThis.neverLoadedAgain = true;
  });
  await picture(page, told.pictures, 'story-1-held');
}

/** The reviewer reads what changed in the terms, and approves by keyboard. */
async function approve(page, told, found) {
  await page.locator(`a[href="/admin/reviews/${told.request}"]`).first().click();
  const removed = await page.locator('.diff.removed').first().textContent();
  if (!removed.includes('An older text.')) found.push(`the difference says ${removed}`);
  await picture(page, told.pictures, 'story-2-request');
  await page.getByLabel('Remark').fill('as filed');
  await page.getByRole('button', { name: 'Approve' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('active', { exact: true }).waitFor();
}

/** The reviewer is shown what stops, and revokes. */
async function revoke(page, told, found) {
  await page.getByRole('link', { name: 'Revoke…' }).click();
  const stops = await page.locator('main').innerText();
  if (!stops.includes(told.batch)) found.push(`what stops is ${stops}`);
  await picture(page, told.pictures, 'story-4-what-stops');
  await page.getByLabel('Reason').fill('the registration was withdrawn');
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('revoked', { exact: true }).waitFor();
}

async function main() {
  const told = given();
  const found = [];
  const browser = await open(told.chromium);
  const submitter = await visitor(browser, 'zh', found);
  const reviewer = await visitor(browser, 'en', found);
  await signIn(submitter, told.url, told.submitter);
  await signIn(reviewer, told.url, told.reviewer);
  await findBatch(submitter, told);
  await approve(reviewer, told, found);
  await submitter.locator('#rows .verdict .badge.good').first().waitFor();
  await saysOf(submitter, [], [HELD]);
  await picture(submitter, told.pictures, 'story-3-started');
  await revoke(reviewer, told, found);
  await saysOf(submitter, [HELD], GOING_ON);
  await picture(submitter, told.pictures, 'story-5-stopped');
  const images = await submitter.evaluate(() =>
    [...document.querySelectorAll('.thumbnail')].filter((image) => image.complete).map((image) => image.naturalWidth),
  );
  if (images.length === 0 || images.includes(0)) found.push(`the pages' images are ${images} px wide`);
  const cells = await submitter.evaluate(() => [...document.querySelectorAll('#rows tbody tr')].map((row) => row.cells.length));
  if (cells.length !== 25 || cells.some((count) => count !== 3)) found.push(`the rows have ${cells} cells`);
  if (!(await submitter.evaluate(() => globalThis.neverLoadedAgain))) found.push('the page was loaded again');
  found.push(...(await faults(submitter, 'story')));
  await browser.close();
  finish(found);
}

main();
