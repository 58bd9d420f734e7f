// A worker of BullMQ that does nothing with its jobs but read them.
//
// One worker with a concurrency: what its documents advise for jobs that wait for something else.
import { Worker } from "bullmq";

const [port, queue, concurrency] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const answer = "No answer: this is a measurement.";
const worker = new Worker(queue, async (job) => ({ page: job.data.page, answer }), {
  connection,
  concurrency: Number(concurrency),
});
worker.on("error", (error) => console.error(error));
await worker.waitUntilReady();
console.log("ready");
process.on("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
