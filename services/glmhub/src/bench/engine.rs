//! `glmhub bench engine`: how fast a file runs on this machine, and how much memory it takes.

mod asked;
mod orders;
mod questions;
mod requests;

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use engine::device::Device;
use engine::kv::KvType;
use engine::precision::TowerPrecision;
use engine::prompt::Conversation;
use engine::{Answer, Engine, LoadOptions, Parameters, Progress, Schedule, WeightType, limits};
use indicatif::{ProgressBar, ProgressStyle};
use pages::RgbPage;
use serde::Serialize;

use orders::Orders;
use questions::Questions;

const EXAMPLE: &str = "\
Examples:
  glmhub bench engine --model noise.gguf
  glmhub bench engine --model noise.gguf --context 8192 --json
  glmhub bench engine --model noise.gguf --orders 4
  glmhub bench engine --model noise.gguf --questions 8 --tokens 64 --rounds 3

noise.gguf is made by glmhub model synthesize. A file with few --layers is measured in seconds.";

/// Sends one page and one long question through a model and tells what each part took
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct EngineArgs {
    /// A GGUF file, noise or not, or a model's folder
    #[arg(long, value_name = "FILE|DIR")]
    model: PathBuf,
    /// What large matrices that are not quantised are kept in: f32, bf16 or f16
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    dtype: WeightType,
    /// What computes: cpu, cuda:N or metal:N
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    /// What keys and values are kept in: f32, f16 or q8_0 [default: f32 on cpu, f16 on cards]
    #[arg(long, value_name = "TYPE")]
    kv_cache_type: Option<KvType>,
    /// What the vision tower multiplies in: f32, or eight bits with quantised weights; or bf16
    #[arg(long, value_name = "PRECISION", default_value_t = TowerPrecision::F32)]
    tower_precision: TowerPrecision,
    /// Tokens that page, question and answer have together, nearly
    #[arg(long, value_name = "N", default_value_t = 2048)]
    context: usize,
    /// Tokens of the answer
    #[arg(long, value_name = "N", default_value_t = 16)]
    tokens: usize,
    /// Measure instead so many orders at once, each of one question on a page of its own: how much faster they are answered
    /// than one after another, and how evenly an answer is written while a page is read
    #[arg(long, value_name = "N", group = "several", conflicts_with = "context", value_parser = clap::value_parser!(u8).range(2..=8))]
    orders: Option<u8>,
    /// Measure instead so many questions on one page that nobody has read: how much sooner they are answered together than
    /// one after another, each of which reads the page anew
    #[arg(long, value_name = "N", group = "several", conflicts_with = "context", value_parser = clap::value_parser!(u8).range(2..=8))]
    questions: Option<u8>,
    /// With --orders or --questions: how often both sides take turns
    #[arg(long, value_name = "N", default_value_t = 5, requires = "several")]
    rounds: usize,
    /// With --orders: worker.page_share
    #[arg(long, value_name = "SHARE", default_value_t = Schedule::default().page_share, requires = "orders")]
    page_share: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Load the model and measure one part for each line of standard input, as bench/engine does
    #[arg(long, conflicts_with_all = ["context", "tokens", "several", "json"])]
    on_request: bool,
}

/// What was measured. Seconds, tokens a second, bytes.
#[derive(Serialize)]
struct Report {
    layers: usize,
    tower_blocks: usize,
    file_bytes: u64,
    load_seconds: f64,
    tower_seconds: f64,
    tower_seconds_a_block: f64,
    prefill_tokens: usize,
    prefill_seconds: f64,
    prefill_tokens_a_second: f64,
    decode_tokens: usize,
    decode_seconds: f64,
    decode_tokens_a_second: f64,
    read_bandwidth: f64,
    peak_memory: Option<u64>,
}

/// Measures and prints.
pub fn run(args: &EngineArgs) -> anyhow::Result<()> {
    if args.on_request {
        return requests::serve(&args.load()?);
    }
    if let Some(orders) = args.orders {
        return args.measure_orders(orders.into());
    }
    if let Some(questions) = args.questions {
        return args.measure_questions(questions.into());
    }
    let report = args.measure()?;
    args.tell(&report, |stdout| report.write(stdout))
}

impl EngineArgs {
    fn measure(&self) -> anyhow::Result<Report> {
        // Before the model: its memory is given back by then.
        let read_bandwidth = limits::read_bandwidth();
        let file_bytes = std::fs::metadata(&self.model)
            .with_context(|| format!("{} cannot be measured", self.model.display()))?
            .len();
        let start = Instant::now();
        let engine = self.load()?;
        let load_seconds = start.elapsed().as_secs_f64();
        let (prefill_tokens, answer) = self.answer(&engine)?;
        let (tower, prefill, decode) = (
            answer.timings.tower.as_secs_f64(),
            answer.timings.prefill.as_secs_f64(),
            answer.timings.decode.as_secs_f64(),
        );
        let tower_blocks = engine.config().vision.layers;
        // The first token comes out of the prompt: only the others take a pass through the model.
        let decode_tokens = answer.token_ids.len().saturating_sub(1);
        Ok(Report {
            layers: engine.config().layers,
            tower_blocks,
            file_bytes,
            load_seconds,
            tower_seconds: tower,
            tower_seconds_a_block: tower / tower_blocks as f64,
            prefill_tokens,
            prefill_seconds: prefill,
            prefill_tokens_a_second: prefill_tokens as f64 / prefill,
            decode_tokens,
            decode_seconds: decode,
            decode_tokens_a_second: decode_tokens as f64 / decode,
            read_bandwidth,
            peak_memory: peak_memory(),
        })
    }

    fn measure_orders(&self, orders: usize) -> anyhow::Result<()> {
        let measuring = Orders {
            orders,
            tokens: self.tokens,
            rounds: self.rounds.max(1),
            schedule: Schedule {
                memory_bytes: u64::MAX,
                page_share: self.page_share,
            },
        };
        let measured = measuring.measure(&self.load()?)?;
        self.tell(&measured, |stdout| measured.write(stdout))
    }

    fn measure_questions(&self, questions: usize) -> anyhow::Result<()> {
        let measuring = Questions {
            questions,
            tokens: self.tokens,
            rounds: self.rounds.max(1),
            schedule: Schedule {
                memory_bytes: u64::MAX,
                ..Schedule::default()
            },
        };
        let measured = measuring.measure(&self.load()?)?;
        self.tell(&measured, |stdout| measured.write(stdout))
    }

    /// Prints what was measured: one JSON object, or as `write` does for people.
    fn tell(
        &self,
        measured: &impl Serialize,
        write: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut stdout, measured)?;
            return Ok(writeln!(stdout)?);
        }
        Ok(write(&mut stdout)?)
    }

    fn load(&self) -> anyhow::Result<Engine> {
        let options = LoadOptions {
            synthetic: true,
            dtype: self.dtype,
            device: self.device,
            kv: self.kv_cache_type,
            tower: self.tower_precision,
            ..LoadOptions::default()
        };
        Engine::load(&self.model, &options)
            .with_context(|| format!("the model in {} cannot be loaded", self.model.display()))
    }

    fn answer(&self, engine: &Engine) -> anyhow::Result<(usize, Answer)> {
        let parameters = Parameters {
            max_new_tokens: Some(self.tokens),
            ignore_eos: true,
            ..Parameters::default()
        };
        let conversation = self.question(engine)?;
        let fit = engine.check_fit(&conversation, parameters.max_new_tokens)?;
        let style = ProgressStyle::with_template("reading the page {bar:30} {pos}/{len} {elapsed}")?;
        let bar = ProgressBar::no_length().with_style(style);
        let page = engine.encode_page_observed(&page(0), &mut |Progress { blocks_done, blocks }| {
            bar.set_length(blocks as u64);
            bar.set_position(blocks_done as u64);
            ControlFlow::Continue(())
        })?;
        bar.finish_and_clear();
        let mut session = engine.open_page(&page);
        let answer = engine.answer(&conversation, Some(&mut session), &parameters, &mut |_| {
            ControlFlow::Continue(())
        })?;
        Ok((fit.prompt_tokens, answer))
    }

    /// A question as long as the context has room for: a word again and again.
    fn question(&self, engine: &Engine) -> anyhow::Result<Conversation> {
        const WORD: &str = " a";
        let of = |words: usize| Ok::<_, anyhow::Error>(Conversation::question(&WORD.repeat(words), true)?);
        let prompt = |words| Ok::<_, anyhow::Error>(engine.check_fit(&of(words)?, Some(1))?.prompt_tokens);
        let (fixed, longer) = (prompt(1)?, prompt(101)?);
        let room = self.context.saturating_sub(self.tokens + fixed);
        of(1 + room * 100 / (longer - fixed).max(1))
    }
}

impl Report {
    fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        let Self {
            layers, tower_blocks, ..
        } = self;
        writeln!(
            to,
            "model    {layers} layers, {tower_blocks} tower blocks, {} bytes",
            self.file_bytes
        )?;
        writeln!(to, "load     {:.1} s", self.load_seconds)?;
        writeln!(
            to,
            "tower    {:.1} s, {:.2} s a block",
            self.tower_seconds, self.tower_seconds_a_block
        )?;
        writeln!(
            to,
            "prefill  {:.1} s for {} tokens, {:.1} a second",
            self.prefill_seconds, self.prefill_tokens, self.prefill_tokens_a_second
        )?;
        writeln!(
            to,
            "decode   {:.1} s for {} tokens, {:.2} a second",
            self.decode_seconds, self.decode_tokens, self.decode_tokens_a_second
        )?;
        writeln!(to, "memory is read at {:.1} GB/s", self.read_bandwidth / 1e9)?;
        if let Some(bytes) = self.peak_memory {
            writeln!(to, "peak     {:.2} GB resident", bytes as f64 / 1e9)?;
        }
        Ok(())
    }
}

/// A page of the common shape with something on it everywhere, on each number something else.
fn page(number: u32) -> RgbPage {
    let (width, height) = (1120u32, 1120u32);
    let pixel = |at: u32| ((at + 7 * number).wrapping_mul(2_654_435_761) >> 24) as u8;
    RgbPage {
        width,
        height,
        pixels: (0..width * height * 3).map(pixel).collect(),
    }
}

/// The most memory that this process has had, where the system tells: mapped files count as far as they were read.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
