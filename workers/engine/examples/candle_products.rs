//! candle's side of `bench/engine`: the matrix products of a language model, as candle does them with quantised weights.
//!
//! `candle_products FILE`: a GGUF file in llama.cpp's names. Each line of standard input is answered with seconds; what
//! stands between the products (norms, attention, gates) is left out, which flatters it.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::time::Instant;

use candle_core::quantized::{QMatMul, gguf_file};
use candle_core::{DType, Device, Module as _, Result, Tensor, bail};

/// Rows that go through the layers at one time.
const CHUNK: usize = 512;

struct Layer {
    /// Each with the width of its rows.
    products: Vec<(QMatMul, usize)>,
}

struct Model {
    layers: Vec<Layer>,
    output: (QMatMul, usize),
}

impl Model {
    fn load(path: &str) -> Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let content = gguf_file::Content::read(&mut file)?;
        let mut matrix = |name: &str| {
            let tensor = content.tensor(&mut file, &format!("{name}.weight"), &Device::Cpu)?;
            let width = tensor.shape().dims2()?.1;
            Ok::<_, candle_core::Error>((QMatMul::from_qtensor(tensor)?, width))
        };
        let output = matrix("output")?;
        let mut layers = Vec::new();
        let named = |layer: usize, name: &str| format!("blk.{layer}.{name}");
        while content
            .tensor_infos
            .contains_key(&named(layers.len(), "attn_qkv.weight"))
        {
            let names = ["attn_qkv", "attn_output", "ffn_up", "ffn_down"];
            let products = names.map(|name| matrix(&named(layers.len(), name)));
            let products = products.into_iter().collect::<Result<_>>()?;
            layers.push(Layer { products });
        }
        Ok(Self { layers, output })
    }

    fn take_in(&self, rows: usize) -> Result<()> {
        for first in (0..rows).step_by(CHUNK) {
            let count = CHUNK.min(rows - first);
            for (product, width) in self.layers.iter().flat_map(|layer| &layer.products) {
                product.forward(&Tensor::ones((count, *width), DType::F32, &Device::Cpu)?)?;
            }
        }
        let (product, width) = &self.output;
        product.forward(&Tensor::ones((1, *width), DType::F32, &Device::Cpu)?)?;
        Ok(())
    }

    fn measure(&self, asked: &str) -> Result<f64> {
        let numbers: Vec<usize> = asked
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let start = Instant::now();
        match numbers[..] {
            [rows] => self.take_in(rows)?,
            [_, tokens] => (0..tokens).try_for_each(|_| self.take_in(1))?,
            _ => bail!("{asked:?} is neither prefill ROWS nor decode CONTEXT TOKENS"),
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

fn main() -> Result<()> {
    let Some(path) = std::env::args().nth(1) else {
        bail!("a file has to be named");
    };
    let model = Model::load(&path)?;
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lines() {
        writeln!(stdout, "{}", model.measure(&line?)?)?;
        stdout.flush()?;
    }
    Ok(())
}
