//! `glmhub ask`: answers on this machine, without a hub.

mod messages;
mod output;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use engine::device::Device;
use engine::kv::KvType;
use engine::precision::TowerPrecision;
use engine::prompt::Conversation;
use engine::sampling::Sampling;
use engine::{EncodedPage, Engine, LoadOptions, Parameters, Progress, WeightType};
use indicatif::{ProgressBar, ProgressStyle};
use pages::{Limits, RgbPage};

use output::Stream;

const EXAMPLE: &str = "\
Examples:
  glmhub ask --model glm-4v-9b --image invoice.png --question 'What is the total amount?'
  glmhub ask --model glm-4v-9b --image invoice.png --question 'Who sells?' --question 'Who buys?'
  glmhub ask --model glm-4v-9b --messages conversation.json --temperature 0.8 --top-p 0.8 --json

conversation.json, the image's path relative to this file:
  [{\"role\": \"user\", \"content\": \"What is the total amount?\", \"image\": \"invoice.png\"}]";

/// Answers questions about an image, or without one, on this machine and offline
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct AskArgs {
    /// A GGUF file from `glmhub model quantize`, or the model's folder: config.json, the tokenizer's two files and
    /// the safetensors files
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The page that the questions are about: PNG, JPEG, WebP, TIFF, BMP or GIF
    #[arg(long, value_name = "FILE", conflicts_with = "messages")]
    image: Option<PathBuf>,
    /// The question. Several are answered one by one, in their order; the page is read once for all of them
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "messages",
        conflicts_with = "messages"
    )]
    question: Vec<String>,
    /// A whole conversation instead: a JSON list of {"role", "content", "image"?}
    #[arg(long, value_name = "FILE.json")]
    messages: Option<PathBuf>,
    /// Tokens that the answer may have [default: 1024, or what the context has left]
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<NonZeroUsize>,
    /// Draw tokens at random, the likelier the more often; 0 always takes the likeliest [default: 0]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = temperature)]
    temperature: Option<f64>,
    /// Draw only from the fewest likeliest tokens whose probabilities reach P
    #[arg(long, value_name = "P", value_parser = top_p)]
    top_p: Option<f64>,
    /// Draw only from the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = top_k)]
    top_k: Option<usize>,
    /// Above 1 makes what was said already less likely
    #[arg(long, value_name = "R", default_value_t = 1.0, value_parser = repetition_penalty)]
    repetition_penalty: f64,
    /// The same seed draws the same tokens
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Go on to --max-new-tokens, whatever the model says
    #[arg(long)]
    ignore_eos: bool,
    /// Report the K likeliest tokens at each place, with --json
    #[arg(long, value_name = "K", default_value_t = 0, requires = "json")]
    top_logprobs: usize,
    /// What the large matrices are kept in: f32, bf16 or f16
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    dtype: WeightType,
    /// What computes: cpu, cuda:N or metal:N
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    /// What keys and values are kept in: f32, f16 or q8_0 [default: f32 on cpu, f16 on cards]
    #[arg(long, value_name = "TYPE")]
    kv_cache_type: Option<KvType>,
    /// What the vision tower multiplies in: f32, which is exact, or bf16, which is faster where the processor has products of
    /// it. Quantised weights are multiplied in eight bits instead of f32, which is faster than bf16 and less near
    #[arg(long, value_name = "PRECISION", default_value_t = TowerPrecision::F32)]
    tower_precision: TowerPrecision,
    /// Print one JSON object for each answer, on a line of its own, instead of text as it comes
    #[arg(long)]
    json: bool,
}

/// Answers as `args` say and prints the answers. Errors say what to do.
pub fn run(args: AskArgs) -> anyhow::Result<()> {
    let (conversations, image) = args.conversations()?;
    // The page is decoded before the model is loaded: what is wrong with it shows at once.
    let page = image.as_deref().map(read_page).transpose()?;
    let start = Instant::now();
    let engine = load(&args)?;
    let load_time = start.elapsed();
    let parameters = args.parameters();
    for conversation in &conversations {
        engine.check_fit(conversation, parameters.max_new_tokens)?;
    }
    let encoded = page.map(|page| encode(&engine, &page)).transpose()?;
    let mut session = encoded.as_ref().map(|page| engine.open_page(page));
    for conversation in &conversations {
        if args.json {
            let answer = engine.answer(conversation, session.as_mut(), &parameters, &mut |_| {
                ControlFlow::Continue(())
            })?;
            output::print_json(&answer, load_time, parameters.top_logprobs > 0)?;
        } else {
            let mut stream = Stream::new();
            let answer = engine.answer(conversation, session.as_mut(), &parameters, &mut |token| {
                stream.show(&token.text)
            })?;
            stream.finish(&answer.text)?;
        }
    }
    Ok(())
}

impl AskArgs {
    /// What is asked, and the file of its image.
    fn conversations(&self) -> anyhow::Result<(Vec<Conversation>, Option<PathBuf>)> {
        if let Some(file) = &self.messages {
            let (conversation, image) = messages::read(file)?;
            return Ok((vec![conversation], image));
        }
        let with_image = self.image.is_some();
        let of = |question: &String| Conversation::question(question, with_image);
        let conversations = self.question.iter().map(of).collect::<Result<_, _>>()?;
        Ok((conversations, self.image.clone()))
    }

    fn parameters(&self) -> Parameters {
        // Top-p and top-k say how to draw, so who gives one of them asks for drawing.
        let draws = self.top_p.is_some() || self.top_k.is_some();
        Parameters {
            max_new_tokens: self.max_new_tokens.map(NonZeroUsize::get),
            sampling: Sampling {
                temperature: self.temperature.or(draws.then_some(1.0)),
                top_p: self.top_p,
                top_k: self.top_k,
                repetition_penalty: self.repetition_penalty,
                seed: self.seed,
            },
            ignore_eos: self.ignore_eos,
            top_logprobs: self.top_logprobs,
            ..Parameters::default()
        }
    }
}

/// Parses a number into a setting and lets the engine judge its range.
fn setting<T>(text: &str, set: impl Fn(T, &mut Sampling)) -> Result<T, String>
where
    T: std::str::FromStr<Err: std::fmt::Display> + Copy,
{
    let value = text.parse().map_err(|error: T::Err| error.to_string())?;
    let mut sampling = Sampling::default();
    set(value, &mut sampling);
    sampling
        .validate()
        .map(|()| value)
        .map_err(|error| error.to_string())
}

fn temperature(text: &str) -> Result<f64, String> {
    setting(text, |value, sampling| sampling.temperature = Some(value))
}

fn top_p(text: &str) -> Result<f64, String> {
    setting(text, |value, sampling| sampling.top_p = Some(value))
}

fn top_k(text: &str) -> Result<usize, String> {
    setting(text, |value, sampling| sampling.top_k = Some(value))
}

fn repetition_penalty(text: &str) -> Result<f64, String> {
    setting(text, |value, sampling| sampling.repetition_penalty = value)
}

fn read_page(file: &Path) -> anyhow::Result<RgbPage> {
    let limits = Limits::default();
    let about = || format!("the image {}", file.display());
    let length = std::fs::metadata(file).with_context(about)?.len();
    limits.check_bytes(length).with_context(about)?;
    let bytes = std::fs::read(file).with_context(about)?;
    pages::decode(&bytes, &limits).with_context(about)
}

fn load(args: &AskArgs) -> anyhow::Result<Engine> {
    let dir = &args.model;
    if !dir.is_dir() && !dir.is_file() {
        bail!(
            "{} is no folder: give --model the folder with the model's config.json and weights, or a GGUF file",
            dir.display()
        );
    }
    Engine::load(
        dir,
        &LoadOptions {
            dtype: args.dtype,
            device: args.device,
            kv: args.kv_cache_type,
            tower: args.tower_precision,
            ..LoadOptions::default()
        },
    )
    .with_context(|| format!("the model in {} cannot be loaded", dir.display()))
}

/// Sends the page through the tower; a terminal sees how far it is.
fn encode(engine: &Engine, page: &RgbPage) -> anyhow::Result<EncodedPage> {
    let style = ProgressStyle::with_template("reading the page {bar:30} {pos}/{len} {elapsed}")?;
    // Draws on stderr, and on a terminal only.
    let bar = ProgressBar::no_length().with_style(style);
    let encoded = engine.encode_page_observed(page, &mut |Progress { blocks_done, blocks }| {
        bar.set_length(blocks as u64);
        bar.set_position(blocks_done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    Ok(encoded?)
}

/// A duration in the JSON object.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
