// Jobs a second through BullMQ from the first addBulk to the last completion, and calls one after another.
//
//   node measure.mjs PORT JOBS CALLS CONCURRENCY
//
// Prints one JSON object. Worker and producer are two processes, as in production.
import { spawn } from "node:child_process";
import { randomUUID, createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Queue, QueueEvents } from "bullmq";

const [port, jobs, calls, concurrency] = process.argv.slice(2).map(Number);
const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
const name = `bench-${randomUUID()}`;
// How many jobs one addBulk takes.
const BULK = 1000;
const WARM_UP = 20;

const data = (page) => ({
  page: createHash("sha256").update(String(page)).digest("hex"),
  question: "What is in line 1?",
});
// Kept, as answers of the others are.
const kept = { removeOnComplete: false };

const worker = spawn(process.execPath, [
  fileURLToPath(new URL("worker.mjs", import.meta.url)),
  String(port),
  name,
  String(concurrency),
], { stdio: ["ignore", "pipe", "inherit"] });
await new Promise((ready) => worker.stdout.once("data", ready));

const queue = new Queue(name, { connection });
const events = new QueueEvents(name, { connection });
await events.waitUntilReady();

for (let page = 0; page < WARM_UP; page += 1) {
  const job = await queue.add("ask", data(page), kept);
  await job.waitUntilFinished(events);
}

let done = 0;
const finished = new Promise((all) => {
  events.on("completed", () => {
    done += 1;
    if (done === jobs) all();
  });
});
const begun = performance.now();
for (let first = 0; first < jobs; first += BULK) {
  const some = Math.min(BULK, jobs - first);
  await queue.addBulk(
    Array.from({ length: some }, (_, n) => ({ name: "ask", data: data(WARM_UP + first + n), opts: kept })),
  );
}
const added = (performance.now() - begun) / 1000;
await finished;
const seconds = (performance.now() - begun) / 1000;

const took = [];
for (let call = 0; call < calls; call += 1) {
  const page = data(WARM_UP + jobs + call);
  const start = performance.now();
  const job = await queue.add("ask", page, kept);
  await job.waitUntilFinished(events);
  took.push(performance.now() - start);
}
took.sort((one, other) => one - other);
const at = (hundredths) => took[Math.max(0, Math.ceil((took.length * hundredths) / 100) - 1)];

console.log(JSON.stringify({
  jobs,
  added_seconds: added,
  seconds,
  jobs_a_second: jobs / seconds,
  calls,
  idle_ms: { p50: at(50), p99: at(99), max: at(100) },
}));
await events.close();
await queue.obliterate({ force: true });
await queue.close();
worker.kill("SIGTERM");
